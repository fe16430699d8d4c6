"""All keys at once: what ends soon, what is rotated, what nobody uses; in order, page by page, and nothing too much."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from authproxy.domain.endings import DAY
from authproxy.domain.keys import KeyId, KeyRecord, Secret
from authproxy.store import Ending, LastUse, Rotate, Store, keyring
from tests.store.samples import ENTRY, ID, KEY, NOW, admitted, generation, listed

Rows = Callable[..., list[Any]]

SECOND = Secret("1", "$argon2id$second", NOW, None)
LONG_AGO = NOW - 200 * DAY


async def added(store: Store, name: str, **changes: Any) -> KeyId:
    """Add another key."""
    key_id = KeyId(name.ljust(12, "0"))
    await store.add_key(replace(KEY, id=key_id, **changes))
    return key_id


async def endings(store: Store, **asked: Any) -> list[Ending]:
    return [ending async for ending in store.endings(**asked, now=NOW)]


async def test_keys_that_end_come_in_the_order_of_their_ends(store: Store) -> None:
    """Those that are over, far away, endless, paused or revoked are not among them."""
    late = await added(store, "late", expires=NOW + 20 * DAY)
    soon = await added(store, "soon", expires=NOW + DAY, owner="ann")
    await added(store, "over", expires=NOW)
    await added(store, "far", expires=NOW + 31 * DAY)
    await added(store, "never", expires=None)
    await added(store, "paused", expires=NOW + DAY, paused=True)
    await added(store, "revoked", expires=NOW + DAY, revoked=NOW)
    found = await endings(store, until=NOW + 30 * DAY)
    assert [(each.key.id, each.end) for each in found] == [
        (ID, NOW + 10_000), (soon, NOW + DAY), (late, NOW + 20 * DAY),
    ]  # fmt: skip
    assert found[1].key == await store.key(soon)
    assert [each.key.id for each in await endings(store, until=NOW + 30 * DAY, owner="ann")] == [soon]
    assert await endings(store, until=NOW + 30 * DAY, policy="other") == []


async def test_several_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that end in the same second included, each is listed once."""
    monkeypatch.setattr(keyring, "PAGE", 2)
    monkeypatch.setattr("authproxy.store.keys.PAGE", 2)
    names = [await added(store, f"k{number}", expires=NOW + DAY) for number in range(5)]
    assert [each.key.id for each in await endings(store, until=NOW + 2 * DAY)] == [ID, *names]
    for name in names:
        await store.change_key(name, Rotate(SECOND, "0", 100), now=NOW)
    assert [each.key.id for each in await endings(store)] == names


async def test_keys_that_are_rotated(store: Store, rows: Rows) -> None:
    """The old secret has to work: not when it is over, nor when the key is."""
    names = {name: await added(store, name, expires=NOW + 2 * DAY) for name in ("one", "two", "over", "dead")}
    for number, name in enumerate(names.values()):
        await store.change_key(name, Rotate(SECOND, "0", 1000 - number), now=NOW)
    rows("UPDATE secrets SET expires = ? WHERE key_id = ? AND expires IS NOT NULL", NOW, names["over"])
    await store.revoke(names["dead"], NOW)
    assert [(each.key.id, each.end) for each in await endings(store)] == [
        (names["two"], NOW + 999), (names["one"], NOW + 1000),
    ]  # fmt: skip


async def test_what_ends_is_counted(store: Store) -> None:
    """Each threshold counts all that is nearer; a key made for a day is announced by no gauge."""
    for name, days in (("a", 0.5), ("b", 6), ("c", 29), ("d", 31)):
        await added(store, name, created=LONG_AGO, expires=NOW + int(days * DAY))
    await added(store, "brief", created=NOW - 10, expires=NOW + DAY - 20)
    await added(store, "over", created=LONG_AGO, expires=NOW - 1)
    await added(store, "gone", created=LONG_AGO, expires=NOW - 1, revoked=NOW)
    assert await store.ends((1, 7, 30), now=NOW) == (1, {1: 1, 7: 2, 30: 3})


