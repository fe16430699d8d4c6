"""What the server does by the clock: it announces ends, pauses what nobody uses, and writes last uses down."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from typing import Any

import pytest

from authproxy.config import load
from authproxy.domain.endings import DAY
from authproxy.domain.keys import KeyId, KeyKind, Secret
from authproxy.store import LastUse, Mint, Rotate, Store, StoreError, Swept
from authproxy.store.driver import sqlite3
from authproxy.web import chores as room
from authproxy.web.chores import Chores, chores
from authproxy.web.parts import Parts
from tests.web.clocks import Clock, until
from tests.web.conftest import POLICIES, Running
from tests.web.ledgers import KEY
from tests.web.test_uses import ASKED, REQUEST, WHO

PUBLISHER = {"kind": "github", "repository": "acme/core", "workflow": "release.yml", "packages": ["acme-*"]}
PAUSING = {"release": {**POLICIES["release"], "pause_unused": "90d"}, "safe": POLICIES["install"]}


@pytest.fixture
async def clock(running: Running, caplog: pytest.LogCaptureFixture) -> Clock:
    """A clock over a proxy that has had its own first round: it shares the store, and nothing else."""
    caplog.set_level(logging.INFO, "authproxy.keys")

    async def looked() -> bool:
        with closing(sqlite3.connect(running.file.parent / "authproxy.db")) as connection:
            return connection.execute("SELECT uses_noted FROM meta").fetchone()[0] > 0

    await until(looked)
    return Clock(running)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int]]:
    """The warnings of ends since the last look: key and threshold."""
    found = [(each.key, each.within_days) for each in caplog.records if hasattr(each, "within_days")]
    caplog.clear()
    return found


def gauges(parts: Parts) -> dict[str, float]:
    samples = [
        each
        for gauge in (parts.metrics.expiring, parts.metrics.expired)
        for each in next(iter(gauge.collect())).samples
    ]
    return {each.labels.get("within", "expired"): each.value for each in samples}


async def test_an_end_is_announced_once_a_day_for_each_threshold(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Not by the hour, and again on the next day; nearer thresholds as they come."""
    clock.now = (clock.now // DAY + 1) * DAY  # midnight
    key = await clock.key("key", 7.5)
    await clock.key("far", 80)
    await clock.chores.round()
    assert told(caplog) == [(key, 30)]
    for _ in range(11):
        clock.now += 3600
        await clock.chores.round()
        assert told(caplog) == []
    clock.now += 2 * 3600
    await clock.chores.round()
    assert told(caplog) == [(key, 7)]
    clock.now += DAY
    await clock.chores.round()
    assert told(caplog) == [(key, 7)]
    clock.now += 6 * DAY
    await clock.chores.round()
    assert told(caplog) == []


async def test_a_thousand_ends_are_not_a_thousand_lines(
    clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first ones by name, the rest as a number, once a day."""
    monkeypatch.setattr(room, "LINES", 3)
    for number in range(8):
        await clock.key(f"k{number}", 5)
    await clock.chores.round()
    assert "more keys expire within 30 days than are told here: 8" in caplog.text
    assert len(told(caplog)) <= 4
    await clock.chores.round()
    assert caplog.records == []


async def test_of_several_processes_one_announces(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """The others count, pause and write down all the same."""
    await clock.key("AAAA", 20)
    caplog.clear()
    await Chores(lambda: clock.parts, announces=False).round()
    assert told(caplog) == []
    assert gauges(clock.parts)["30d"] == 1
    await clock.chores.round()
    assert len(told(caplog)) == 1


async def test_ends_are_counted(clock: Clock) -> None:
    """Each gauge counts all that is nearer; what is past is `expired`."""
    for name, days in (("a", 0.5), ("b", 6), ("c", 29), ("d", 31), ("over", -1)):
        await clock.key(name, days)
    await clock.chores.round()
    assert gauges(clock.parts) == {"1d": 1, "7d": 2, "30d": 3, "expired": 1}
    clock.now += DAY
    await clock.chores.round()
    assert gauges(clock.parts) == {"1d": 0, "7d": 1, "30d": 3, "expired": 2}


async def test_an_old_secret_in_use_is_announced_on_its_last_day(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """By whom it is used, so that somebody can go there before the night; once a day."""
    for name in ("used", "quiet"):
        key_id = await clock.key(name, 80)
        await clock.parts.store.change_key(
            key_id, Rotate(Secret("1", "x", clock.now, None), "0", 2 * DAY), now=clock.now
        )
    use = LastUse(KeyId("used00000000"), "0", clock.now + DAY, "upload", "acme-core", "192.0.2.7", "twine/7.0")
    await clock.parts.store.note_uses([use, replace(use, slot="1", address="192.0.2.8")])
    await clock.chores.round()
    assert "old secret" not in caplog.text
    clock.now += DAY + 60
    await clock.chores.round()
    await clock.chores.round()
    [line] = [each for each in caplog.records if "old secret" in each.message]
    assert (line.key, line.address, line.project) == ("used00000000", "192.0.2.7", "acme-core")


@pytest.mark.parametrize("running", [{"key_policies": PAUSING}], indirect=True)
async def test_what_nobody_uses_is_paused(clock: Clock, running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """After the days of its policy, counted since uses are noted; with a line in the log; a note in memory is a use."""
    idle, used = await clock.key("idle", 999), await clock.key("used", 999)
    safe = await clock.key("safe", 999, policy="safe")
    for _ in range(90):
        await clock.chores.round()
        assert not any([(await clock.parts.store.key(each)).paused for each in (idle, used, safe)])
        clock.now += DAY
    note = replace(WHO, public_id=used + "0")
    clock.parts.uses.read(note, ASKED, REQUEST, clock.now)
    await clock.chores.round()
    paused = {each: (await clock.parts.store.key(each)).paused for each in (idle, used, safe)}
    assert paused == {idle: True, used: False, safe: False}
    [line] = [each for each in caplog.records if "was paused" in each.message]
    assert (line.key, line.policy, line.message) == (
        idle,
        "release",
        "a key was paused: nobody has used it for 90 days",
    )


@pytest.mark.parametrize("running", [{"key_policies": PAUSING}], indirect=True)
async def test_after_a_long_absence_nothing_is_paused(clock: Clock) -> None:
    """A server that was off for a year, or a restored database, gives every key its full time again."""
    idle = await clock.key("idle", 999)
    await clock.chores.round()
    clock.now += 365 * DAY
    await clock.chores.round()
    assert not (await clock.parts.store.key(idle)).paused


@pytest.mark.parametrize("running", [{"key_policies": PAUSING}], indirect=True)
async def test_a_reload_changes_what_is_paused(clock: Clock, running: Running) -> None:
    """The policy of this moment holds: whoever takes the line out is obeyed without a restart."""
    assert running.app.parts.policy.key_policies["release"].pause_unused == 90 * DAY
    running.write(key_policies=POLICIES)
    running.app.reload(load(running.file))
    assert running.app.parts.policy.key_policies["release"].pause_unused is None


class Broken:
    """A store that fails as often as it is asked."""

    def __init__(self, store: Store) -> None:
        self._store, self.failing = store, True

    def __getattr__(self, name: str) -> Any:
        if self.failing and name in {"ends", "note_uses"}:
            raise StoreError("the disk is gone")
        return getattr(self._store, name)


@asynccontextmanager
async def hurried(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Chores]:
    monkeypatch.setattr(room, "FLUSH", 0.01)
    monkeypatch.setattr(room, "ROUND", 0.02)
    async with chores(lambda: parts) as running:
        yield running


async def test_failing_chores_are_tried_again(
    clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that fails, and a mistake of ours, are told in the log; the next round does it."""
    store = Broken(clock.parts.store)
    parts = replace(clock.parts, store=store)  # type: ignore[arg-type]
    await clock.key("a", 0.5)

    async def counted() -> bool:
        return gauges(parts)["1d"] == 1 if "1d" in gauges(parts) else False

    async def failed() -> bool:
        return "the keys were not looked at" in caplog.text

    async with hurried(parts, monkeypatch):
        await until(failed)
        store.failing = False
        await until(counted)


async def test_a_mistake_of_ours_is_in_the_log(
    clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its traceback, and the chores go on."""

    async def wrong() -> None:
        raise ZeroDivisionError

    await clock.chores._tried(wrong)
    assert "a chore failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_what_was_noted_is_written_down_at_the_end(clock: Clock) -> None:
    """Long before the next flush is due: a quiet end loses nothing."""
    async with chores(lambda: clock.parts):
        await asyncio.sleep(0.1)
        clock.parts.uses.read(WHO, ASKED, REQUEST, clock.now)
    assert len(await clock.parts.store.last_uses([KEY.id])) == 1


async def test_a_full_memory_is_flushed_before_its_time(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key waits for the clock to be noted."""
    async with chores(lambda: clock.parts):
        await asyncio.sleep(0.1)
        clock.parts.uses.read(WHO, ASKED, REQUEST, clock.now)
        clock.parts.uses.full.set()

        async def written() -> bool:
            return len(await clock.parts.store.last_uses([KEY.id])) == 1

        await until(written)


async def test_minted_keys_and_tokens_are_swept(clock: Clock) -> None:
    """A token when nobody could send it again, a key thirty days after its end."""
    minted = replace(KEY, id=KeyId("Minted000001"), kind=KeyKind.MINTED, policy="", expires=clock.now + 900)
    await clock.parts.store.minting.mint(Mint(minted, "p", "token", clock.now + 600, seen={}), now=clock.now)
    clock.now += 700
    await clock.chores.round()
    assert await clock.parts.store.key(minted.id) is not None
    assert await clock.parts.store.minting.sweep(now=clock.now) == Swept(0, 0)
    clock.now += 31 * DAY
    await clock.chores.round()
    assert await clock.parts.store.key(minted.id) is None


@pytest.mark.parametrize("running", [{"publishers": [PUBLISHER]}], indirect=True)
async def test_publishers_are_noted_when_they_come(clock: Clock) -> None:
    """At the start and after a reload, once each: who may create projects ends thirty days later if nobody came."""

    async def noted() -> bool:
        return bool(await clock.parts.store.minting.pins())

    await until(noted)
    since = (await clock.parts.store.minting.pins())["github acme/core release.yml"].since
    clock.now += 5
    await clock.chores.note_publishers()
    assert (await clock.parts.store.minting.pins())["github acme/core release.yml"].since == since
    policy = clock.parts.config.policy
    [publisher] = policy.publishers.values()
    more = {**policy.publishers, "new": replace(publisher, label="new")}
    clock.parts = replace(clock.parts, latest=lambda: replace(policy, publishers=more))
    await clock.chores.note_publishers()
    clock.now += 5
    await clock.chores.note_publishers()
    assert (await clock.parts.store.minting.pins())["new"].since == clock.now - 5
