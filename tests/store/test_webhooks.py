"""The queues of webhooks: in order, tried again ever later, one sender each, and never for ever."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from authproxy.domain.endings import DAY
from authproxy.domain.events import Event
from authproxy.domain.keys import KeyId
from authproxy.store import Extend, Failure, Message, Store, webhooks
from tests.store.samples import ID, KEY, NOW

Rows = Callable[..., list[Any]]

ALL = {"ops": frozenset(Event) - {Event.KEY_CREATED}, "chat": frozenset({Event.KEY_PAUSED})}


@pytest_asyncio.fixture
async def told(url: str) -> AsyncIterator[Store]:
    """A store with a key, and two webhooks that have heard nothing yet."""
    store = await Store.open(url, ALL)
    await store.add_key(KEY)
    yield store
    await store.close()


async def happen(store: Store, times: int = 1, *, now: int = NOW) -> None:
    """So many times two events for `ops`, the first of them for `chat` as well."""
    for _ in range(times):
        await store.pause(ID, now)
        await store.resume(ID, now)


async def next_of(store: Store, name: str = "ops", *, now: int = NOW) -> list[int]:
    return [message.row for message in await store.webhooks.pending(name, 10, now=now)]


async def fail(store: Store, name: str = "ops", *, now: int = NOW, error: str = "it answered 503") -> Message:
    [first, *_] = await store.webhooks.pending(name, 10, now=now)
    await store.webhooks.settle(name, [], Failure(first, error), now=now)
    return first


async def test_what_was_sent_is_gone(told: Store) -> None:
    """The rest comes next, in its order; another webhook has a queue of its own."""
    await happen(told, 2)
    first, second, *_ = await told.webhooks.pending("ops", 2, now=NOW)
    assert [json.loads(each.body)["type"] for each in (first, second)] == ["key.paused", "key.resumed"]
    await told.webhooks.settle("ops", [first], None, now=NOW + 3)
    assert await next_of(told) == [second.row, 4, 6]
    assert await next_of(told, "chat") == [2, 5]
    ops = {each.name: each for each in await told.webhooks.standing()}["ops"]
    assert (ops.waiting, ops.failures, ops.error, ops.sent, ops.dropped) == (3, 0, None, NOW + 3, 0)


async def test_pauses_grow_and_order_is_kept(told: Store) -> None:
    """5, 20, 80 seconds: until then nothing is due, and then the same event first, alone."""
    await happen(told)
    now = NOW
    for pause in (5, 20, 80):
        first = await fail(told, now=now)
        assert await next_of(told, now=now + pause - 1) == []
        assert (await told.webhooks.standing())[1].due == now + pause
        now += pause
        assert await next_of(told, now=now) == [first.row]
    await told.webhooks.settle("ops", await told.webhooks.pending("ops", 10, now=now), None, now=now)
    assert len(await next_of(told, now=now)) == 1, "it takes them again, and what waited follows"


async def test_an_event_that_its_receiver_will_not_have_is_passed_by(told: Store) -> None:
    """After some tries the others go on, and it is tried now and then."""
    await happen(told, 2)
    now = NOW
    poison = (await fail(told, now=now)).row
    for pause in (5, 20, 80, 320):
        now += pause
        assert (await fail(told, now=now)).row == poison
    now += 300
    [behind] = await told.webhooks.pending("ops", 10, now=now)
    assert behind.row != poison
    await told.webhooks.settle("ops", [behind], None, now=now)
    assert poison not in await next_of(told, now=now)
    assert poison in await next_of(told, now=now + 4 * 3600)


async def test_a_failure_of_one_webhook_is_its_own(told: Store) -> None:
    """Another one is due all the same."""
    await happen(told)
    await fail(told)
    assert await next_of(told) == []
    assert len(await next_of(told, "chat")) == 1


async def test_what_is_too_old_is_dropped_and_counted(told: Store) -> None:
    """Once its receiver has had its tries; what is younger stays."""
    await happen(told)
    await happen(told, now=NOW + 2 * DAY)
    now = NOW + 3 * DAY + 1
    for tries in range(1, webhooks.PATIENCE + 1):
        assert len(await told.webhooks.standing()) == 2
        await fail(told, now=now)
        now += 320
        dropped = next(each.dropped for each in await told.webhooks.standing() if each.name == "ops")
        assert dropped == (2 if tries == webhooks.PATIENCE else 0), tries
    ops = {each.name: each for each in await told.webhooks.standing()}["ops"]
    assert (ops.waiting, ops.oldest) == (2, NOW + 2 * DAY)


async def test_a_standstill_drops_nothing(told: Store) -> None:
    """Events that are older than that because no server ran are sent."""
    await happen(told)
    assert len(await next_of(told, now=NOW + 30 * DAY)) == 2


async def test_a_webhook_that_left_the_configuration(told: Store) -> None:
    """Its events wait for its return, but not for ever; those of others are left alone."""
    await happen(told)
    await told.webhooks.drop_unknown({"ops"}, now=NOW + DAY)
    assert len(await next_of(told, "chat")) == 1
    await told.webhooks.drop_unknown({"ops"}, now=NOW + 3 * DAY + 1)
    assert len(await next_of(told, "chat")) == 0
    assert len(await next_of(told)) == 2
    assert {each.name: each.dropped for each in await told.webhooks.standing()} == {"chat": 1, "ops": 0}


async def test_one_program_sends_at_a_time(told: Store, url: str) -> None:
    """Until it ends, or has no such webhook any more; whatever way it ends."""
    await happen(told)
    other = await Store.open(url, ALL)
    assert len(await next_of(told)) == 2
    assert await next_of(other) == []
    await told.webhooks.release("ops")
    assert len(await next_of(other)) == 2
    assert await next_of(told) == []
    await other.close()
    assert len(await next_of(told)) == 2


async def ending(store: Store, name: str, days: float, life: int = 100) -> KeyId:
    """A key that ends in so many days, made for so many."""
    key_id, end = KeyId(name.ljust(12, "0")), NOW + int(days * DAY)
    await store.add_key(replace(KEY, id=key_id, created=end - life * DAY, expires=end))
    return key_id


def announced(rows: Rows) -> list[tuple[str, int]]:
    found = [json.loads(body)["data"] for (body,) in rows("SELECT body FROM hooks WHERE event = 'key.expiring'")]
    rows("DELETE FROM hooks")
    return [(told["key_id"].rstrip("0"), told["within_days"]) for told in found]


async def test_an_end_is_announced_once_for_each_threshold(
    told: Store, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """30, 7 and 1 days before, whoever asks how often, also after a restart; the nearest one where several are new."""
    monkeypatch.setattr(webhooks, "PAGE", 2)
    for name, days in (("far", 31), ("month", 29), ("week", 6.5), ("day", 0.9), ("gone", -1)):
        await ending(told, name, days)
    await ending(told, "short", 0.5, life=1)
    revoked = await ending(told, "rev", 5)
    await told.revoke(revoked, NOW)
    rows("DELETE FROM hooks")
    await told.webhooks.announce(now=NOW)
    # The key of the other tests was made for three hours: no threshold is shorter.
    assert announced(rows) == [("day", 1), ("week", 7), ("month", 30)]
    await told.webhooks.announce(now=NOW + 3600)
    assert announced(rows) == []
    await told.webhooks.announce(now=NOW + 6 * DAY)
    assert announced(rows) == [("week", 1), ("far", 30)]


async def test_a_key_that_was_extended_is_announced_again(told: Store, rows: Rows) -> None:
    """When it comes near its new end."""
    key = await ending(told, "key", 6)
    await told.webhooks.announce(now=NOW)
    await told.change_key(key, Extend(NOW + 6 * DAY, NOW + 90 * DAY), now=NOW)
    assert announced(rows) == [("key", 7)]
    await told.webhooks.announce(now=NOW)
    assert announced(rows) == []
    await told.webhooks.announce(now=NOW + 61 * DAY)
    assert announced(rows) == [("key", 30)]


async def test_nobody_asked(store: Store, rows: Rows) -> None:
    """Without a webhook that wants it, nothing is noted: one that comes later hears of what is near then."""
    await ending(store, "key", 6)
    await store.webhooks.announce(now=NOW)
    assert rows("SELECT * FROM announced") == []
