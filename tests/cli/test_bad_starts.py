"""What keeps `serve` from starting, and `db migrate` from ending: one sentence, exit status 1, and nothing is damaged.

`test_serve` and `test_clock` have the others: an occupied port, an old store, a clock that is behind the record.
"""

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection

from authproxy.store.driver import sqlite3
from tests.cli.conftest import Cli, Ran
from tests.cli.records import recorded
from tests.faults.test_disk_full import Filler, disk
from tests.peers.ports import LOOPBACK, reserved_port
from tests.peers.sqlite import dumped
from tests.store.earlier import at_schema
from tests.store.samples import ENTRY

TABLE = "CREATE TABLE theirs (a TEXT)"


@pytest.fixture
def store(cli: Cli, config_file: Path) -> Path:
    """A store with a key and a row on record."""
    assert cli("db", "migrate").status == 0
    recorded(config_file, ENTRY)
    return config_file.with_name("authproxy.db")


def sentence(ran: Ran) -> str:
    """The one that a command ended with; what is logged before it is JSON, a problem's line and caret are no sentence."""
    assert (ran.status, ran.stdout) == (1, "")
    assert "Traceback" not in ran.stderr
    lines = [
        line
        for line in ran.stderr.splitlines()
        if not line.startswith(("{", " ", "authproxy: the configuration cannot"))
    ]
    assert len(lines) == 1, ran.stderr
    return lines[0]


def bytes_of(folder: Path) -> dict[str, str]:
    """What lies there, by its hash; that a database was opened shows in its neighbours, which come and go."""
    passing = (".db-journal", ".db-wal", ".db-shm", ".reserve", ".runs", ".log")
    files = (each for each in folder.rglob("*") if each.is_file() and not each.name.endswith(passing))
    return {str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}


def url(text: str) -> Callable[[Path], object]:
    return lambda file: file.write_text(file.read_text().replace("sqlite:///authproxy.db", text))


def _nobody_there(file: Path) -> None:
    url(f"postgresql://authproxy@{LOOPBACK}:{reserved_port()}/authproxy")(file)


def _text(file: Path) -> None:
    url("sqlite:///authproxy.yaml")(file)
    file.chmod(0o600)


def _somebody_elses(file: Path) -> None:
    with closing(sqlite3.connect(file.with_name("theirs.db"))) as connection:
        connection.execute(TABLE)
    file.with_name("theirs.db").chmod(0o600)
    url("sqlite:///theirs.db")(file)


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "another database": (url("mysql://authproxy@localhost/authproxy"), "sqlite:///"),
    "no path": (url("sqlite:///"), "sqlite:///"),
    "a driver in the URL": (url("postgresql+asyncpg://a@localhost/b"), "postgresql://"),
    "a password in the URL": (url("postgresql://a:hunter3@localhost/b"), "store_password"),
    "a URL without a database": (url("postgresql://a@localhost"), "a host, a database"),
    "a server that is not there": (_nobody_there, "cannot be reached: nobody listens at 127.0.0.1:"),
    "a text file": (_text, "is not an authproxy database"),
    "a text file that others may read": (
        lambda file: (_text(file), file.chmod(0o644)),
        "is not an authproxy database",
    ),
    "another program's database": (_somebody_elses, "theirs.db"),
    "a folder": (lambda file: (file.with_name("dir").mkdir(), url("sqlite:///dir")(file)), "dir"),
    "a folder that is not there": (url("sqlite:///no/where.db"), "no/where.db cannot be created, there is no folder "),
}


@pytest.mark.parametrize("command", [("serve",), ("db", "migrate")], ids=" ".join)
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_database_url(
    cli: Cli, config_file: Path, store: Path, wrong: str, command: tuple[str, ...], tmp_path: Path
) -> None:
    """It says which, and what is allowed instead; what lies there stays as it is, and nothing is made."""
    change, words = WRONG[wrong]
    change(config_file)
    before = bytes_of(tmp_path)
    said = sentence(cli(*command))
    assert words in said
    assert "hunter3" not in said
    assert bytes_of(tmp_path) == before


OTHERS = {
    "a web server": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "Redis": b"-ERR unknown command\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "something that is nearly PostgreSQL": b"R\0\0\0\0",
    "something that says nothing": b"",
}


