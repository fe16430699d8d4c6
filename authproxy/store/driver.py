"""The SQLite of this program: Python's own, or a newer build of the same module that stands beside it (pysqlite3).

Only some versions let two programs, the server and the command line, write one WAL database without ever corrupting it,
and WAL halves what an upload waits for its commits (measured). So the newer one is taken where Python's is too old.

One process has one SQLite: a second copy that opens the same file would let go of the first one's locks with its own
close, https://sqlite.org/howtocorrupt.html#_multiple_copies_of_sqlite_linked_into_the_same_application
"""

import importlib
import importlib.util
from typing import TYPE_CHECKING, Final

# Below these, two programs that write one WAL database can corrupt it: the "WAL-reset bug",
# https://sqlite.org/wal.html#walresetbug
_WAL_SAFE_FROM: Final = (3, 51, 3)
_WAL_SAFE_BACKPORTS: Final = {(3, 50): 7, (3, 44): 6}


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Say whether two programs may write one WAL database with this SQLite."""
    backport = _WAL_SAFE_BACKPORTS.get(version[:2])
    return version >= _WAL_SAFE_FROM or (backport is not None and version[2] >= backport)


if TYPE_CHECKING:
    import sqlite3
else:
    sqlite3 = importlib.import_module("sqlite3")
    if not wal_is_safe(sqlite3.sqlite_version_info) and importlib.util.find_spec("pysqlite3") is not None:
        _newer = importlib.import_module("pysqlite3.dbapi2")
        # A build for a system's own SQLite may be no newer.
        sqlite3 = _newer if wal_is_safe(_newer.sqlite_version_info) else sqlite3

__all__ = ["sqlite3", "wal_is_safe"]
