"""`.ci/install`, by which make gets everything it needs: what it says on a machine that lacks something."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SYSTEM = ("sh", "dirname", "env")  # what the script itself calls


def machine(folder: Path, **programs: str) -> dict[str, str]:
    """An environment whose PATH has a shell and these programs, each a line of shell."""
    folder.mkdir()
    for name in SYSTEM:
        found = next(p for p in (Path("/usr/bin") / name, Path("/bin") / name) if p.exists())
        (folder / name).symlink_to(found)
    for name, line in programs.items():
        path = folder / name.replace("_", ".")
        path.write_text(f"#!/bin/sh\n{line}\n", encoding="ascii")
        path.chmod(0o755)
    return {"PATH": str(folder), "HOME": str(folder), "VENV": str(folder / "venv")}


def install(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", ROOT / ".ci" / "install", "demo"], env=env, capture_output=True, text=True, timeout=60, check=False
    )


TOO_OLD = 'case "$*" in *"sys.exit(sys.version_info"*) exit 1;; esac'
NO_VENV = 'case "$*" in *ensurepip*) exit 1;; *version_info*2*) echo 3.12;; esac'
SHIM = "echo 'not installed in this version' >&2; exit 127"


@pytest.mark.parametrize(
    ("programs", "sentence"),
    [
        pytest.param({}, "no Python 3.11 or newer was found", id="no python at all"),
        pytest.param({"python3": TOO_OLD}, "no Python 3.11 or newer was found", id="a python that is too old"),
        pytest.param({"python3_12": SHIM}, "no Python 3.11 or newer was found", id="a shim that runs nothing"),
        pytest.param({"python3": NO_VENV}, "has no venv module: install it", id="Debian's python without python3-venv"),
        pytest.param({"uv": "exit 1"}, "uv could not make", id="uv that finds and gets no python"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(tmp_path: Path, programs: dict[str, str], sentence: str) -> None:
    """One line that names what to install, no traceback, and nothing half made."""
    env = machine(tmp_path / "bin", **programs)
    ran = install(env)
    assert ran.returncode == 1
    assert ran.stdout == ""
    [line] = ran.stderr.splitlines()
    assert line.startswith("authproxy: ")
    assert sentence in line
    assert not Path(env["VENV"]).exists()


def test_the_newest_python_with_wheels_is_taken_first(tmp_path: Path) -> None:
    """A python3 that is too old does not matter where python3.12 stands beside it; its own venv and pip are used."""
    fake = (
        'case "$*" in *"-m venv"*) for last; do :; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python";; '
        f'*"-m pip"*) echo "$@" > {tmp_path}/asked;; esac'
    )
    env = machine(tmp_path / "bin", python3=TOO_OLD, python3_12=fake)
    for name in ("mkdir", "cp"):
        found = next(p for p in (Path("/usr/bin") / name, Path("/bin") / name) if p.exists())
        (tmp_path / "bin" / name).symlink_to(found)
    ran = install(env)
    assert (ran.returncode, ran.stderr) == (0, f"installing into {env['VENV']} (about a minute, once) ...\n")
    assert "--editable .[demo]" in (tmp_path / "asked").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "extras"),
    [
        ([], "demo"),
        (["ARGS=--self-test"], "demo"),
        (["ARGS=--upstream devpi --self-test"], "demo-devpi"),
        (["ARGS=--oidc --upstream devpi"], "demo-oidc"),
    ],
    ids=["plain", "self test", "devpi", "ID tokens"],
)
def test_the_demo_installs_the_index_that_it_is_asked_for(arguments: list[str], extras: str, tmp_path: Path) -> None:
    """`make demo ARGS="--upstream devpi"` brings a devpi-server along, and `make demo` does not."""
    planned = subprocess.run(
        ["make", "-n", "demo", f"VENV={tmp_path}", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert planned.stdout.splitlines()[0].endswith(f".ci/install {extras}")


def test_make_explains_itself() -> None:
    """`make` alone lists what can be made, and starts nothing."""
    ran = subprocess.run(
        ["make"], cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0
    assert {"make demo", "make test", "make check", "make bench"} <= {
        line[:10].strip() for line in ran.stdout.splitlines()
    }
