"""Keys and decisions as the rooms above would hand them in."""

import asyncio
import re
from dataclasses import replace
from typing import Any

from authproxy.domain.access import Outcome
from authproxy.domain.keys import KeyId, KeyRecord, Secret
from authproxy.store import BUSY, Admitted, Claim, Entry, Store, Ticket, Verdict
from authproxy.store.driver import sqlite3

ID = KeyId("Abc123XYZ789")
NOW = 1_800_000_000
SHA = "0" * 64
OTHER_SHA = "f" * 64

KEY = KeyRecord(
    id=ID,
    owner="ci@acme",
    note="release job",
    policy="release",
    grants=(),
    networks=(),
    uses=None,
    used=0,
    created=NOW - 100,
    expires=NOW + 10_000,
    paused=False,
    revoked=None,
    secrets=(Secret("0", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA", NOW - 100, None),),
)

ENTRY = Entry(
    time_ms=NOW * 1000,
    request_id="r1",
    action="upload",
    index="",
    project="acme-core",
    version="1.0",
    filename="acme_core-1.0.tar.gz",
    identity="acme-core 1 sdist",
    size=20_480,
    sha256=SHA,
    principal="key",
    key_id=ID,
    public_id=ID + "0",
    owner="ci@acme",
    rule="packages[0] acme-*",
    grant="upload:acme-*",
    address="127.0.0.1",
    client="twine/6.2.0",
)

ANY = Claim()


def upload(version: str, **changes: Any) -> Entry:
    """Another file of the same project."""
    return replace(
        ENTRY,
        version=version,
        filename=f"acme_core-{version}.tar.gz",
        identity=f"acme-core {version} sdist",
        **changes,
    )


def ticket(verdict: Verdict) -> Ticket:
    """The ticket of an admission; fails the test where there is none."""
    assert isinstance(verdict, Admitted), verdict
    return verdict.ticket


async def admitted(store: Store, entry: Entry = ENTRY, claim: Claim = ANY, *, now: int = NOW) -> Ticket:
    """Admit, or fail the test."""
    return ticket(await store.admit(entry, claim, now=now))


async def finish(
    store: Store, entry: Entry = ENTRY, outcome: Outcome = Outcome.STORED, claim: Claim = ANY, *, now: int = NOW
) -> None:
    """One whole upload."""
    await store.complete(
        await admitted(store, entry, claim, now=now), outcome, index_status=200, time_ms=NOW * 1000 + 5
    )


async def listed(store: Store, **filters: Any) -> list[KeyRecord]:
    """A whole listing of keys."""
    return [record async for record in store.keys(**filters)]


async def generation(store: Store) -> int:
    """The number that every change of a key raises, asked until it is known: a server is asked again after a change."""
    async with asyncio.timeout(5):
        while (found := store.generation()) is BUSY:
            await asyncio.sleep(0.001)
    return found


async def peeked(store: Store, key_id: KeyId) -> KeyRecord | None:
    """What a look without waiting finds; where there is none, over a wire, what every request then asks."""
    found = store.peek(key_id)
    return await store.key(key_id) if found is BUSY else found


def asked_by(store: Store) -> sqlite3.Connection:
    """The connection that a store on a file writes through, and reads."""
    return store._worker._driver  # type: ignore[attr-defined,no-any-return]


def shape(statement: str) -> str:
    """A statement without its values: what SQLite tells of one has them in their places."""
    return re.sub(r"x?'(?:[^']|'')*'|\b\d+\b", "?", statement)
