"""The store as a whole: opened, stormed, cancelled, closed; and what never gets into it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import argon2
import pytest

from authproxy.domain.access import Outcome
from authproxy.domain.keys import KeyId, PublicId, Secret, mint, parse
from authproxy.store import BUSY, Admitted, Claim, Store, StoreError
from tests.store.samples import ANY, ENTRY, ID, KEY, NOW, admitted, listed, ticket, upload

Rows = Callable[..., list[Any]]


async def test_a_closed_store_answers_with_sentences(store: Store) -> None:
    """After the end nothing hangs and nothing foreign is raised; closing twice is fine."""
    await store.ping()
    await store.close()
    await store.close()
    for asking in (store.ping(), store.key(ID), store.admit(ENTRY, ANY, now=NOW)):
        with pytest.raises(StoreError, match="is closed"):
            await asking
    assert store.generation() is store.peek(ID) is BUSY


async def test_text_that_no_database_takes_is_a_sentence(store: Store) -> None:
    """Half a surrogate pair, a number beyond 64 bits: refused as a StoreError, and the store goes on."""
    for asking in (store.key(KeyId("\ud800")), store.admit(replace(ENTRY, size=2**64), ANY, now=NOW)):
        with pytest.raises(StoreError, match="something it cannot answer"):
            await asking
    await admitted(store)


async def test_the_database_holds_no_secret(store: Store, path: Path) -> None:
    """After a whole life of a key, no file of the database holds its secret, nor half of it. The control does."""
    public_id = PublicId(ID + "1")
    text = mint("apx", public_id, bytes(range(100, 132)))
    parsed = parse(text, "apx")
    assert parsed is not None
    secret = parsed.secret.reveal()
    digest = argon2.PasswordHasher(1, 8, 1).hash(secret)
    await store.add_key(replace(KEY, id=KeyId("B" * 12), secrets=(Secret("1", digest, NOW, None),)))
    given = await admitted(store)
    await store.complete(given, Outcome.STORED, index_status=200, time_ms=NOW * 1000)
    await store.record_refusal(ENTRY, "no-rule", f"key {public_id} may not")

    def on_disk() -> bytes:
        return b"".join(each.read_bytes() for each in path.parent.iterdir())

    found = on_disk()
    assert digest.encode() in found, "what is stored is found by this search"
    assert secret.encode() not in found
    assert secret[:21].encode() not in found
    await store.add_key(replace(KEY, id=KeyId("C" * 12), note=text))
    assert secret.encode() in on_disk(), "negative control: a key in a note is found"


async def test_uploads_side_by_side_all_end(store: Store) -> None:
    """A storm of whole uploads, of refusals and of key changes through one store: every one is answered rightly."""

    async def one(n: int) -> None:
        given = await admitted(store, upload(f"{n}.0"))
        await store.complete(given, Outcome.STORED, index_status=200, time_ms=NOW * 1000)
        await store.record_refusal(ENTRY, "no-rule", "no")
        await store.add_key(replace(KEY, id=KeyId(f"{n:012}")))

    await asyncio.gather(*(one(n) for n in range(100)))
    record = await store.key(ID)
    assert record is not None
    assert record.used == 100
    assert len(await listed(store)) == 101
    await store.ping()


async def test_a_cancelled_admission_releases_itself(store: Store, rows: Rows) -> None:
    """A client that hangs up while its admission waits for the disk leaves no claim and no spent use."""
    asking = asyncio.ensure_future(store.admit(ENTRY, ANY, now=NOW))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    given = None
    for _ in range(100):
        verdict = await store.admit(ENTRY, Claim(uses_limit=1), now=NOW)
        if isinstance(verdict, Admitted):
            given = ticket(verdict)
            break
        await asyncio.sleep(0.01)
    assert given is not None
    assert rows("SELECT outcome FROM record ORDER BY id") == [("failed",), ("pending",)]
