"""A copy of a database that others write meanwhile, by SQLite's backup API: one moment of it, whole.

Rule 1. The moment lies after the copy began, so every commit that was acknowledged before is in it.
Rule 2. In WAL the copy reads one snapshot and nobody waits for it.
Rule 3. Elsewhere each step locks the file for a mebibyte's time, and a commit between two steps makes SQLite begin
        again, https://sqlite.org/c3ref/backup_finish.html. After RESTARTS of them the copy holds the lock and is made
        in one go: a writer that never rests cannot starve it. Writers wait for that long, measured 1.6 s a GB.

Not VACUUM INTO: it holds the lock from the first page to the last, where there is no WAL, and builds every index anew.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from authproxy.store.driver import sqlite3
from authproxy.store.engine import connect
from authproxy.store.errors import StoreBusy

# 1 MiB of pages a step: some two milliseconds in which no commit can end.
PAGES: Final = 256
# Seconds between two steps, in which the disk is others'.
PAUSE: Final = 0.001
RESTARTS: Final = 3
# Seconds. Far longer than a commit: what has the file locked for so long is no writer of ours.
PATIENCE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Copied:
    """How it went: how often it began again, and for how many seconds writers may have had to wait, at one go."""

    restarts: int
    held: float


class _RestlessError(Exception):
    """Somebody writes more often than the copy takes."""


class _Pace:
    """What SQLite calls after each step."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._left: int | None = None
        self._moved = time.monotonic()
        self.restarts = 0

    def __call__(self, status: int, remaining: int, total: int) -> None:  # noqa: ARG002 - sqlite3's signature
        now = time.monotonic()
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            if now - self._moved > PATIENCE:
                raise StoreBusy(f"{self._source} is held by another program: try again")
            return  # sqlite3 sleeps by itself before it tries again
        self._moved = now
        if self._left is not None and remaining >= self._left:
            self.restarts += 1
            if self.restarts > RESTARTS:
                raise _RestlessError
        self._left = remaining
        time.sleep(PAUSE)


def copy(source: Path, target: Path) -> Copied:
    """Copy a database into an empty file, which the caller syncs. Raises StoreError, or what `border` translates."""
    reader = connect(source, busy_seconds=PATIENCE)
    try:
        if reader.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            _begin(reader)
            _copy(reader, target, _Pace(source))
            return Copied(0, 0.0)
        pace = _Pace(source)
        try:
            _copy(reader, target, pace)
        except _RestlessError:
            return Copied(RESTARTS, _in_one_go(reader, target))
        return Copied(pace.restarts, 0.0)
    finally:
        reader.close()


def _begin(reader: sqlite3.Connection) -> None:
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _copy(reader: sqlite3.Connection, target: Path, pace: _Pace) -> None:
    writer = _writer(target)
    try:
        reader.backup(writer, pages=PAGES, progress=pace, sleep=0.005)
    finally:
        writer.close()


def _in_one_go(reader: sqlite3.Connection, target: Path) -> float:
    with target.open("r+b") as file:
        file.truncate()
    writer = _writer(target)
    try:
        _begin(reader)
        begun = time.monotonic()
        reader.backup(writer)
        reader.execute("COMMIT")
        return time.monotonic() - begun
    finally:
        writer.close()


def _writer(target: Path) -> sqlite3.Connection:
    """Open what nobody sees before it is whole: no journal, and no sync but the caller's."""
    writer = sqlite3.connect(f"{target.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    writer.execute("PRAGMA journal_mode=OFF")
    writer.execute("PRAGMA synchronous=OFF")
    return writer
