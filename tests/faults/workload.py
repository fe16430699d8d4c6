"""A program that changes a store in every way and says, in a file beside it, what was acknowledged: to be cut off.

`python -m tests.faults.workload URL MODE ACKNOWLEDGED`. MODE is `truncate` or `wal`, as the store chooses by SQLite's
version, or one of `CARELESS`: how a store may look to work and lose what it has promised.
"""

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from authproxy.domain.access import Outcome
from authproxy.domain.keys import KeyId
from authproxy.store import Removed, Store, engine
from authproxy.store.driver import sqlite3
from tests.store.samples import ENTRY, KEY, NOW, admitted, upload

CARELESS = {
    "off": ("truncate", "OFF"),
    "wal normal": ("wal", "NORMAL"),
    "delete full": ("delete", "FULL"),  # Python's default
}


def careless(journal: str, synchronous: str) -> Any:
    def choose(connection: sqlite3.Connection, _path: Path, *, wal: bool) -> None:
        connection.execute(f"PRAGMA journal_mode={journal}")
        connection.execute(f"PRAGMA synchronous={synchronous}")

    return choose


def key_id(number: int) -> KeyId:
    return KeyId(f"Key{number:09}")


async def work(store: Store, said: Any) -> None:
    """One round after the other; each has every kind of change in it, alone and sharing a commit."""
    for number in range(8):
        key = replace(KEY, id=key_id(number))
        await store.add_key(key)
        said("key", key.id)
        mine = {"key_id": key.id, "public_id": key.id + "0"}

        async def one(version: str, outcome: Outcome, mine: dict[str, str] = mine) -> None:
            ticket = await admitted(store, upload(version, **mine))
            said("admitted", version)
            await store.complete(ticket, outcome, index_status=200, time_ms=NOW * 1000)
            said(outcome, version)

        await one(f"{number}.0", Outcome.STORED)
        await asyncio.gather(*(one(f"{number}.{m}", o) for m, o in ((1, Outcome.STORED), (2, Outcome.UNKNOWN))))
        await store.record_refusal(replace(ENTRY, request_id=f"r{number}", **mine), "no-rule", f"no {number}")
        said("refused", f"no {number}")
        gone = await store.removals.admit(upload(f"{number}.0", action="delete", **mine), (), now=NOW)
        assert isinstance(gone, int)
        file = Removed("", (f"acme-core {number}.0 sdist",), ())
        await store.removals.complete(gone, Outcome.REMOVED, index_status=200, time_ms=NOW * 1000, removed=file)
        said("removed", f"{number}.0")
        await (store.revoke if number % 2 else store.pause)(key.id, NOW)
        said("revoked" if number % 2 else "paused", key.id)


async def main(url: str, mode: str, acknowledged: str) -> None:
    if mode in CARELESS:
        engine._make_durable = careless(*CARELESS[mode])
    else:
        engine.wal_is_safe = lambda _: mode == "wal"
    descriptor = os.open(acknowledged, os.O_WRONLY | os.O_CREAT, 0o600)
    store = await Store.open(url)
    await work(store, lambda what, which: os.write(descriptor, f"{what} {which}\n".encode()))
    await store.close()
    os.close(descriptor)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
