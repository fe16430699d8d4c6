"""A release that is pushed is held in its source, in one transaction with what is admitted there, by all programs."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from authproxy.domain.access import UPLOAD_DEADLINE, Outcome
from authproxy.store import (
    Admitted,
    AdoptedFile,
    Claim,
    Entry,
    FileBusy,
    FileKnown,
    Hold,
    Passing,
    ReleaseHeld,
    Removed,
    Store,
)
from tests.store.samples import ANY, ENTRY, NOW, OTHER_SHA, SHA, admitted, finish

Rows = Callable[..., list[Any]]
DEV, STABLE = "team/dev", "team/stable"
PASSING = Passing(DEV, STABLE, "acme-core", "1.0")
FILE = replace(ENTRY, index=DEV)
DELETE = replace(FILE, action="delete", filename="", identity="", sha256="", size=0)


async def taken(store: Store, passing: Passing = PASSING, *, now: int = NOW) -> Hold:
    hold = await store.holds.take(passing, now=now)
    assert isinstance(hold, Hold), hold
    return hold


KEPT_OUT = [
    pytest.param(FILE, True, id="a file of it"),
    pytest.param(replace(FILE, version="1.0.0"), True, id="another spelling of its version"),
    pytest.param(replace(FILE, version="1"), True, id="its shortest spelling"),
    pytest.param(replace(FILE, version="1.0.1"), False, id="another release"),
    pytest.param(replace(FILE, version="1.0.post0"), False, id="a post-release"),
    pytest.param(replace(FILE, project="acme"), False, id="another project"),
    pytest.param(replace(FILE, index=STABLE), False, id="the target"),
    pytest.param(replace(FILE, index=""), False, id="an index of one"),
]


@pytest.mark.parametrize(("entry", "held"), KEPT_OUT)
async def test_what_a_hold_keeps_out(store: Store, rows: Rows, entry: Entry, held: bool) -> None:
    """Uploads and deletes of that release in that index, by PEP 440's equality; foreseen, too; without a trace."""
    hold = await taken(store)
    expected = ReleaseHeld(None) if held else None
    assert await store.foresee(entry, ANY, now=NOW) == expected
    if held:
        assert await store.admit(entry, ANY, now=NOW) == expected
        assert await store.removals.admit(replace(DELETE, version=entry.version), [], now=NOW) == expected
        assert rows("SELECT (SELECT count(*) FROM record), (SELECT count(*) FROM claims), used FROM keys") == [
            (0, 1, 0)
        ]
    await store.holds.end(hold, surely=True)
    assert isinstance(await store.admit(entry, ANY, now=NOW), Admitted)


async def test_an_index_that_nobody_pushes_from_is_not_asked_about(store: Store) -> None:
    """Its uploads cost no question more."""
    await taken(store)
    assert isinstance(await store.admit(FILE, Claim(pushed_from=False), now=NOW), Admitted)


async def test_the_bytes_that_are_there_change_nothing(store: Store) -> None:
    """The same upload again is answered as ever; an overwrite waits."""
    await finish(store, FILE)
    await taken(store)
    assert isinstance(await store.admit(FILE, ANY, now=NOW), FileKnown)
    other = replace(FILE, sha256=OTHER_SHA)
    assert await store.admit(other, Claim(overwrite=True), now=NOW) == ReleaseHeld(None)


async def test_no_hold_while_a_file_is_on_its_way(store: Store) -> None:
    """Nor after an end that nobody saw, until it is settled; files of other releases keep nobody waiting."""
    await admitted(store, replace(FILE, version="2.0", identity="acme-core 2 sdist"))
    ticket = await admitted(store, replace(FILE, version="1.0.0"))
    assert isinstance(await store.holds.take(PASSING, now=NOW), FileBusy)
    await store.complete(ticket, Outcome.UNKNOWN, index_status=None, time_ms=NOW * 1000)
    answer = await store.holds.take(PASSING, now=NOW)
    assert isinstance(answer, tuple)
    [intent] = answer
    assert (intent.action, intent.row.id, intent.record_id) == ("upload", ticket.claim_id, ticket.record_id)
    await store.settle(intent.row, SHA, now=NOW)
    await taken(store)


