"""What a SQLite file holds, as text: for tests that compare the whole of it."""

from sqlite3.dump import _iterdump  # of Python's own; it asks any connection

from authproxy.store.driver import sqlite3


def dumped(connection: sqlite3.Connection) -> list[str]:
    """Every table and row, as statements."""
    return list(_iterdump(connection))
