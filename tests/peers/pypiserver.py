"""A real pypiserver that knows nothing of keys."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import bcrypt

from tests.peers.ports import LOOPBACK, Address, reserved_port, wait_until_open
from tests.peers.programs import Program, clean_environment

Server = Literal["auto", "wsgiref", "gunicorn"]
SERVERS: tuple[Server, ...] = (
    "auto",
    "wsgiref",
    "gunicorn",
)  # auto is waitress, where that is installed, as it is here
BCRYPT_COST = 4  # the least there is; what is tested is that the password is asked for, not how dear it is


@dataclass(frozen=True)
class PypiServer:
    """Where it listens, and the folder in which it keeps its files."""

    address: Address
    packages: Path
    program: Program
    server: str
    username: str | None = None
    password: str | None = None

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}/"

    def files(self) -> dict[str, bytes]:
        """What the index holds, by file name."""
        return {path.name: path.read_bytes() for path in self.packages.rglob("*") if path.is_file()}


@contextmanager
def pypiserver(
    folder: Path,
    *,
    server: Server = "auto",
    htpasswd: tuple[str, str] | None = None,
    protect: str = "update",
    fallback: bool = False,
) -> Iterator[PypiServer]:
    """Run pypiserver on a port of its own: open to everybody (`-P . -a .`), or asking for `htpasswd` where `protect` says.

    `fallback` is pypiserver's default: unknown projects are redirected to PyPI. (No test follows that.)
    """
    packages = folder / "packages"
    packages.mkdir(parents=True)
    port = reserved_port()
    argv = [sys.executable, "-m", "pypiserver", "run", "-i", LOOPBACK, "-p", str(port), "--server", server, "-v"]
    argv += [] if fallback else ["--disable-fallback"]
    argv += ["-P", ".", "-a", "."] if htpasswd is None else ["-P", str(_htpasswd(folder, *htpasswd)), "-a", protect]
    program = Program([*argv, str(packages)], log=folder / "pypiserver.log", env=clean_environment(folder), cwd=folder)
    try:
        wait_until_open((LOOPBACK, port), program.is_alive)
        username, password = htpasswd or (None, None)
        yield PypiServer((LOOPBACK, port), packages, program, server, username, password)
    finally:
        program.stop()


def _htpasswd(folder: Path, username: str, password: str) -> Path:
    path = folder / "htpasswd"
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(BCRYPT_COST)).decode()
    path.write_text(f"{username}:{hashed}\n", encoding="ascii")
    return path
