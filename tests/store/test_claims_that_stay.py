"""No claim stays in the way for want of somebody to end it: a write that fails, a caller that is gone, a delete."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from authproxy.domain.access import UPLOAD_DEADLINE, Outcome
from authproxy.store import Admitted, FileBusy, FileUnsettled, Hold, Passing, Removed, Store, StoreBusy
from authproxy.store.engine import connect
from tests.store.samples import ANY, ENTRY, NOW, OTHER_SHA, admitted, finish, upload

Rows = Callable[..., list[Any]]
DELETE = replace(ENTRY, action="delete", filename="", identity="", sha256="", size=0)
NOTHING = Removed("", (), ())
PASSING = Passing("", "team/stable", "acme-core", "1.0")


@pytest_asyncio.fixture
async def hasty(store: Store) -> AsyncIterator[Store]:
    """A store that waits a moment for other programs and no longer."""
    await store._worker.read(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout=50"))
    yield store


async def fails(path: Path, write: Awaitable[None]) -> None:
    """Let a write fail before its work can begin: another program holds the database."""
    other = connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy):
        await write
    other.execute("ROLLBACK")
    other.close()


async def test_an_upload_that_could_not_be_completed_is_to_be_settled_at_once(hasty: Store, path: Path) -> None:
    """Not after an hour: nobody will complete it any more."""
    ticket = await admitted(hasty)
    await fails(path, hasty.complete(ticket, Outcome.STORED, index_status=200, time_ms=NOW * 1000))
    assert isinstance(await hasty.admit(ENTRY, ANY, now=NOW), FileUnsettled)
    [intent], under_way = await hasty.unfinished.intents(now=NOW)
    assert (under_way, await hasty.settle(intent.row, ENTRY.sha256, now=NOW)) == (0, Outcome.STORED)


async def test_a_delete_that_could_not_be_completed_is_to_be_settled_at_once(hasty: Store, path: Path) -> None:
    """As an upload is."""
    number = await hasty.removals.admit(DELETE, (), now=NOW)
    assert isinstance(number, int)
    ended = hasty.removals.complete(number, Outcome.REMOVED, index_status=200, time_ms=NOW * 1000, removed=NOTHING)
    await fails(path, ended)
    [intent], under_way = await hasty.unfinished.intents(now=NOW)
    assert (intent.record_id, under_way) == (number, 0)
    assert await hasty.unfinished.settle_removal(intent, None, now=NOW) is Outcome.REMOVED


async def test_a_hold_that_could_not_be_ended_keeps_no_push_out(hasty: Store, path: Path) -> None:
    """The next one to the same target takes it over; uploads wait for the deadline, as after an unclear answer."""
    hold = await hasty.holds.take(PASSING, now=NOW)
    assert isinstance(hold, Hold)
    assert isinstance(await hasty.holds.take(PASSING, now=NOW), FileBusy)
    await fails(path, hasty.holds.end(hold, surely=True))
    assert isinstance(await hasty.holds.take(PASSING, now=NOW), Hold)


async def test_a_caller_that_is_gone_deletes_nothing(store: Store, rows: Rows) -> None:
    """Cancelled while it waits for its number, it cannot complete the delete; the marks of the files go again."""
    await finish(store)
    task = asyncio.ensure_future(store.removals.admit(DELETE, [ENTRY.identity], now=NOW))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        while rows("SELECT outcome FROM record WHERE action = 'delete'") != [("failed",)]:
            await store.ping()
    assert rows("SELECT (SELECT count(*) FROM claims), removed FROM files") == [(0, None)]
    assert isinstance(await store.removals.admit(DELETE, [ENTRY.identity], now=NOW), int)


KEPT_OUT = [
    pytest.param(upload("1.0", sha256=OTHER_SHA), True, id="another file of it"),
    pytest.param(upload("1.0.0"), True, id="another spelling of its version"),
    pytest.param(ENTRY, True, id="its own bytes"),
    pytest.param(upload("1.0.1"), False, id="another release"),
    pytest.param(replace(ENTRY, project="acme"), False, id="another project"),
    pytest.param(replace(ENTRY, index="team/dev"), False, id="another index"),
]


@pytest.mark.parametrize(("entry", "waits"), KEPT_OUT)
async def test_an_upload_waits_for_a_delete_of_its_release(store: Store, rows: Rows, entry: Any, waits: bool) -> None:
    """The index may delete it with the rest a moment after it said that it has it. Foreseen, too; without a trace."""
    number = await store.removals.admit(DELETE, (), now=NOW)
    assert isinstance(number, int)
    assert await store.foresee(entry, ANY, now=NOW) == (FileBusy(deleting=True) if waits else None)
    if waits:
        assert await store.admit(entry, ANY, now=NOW) == FileBusy(deleting=True)
        assert rows("SELECT (SELECT count(*) FROM record), (SELECT count(*) FROM claims), used FROM keys") == [
            (1, 1, 0)
        ]
    await store.removals.complete(number, Outcome.REMOVED, index_status=200, time_ms=NOW * 1000, removed=NOTHING)
    assert isinstance(await store.admit(entry, ANY, now=NOW), Admitted)


async def test_an_upload_settles_a_delete_that_nobody_saw_the_end_of(store: Store) -> None:
    """The index may have done it, and may not: whoever wants the name asks first."""
    number = await store.removals.admit(DELETE, (), now=NOW)
    assert isinstance(number, int)
    await store.removals.complete(number, Outcome.UNKNOWN, index_status=None, time_ms=NOW * 1000, removed=NOTHING)
    verdict = await store.admit(ENTRY, ANY, now=NOW)
    assert isinstance(verdict, FileUnsettled)
    assert (verdict.intent.action, verdict.intent.record_id, verdict.row.version) == ("delete", number, "1.0")
    await store.unfinished.settle_removal(verdict.intent, None, now=NOW)
    await admitted(store)


async def test_a_delete_that_ends_late_does_not_mark_what_came_after_it(store: Store, url: str, rows: Rows) -> None:
    """It was doubted and settled, its file was uploaded again, and then its own program told its end after all."""
    await finish(store)
    other = await Store.open(url)
    number = await other.removals.admit(DELETE, [ENTRY.identity], now=NOW)
    assert isinstance(number, int)
    [intent], _ = await store.unfinished.intents(now=NOW + UPLOAD_DEADLINE)
    await store.unfinished.settle_removal(intent, None, now=NOW)
    await finish(store)
    gone = Removed("", (ENTRY.identity,), ())
    await other.removals.complete(number, Outcome.REMOVED, index_status=200, time_ms=NOW * 1000, removed=gone)
    assert rows("SELECT removed FROM files") == [(None,)]
    await other.close()
