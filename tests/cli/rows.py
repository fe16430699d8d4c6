"""The store past the program: for what a server would have written."""

import time
from contextlib import closing
from pathlib import Path

from authproxy.store.driver import sqlite3


def execute(folder: Path, statement: str, *given: object) -> None:
    """Run a statement in the store of the command-line tests."""
    with closing(sqlite3.connect(folder / "authproxy.db")) as connection, connection:
        connection.execute(statement, given)


def note_use(folder: Path, key_id: str, slot: str, *, ago: int, action: str = "upload") -> None:
    """Note a use of a secret, so many seconds ago."""
    row = (key_id, slot, int(time.time()) - ago, action, "acme-core", "192.0.2.7", "twine/7.0")
    execute(folder, "INSERT OR REPLACE INTO last_uses VALUES (?, ?, ?, ?, ?, ?, ?)", *row)