@pytest.mark.parametrize(("left", "outcome"), [(None, Outcome.REMOVED), ({ENTRY.identity}, Outcome.FAILED)])
async def test_no_hold_while_a_release_is_deleted(
    store: Store, rows: Rows, left: set[str] | None, outcome: Outcome
) -> None:
    """A delete is settled by what is left of the release, once."""
    await finish(store, FILE)
    number = await store.removals.admit(replace(DELETE, version="1"), [FILE.identity], now=NOW)
    assert isinstance(number, int)
    assert isinstance(await store.holds.take(PASSING, now=NOW), FileBusy)
    gone = Removed(DEV, [FILE.identity], [])
    await store.removals.complete(number, Outcome.UNKNOWN, index_status=None, time_ms=NOW * 1000, removed=gone)
    answer = await store.holds.take(PASSING, now=NOW)
    assert isinstance(answer, tuple)
    [intent] = answer
    assert (intent.action, intent.record_id, intent.row.version) == ("delete", number, "1")
    assert await store.unfinished.settle_removal(intent, left, now=NOW) is outcome
    assert await store.unfinished.settle_removal(intent, left, now=NOW) is None, "the second who asks finds it done"
    assert rows("SELECT outcome FROM record WHERE id = ?", number) == [(outcome,)]
    assert rows("SELECT removed IS NULL FROM files") == [(left is not None,)]
    assert rows("SELECT used FROM keys") == [(1,)]
    await taken(store)


async def test_a_delete_that_ends_leaves_no_claim(store: Store, rows: Rows) -> None:
    """And one that is under way cannot be settled away."""
    number = await store.removals.admit(DELETE, [], now=NOW)
    assert isinstance(number, int)
    late = await store.holds.take(PASSING, now=NOW + UPLOAD_DEADLINE)
    assert isinstance(late, tuple)
    assert await store.unfinished.settle_removal(late[0], None, now=NOW) is None
    done = Removed(DEV, [], [])
    await store.removals.complete(number, Outcome.REMOVED, index_status=200, time_ms=NOW * 1000, removed=done)
    assert rows("SELECT * FROM claims") == []


async def test_one_push_to_a_target_at_a_time(store: Store) -> None:
    """To another target the same release may go meanwhile, since it stays as it is; either keeps changes out."""
    first = await taken(store)
    assert isinstance(await store.holds.take(replace(PASSING, version="1.0.0"), now=NOW), FileBusy)
    second = await taken(store, replace(PASSING, target="team/other"))
    await store.holds.end(first, surely=True)
    assert await store.admit(FILE, ANY, now=NOW) == ReleaseHeld(None)
    await store.holds.end(second, surely=True)
    await admitted(store, FILE)


async def test_an_end_that_nobody_saw_holds_until_the_deadline(store: Store, rows: Rows) -> None:
    """The index may be at it still. The next push to that target takes the hold over and ends it."""
    await store.holds.end(await taken(store), surely=False)
    assert await store.admit(FILE, ANY, now=NOW + 10) == ReleaseHeld(UPLOAD_DEADLINE - 10)
    assert isinstance(await store.foresee(FILE, ANY, now=NOW + UPLOAD_DEADLINE - 1), ReleaseHeld)
    assert await store.foresee(FILE, ANY, now=NOW + UPLOAD_DEADLINE) is None
    other = await taken(store, replace(PASSING, target="team/other"), now=NOW + 10)
    await store.holds.end(other, surely=True)
    assert isinstance(await store.foresee(FILE, ANY, now=NOW + 10), ReleaseHeld), "that was not the push in doubt"
    await store.holds.end(await taken(store, now=NOW + 10), surely=True)
    assert rows("SELECT * FROM claims") == []
    await admitted(store, FILE)


