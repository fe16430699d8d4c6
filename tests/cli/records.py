"""A record to ask: uploads with a key, as the server would have written them down."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from authproxy.store import Entry, Store
from tests.store.samples import ID, KEY, finish


def in_store(config_file: Path, work: Callable[[Store], Awaitable[None]]) -> None:
    """Do something with the store of a configuration."""

    async def done() -> None:
        store = await Store.open(f"sqlite:///{config_file.parent}/authproxy.db")
        if await store.key(ID) is None:
            await store.add_key(KEY)
        await work(store)
        await store.close()

    asyncio.run(done())


def recorded(config_file: Path, *entries: Entry) -> None:
    """Put uploads on record that the index took."""

    async def record(store: Store) -> None:
        for entry in entries:
            await finish(store, entry)

    in_store(config_file, record)
