"""A real pypiserver that knows nothing of keys."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
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
    users: Mapping[str, str] = MappingProxyType({}),
    protect: str = "update",
    fallback: bool = False,
    host: str = LOOPBACK,
    overwrite: bool = False,
) -> Iterator[PypiServer]:
    """Run pypiserver on a port of its own: open to everybody (`-P . -a .`), or asking for `htpasswd` where `protect` says.

    `users` are others in the same file, names to passwords. `fallback` is pypiserver's default: unknown projects are redirected to PyPI. (No test follows that.) `host` 0.0.0.0 is
    its default too: it listens at every address of this machine, loopback among them.
    """
    packages = folder / "packages"
    packages.mkdir(parents=True)
    port = reserved_port()
    argv = [sys.executable, "-m", "pypiserver", "run", "-i", host, "-p", str(port), "--server", server, "-v"]
    argv += [] if fallback else ["--disable-fallback"]
    argv += ["--overwrite"] if overwrite else []
    argv += (
        ["-P", ".", "-a", "."]
        if htpasswd is None
        else ["-P", str(_htpasswd(folder, dict([htpasswd], **users))), "-a", protect]
    )
    program = Program([*argv, str(packages)], log=folder / "pypiserver.log", env=clean_environment(folder), cwd=folder)
    try:
        wait_until_open((LOOPBACK, port), program.is_alive)
        username, password = htpasswd or (None, None)
        yield PypiServer((LOOPBACK, port), packages, program, server, username, password)
    finally:
        program.stop()


def _htpasswd(folder: Path, users: Mapping[str, str]) -> Path:
    path, salt = folder / "htpasswd", bcrypt.gensalt(BCRYPT_COST)
    lines = [f"{user}:{bcrypt.hashpw(password.encode(), salt).decode()}\n" for user, password in users.items()]
    path.write_text("".join(lines), encoding="ascii")
    return path
