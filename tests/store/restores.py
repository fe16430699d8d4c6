"""A backup with one upload on record, of a store that has two; and putting it back."""

from contextlib import closing
from pathlib import Path
from typing import Any

from authproxy.store import Store
from authproxy.store.backups import back_up
from authproxy.store.driver import sqlite3
from authproxy.store.restoring import Keys, Restored, restore
from tests.store.samples import NOW, finish, upload


async def backed_up(store: Store, url: str, backup: Path) -> bytes:
    """A backup with one upload on record; then another upload, and the store is closed. What is in the backup."""
    await finish(store)
    back_up(url, backup, replace=False)
    await finish(store, upload("2.0"))
    await store.close()
    return backup.read_bytes()


def put_back(url: str, backup: Path, keys: Keys = Keys.AS_KNOWN, now: int = NOW) -> Restored:
    return restore(url, backup, keys=keys, now=now)


def asked(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()
