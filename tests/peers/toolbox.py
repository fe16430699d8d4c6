"""The clients at the versions that the README names, in environments apart from the one that runs the tests.

Apart, because together they pin some forty libraries, of which authproxy uses a few itself; and pinned, because a table that
says what a client does is about that client. Other tests run whatever twine, uv and pip are newest.
"""

import fcntl
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

ROOT = Path(__file__).parents[2]
INSTALLED_WITHIN = 300.0  # seconds; from a warm cache it takes two

# What is tested by its version, and what stands beside it so that it starts.
VERSIONS: Mapping[str, str] = MappingProxyType(
    {
        "devpi-client": "7.3.0",
        "flit": "4.2",
        "hatch": "1.18.2",
        "pdm": "2.29.3",
        "pip": "26.3",
        "poetry": "2.5.1",
        "twine": "7.0.0",
        "uv": "0.13.9",
    }
)
BESIDE = (
    "hishel[httpx]==1.2.1",  # with newer ones pdm 2.29.3 does not start
    "unearth==0.18.2",
)
# twine 3.8 is of 2022 and names no upper bound; `packaging` it imports without asking for it.
OLD_TWINE = "3.8.0"
OLD_BESIDE = ("importlib-metadata==7.2.1", "packaging==24.2", "pkginfo==1.12.1.2")
# A keyring in a file: there is no desktop here to have one. Apart, as by pipx: pip calls no `keyring` of its own environment.
KEYRING = ("keyring==25.7.0", "keyrings.alt==5.0.2")


# Clients that ask a keyring within themselves, and authproxy beside them: as little of it as its keyring backend loads.
ASKING = (*KEYRING, "flit==4.2", "twine==7.0.0", "pip==26.3", "click>=8.2", "packaging>=24.2")


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The folders of programs: today's clients, the twine of those who have not updated for years, and `keyring`."""

    today: Path
    old: Path
    keyring: Path


def toolbox(folder: Path) -> Toolbox:
    """Install what is not there yet. Skips the test where there is no network to install from."""
    today = [*(f"{name}=={version}" for name, version in VERSIONS.items()), *BESIDE]
    return Toolbox(
        _environment(folder / "today", *today),
        _environment(folder / "old", f"twine=={OLD_TWINE}", *OLD_BESIDE),
        _environment(folder / "keyring", *KEYRING),
    )


def with_backend(folder: Path) -> Path:
    """An environment with the clients of ASKING and this checkout, as `pip install` makes it; its programs."""
    programs = _environment(folder, *ASKING)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _uv("pip", "install", "--quiet", "--no-deps", "--python", programs / "python", "--editable", ROOT)
    return programs


def _environment(folder: Path, *requirements: str) -> Path:
    """A virtual environment with these; its programs. Whoever of several processes comes second finds it made."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    ready = folder / "ready"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            _uv("venv", "--quiet", "--clear", "--python", sys.executable, folder)
            _uv("pip", "install", "--quiet", "--python", folder / "bin" / "python", *requirements)
            ready.touch()
    return folder / "bin"


def _uv(*arguments: str | Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    ran = subprocess.run([uv, *arguments], capture_output=True, text=True, timeout=INSTALLED_WITHIN, check=False)
    if ran.returncode != 0:
        pytest.skip(f"the clients could not be installed: {ran.stderr.strip()[-300:]}")
