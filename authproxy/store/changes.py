"""Whether any key changed, asked on every request: synchronous, on a connection of its own, in microseconds.

`PRAGMA data_version` moves when any other connection, of this program or another, has committed. Only then is the
generation read, which key mutations alone raise: uploads write all the time and must not flush what is remembered of
keys. Nothing here ever waits; whatever stands in the way (a commit in progress, a journal to roll back) is BUSY.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.store.driver import sqlite3
from authproxy.store.keys import ONE, record_of
from authproxy.store.verdicts import BUSY, Busy

_ENDED: Final = "SELECT 1 FROM ended WHERE name IN ({}) LIMIT 1"


class Watch(Protocol):
    """What changed, for the event loop's thread: nothing here waits."""

    def generation(self) -> int | Busy:
        """Read the number that every mutation of a key raises; BUSY where it is not known at this moment."""
        ...

    def peek(self, key_id: KeyId) -> KeyRecord | Busy | None:
        """Read one key; BUSY where that would have to wait. Raises StoreError where its row cannot be understood."""
        ...

    def peek_ended(self, names: Sequence[str]) -> bool | Busy:
        """Say whether any of these derived keys was ended; BUSY where that would have to wait."""
        ...

    def peek_calm(self) -> bool | Busy:
        """Say whether no derived key was ended at all; BUSY where that would have to wait."""
        ...

    def within_grace(self) -> bool:
        """Say whether what was read before may be used although the database cannot be reached."""
        ...

    def lost_for(self) -> float | None:
        """Say for how many seconds a server has not answered; None: there is none that could be lost."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class FileWatch:
    """A read-only view of an open SQLite file."""

    def __init__(self, path: Path) -> None:
        self._connection: Final = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0, isolation_level=None
        )
        self._version: int | None = None
        self._generation = 0

    def close(self) -> None:
        """Let go."""
        self._connection.close()

    def generation(self) -> int | Busy:
        """Read the number that every mutation of a key raises."""
        try:
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
            if version != self._version:
                # A commit between the two statements is read now and seen as a new version next time.
                (self._generation,) = self._connection.execute("SELECT generation FROM meta").fetchone()
                self._version = version
        except sqlite3.Error:
            return BUSY
        return self._generation

    def within_grace(self) -> bool:
        """Say no: a file cannot be reached or there is no program either."""
        return False

    def lost_for(self) -> None:
        """Say that a file cannot be lost."""

    def peek(self, key_id: KeyId) -> KeyRecord | Busy | None:
        """Read one key. Raises StoreError where its row cannot be understood."""
        try:
            rows = self._connection.execute(ONE.sql, (key_id,)).fetchall()
        except sqlite3.Error:
            return BUSY
        return record_of(rows)

    def peek_ended(self, names: Sequence[str]) -> bool | Busy:
        """Say whether any of these derived keys was ended."""
        try:
            asked = _ENDED.format(", ".join("?" * len(names)))
            return self._connection.execute(asked, tuple(names)).fetchone() is not None
        except sqlite3.Error:
            return BUSY

    def peek_calm(self) -> bool | Busy:
        """Say whether no derived key was ended at all."""
        try:
            return self._connection.execute("SELECT 1 FROM ended LIMIT 1").fetchone() is None
        except sqlite3.Error:
            return BUSY
