"""A Debian of its own with systemd as its first process: made by mmdebstrap, booted by systemd-nspawn, without a network.

Real units need a real systemd, and a container's is one. Its network has loopback and nothing else, so the ports that
stand in the guide are free; `here` runs a program of this machine in that network.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.buildah import CERTIFICATES, PATIENCE, descendants
from tests.peers.clients import Client, Ran
from tests.peers.programs import Program, clean_environment

SUITE = "bookworm"  # the oldest that the guide names
_INCLUDED = ("bash", "ca-certificates", "dbus", "procps", "python3", "python3-venv", "systemd", "systemd-sysv")
_NEEDED = ("mmdebstrap", "systemd-nspawn", "nsenter")
_BOOTED_WITHIN = 60.0  # seconds
# Nothing is registered with a systemd of this machine, where there may be none.
_APART = ("--quiet", "--register=no", "--keep-unit", "--console=pipe")


def need_nspawn() -> None:
    """Skip where no Debian can be booted, and say what is missing."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"booting a Debian takes {', '.join(missing)}: apt install mmdebstrap systemd-container")
    if os.geteuid() != 0:
        pytest.skip("booting a Debian takes root")


def make(root: Path) -> None:
    """A small Debian in a folder, with a `sudo` that is content with root."""
    argv = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(_INCLUDED)}", SUITE, root]
    made = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL)
    assert made.returncode == 0, made.stderr
    (root / "usr/local/bin/sudo").write_text('#!/bin/sh\nexec "$@"\n', encoding="ascii")
    (root / "usr/local/bin/sudo").chmod(0o755)


def prepare(root: Path, folder: str, commands: Sequence[str]) -> Ran:
    """Run commands in it before it is booted, in one of its folders, with the network of this machine."""
    trusted = os.environ.get("SSL_CERT_FILE", CERTIFICATES)
    bound = [f"--bind-ro={trusted}:{CERTIFICATES}"] if Path(trusted).exists() else []
    argv = ["systemd-nspawn", *_APART, "--as-pid2", "--resolv-conf=copy-host", *bound, f"--chdir={folder}", "-D", root]
    return Client(root.parent).run([*argv, "bash", "-euc", "\n".join(commands)])


@dataclass(frozen=True, slots=True)
class Debian:
    """A Debian that is running."""

    root: Path
    leader: int  # its systemd, as this machine numbers it

    def run(self, folder: str, commands: Sequence[str]) -> Ran:
        """Type commands into root's shell; the first that fails ends them."""
        script = "\n".join([f"cd {folder}", "export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", *commands])
        argv = [
            "nsenter",
            "--target",
            str(self.leader),
            *["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"],
        ]
        return Client(self.root.parent).run([*argv, "--", "bash", "-euc", script])

    def here(self, *argv: str | Path) -> list[str | Path]:
        """What runs a program of this machine in its network."""
        return ["nsenter", "--target", str(self.leader), "--net", "--", *argv]


@contextmanager
def booted(root: Path) -> Iterator[Debian]:
    """Boot it; in the end the power is cut: systemd-nspawn leaves a systemd behind where it is killed itself."""
    argv = ["systemd-nspawn", *_APART, "--private-network", "--boot", "-D", root]
    program = Program(argv, log=root.parent / "boot.log", env=clean_environment(root.parent))
    try:
        yield _awaited(program, root)
    finally:
        for leader in descendants(program.pid)[:1]:
            os.kill(leader, signal.SIGKILL)  # the first process of a PID namespace takes all others along
        program.stop()


def _awaited(program: Program, root: Path) -> Debian:
    deadline = time.monotonic() + _BOOTED_WITHIN
    while time.monotonic() < deadline and program.is_alive():
        for leader in descendants(program.pid)[:1]:
            debian = Debian(root, leader)
            if debian.run("/", ["systemctl is-system-running --wait"]).said.strip() in {"running", "degraded"}:
                return debian
        time.sleep(0.5)
    pytest.skip(f"systemd-nspawn boots nothing on this machine: {program.output()[-300:]}")
