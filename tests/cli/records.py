"""A record for commands to read: decisions as the server would have written them down."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from authproxy.domain.keys import KeyId, KeyKind, Secret
from authproxy.domain.names import artifact
from authproxy.store import Entry, Mint, Store
from tests.store.samples import ENTRY, ID, KEY, finish

PUBLISHER = "github acme/core release.yml"


def in_store(config_file: Path, work: Callable[[Store], Awaitable[None]]) -> None:
    """Do something with the store of a configuration."""

    async def done() -> None:
        store = await Store.open(f"sqlite:///{config_file.parent}/authproxy.db")
        await work(store)
        await store.close()

    asyncio.run(done())


def recorded(config_file: Path, *entries: Entry) -> None:
    """Put uploads on record that the index took, and the key of the samples beside them."""

    async def record(store: Store) -> None:
        if await store.key(ID) is None:
            await store.add_key(KEY)
        for each in entries:
            await finish(store, each)

    in_store(config_file, record)


def entry(key_id: str | None, filename: str, **changes: Any) -> Entry:
    """The upload of a file, just now."""
    file = artifact(filename)
    plain = replace(
        ENTRY,
        time_ms=int(time.time() * 1000),
        index="pypiserver",
        project=file.project,
        version=file.version,
        filename=filename,
        identity=file.identity,
        key_id=key_id,
        public_id=None if key_id is None else f"{key_id}0",
        grant="upload+create:acme-*",
        address="10.1.1.1",
    )
    return replace(plain, **changes)


def write(config_file: Path, *entries: Entry | tuple[Entry, str, str]) -> None:
    """Put uploads on record that the index took just now, and refusals: an entry with its code and reason."""

    async def written(store: Store) -> None:
        for each in entries:
            if isinstance(each, tuple):
                await store.record_refusal(*each)
            else:
                await finish(store, each, now=each.time_ms // 1000)
        await store.finish_refusals()

    in_store(config_file, written)


def mint(config_file: Path) -> None:
    """Two keys that were minted just now for a trusted publisher, the second of which has expired already."""
    now = int(time.time())

    async def minted(store: Store) -> None:
        for number, life in ((1, 900), (2, -1)):
            secret = Secret("0", "$sha256$00", now, None)
            key = replace(KEY, id=KeyId(f"Minted{number:06}"), policy="", owner=PUBLISHER, secrets=(secret,))
            claims = '{"sha":"9f","run_id":"7"}'
            key = replace(key, kind=KeyKind.MINTED, publisher=PUBLISHER, claims=claims, networks=())
            key = replace(key, created=now + number, expires=now + life)
            asked = Mint(key, PUBLISHER, f"token-{number}", now + 600, seen={}, pin=None)
            assert await store.minting.mint(asked, now=now) is None

    in_store(config_file, minted)