async def test_a_hold_past_its_deadline_is_cleared_by_the_next(store: Store, rows: Rows) -> None:
    """Whoever its target was; and its own late end takes nothing away."""
    late = await taken(store)
    await taken(store, replace(PASSING, target="team/other"), now=NOW + UPLOAD_DEADLINE)
    await store.holds.end(late, surely=True)
    assert rows("SELECT identity FROM claims") == [("team/other",)]


async def test_other_programs_are_held_out_too(store: Store, url: str) -> None:
    """As long as the other lives, and after its death until the deadline: what it asked for may still be done."""
    other = await Store.open(url)
    await taken(other)
    assert await store.admit(FILE, ANY, now=NOW) == ReleaseHeld(None)
    assert isinstance(await store.holds.take(PASSING, now=NOW), FileBusy)
    await other.close()
    assert await store.admit(FILE, ANY, now=NOW) == ReleaseHeld(UPLOAD_DEADLINE)
    await store.holds.end(await taken(store), surely=True)
    await admitted(store, FILE)


async def test_an_upload_of_another_program_keeps_a_push_waiting(store: Store, url: str) -> None:
    """While that program lives; then it is to be settled."""
    other = await Store.open(url)
    await admitted(other, FILE)
    assert isinstance(await store.holds.take(PASSING, now=NOW), FileBusy)
    await other.close()
    assert isinstance(await store.holds.take(PASSING, now=NOW), tuple)


async def test_uploads_and_holds_that_meet(store: Store, url: str) -> None:
    """Of a hundred at once from two programs, none is admitted after the hold, and none before it goes unseen."""
    other = await Store.open(url)
    files = [replace(FILE, identity=f"acme-core 1 wheel  py3-none-{n}") for n in range(50)]
    asked = [store.admit(each, ANY, now=NOW) for each in files[:25]]
    asked += [other.admit(each, ANY, now=NOW) for each in files[25:]]
    *verdicts, hold = await asyncio.gather(*asked, store.holds.take(PASSING, now=NOW))
    assert isinstance(hold, FileBusy) == any(isinstance(each, Admitted) for each in verdicts)
    await other.close()


async def test_a_caller_that_is_gone_holds_nothing(store: Store, rows: Rows) -> None:
    """Cancelled while it waits, it cannot let go."""
    task = asyncio.ensure_future(store.holds.take(PASSING, now=NOW))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        while rows("SELECT * FROM claims"):
            await store.ping()


async def test_which_bytes_were_judged(store: Store) -> None:
    """Those that were admitted and are there or on their way; not what was found in the index, nor what was deleted."""
    asked = DEV, FILE.identity
    assert not await store.holds.judged(*asked, SHA)
    ticket = await admitted(store, FILE)
    assert [await store.holds.judged(*asked, sha256) for sha256 in (SHA, OTHER_SHA)] == [True, False]
    await store.complete(ticket, Outcome.STORED, index_status=200, time_ms=NOW * 1000)
    assert [await store.holds.judged(*asked, sha256) for sha256 in (SHA, OTHER_SHA)] == [True, False]
    assert not await store.holds.judged(STABLE, FILE.identity, SHA)
    adopted = await store.adopt(DEV, "acme-core", [AdoptedFile(FILE.identity, FILE.filename, "1.0", OTHER_SHA)])
    await store.unfinished.found(adopted.doubted[0], OTHER_SHA, now=NOW)
    assert [await store.holds.judged(*asked, sha256) for sha256 in (SHA, OTHER_SHA)] == [False, False]


def test_the_place_of_a_hold_is_no_index(path: Path) -> None:
    """No claim of a file can stand there: a space is in no index's name."""
    from authproxy.domain.grants import index_name
    from authproxy.domain.refusal import Refused
    from authproxy.store.holds import _place

    with pytest.raises(Refused):
        index_name(_place(DEV, "acme-core 1"))
