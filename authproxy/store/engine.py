"""One SQLite file: where it is, how it is opened so that nothing acknowledged is lost, and what its failures mean.

Durability, by a power-cut model measured for this project: WAL with synchronous=FULL and TRUNCATE with EXTRA lost
nothing; WAL with NORMAL and Python's default (DELETE, FULL) brought a revoked key back.
"""

import os
import stat
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from authproxy.config.databases import is_postgres
from authproxy.store.driver import sqlite3, wal_is_safe
from authproxy.store.errors import SchemaError, StoreBusy, StoreError, StoreFull

# Longer than any transaction of ours, short enough that a client still waits for the answer.
BUSY_SECONDS: Final = 5.0
# Pages of 4 KiB in the write-ahead log before they are carried over into the database: by 1000 of them, SQLite's own
# number, an upload cost a twentieth more (measured), for most of them are the same few.
LOGGED: Final = 4000
# How a transaction begins that writes: one that reads first and writes later could not wait for its lock.
IMMEDIATE: Final = "BEGIN IMMEDIATE"
PRIVATE: Final = 0o600
# https://sqlite.org/fileformat.html#magic_header_string
_MAGIC: Final = b"SQLite format 3\0"
# Extended result codes carry the primary one in their low byte, https://sqlite.org/rescode.html
PRIMARY: Final = 0xFF

_FAILURES: Final[dict[int, tuple[type[StoreError], str]]] = {
    sqlite3.SQLITE_BUSY: (StoreBusy, "is held by another program: try again"),
    sqlite3.SQLITE_LOCKED: (StoreBusy, "is held by another program: try again"),
    sqlite3.SQLITE_FULL: (StoreFull, "cannot grow: the disk is full"),
    sqlite3.SQLITE_IOERR: (StoreError, "cannot be read or written: the disk reports an error"),
    sqlite3.SQLITE_READONLY: (StoreError, "cannot be written: check the owner and mode of the file and its folder"),
    sqlite3.SQLITE_PERM: (StoreError, "cannot be opened: check the owner and mode of the file and its folder"),
    sqlite3.SQLITE_CANTOPEN: (StoreError, "cannot be opened: check the owner and mode of the file and its folder"),
    sqlite3.SQLITE_CORRUPT: (StoreError, "is damaged: restore a backup"),
    sqlite3.SQLITE_NOTADB: (SchemaError, "is not an authproxy database"),
}


def database_path(url: str) -> Path:
    """Read `sqlite:///relative/path` or `sqlite:////absolute/path`, nothing in it decoded. Raises StoreError.

    SQLAlchemy's own reading differs between versions (2.1 decodes `%20`). The URL, which may hold a password where it
    is another database's, is not repeated.
    """
    if is_postgres(url):
        raise StoreError("the store is in PostgreSQL: its own pg_dump and pg_restore do that, see docs/postgresql.md")
    scheme, found, path = url.partition(":///")
    if scheme != "sqlite" or not found:
        raise StoreError("the store is a SQLite file: write sqlite:///PATH")
    if not path or path == ":memory:" or "?" in path or "\0" in path:
        raise StoreError("the store's URL names no file: write sqlite:///PATH, and nothing after the path")
    return Path(path)


def _journal(connection: sqlite3.Connection, mode: str) -> bool:
    try:
        return bool(connection.execute(f"PRAGMA journal_mode={mode}").fetchone()[0] == mode)
    except sqlite3.OperationalError:
        return False  # leaving or entering WAL needs the file for oneself


def _make_durable(connection: sqlite3.Connection, path: Path, *, wal: bool) -> None:
    """Choose how commits reach the disk. WAL is a property of the file, TRUNCATE one of the connection."""
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        if wal:
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint={LOGGED}")
            return
        if not _journal(connection, "truncate"):
            version = sqlite3.sqlite_version
            raise StoreBusy(f"{path} is in WAL mode and open elsewhere, and SQLite {version} could damage it so")
    _journal(connection, "truncate")  # else it stays DELETE, which is as safe and a little slower
    connection.execute("PRAGMA synchronous=EXTRA")


class Driver(sqlite3.Connection):
    """The driver's connection, and a cursor for statements of which all rows are taken at once: to make one for each
    costs a seventh of executing it.
    """

    def __init__(self, *given: Any, **settings: Any) -> None:
        super().__init__(*given, **settings)
        self.at_hand: Final = self.cursor()


def connect(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> Driver:
    """Open an existing file for reading and writing. Transactions begin where somebody says so, nowhere else."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,
        factory=Driver,
    )
    try:
        connection.execute("PRAGMA foreign_keys=ON")
        _make_durable(connection, path, wal=wal_is_safe(sqlite3.sqlite_version_info))
    except BaseException:
        connection.close()
        raise
    return connection


def use_wal(connection: sqlite3.Connection) -> None:
    """Turn a database that nobody else has open to WAL where that is safe; it stays so."""
    if wal_is_safe(sqlite3.sqlite_version_info) and _journal(connection, "wal"):
        connection.execute("PRAGMA synchronous=FULL")


def create_private(path: Path) -> None:
    """Make an empty file that only its owner reads. SQLite gives its journals the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, PRIVATE))
    except FileExistsError:
        return
    except FileNotFoundError:
        folder = path.parent
        raise StoreError(f"{path} cannot be created, there is no folder {folder}: mkdir -p -m 700 {folder}") from None
    except OSError as exc:
        raise StoreError(f"{path} cannot be created: {exc.strerror}") from exc


def require_private(path: Path) -> None:
    """Refuse a database that others may read or write."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise SchemaError(f"{path} does not exist: run `authproxy db migrate`") from None
    except OSError as exc:
        raise StoreError(f"{path} cannot be opened: {exc.strerror}") from exc
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(f"{path} is no file: name the database, not its folder")
    mode = stat.S_IMODE(status.st_mode)
    if mode & ~PRIVATE:
        if status.st_size and not _is_database(path):  # its mode is not what is wrong with it
            raise SchemaError(f"{path} is not an authproxy database")
        raise StoreError(f"{path} has mode {mode:04o} and must be its owner's alone: run chmod 600 on it")


def _is_database(path: Path) -> bool:
    """Whether a file begins as SQLite's do. Not for one that this program may have open: the close ends its locks."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return True  # nobody can say otherwise


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(IMMEDIATE)


def engine_on(path: Path) -> Engine:
    """Wrap one connection. Its transactions begin IMMEDIATE.

    https://docs.sqlalchemy.org/en/20/dialects/sqlite.html (transaction control with the sqlite3 driver)
    """
    engine = _wrapped(path)
    event.listen(engine, "begin", _begin)
    return engine


def connection_on(path: Path) -> Connection:
    """Wrap one connection whose transactions begin and end by the driver's words (`raw`); `let_go` of it at the end.

    To SQLAlchemy all that is done on it is one transaction that never ends.
    """
    connection = _wrapped(path).connect()
    connection.begin()
    return connection


def let_go(connection: Connection) -> None:
    """Close what `connection_on` has opened."""
    connection.engine.dispose()


def _wrapped(path: Path) -> Engine:
    return create_engine("sqlite+pysqlite://", module=sqlite3, creator=partial(connect, path), poolclass=StaticPool)


def raw(connection: Connection) -> Driver:
    """Return the driver's own connection behind SQLAlchemy's."""
    return cast("Driver", connection.connection.dbapi_connection)


@dataclass(slots=True)
class Border:
    """A context that may be entered again and again; `border` says what it is for."""

    path: Path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(exc, DBAPIError):
            raise _translated(exc.orig, self.path) from exc
        if isinstance(exc, sqlite3.Error):
            raise _translated(exc, self.path) from exc
        if isinstance(exc, SQLAlchemyError | OverflowError | UnicodeError):
            raise StoreError(f"{self.path} was asked something it cannot answer: {type(exc).__name__}") from exc


def border(path: Path) -> Border:
    """Let no exception of a database library through: each becomes a StoreError of one sentence."""
    return Border(path)


def _translated(exc: BaseException | None, path: Path) -> StoreError:
    primary = getattr(exc, "sqlite_errorcode", 0) & PRIMARY
    kind, sentence = _FAILURES.get(primary, (StoreError, f"failed: {getattr(exc, 'sqlite_errorname', 'unknown')}"))
    return kind(f"{path} {sentence}")
