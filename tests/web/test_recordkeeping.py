"""The running proxy keeps its record: what was counted is written, what is too old leaves, and trouble ends nothing."""

import asyncio
import logging
from dataclasses import replace

import pytest

from authproxy.config import RecordSettings
from authproxy.store import Sound, StoreError
from authproxy.store.refusals import PER_MINUTE
from authproxy.web import recordkeeping
from authproxy.web.parts import Parts
from authproxy.web.recordkeeping import Keeping
from tests.store.samples import NOW, upload
from tests.web.conftest import Running

DAY = 86_400


def parts_of(running: Running, *, keep: int | None, now: float = NOW) -> Parts:
    """The proxy's parts with another clock, and with rows kept so many seconds."""
    config = replace(running.app.parts.config, record=RecordSettings(keep))
    return replace(running.app.parts, config=config, clock=lambda: now)


async def rows_of(parts: Parts) -> list[str]:
    return [row.version async for batch in parts.store.record.rows() for row in batch]


async def test_what_is_too_old_leaves_once_a_day(running: Running) -> None:
    """And without the setting nothing does."""
    parts = parts_of(running, keep=None, now=NOW + 11 * DAY)
    for version, time in (("1.0", NOW), ("1.1", NOW + 5 * DAY)):
        await parts.store.record_refusal(upload(version, time_ms=time * 1000), "no-rule", "no")
    await Keeping(lambda: parts).prune()
    assert await rows_of(parts) == ["1.0", "1.1"]
    old = parts_of(running, keep=10 * DAY, now=NOW + 11 * DAY)
    await Keeping(lambda: old).prune()
    assert await rows_of(parts) == ["1.1"]
    assert isinstance(await parts.store.record.verify(), Sound)


async def test_it_begins_with_a_pruning_and_writes_what_was_counted(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the requests, until it ends; what is left then is written at the end."""
    monkeypatch.setattr(recordkeeping, "MINUTE", 0.01)
    parts = parts_of(running, keep=10 * DAY, now=NOW + 11 * DAY)
    await parts.store.record_refusal(upload("1.0", time_ms=NOW * 1000), "no-rule", "no")
    for _ in range(PER_MINUTE + 5):
        young = upload("2.0", time_ms=(NOW + 11 * DAY) * 1000, owner="eve", key_id="Abc123XYZ780")
        await parts.store.record_refusal(young, "no-rule", "no")
    async with recordkeeping.recordkeeping(lambda: parts):
        async with asyncio.timeout(20):
            while "1.0" in await rows_of(parts):
                await asyncio.sleep(0.01)
        assert len(await rows_of(parts)) == PER_MINUTE
    assert len(await rows_of(parts)) == PER_MINUTE + 1


async def test_trouble_is_told_and_ends_nothing(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that cannot answer, and a mistake of ours: the next turn comes."""
    monkeypatch.setattr(recordkeeping, "MINUTE", 0.01)
    turns = iter([StoreError("the disk is full"), ValueError("ours")])
    done = asyncio.Event()

    def parts() -> Parts:
        failure = next(turns, None)
        if failure is not None:
            raise failure
        done.set()
        return parts_of(running, keep=None)

    with caplog.at_level(logging.WARNING):
        async with recordkeeping.recordkeeping(parts):
            await asyncio.wait_for(done.wait(), 20)
    assert [record.levelname for record in caplog.records if record.name == "authproxy.record"] == ["WARNING", "ERROR"]


async def test_a_forgery_is_told_in_the_log(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """It is not pruned away."""
    parts = parts_of(running, keep=DAY, now=NOW + 11 * DAY)
    await parts.store.record_refusal(upload("1.0"), "no-rule", "no")

    def forge(connection: object) -> None:
        connection.exec_driver_sql("UPDATE record SET owner = 'mallory'")  # type: ignore[attr-defined]

    await parts.store._worker.write(forge)
    with caplog.at_level(logging.ERROR):
        await Keeping(lambda: parts).prune()
    assert "row 1 is not what its link says" in str([vars(record) for record in caplog.records])
    assert await rows_of(parts) == ["1.0"]
