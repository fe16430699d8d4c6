"""What the store keeps for derived keys: sealed MAC keys, each changed only from what it was; and who was ended."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from authproxy.domain.access import UPLOAD_DEADLINE
from authproxy.domain.keys import KeyId, PublicId, Secret
from authproxy.store import BUSY, Resealed, SealedKey, Store
from authproxy.store.derivations import PAGE
from tests.store.samples import ID, KEY, NOW, generation, peeked

Rows = Callable[..., list[Any]]

WHO = PublicId(ID + "0")
OLD, NEW = b"\x01" + b"o" * 8, b"\x01" + b"n" * 8


async def test_a_key_is_sealed_once(store: Store) -> None:
    """Who was quicker has it: the second changes nothing, and neither does one for a secret that is not there."""
    before = await generation(store)
    assert await store.derivations.seal(SealedKey(WHO, b"first"))
    assert await generation(store) != before, "what is remembered of the key has no MAC key yet"
    after = await generation(store)
    assert not await store.derivations.seal(SealedKey(WHO, b"second"))
    assert not await store.derivations.seal(SealedKey(PublicId(ID + "7"), b"third"))
    assert await generation(store) == after
    found = await store.key(ID)
    assert found is not None
    assert found.secrets[0].sealed == b"first"
    assert await peeked(store, ID) == found


async def many(store: Store, count: int) -> list[PublicId]:
    """Keys that are sealed under the old master key, two secrets each, and one that is not sealed at all."""
    made = [KeyId(f"Key{number:09}") for number in range(count)]
    for each in made:
        secrets = [Secret(slot, "$argon2id$", NOW, None, OLD + each.encode() + slot.encode()) for slot in "01"]
        await store.add_key(replace(KEY, id=each, secrets=tuple(secrets)))
    return [PublicId(each + slot) for each in made for slot in "01"]


async def everything(store: Store, head: bytes) -> list[SealedKey]:
    """All pages."""
    found: list[SealedKey] = []
    while page := await store.derivations.not_under(head, found[-1].public_id if found else None):
        assert len(page) <= PAGE
        found += page
    return found


async def test_what_is_sealed_under_another_master_key_is_found_in_pages(store: Store) -> None:
    """Each once, in order; what is sealed under this one, or not at all, is left out."""
    ids = await many(store, PAGE // 2 + 7)
    assert [each.public_id for each in await everything(store, NEW)] == ids
    assert await everything(store, OLD) == []


async def test_resealing_takes_the_place_of_what_it_was_made_of_and_of_nothing_else(store: Store) -> None:
    """A secret that was rotated away meanwhile, or resealed by another run, is left as it is."""
    await many(store, 3)
    [first, second, *_] = found = await everything(store, NEW)
    changes = [Resealed(each.public_id, each.sealed, NEW + each.sealed) for each in found]
    before = await generation(store)
    stale = [replace(changes[0], was=b"another"), replace(changes[1], public_id=PublicId("x" * 13))]
    assert await store.derivations.reseal(stale) == 0
    assert await generation(store) == before
    assert await store.derivations.reseal(changes[:2]) == 2
    assert await generation(store) != before
    assert [each.public_id for each in await everything(store, NEW)] == [each.public_id for each in found[2:]]
    assert await store.derivations.reseal(changes) == 4
    assert await everything(store, NEW) == []
    key = await store.key(KeyId(first.public_id[:12]))
    assert key is not None
    assert [each.sealed for each in key.secrets] == [NEW + first.sealed, NEW + second.sealed]


async def test_ending_counts_as_a_change_of_a_key_and_is_seen_without_waiting(
    store: Store, url: str, database: str
) -> None:
    """From another program's call on; ending it again changes nothing."""
    other, before = await Store.open(url), await generation(store)
    waits = database == "postgres"  # no answer comes over a wire without waiting
    assert store.derivations.peek_ended(("a", "b")) is (BUSY if waits else False)
    assert store.derivations.peek_calm() is (BUSY if waits else True)
    assert await other.derivations.end("b", NOW)
    assert await generation(store) != before
    assert store.derivations.peek_ended(("a", "b")) is (BUSY if waits else True)
    assert store.derivations.peek_calm() is (BUSY if waits else False)
    assert await store.derivations.ended(("a", "b"))
    assert not await store.derivations.ended(("a",))
    assert not await store.derivations.ended(())
    before = await generation(store)
    assert not await other.derivations.end("b", None)
    assert await generation(store) == before
    await other.close()


async def test_who_was_ended_is_forgotten_when_it_would_have_ended_by_itself(store: Store, rows: Rows) -> None:
    """And an upload's time more; one that names no end is kept."""
    await store.derivations.end("short", NOW)
    await store.derivations.end("endless", None)
    await store.derivations.sweep(now=NOW + UPLOAD_DEADLINE - 1)
    assert rows("SELECT name FROM ended ORDER BY name") == [("endless",), ("short",)]
    await store.derivations.sweep(now=NOW + UPLOAD_DEADLINE)
    assert rows("SELECT name FROM ended") == [("endless",)]


@pytest.mark.sqlite("how it plans")
@pytest.mark.parametrize("count", [1, 16])
async def test_asking_about_a_derived_key_takes_no_scan(store: Store, rows: Rows, count: int) -> None:
    """However many were ended."""
    names = ", ".join("?" * count)
    [plan] = rows(
        f"EXPLAIN QUERY PLAN SELECT 1 FROM ended WHERE name IN ({names}) LIMIT 1", *("x" for _ in range(count))
    )
    assert "SEARCH" in plan[3]


async def test_many_seals_share_commits(store: Store) -> None:
    """A hundred keys that prove themselves at once are no hundred waits."""
    ids = [PublicId(f"{KeyId(f'Key{number:09}')}0") for number in range(100)]
    for each in ids:
        await store.add_key(replace(KEY, id=KeyId(each[:12])))
    done = await asyncio.gather(*(store.derivations.seal(SealedKey(each, b"sealed")) for each in ids))
    assert all(done)
