"""The indexes that the demo can stand before: one row each, and nothing else in the demo knows which it is.

A row says how the index is set up as its own administrator would (one shared account, no way to the public index), how
it is started, and where things are. The index is a program of its own, unchanged; nothing of it is imported here.
"""

import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from authproxy.cli.demo.children import LOOPBACK, finish
from authproxy.cli.demo.clients import clean_environment
from authproxy.cli.output import PRIVATE

SERVICE_USER: Final = "authproxy"
PASSWORD_BYTES: Final = 24

# pypiserver checks the password on every upload, and at bcrypt's usual cost of 10 that is all it does (15 uploads a
# second instead of 130). The password has 192 random bits, which no cost protects any better.
BCRYPT_COST: Final = 4

# devpi's index of the story, and the user whose it is.
TEAM: Final = "team"
INDEX: Final = f"{TEAM}/dev"

# What devpi signs session tokens with is derived from its secret at every start, by default at a cost made for words
# that a person chose: 10 s of a start (measured). The secret below is random, which no cost protects any better.
_CHEAP: Final = ("--argon2-memory-cost", "8", "--argon2-time-cost", "1", "--argon2-parallelism", "1")
SECRET_BYTES: Final = 48

# devpi's own import takes 1 to 2 s, five times that on a machine that does something else besides.
IMPORT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Upstream:
    """One kind of index. Paths are relative to the index's URL, `held` and `files` to the installation's directory."""

    flavour: str
    settings: str  # what the configuration's `backend:` says of it beside its address and account
    extra: str  # of pyproject.toml: what brings it
    requires: tuple[str, ...]  # the modules that have to be there
    remark: str
    uploads: str
    pages: str  # where installers look
    ready: str  # answers 200 as soon as it can be used
    turned_away: str  # its status for an upload with an account that it does not know
    held: str  # a glob: every file that was uploaded
    files: Mapping[str, str]  # name: what it is
    prepare: Callable[[Path, str], None]  # set it up in a directory, with the service account's password
    command: Callable[[Path, int], list[str]]  # start it, for a directory and a port


def _prepare_pypiserver(root: Path, password: str) -> None:
    import bcrypt

    (root / "packages").mkdir(mode=0o700)
    digest = bcrypt.hashpw(password.encode(), bcrypt.gensalt(BCRYPT_COST)).decode()
    write_private(root / "htpasswd", f"{SERVICE_USER}:{digest}\n")


def _pypiserver(root: Path, port: int) -> list[str]:
    address = ["-i", LOOPBACK, "-p", str(port)]
    account = ["-P", str(root / "htpasswd"), "-a", "update"]
    run = [sys.executable, "-m", "pypiserver", "run"]
    return [*run, *address, *account, "--disable-fallback", str(root / "packages")]


def _prepare_devpi(root: Path, password: str) -> None:
    """Let devpi import two users, the account and the index: one program run, and no password in its arguments."""
    from argon2 import PasswordHasher

    # devpi hashes a password anew, at its own cost, when it first sees it.
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash
    owners = secrets.token_urlsafe(PASSWORD_BYTES)
    passwords = {"root": owners, TEAM: owners, SERVICE_USER: password}
    users = {name: {"username": name, "pwhash": hashed(one)} for name, one in passwords.items()}
    stage = {"type": "stage", "bases": [], "volatile": False, "acl_upload": [SERVICE_USER]}
    indexes = {INDEX: {"indexconfig": stage, "projects": {}}}
    state, dump = root / "devpi", root / "devpi-import"
    for folder in (state, dump):
        folder.mkdir(mode=0o700)
    write_private(root / "devpi-secret", f"{secrets.token_urlsafe(SECRET_BYTES)}\n")
    write_private(root / "devpi-password", f"{owners}\n")
    write_private(dump / "dataindex.json", json.dumps({"dumpversion": "2", "users": users, "indexes": indexes}))
    argv = [_script("devpi-import"), "--serverdir", str(state), "--no-root-pypi", str(dump)]
    finish("devpi-import", argv, log=root / "index.log", environment=clean_environment(root), seconds=IMPORT_SECONDS)
    (dump / "dataindex.json").unlink()
    dump.rmdir()


def _devpi(root: Path, port: int) -> list[str]:
    state = ["--serverdir", str(root / "devpi"), "--secretfile", str(root / "devpi-secret")]
    address = ["--host", LOOPBACK, "--port", str(port)]
    return [_script("devpi-server"), *state, *address, "--offline-mode", *_CHEAP]


def _script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def write_private(path: Path, text: str) -> None:
    """Write a new file that nobody but its owner may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w", encoding="utf-8") as stream:
        stream.write(text)


PYPISERVER: Final = Upstream(
    flavour="pypiserver",
    settings="",
    extra="demo",
    requires=("pypiserver", "cgi", "passlib", "bcrypt"),  # pypiserver needs cgi, gone in 3.13
    remark="pypiserver as it is: one shared password, which only the proxy knows now",
    uploads="",
    pages="simple/",
    ready="/health",
    turned_away="403",
    held="packages/*",
    files=MappingProxyType({"`htpasswd`, `packages/`": "the index: its one account, and its files"}),
    prepare=_prepare_pypiserver,
    command=_pypiserver,
)

DEVPI: Final = Upstream(
    flavour="devpi",
    settings=f"\n  indexes: [{INDEX}]              # where uploads may go",
    extra="demo-devpi",
    requires=("devpi_server",),
    remark=f"devpi-server as it is: an account that may upload to {INDEX}, which only the proxy knows",
    uploads=f"{INDEX}/",
    pages=f"{INDEX}/+simple/",
    ready=f"/{INDEX}/+api",
    turned_away="401",
    held=f"devpi/+files/{INDEX}/+f/*/*/*",
    files=MappingProxyType(
        {
            "`devpi/`, `devpi-secret`": "the index: its state and files, and what it signs sessions with",
            "`devpi-password`": f"of devpi's users `root` and `{TEAM}`, for whoever looks after the index",
        }
    ),
    prepare=_prepare_devpi,
    command=_devpi,
)

UPSTREAMS: Final[Mapping[str, Upstream]] = MappingProxyType({each.flavour: each for each in (PYPISERVER, DEVPI)})
