"""An upload without an end: its file stays claimed until the index says what it has, and then both sides agree."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from authproxy.domain.access import UPLOAD_DEADLINE, Outcome
from authproxy.store import (
    Admitted,
    Adopted,
    AdoptedFile,
    Claim,
    FileBusy,
    FileKnown,
    FileUnsettled,
    Removed,
    Store,
    settling,
)
from tests.store.samples import ANY, ENTRY, NOW, OTHER_SHA, SHA, admitted, finish, upload

Rows = Callable[..., list[Any]]


async def test_an_unknown_end_keeps_file_and_use_until_it_is_settled(store: Store, rows: Rows) -> None:
    """After a timeout the next upload of the file is told to ask the index, at once and not after the deadline."""
    await finish(store, outcome=Outcome.UNKNOWN)
    assert rows("SELECT outcome FROM record") == [("unknown",)]
    verdict = await store.admit(ENTRY, ANY, now=NOW)
    assert isinstance(verdict, FileUnsettled)
    assert (verdict.row.sha256, verdict.row.filename) == (SHA, ENTRY.filename)
    assert rows("SELECT (SELECT count(*) FROM claims), (SELECT count(*) FROM files), used FROM keys") == [(1, 0, 1)]


SETTLEMENTS = {
    "the index has no such file": (None, "failed", [], 0),
    "the index has our bytes": (SHA, "stored", [(SHA, 1)], 1),
    "the index has other bytes": (OTHER_SHA, "different", [(OTHER_SHA, None)], 0),
}


@pytest.mark.parametrize(("sha256", "outcome", "stored", "used"), SETTLEMENTS.values(), ids=SETTLEMENTS.keys())
async def test_settling(
    store: Store, rows: Rows, sha256: str | None, outcome: str, stored: list[Any], used: int
) -> None:
    """What the index has decides what is known of the file, how the record reads and whether the use was one."""
    await finish(store, outcome=Outcome.UNKNOWN)
    verdict = await store.admit(ENTRY, ANY, now=NOW)
    assert isinstance(verdict, FileUnsettled)
    assert await store.settle(verdict.row, sha256, now=NOW)
    assert not await store.settle(verdict.row, sha256, now=NOW), "the second who asks finds it done"
    assert rows("SELECT outcome FROM record") == [(outcome,)]
    assert rows("SELECT sha256, record_id FROM files") == stored
    assert rows("SELECT used FROM keys") == [(used,)]
    again = await store.admit(ENTRY, ANY, now=NOW)
    assert isinstance(again, Admitted if sha256 is None else FileKnown)


async def test_settling_never_hits_a_later_claim(store: Store) -> None:
    """Who is slow to settle does not end the upload that another began meanwhile."""
    await finish(store, outcome=Outcome.UNKNOWN)
    first = await store.admit(ENTRY, ANY, now=NOW)
    assert isinstance(first, FileUnsettled)
    await store.settle(first.row, None, now=NOW)
    successor = await admitted(store)
    assert not await store.settle(first.row, None, now=NOW)
    assert isinstance(await store.admit(ENTRY, ANY, now=NOW), FileBusy)
    await store.complete(successor, Outcome.STORED, index_status=200, time_ms=NOW * 1000)


async def test_an_upload_in_flight_cannot_be_settled_away(store: Store) -> None:
    """Not even past the deadline, while this very program still waits for its end."""
    await admitted(store)
    doubted = await store.admit(ENTRY, ANY, now=NOW + UPLOAD_DEADLINE)
    assert isinstance(doubted, FileUnsettled)
    assert not await store.settle(doubted.row, None, now=NOW)


async def test_a_claim_past_the_deadline_is_doubted(store: Store) -> None:
    """A request that never ends does not keep its file for ever."""
    await admitted(store)
    assert isinstance(await store.admit(ENTRY, ANY, now=NOW + UPLOAD_DEADLINE - 1), FileBusy)
    assert isinstance(await store.admit(ENTRY, ANY, now=NOW + UPLOAD_DEADLINE), FileUnsettled)


DELETE = replace(ENTRY, action="delete", filename="", identity="", sha256="", size=0)


async def test_an_overwrite_that_never_arrived_is_no_alarm(store: Store, rows: Rows) -> None:
    """The index has what it had before, and that is still what came through us."""
    await finish(store)
    other = replace(ENTRY, sha256=OTHER_SHA)
    await finish(store, other, Outcome.UNKNOWN, Claim(overwrite=True))
    [intent], _ = await store.unfinished.intents(now=NOW)
    assert await store.settle(intent.row, SHA, now=NOW) is Outcome.FAILED
    assert rows("SELECT sha256, record_id FROM files") == [(SHA, 1)]
    assert await store.unfinished.count_alarms() == 0


async def test_what_is_left_open_is_listed_and_what_is_under_way_is_counted(store: Store) -> None:
    """An upload of this program, one without an answer, one that took too long; a delete likewise."""
    await admitted(store, upload("1.0"))
    await finish(store, upload("2.0"), Outcome.UNKNOWN)
    number = await store.removals.admit(replace(DELETE, version="9.0"), (), now=NOW)
    assert isinstance(number, int)
    left, under_way = await store.unfinished.intents(now=NOW)
    assert [(each.action, each.row.version) for each in left] == [("upload", "2.0")]
    assert under_way == 2
    await store.removals.complete(
        number, Outcome.UNKNOWN, index_status=None, time_ms=NOW * 1000, removed=Removed("", (), ())
    )
    left, under_way = await store.unfinished.intents(now=NOW + UPLOAD_DEADLINE)
    assert [(each.action, each.row.version) for each in left] == [
        ("upload", "1.0"),
        ("upload", "2.0"),
        ("delete", "9.0"),
    ]
    assert under_way == 0


async def test_all_pages_are_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, and where the last page is full too."""
    monkeypatch.setattr(settling, "PAGE", 2)
    for version in ("1", "2", "3", "4"):
        await finish(store, upload(version), Outcome.UNKNOWN)
    left, _ = await store.unfinished.intents(now=NOW)
    assert [each.row.version for each in left] == ["1", "2", "3", "4"]


