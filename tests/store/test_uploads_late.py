"""An upload that was settled by somebody else while it was still on its way, and then arrives."""

from dataclasses import replace

from authproxy.domain.access import Outcome
from authproxy.store import FileKnown, FileUnsettled, Store
from authproxy.store.verification import Sound
from tests.store.samples import ANY, ENTRY, ID, NOW, OTHER_SHA, SHA, admitted, finish

LATE = NOW + 2 * 3600


async def settled(store: Store) -> object:
    """An upload under way; somebody doubts it, and finds nothing in the index."""
    given = await admitted(store)
    verdict = await store.admit(ENTRY, ANY, now=LATE)
    assert isinstance(verdict, FileUnsettled)
    store._run.in_flight.discard(given.claim_id)  # as another program sees it
    assert await store.settle(verdict.row, None, now=LATE) is Outcome.FAILED
    store._run.in_flight.add(given.claim_id)
    return given


async def test_what_arrives_after_all_is_on_record(store: Store, rows) -> None:
    """The index has the file: the row says so, the use is spent, the file is known, and the chain fits."""
    given = await settled(store)
    await store.complete(given, Outcome.STORED, index_status=200, time_ms=LATE * 1000)
    assert rows("SELECT outcome FROM record") == [("stored",)]
    assert rows("SELECT used FROM keys WHERE id = ?", ID) == [(1,)]
    assert isinstance(await store.admit(ENTRY, ANY, now=LATE), FileKnown)
    assert isinstance(await store.record.verify(), Sound)
    await store.complete(given, Outcome.STORED, index_status=200, time_ms=LATE * 1000)
    assert rows("SELECT count(*) FROM links WHERE kind = 'ended'") == [(2,)], "twice changes nothing"


async def test_what_failed_after_all_stays_failed(store: Store, rows) -> None:
    """The settlement was right."""
    given = await settled(store)
    await store.complete(given, Outcome.FAILED, index_status=None, time_ms=LATE * 1000)
    assert rows("SELECT outcome FROM record") == [("failed",)]
    assert rows("SELECT used FROM keys") == [(0,)]


async def test_a_later_upload_of_the_file_keeps_its_place(store: Store, rows) -> None:
    """Both rows say stored, which both were told; the file is the later one's."""
    given = await settled(store)
    await finish(store, replace(ENTRY, sha256=OTHER_SHA))
    await store.complete(given, Outcome.STORED, index_status=200, time_ms=LATE * 1000)
    assert rows("SELECT sha256, outcome FROM record ORDER BY id") == [(SHA, "stored"), (OTHER_SHA, "stored")]
    assert rows("SELECT sha256 FROM files") == [(OTHER_SHA,)]
    assert isinstance(await store.record.verify(), Sound)
