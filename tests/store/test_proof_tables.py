"""What is good once is held by a key of the table, and what is over can be found without reading all of it."""

from contextlib import closing
from pathlib import Path

import pytest

from authproxy.store.driver import sqlite3
from authproxy.store.proof_tables import assertions, ended, nonces, pins


@pytest.mark.parametrize("table", [nonces, ended, assertions, pins], ids=lambda table: table.name)
def test_the_same_is_not_written_twice(url: str, path: Path, table: object) -> None:
    """An insert claims: the database itself refuses a second one, whoever asks."""
    name = str(table)
    with closing(sqlite3.connect(path)) as database:
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({name})")]
        insert = f"INSERT INTO {name} VALUES ({', '.join('?' * len(columns))})"
        database.execute(insert, range(len(columns)))
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            database.execute(insert, range(len(columns)))


@pytest.mark.parametrize("table", [nonces, ended, assertions], ids=lambda table: table.name)
def test_what_is_over_is_found_by_an_index(url: str, path: Path, table: object) -> None:
    """Who floods us with short-lived tokens makes no sweep slow."""
    with closing(sqlite3.connect(path)) as database:
        [plan] = database.execute(f"EXPLAIN QUERY PLAN DELETE FROM {table} WHERE until < 7").fetchall()
    assert "INDEX" in plan[3]
