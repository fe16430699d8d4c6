"""Keys at rest: what goes in comes out, and a key's life only moves the ways it may."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from authproxy.domain.grants import parse_grant
from authproxy.domain.keys import KeyId, KeyKind, KeyRecord, Secret
from authproxy.store import KeyState, Store, StoreError
from authproxy.store.driver import sqlite3
from authproxy.store.keys import PAGE
from tests.store.samples import ID, KEY, NOW, listed, peeked

Rows = Callable[..., list[Any]]


def another(number: int, **changes: Any) -> KeyRecord:
    """One more key."""
    return replace(KEY, id=KeyId(f"{number:012}"), **changes)


RECORDS = {
    "plain": another(1),
    "with everything": another(
        2,
        owner="Jos\u00e9 \u540d <j@x>",
        note='it\'s "quoted"; DROP TABLE keys',
        grants=(parse_grant("upload+create:acme-*,acme"), parse_grant("read,upload:x@team/dev")),
        networks=(ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")),
        uses=3,
        used=2,
        secrets=(Secret("0", "$argon2id$0", NOW, NOW + 5), Secret("z", "$argon2id$1", NOW + 1, None)),
    ),
    "without an end": another(3, expires=None),
    "without a secret": another(4, secrets=()),
    "revoked and paused": another(5, revoked=NOW, paused=True),
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS.keys())
async def test_what_goes_in_comes_out(store: Store, record: KeyRecord) -> None:
    """By the waiting read, by the one that never waits, and in a listing."""
    await store.add_key(record)
    assert await store.key(record.id) == record
    assert await peeked(store, record.id) == record
    assert record in await listed(store)


async def test_an_unknown_key_is_none(store: Store) -> None:
    """Neither read invents a key."""
    assert await store.key(KeyId("B" * 12)) is None
    assert await peeked(store, KeyId("B" * 12)) is None


async def test_an_id_is_given_once(store: Store, rows: Rows) -> None:
    """A second key of the same id is refused whole, and the first stays as it is."""
    with pytest.raises(StoreError, match=f"key id {ID} is taken"):
        await store.add_key(replace(KEY, owner="somebody else", secrets=(Secret("1", "$", NOW, None),)))
    assert await store.key(ID) == KEY
    assert rows("SELECT count(*) FROM secrets") == [(1,)]


async def test_a_grant_that_cannot_be_read_is_no_grant(store: Store, rows: Rows) -> None:
    """A newer program's grant may be a restriction: the key is refused, never read half."""
    rows("UPDATE keys SET grants = '[\"fly:acme-*\"]'")
    with pytest.raises(StoreError, match=f"key {ID} holds a grant"):
        await store.key(ID)
    with pytest.raises(StoreError, match=f"key {ID} holds a grant"):
        await peeked(store, ID)


LIVES: dict[str, tuple[list[tuple[str, bool]], str | None]] = {
    "revoked once": ([("revoke", True), ("revoke", False)], "revoked"),
    "paused once": ([("pause", True), ("pause", False)], "paused"),
    "resumed": ([("pause", True), ("resume", True), ("resume", False)], None),
    "not paused": ([("resume", False)], None),
    "revoked for good": ([("revoke", True), ("resume", False), ("pause", False)], "revoked"),
    "revoked while paused": ([("pause", True), ("revoke", True), ("resume", False)], "revoked"),
}


@pytest.mark.parametrize(("steps", "end"), LIVES.values(), ids=LIVES.keys())
async def test_a_life(store: Store, steps: list[tuple[str, bool]], end: str | None) -> None:
    """What each step answers and where the key ends. The time of the first revocation stays."""
    for at, (step, changed) in enumerate(steps):
        assert await getattr(store, step)(ID, NOW + at) is changed
    record = await store.key(ID)
    assert record is not None
    assert record.dead(NOW) == end
    if steps[0][0] == "revoke":
        assert record.revoked == NOW


@pytest.mark.parametrize("step", ["revoke", "pause", "resume"])
async def test_there_is_nothing_to_change_about_an_unknown_key(store: Store, step: str) -> None:
    """An id that does not exist is answered with False."""
    assert not await getattr(store, step)(KeyId("B" * 12), NOW)


async def test_listing_by_owner_policy_and_state(store: Store) -> None:
    """Each filter takes what it says, and the states are those of KeyRecord.dead."""
    await store.add_key(another(1, owner="a", policy="p", revoked=NOW, paused=True))
    await store.add_key(another(2, owner="a", policy="q", paused=True, expires=NOW))
    await store.add_key(another(3, owner="b", policy="p", expires=NOW))
    await store.add_key(another(4, owner="b", policy="q", expires=None))

    await store.add_key(another(5, owner="c", policy="", kind=KeyKind.CANARY))

    assert [record.id[-1] for record in await listed(store, owner="a")] == ["1", "2"]
    assert [record.id[-1] for record in await listed(store, policy="p")] == ["1", "3"]
    assert [record.id[-1] for record in await listed(store, policy="q", owner="b")] == ["4"]
    assert await listed(store, owner="nobody") == []
    for state in KeyState:
        wanted = [record for record in await listed(store) if (record.dead(NOW) or "live") == state]
        assert wanted
        assert await listed(store, state=state, now=NOW) == wanted


async def test_listing_is_by_creation_and_survives_changes(store: Store) -> None:
    """More than a page, made in another order than listed; a key that is added meanwhile disturbs nothing."""
    count = PAGE + 3
    await asyncio.gather(*(store.add_key(another(n, created=NOW + (n * 7919) % count)) for n in range(count)))
    seen = []
    async for record in store.keys():
        if not seen:
            await store.add_key(another(999_999, created=NOW - 1000))
        seen.append((record.created, record.id))
    assert seen == sorted(set(seen))
    assert len(seen) == count + 1


async def test_adding_is_atomic(store: Store, rows: Rows) -> None:
    """A key whose second secret cannot be stored leaves nothing."""
    twice = Secret("0", "$", NOW, None)
    with pytest.raises(StoreError):
        await store.add_key(another(9, secrets=(twice, twice)))
    assert rows("SELECT count(*) FROM keys WHERE id = ?", "000000000009") == [(0,)]


async def test_a_failed_key_takes_no_other_down(store: Store) -> None:
    """Of many keys that are added at once and share a commit, only the one that is taken fails."""
    results = await asyncio.gather(
        *(store.add_key(another(n) if n != 5 else KEY) for n in range(20)), return_exceptions=True
    )
    assert [n for n, result in enumerate(results) if isinstance(result, StoreError)] == [5]
    assert len(await listed(store)) == 20


def test_this_python_has_the_sqlite_we_write_for() -> None:
    """RETURNING is from SQLite 3.35."""
    assert sqlite3.sqlite_version_info >= (3, 35)
