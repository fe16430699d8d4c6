"""An upload without an end: its file stays claimed until the index says what it has, and then both sides agree."""

from collections.abc import Callable
from typing import Any

import pytest

from authproxy.domain.access import UPLOAD_DEADLINE, Outcome
from authproxy.store import Admitted, FileBusy, FileKnown, FileUnsettled, Store
from tests.store.samples import ANY, ENTRY, NOW, OTHER_SHA, SHA, admitted, finish

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
    "the index has other bytes": (OTHER_SHA, "failed", [(OTHER_SHA, None)], 0),
}


@pytest.mark.parametrize(("sha256", "outcome", "stored", "used"), SETTLEMENTS.values(), ids=SETTLEMENTS.keys())
async def test_settling(
    store: Store, rows: Rows, sha256: str | None, outcome: str, stored: list[Any], used: int
) -> None:
    """What the index has decides what is known of the file, how the record reads and whether the use was one."""
    await finish(store, outcome=Outcome.UNKNOWN)
    verdict = await store.admit(ENTRY, ANY, now=NOW)
    assert isinstance(verdict, FileUnsettled)
    assert await store.settle(verdict.row, sha256)
    assert not await store.settle(verdict.row, sha256), "the second who asks finds it done"
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
    await store.settle(first.row, None)
    successor = await admitted(store)
    assert not await store.settle(first.row, None)
    assert isinstance(await store.admit(ENTRY, ANY, now=NOW), FileBusy)
    await store.complete(successor, Outcome.STORED, index_status=200, time_ms=NOW * 1000)


async def test_an_upload_in_flight_cannot_be_settled_away(store: Store) -> None:
    """Not even past the deadline, while this very program still waits for its end."""
    await admitted(store)
    doubted = await store.admit(ENTRY, ANY, now=NOW + UPLOAD_DEADLINE)
    assert isinstance(doubted, FileUnsettled)
    assert not await store.settle(doubted.row, None)


async def test_a_claim_past_the_deadline_is_doubted(store: Store) -> None:
    """A request that never ends does not keep its file for ever."""
    await admitted(store)
    assert isinstance(await store.admit(ENTRY, ANY, now=NOW + UPLOAD_DEADLINE - 1), FileBusy)
    assert isinstance(await store.admit(ENTRY, ANY, now=NOW + UPLOAD_DEADLINE), FileUnsettled)
