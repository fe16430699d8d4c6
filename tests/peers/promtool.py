"""Prometheus' promtool: AUTHPROXY_PROMTOOL, the one on the PATH, or Debian's, unpacked and not installed."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

LOADED_WITHIN = 120.0  # seconds for 20 MB
CHECKED_WITHIN = 60.0
_PACKAGE = "prometheus"


def promtool(folder: Path) -> Path:
    """The program; `folder` keeps a copy that had to be fetched. Skips the test where it cannot be had."""
    named = os.environ.get("AUTHPROXY_PROMTOOL") or shutil.which("promtool")
    if named:
        return Path(named)
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("promtool is not installed: it comes with Prometheus, or name it by AUTHPROXY_PROMTOOL")
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "usr" / "bin" / "promtool"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several processes of one run the first fetches it
        if not program.exists():
            _fetch(folder)
    return program


def _fetch(folder: Path) -> None:
    for argv in (["apt-get", "-q", "download", _PACKAGE], None):
        ran = subprocess.run(
            argv or ["dpkg-deb", "-x", *map(str, folder.glob(f"{_PACKAGE}_*.deb")), str(folder)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=LOADED_WITHIN,
            check=False,
        )
        if ran.returncode != 0:
            pytest.skip(f"promtool could not be fetched from Debian: {ran.stderr.strip()[-200:]}")


def run(program: Path, *arguments: str | Path, said: str = "") -> tuple[int, str]:
    """Run it; its exit code and all that it said. `said` goes to its stdin."""
    ran = subprocess.run(
        [program, *arguments], input=said, capture_output=True, text=True, timeout=CHECKED_WITHIN, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr
