"""What can be said of a database without changing a byte of it or of what lies beside it: for who looks for trouble.

`Store.open` may not be used for that: opening a file for writing rolls back what a crash left, ends WAL where SQLite is
too old for it, and empties the journal on leaving. This room opens read-only, and what that cannot read it says.

Not for a program that has the database open already: with the last close of a file here its locks there would be gone.
https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
"""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, create_engine, func, not_, or_, select
from sqlalchemy.pool import StaticPool

from authproxy.domain.keys import KeyKind
from authproxy.store import derivations
from authproxy.store.driver import sqlite3, wal_is_safe
from authproxy.store.engine import BUSY_SECONDS, PRIMARY, PRIVATE, Driver, border, database_path
from authproxy.store.errors import SchemaError, StoreError
from authproxy.store.schema import revision
from authproxy.store.settling import count_alarms
from authproxy.store.tables import SCHEMA, keys
from authproxy.store.verification import Walk

# Who looks needs some examples of what was found, not a listing.
NAMED: Final = 5

# Bytes 18 and 19 of a database are 2 where it is in WAL mode, https://sqlite.org/fileformat.html#file_format_version_numbers
_VERSIONS_AT: Final = slice(18, 20)
_WAL: Final = b"\x02\x02"

# What a read of a file that is opened for reading alone can be refused with: a journal, or a WAL, has to be taken back
# first (SQLITE_READONLY_ROLLBACK, _RECOVERY, _CANTINIT; not every build tells them apart).
_INTERRUPTED: Final = sqlite3.SQLITE_READONLY


class StoreInterrupted(StoreError):
    """A program ended in the middle of a commit; the next one that opens the database for writing takes it back."""


class StoreMissing(SchemaError):
    """There is no database yet."""


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A key as a person recognises it. `expires` is unix seconds."""

    id: str
    owner: str
    expires: int | None


@dataclass(frozen=True, slots=True)
class Some:
    """How many keys there are of a kind, and the first of them."""

    count: int
    first: tuple[NamedKey, ...]


@dataclass(frozen=True, slots=True)
class Census:
    """The keys that somebody created and that work, or are paused. `policies` says how many name each policy."""

    policies: Mapping[str, int]
    ending: Some  # before the horizon that was asked for, of those whose whole life is longer than the way there
    endless: Some
    sealed: Mapping[bytes | None, int] = field(default_factory=dict)  # secrets, by how what is sealed for them begins
    ended: int = 0  # those that were created and work no more

    @property
    def live(self) -> int:
        """All of them."""
        return sum(self.policies.values())


@dataclass(frozen=True, slots=True)
class Examination:
    """What was seen. `mode` and `folder_mode` are permission bits."""

    path: Path
    mode: int
    folder_mode: int
    wal: bool
    revision: str | None  # of the schema; None: the database is empty
    census: Census | None  # None where the schema is another one than this program's
    flaw: str | None = None  # what does not fit among the youngest rows of the record
    alarms: int = 0  # files that the index has otherwise than they should be, or has lost

    @property
    def private(self) -> bool:
        """Whether the file is its owner's alone, as `Store.open` demands."""
        return not self.mode & ~PRIVATE

    @property
    def current(self) -> bool:
        """Whether the schema is this program's."""
        return self.revision == SCHEMA

    @property
    def newer(self) -> bool:
        """Whether a newer authproxy wrote it."""
        return self.revision is not None and self.revision > SCHEMA


def sqlite_version() -> tuple[str, bool]:
    """Name the SQLite of this program, and say whether two programs may write one WAL database with it."""
    return sqlite3.sqlite_version, wal_is_safe(sqlite3.sqlite_version_info)


def examine(url: str, *, now: int, horizon: int) -> Examination:
    """Look at a database. Keys that end before `horizon` count as ending; both times are unix seconds.

    Raises StoreError where there is nothing to look at: SchemaError where the file is another program's
    (StoreMissing: not there), StoreInterrupted where it has to be opened for writing first.
    """
    path = database_path(url)
    mode, folder_mode = _modes(path)
    with border(path):
        try:
            with reading(path) as (connection, wal):
                found = revision(connection, path)
                counted = census(connection, now, horizon) if found == SCHEMA else None
                flaw = Walk().young(connection) if found == SCHEMA else None
                alarms = count_alarms(connection) if found == SCHEMA else 0
        except Exception as exc:
            if getattr(getattr(exc, "orig", exc), "sqlite_errorcode", 0) & PRIMARY == _INTERRUPTED:
                raise StoreInterrupted(f"{path} was left in the middle of a commit") from exc
            raise
    return Examination(path, mode, folder_mode, wal, found, counted, flaw.sentence if flaw else None, alarms)


def _modes(path: Path) -> tuple[int, int]:
    try:
        status, folder = path.stat(), path.parent.stat()
    except FileNotFoundError:
        raise StoreMissing(f"{path} does not exist") from None
    except OSError as exc:
        raise StoreError(f"{path} cannot be opened: {(exc.strerror or 'it fails').lower()}") from exc
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(f"{path} is no file")
    return stat.S_IMODE(status.st_mode), stat.S_IMODE(folder.st_mode)


@contextmanager
def reading(path: Path) -> Iterator[tuple[Connection, bool]]:
    """Open a database so that SQLite can write neither to it nor beside it; also say whether it is in WAL mode."""
    wal = _is_wal(path)
    # A WAL database that nobody has open has neither of its two side files, and a reader would make them. While
    # somebody has it open they are there, and are read without the reader's marks.
    # https://sqlite.org/wal.html#readonly, https://sqlite.org/uri.html#uriimmutable
    beside = "" if not wal else "&readonly_shm=1" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"

    def opened() -> sqlite3.Connection:
        uri = f"{path.absolute().as_uri()}?mode=ro{beside}"
        return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False, factory=Driver)

    engine = create_engine("sqlite+pysqlite://", module=sqlite3, creator=opened, poolclass=StaticPool)
    try:
        with engine.connect() as connection:
            yield connection, wal
    finally:
        engine.dispose()


def _is_wal(path: Path) -> bool:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC), "rb") as file:
            return file.read(_VERSIONS_AT.stop)[_VERSIONS_AT] == _WAL
    except OSError as exc:
        raise StoreError(f"{path} cannot be opened: {(exc.strerror or 'it fails').lower()}") from exc


def census(connection: Connection, now: int, horizon: int) -> Census:
    """Count the keys of a database that is at this program's schema."""
    unexpired = or_(keys.c.expires.is_(None), keys.c.expires > now)
    live = and_(keys.c.kind == KeyKind.KEY, keys.c.revoked.is_(None), unexpired)
    counted = select(keys.c.policy, func.count()).where(live).group_by(keys.c.policy).order_by(keys.c.policy)
    return Census(
        policies={row[0]: row[1] for row in connection.execute(counted)},
        # A key that was made for a day ends soon all its life.
        ending=_some(
            connection, and_(live, keys.c.expires <= horizon, keys.c.expires - keys.c.created > horizon - now)
        ),
        endless=_some(connection, and_(live, keys.c.expires.is_(None))),
        sealed=derivations.heads(connection, live),
        ended=connection.scalar(select(func.count()).select_from(keys).where(keys.c.kind == KeyKind.KEY, not_(live)))
        or 0,
    )


def _some(connection: Connection, where: ColumnElement[bool]) -> Some:
    count = connection.scalar(select(func.count()).select_from(keys).where(where)) or 0
    wanted = select(keys.c.id, keys.c.owner, keys.c.expires).where(where).order_by(keys.c.expires, keys.c.id)
    rows: Sequence[tuple[str, str, int | None]] = [tuple(row) for row in connection.execute(wanted.limit(NAMED))]
    return Some(count, tuple(NamedKey(*row) for row in rows))
