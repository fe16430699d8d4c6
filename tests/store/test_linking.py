"""A database of the second schema: its rows are linked as they are, in their order, and the chain goes on from there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from authproxy.store import Flaw, Sound, Store, migrate
from authproxy.store.driver import sqlite3
from tests.store.earlier import at_schema
from tests.store.samples import ENTRY, KEY, NOW, finish

Rows = Callable[..., list[Any]]

COLUMNS = (
    "time_ms, request_id, action, index_name, project, version, filename, identity, size, sha256, principal, key_id, "
    'public_id, owner, rule, "grant", address, client, outcome, code, reason, index_status, admitted_ms, completed_ms'
)
# outcome, code, index_status, admitted_ms, completed_ms; the last but one was settled after a crash, which had no time
STATES = (
    ("stored", None, 200, NOW * 1000, NOW * 1000 + 9),
    ("denied", "no-rule", None, None, None),
    ("same", None, None, None, None),
    ("pending", None, None, NOW * 1000, None),
    ("unknown", None, None, NOW * 1000, NOW * 1000 + 9),
    ("removed", None, 200, None, NOW * 1000 + 9),
    ("failed", None, None, NOW * 1000, None),
    ("stored", None, 200, NOW * 1000, NOW * 1000 + 9),
)


def at_second_schema(path: Path, times: int) -> None:
    """Make such a database, with the rows above so many times."""
    path.unlink()
    at_schema(path, "0002")
    text = ["r\u202e1", "upload", "", "acme-core", "1.0", "a.zip", "acme-core 1 sdist"]
    who = ["0" * 64, "key", KEY.id, f"{KEY.id}0", "\x1b[2J", "rule", "grant", "127.0.0.1", 'tw"ine\\']
    rows = [
        (NOW * 1000, *text, 5, *who, outcome, code, None, status, admitted, completed)
        for outcome, code, status, admitted, completed in STATES * times
    ]
    raw = sqlite3.connect(path)
    raw.executemany(f"INSERT INTO record ({COLUMNS}) VALUES ({', '.join('?' * 24)})", rows)
    raw.commit()
    raw.close()


@pytest.mark.parametrize("times", [1, 300], ids=["a few rows", "more than a page of them"])
async def test_the_rows_of_an_older_version_are_linked(url: str, path: Path, rows: Rows, times: int) -> None:
    """All of them: what had ended has two links, what had not one; and new ones follow."""
    at_second_schema(path, times)
    await migrate(url)
    store = await Store.open(url)
    found = await store.record.verify()
    assert isinstance(found, Sound), found
    assert (found.rows, found.links) == (8 * times, 13 * times)
    await store.add_key(KEY)
    await finish(store, ENTRY)
    found = await store.record.verify()
    assert isinstance(found, Sound)
    assert found.links == 13 * times + 2
    await store.close()


async def test_and_cannot_be_changed_from_then_on(url: str, path: Path) -> None:
    """Negative control: the same reading finds one changed letter in the last of them."""
    at_second_schema(path, 1)
    await migrate(url)
    raw = sqlite3.connect(path)
    raw.execute("UPDATE record SET rule = 'Rule' WHERE id = 8")
    raw.commit()
    raw.close()
    store = await Store.open(url)
    found = await store.record.verify()
    assert isinstance(found, Flaw)
    assert found.row == 8
    await store.close()