def used(key_id: KeyId, ago: int) -> LastUse:
    return LastUse(key_id, "0", NOW - ago, "read", "", "192.0.2.7", "pip")


async def scene(store: Store, rows: Rows) -> set[KeyId]:
    """Keys of all kinds; return those that nobody has used for 90 days."""
    idle = await added(store, "idle", created=LONG_AGO)
    once = await added(store, "once", created=LONG_AGO)
    reads = await added(store, "reads", created=LONG_AGO)
    uploads = await added(store, "uploads", created=LONG_AGO)
    back = await added(store, "back", created=LONG_AGO)
    await store.pause(back, LONG_AGO)
    await store.resume(back, NOW - DAY)
    await store.note_uses([used(once, 91 * DAY), used(reads, 89 * DAY)])
    await admitted(store, replace(ENTRY, key_id=uploads, public_id=uploads + "0"), now=NOW - 10)
    await added(store, "paused", created=LONG_AGO, paused=True)
    await added(store, "over", created=LONG_AGO, expires=NOW)
    await added(store, "other", created=LONG_AGO, policy="safe", expires=None)
    rows("UPDATE meta SET uses_since = ?, uses_noted = ?", LONG_AGO, NOW - 3600)
    return {idle, once}


async def test_what_nobody_uses_is_paused_where_the_policy_says_so(store: Store, rows: Rows) -> None:
    """Reads and uploads count as uses, and so does being made or resumed; other policies are left alone."""
    idle, before = await scene(store, rows), await generation(store)
    paused = await store.pause_idle({"release": 90 * DAY}, now=NOW)
    assert {each.id for each in paused} == idle
    assert (paused[0].owner, paused[0].policy) == ("ci@acme", "release")
    assert await generation(store) != before
    assert await store.pause_idle({"release": 90 * DAY}, now=NOW) == []
    for each in idle:
        life = await store.life(each)
        assert life is not None
        assert (life.key.paused, life.paused, life.paused_why) == (True, NOW, "unused")
        assert await store.resume(each, NOW)
        life = await store.life(each)
        assert life is not None
        assert (life.paused, life.paused_why) == (None, None)
    assert await store.pause_idle({"release": 90 * DAY}, now=NOW + DAY - 1) == []


async def test_the_same_are_listed(store: Store, rows: Rows) -> None:
    """Whoever lists the unused sees what would be paused, of all policies."""
    idle = await scene(store, rows)
    found = {each.id for each in await listed(store, policy="release", idle_since=NOW - 90 * DAY, now=NOW)}
    assert found - {KeyId("paused000000"), KeyId("over00000000")} == idle


@pytest.mark.parametrize(
    ("since", "noted"),
    [(NOW - 89 * DAY, NOW - 3600), (LONG_AGO, NOW - 2 * DAY), (0, 0)],
    ids=["noted for too short a time", "the server was off", "a new schema, or a restored copy"],
)
async def test_a_time_without_notes_counts_for_nothing(store: Store, rows: Rows, since: int, noted: int) -> None:
    """Whoever comes back from a long pause finds his keys working, though nobody was there to note their uses."""
    await scene(store, rows)
    rows("UPDATE meta SET uses_since = ?, uses_noted = ?", since, noted)
    assert await store.pause_idle({"release": 90 * DAY}, now=NOW) == []


async def test_many_are_paused_in_turns(store: Store, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction has its bound, and asking on gets them all."""
    monkeypatch.setattr(keyring, "PAGE", 1)
    idle, paused = await scene(store, rows), []
    while some := await store.pause_idle({"safe": 90 * DAY, "release": 90 * DAY}, now=NOW):
        assert len(some) == 1
        paused += some
    assert {each.id for each in paused} == idle | {KeyId("other0000000")}


async def test_a_life_of_no_key(store: Store) -> None:
    """There is nothing to know."""
    assert await store.life(KeyId("Nobody000000")) is None
    record: KeyRecord | None = await store.key(ID)
    life = await store.life(ID)
    assert life is not None
    assert (life.key, life.uses, life.paused, life.unseen) == (record, (), None, None)