REMOVALS = {
    "the release is gone": (None, "removed", True),
    "it is there": ([ENTRY.identity], "failed", False),
    "it is there without this file": ([], "failed", True),
}


@pytest.mark.parametrize(("left", "outcome", "marked"), REMOVALS.values(), ids=REMOVALS.keys())
async def test_settling_a_delete(store: Store, rows: Rows, left: Any, outcome: str, marked: bool) -> None:
    """What is gone is marked, so that its name stays its own; other releases are left alone."""
    await finish(store)
    await finish(store, upload("2.0"))
    number = await store.removals.admit(replace(DELETE, version="1.0.0"), (), now=NOW)
    assert isinstance(number, int)
    await store.removals.complete(
        number, Outcome.UNKNOWN, index_status=None, time_ms=NOW * 1000, removed=Removed("", (), ())
    )
    [intent], _ = await store.unfinished.intents(now=NOW)
    assert await store.unfinished.settle_removal(intent, left, now=NOW) == outcome
    assert await store.unfinished.settle_removal(intent, left, now=NOW) is None, "the second finds it done"
    assert rows("SELECT outcome FROM record WHERE action = 'delete'") == [(outcome,)]
    assert rows("SELECT removed IS NOT NULL FROM files ORDER BY version") == [(marked,), (False,)]
    assert rows("SELECT * FROM claims") == []


async def test_a_delete_under_way_cannot_be_settled_away(store: Store) -> None:
    """Not by this very program, however long it takes."""
    await store.removals.admit(DELETE, (), now=NOW)
    [intent], _ = await store.unfinished.intents(now=NOW + UPLOAD_DEADLINE)
    assert await store.unfinished.settle_removal(intent, None, now=NOW) is None


async def test_two_deletes_of_one_release_do_not_stand_in_each_others_way(store: Store) -> None:
    """A claim of a delete says who will complete it, and keeps nobody out."""
    assert await store.removals.admit(DELETE, (), now=NOW) != await store.removals.admit(DELETE, (), now=NOW)


async def test_an_alarm_stands_until_the_file_is_right_or_gone(store: Store) -> None:
    """Whoever mends the index ends the alarm; a restart does not."""
    await finish(store, outcome=Outcome.UNKNOWN)
    [intent], _ = await store.unfinished.intents(now=NOW)
    assert await store.settle(intent.row, OTHER_SHA, now=NOW) is Outcome.DIFFERENT
    [alarm] = await store.unfinished.alarms()
    assert (alarm.sent, alarm.row.sha256, alarm.row.filename) == (SHA, OTHER_SHA, ENTRY.filename)
    assert await store.unfinished.count_alarms() == 1
    await store.set_sha256(alarm.row, SHA)
    assert await store.unfinished.count_alarms() == 0
    await store.set_sha256(alarm.row, OTHER_SHA)
    assert await store.unfinished.count_alarms() == 1
    await store.forget(alarm.row)
    assert await store.unfinished.alarms() == []


async def test_adopting_says_how_much_was_new(store: Store) -> None:
    """Once; the second time it is known."""
    found = [AdoptedFile("acme-core 7 sdist", "acme_core-7.zip", "7", None)]
    assert [await store.adopt("", "acme-core", found) for _ in range(2)] == [Adopted(1), Adopted(0)]
