"""A release that was deleted: on record before, its files marked after, its names kept for what they held."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from authproxy.domain.access import UPLOAD_DEADLINE, Outcome
from authproxy.store import (
    AdoptedFile,
    Claim,
    Entry,
    FileBusy,
    FileKnown,
    FileUnsettled,
    KeyDead,
    RateExceeded,
    Removed,
    Store,
)
from tests.store.samples import ANY, ENTRY, ID, NOW, OTHER_SHA, SHA, admitted, finish, upload

Rows = Callable[..., list[Any]]
DELETE: Entry = replace(ENTRY, action="delete", filename="", identity="", sha256="", size=0)
ITS = [ENTRY.identity]
GONE, LEFT, NOTHING = Removed("", ITS, []), Removed("", [], ITS), Removed("", [], [])


async def stored(store: Store, entry: Entry = ENTRY, claim: Claim = ANY) -> None:
    await store.complete(await admitted(store, entry, claim), Outcome.STORED, index_status=200, time_ms=NOW * 1000)


async def deleted(store: Store, outcome: Outcome = Outcome.REMOVED, removed: Removed = GONE) -> None:
    number = await store.removals.admit(DELETE, ITS, now=NOW)
    assert isinstance(number, int)
    await store.removals.complete(number, outcome, index_status=200, time_ms=NOW * 1000, removed=removed)


async def test_a_delete_is_on_record_before_and_after(store: Store, rows: Rows) -> None:
    """Pending while the index is asked, then what became of it; it spends no use of the key."""
    number = await store.removals.admit(DELETE, [], now=NOW)
    assert isinstance(number, int)
    assert rows("SELECT action, version, outcome FROM record") == [("delete", "1.0", "pending")]
    await store.removals.complete(number, Outcome.REFUSED, index_status=403, time_ms=NOW * 1000, removed=NOTHING)
    assert rows("SELECT outcome, index_status FROM record") == [("refused", 403)]
    await store.removals.complete(number, Outcome.REMOVED, index_status=200, time_ms=NOW * 1000, removed=NOTHING)
    assert rows("SELECT outcome FROM record") == [("refused",)]
    assert rows("SELECT used FROM keys") == [(0,)]


async def test_a_dead_key_deletes_nothing(store: Store, rows: Rows) -> None:
    """It may have been revoked while the request came in."""
    await store.revoke(ID, NOW)
    assert await store.removals.admit(DELETE, ITS, now=NOW) == KeyDead("revoked")
    assert rows("SELECT * FROM record") == []


async def test_the_same_bytes_may_come_again_and_no_others(store: Store) -> None:
    """Somebody may have pinned the hash; only a rule that lets files be overwritten lets in other bytes."""
    await stored(store)
    await deleted(store)
    verdict = await store.admit(replace(ENTRY, sha256=OTHER_SHA), ANY, now=NOW)
    assert isinstance(verdict, FileKnown)
    assert (verdict.row.removed, verdict.row.sha256) == (True, SHA)
    given = await admitted(store)
    await store.complete(given, Outcome.REFUSED, index_status=400, time_ms=NOW * 1000)
    assert isinstance(await store.admit(replace(ENTRY, sha256=OTHER_SHA), ANY, now=NOW), FileKnown)
    await stored(store)
    row = await store.file("", ENTRY.identity)
    assert row is not None
    assert not row.removed
    await deleted(store)
    await stored(store, replace(ENTRY, sha256=OTHER_SHA), Claim(overwrite=True))


async def test_a_file_that_is_there_is_not_admitted_again(store: Store) -> None:
    """The control: the same bytes pass for a deleted file alone."""
    await stored(store)
    assert isinstance(await store.admit(ENTRY, ANY, now=NOW), FileKnown)


async def marked(store: Store, identity: str = ENTRY.identity) -> bool:
    row = await store.file("", identity)
    assert row is not None
    return row.removed


async def test_a_file_is_marked_before_the_index_is_asked(store: Store, rows: Rows) -> None:
    """Nobody may see the end of it: a program that dies there leaves the name to its bytes."""
    await stored(store)
    assert not await marked(store)
    assert isinstance(await store.removals.admit(DELETE, ITS, now=NOW), int)
    assert await marked(store)
    [intent], _ = await store.unfinished.intents(now=NOW + UPLOAD_DEADLINE)
    assert (intent.action, rows("SELECT removed FROM files")) == ("delete", [(NOW,)])


@pytest.mark.parametrize(("removed", "expected"), [(GONE, True), (LEFT, False), (NOTHING, True)], ids=str)
async def test_a_mark_goes_where_the_file_was_seen(store: Store, removed: Removed, expected: bool) -> None:
    """What is left is there; what is gone stays marked, also where somebody who saw it meanwhile took the mark away."""
    await stored(store)
    number = await store.removals.admit(DELETE, ITS, now=NOW)
    assert isinstance(number, int)
    if removed is GONE:
        await store.adopt("", "acme-core", [AdoptedFile(ENTRY.identity, ENTRY.filename, "1.0", SHA)])
        assert not await marked(store)
    await store.removals.complete(number, Outcome.UNKNOWN, index_status=None, time_ms=NOW * 1000, removed=removed)
    assert await marked(store) == expected


async def test_only_what_is_gone_is_marked(store: Store) -> None:
    """A delete that the index refused, and files of other releases and other indexes, leave the rows as they are."""
    await stored(store)
    await stored(store, upload("2.0"))
    await deleted(store, Outcome.REFUSED, LEFT)
    number = await store.removals.admit(replace(DELETE, index="team/dev"), [], now=NOW)
    assert isinstance(number, int)
    other = Removed("team/dev", ITS, [])
    await store.removals.complete(number, Outcome.REMOVED, index_status=200, time_ms=NOW * 1000, removed=other)
    assert not await marked(store)
    assert not await marked(store, "acme-core 2.0 sdist")


@pytest.mark.parametrize("listed", [True, False], ids=["the index lists it", "not yet"])
async def test_an_upload_on_its_way_stops_a_delete(store: Store, rows: Rows, listed: bool) -> None:
    """Its bytes may be there already, and nobody knows their hash; one that nobody waits for is to be settled first."""
    identities = ITS if listed else []
    given = await admitted(store)
    assert isinstance(await store.removals.admit(replace(DELETE, version="1"), identities, now=NOW), FileBusy)
    late = await store.removals.admit(DELETE, identities, now=NOW + UPLOAD_DEADLINE)
    assert isinstance(late, FileUnsettled)
    await store.complete(given, Outcome.UNKNOWN, index_status=None, time_ms=NOW * 1000)
    unsettled = await store.removals.admit(DELETE, identities, now=NOW)
    assert isinstance(unsettled, FileUnsettled)
    assert rows("SELECT action FROM record") == [("upload",)]
    assert await store.settle(unsettled.row, SHA, now=NOW)
    assert isinstance(await store.removals.admit(DELETE, ITS, now=NOW), int)


async def test_uploads_of_other_releases_stop_no_delete(store: Store) -> None:
    """The control of the test above: of another version, of another project, in another index."""
    others = (
        upload("1.1"),
        replace(upload("1.0"), project="acme", identity="acme 1 sdist"),
        replace(upload("1.0"), index="team/dev"),
    )
    for each in others:
        await admitted(store, each)
    assert isinstance(await store.removals.admit(DELETE, [], now=NOW), int)


@pytest.mark.parametrize("known", [False, True], ids=["no row", "a row without a hash"])
async def test_a_file_without_a_hash_is_not_deleted(store: Store, rows: Rows, known: bool) -> None:
    """There would be nothing to know its bytes by."""
    if known:
        await store.adopt("", "acme-core", [AdoptedFile(ENTRY.identity, ENTRY.filename, "1.0", None)])
    assert isinstance(await store.removals.admit(DELETE, ITS, now=NOW), FileBusy)
    assert rows("SELECT * FROM record") == []


async def test_deletes_do_not_count_as_uploads(store: Store) -> None:
    """A rate is of uploads."""
    await finish(store)
    await store.removals.admit(DELETE, ITS, now=NOW)
    assert isinstance(await store.admit(upload("2.0"), Claim(rate=(1, 3600)), now=NOW), RateExceeded)
    await admitted(store, upload("2.0"), Claim(rate=(2, 3600)))