@contextmanager
def answering(octets: bytes) -> Iterator[int]:
    """Somebody who speaks something else than PostgreSQL; the port."""
    with socket.create_server((LOOPBACK, 0)) as listener:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client:
                        client.recv(100)
                        client.sendall(octets)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


@pytest.mark.parametrize("octets", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("command", [("serve",), ("db", "migrate")], ids=" ".join)
def test_somebody_else_listens_where_the_database_should(
    cli: Cli, config_file: Path, octets: bytes, command: tuple[str, ...]
) -> None:
    """A port mixed up: a sentence."""
    with answering(octets) as port:
        url(f"postgresql://authproxy@{LOOPBACK}:{port}/authproxy")(config_file)
        assert f"{LOOPBACK}:{port}" in sentence(cli(*command))


def _version(store: Path, version: str) -> None:
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [version])
        connection.commit()


def _tables(store: Path) -> list[str]:
    with closing(sqlite3.connect(store)) as connection:
        return dumped(connection)


def test_a_half_run_migration(cli: Cli, store: Path) -> None:
    """Tables of this schema that call themselves older, as a copy from two sources has them: neither command goes on,
    and no row is lost; with the right number all is as it was.
    """
    with closing(sqlite3.connect(store)) as connection:
        ((current,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    _version(store, "0003")
    before = _tables(store)
    assert "run `authproxy db migrate`" in sentence(cli("serve"))
    assert str(store) in sentence(cli("db", "migrate"))
    assert _tables(store) == before
    _version(store, current)
    assert cli("db", "check").status == 0


def _missing(file: Path) -> None:
    file.unlink()


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _nowhere(file: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere")


SECRETS: dict[str, Callable[[Path], object]] = {
    "missing": _missing,
    "a folder": _folder,
    "a link to nowhere": _nowhere,
    "empty": lambda file: file.write_bytes(b""),
    "no text": lambda file: file.write_bytes(b"\xff\xfe\x00"),
    "two lines": lambda file: file.write_bytes(b"a\nb\n"),
    "not ours to read": lambda file: file.chmod(0),
}


@pytest.mark.parametrize("how", SECRETS)
def test_an_unreadable_secret(cli: Cli, config_file: Path, store: Path, how: str, tmp_path: Path) -> None:
    """It says which file, and nothing of what is in it."""
    if how == "not ours to read" and os.geteuid() == 0:
        pytest.skip("root may read everything")
    SECRETS[how](config_file.with_name("backend-password"))
    before = bytes_of(tmp_path)
    ran = cli("serve")
    assert "backend-password" in ran.stderr
    sentence(ran)
    assert bytes_of(tmp_path) == before


@pytest.mark.parametrize(
    "command", [("serve",), ("db", "migrate"), ("key", "create", "--policy", "release", "--owner", "a")], ids=" ".join
)
def test_a_disk_that_is_full_before_there_is_a_store(
    cli: Cli, config_file: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """A sentence; once there is room the same command makes the store that it could not make."""
    with disk(tmp_path / "small") as small:
        url(f"sqlite:///{small}/authproxy.db")(config_file)
        config_file.write_text(config_file.read_text().replace("127.0.0.1:0", "192.0.2.1:0"))
        filler = Filler(small)
        filler.fill()
        said = sentence(cli(*command))
        assert "full" in said or "no space left" in said
        filler.empty()
        ran = cli(*command)
        assert ran.status == 0 or "this machine has no such address" in ran.stderr
        assert cli("db", "check").status == 0


def _old(path: Path) -> None:
    """A store as the first version made it, with files of 4 MB."""
    files = [(number, "", f"acme {number} sdist", "acme", "1", "a" * 500_000, "f", None) for number in range(8)]

    def fill(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)", files)

    at_schema(path, "0001", fill)


def test_a_disk_that_is_full_before_a_migration(cli: Cli, config_file: Path, tmp_path: Path) -> None:
    """An old store on a disk without room: a sentence, every row stays, and it is migrated once there is room."""
    with disk(tmp_path / "small") as small:
        there, filler = small / "authproxy.db", Filler(small)
        _old(there)
        before = _tables(there)
        url(f"sqlite:///{there}")(config_file)
        filler.fill()
        assert "full" in sentence(cli("db", "migrate"))
        filler.empty()
        assert _tables(there) == before
        assert cli("db", "migrate", "--json").json["migrated"] is True
        assert cli("db", "check").status == 0
