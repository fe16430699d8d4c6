"""An upload that was settled by somebody else while it was still on its way, and then arrives."""

from dataclasses import replace

from authproxy.domain.access import Outcome
from authproxy.domain.narrowing import Nonce
from authproxy.store import Admitted, Claim, FileKnown, FileUnsettled, NonceSpent, Store, Ticket
from authproxy.store.verification import Sound
from tests.store.samples import ANY, ENTRY, ID, NOW, OTHER_SHA, SHA, finish

LATE = NOW + 2 * 3600
N = Nonce(f"{ID}.AAAAAAAAAAAAAAAAAAAAAA", LATE + 330)


async def settled(store: Store, claim: Claim = ANY) -> Ticket:
    """An upload under way; somebody doubts it, and finds nothing in the index."""
    verdict = await store.admit(ENTRY, claim, now=NOW)
    assert isinstance(verdict, Admitted)
    given = verdict.ticket
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


async def test_what_is_good_once_is_spent_on_what_arrives_after_all(store: Store, rows) -> None:
    """The settlement gave it back; by now another upload may have it, and keeps it."""
    given = await settled(store, Claim(once=(N,)))
    assert rows("SELECT count(*) FROM nonces") == [(0,)]
    await store.complete(given, Outcome.STORED, index_status=200, time_ms=LATE * 1000)
    assert rows("SELECT nonce, record_id FROM nonces") == [(N.name, given.record_id)]
    other = replace(ENTRY, identity="acme-core 2.0 sdist", version="2.0", filename="acme_core-2.0.tar.gz")
    assert await store.admit(other, Claim(once=(N,)), now=LATE) == NonceSpent()


async def test_a_nonce_that_somebody_has_by_now_stays_theirs(store: Store, rows) -> None:
    """One row, of the second upload; the first is on record as stored all the same."""
    given = await settled(store, Claim(once=(N,)))
    other = replace(ENTRY, identity="acme-core 2.0 sdist", version="2.0", filename="acme_core-2.0.tar.gz")
    second = await store.admit(other, Claim(once=(N,)), now=LATE)
    assert isinstance(second, Admitted)
    await store.complete(given, Outcome.STORED, index_status=200, time_ms=LATE * 1000)
    assert rows("SELECT record_id FROM nonces") == [(second.ticket.record_id,)]
    assert rows("SELECT outcome FROM record ORDER BY id") == [("stored",), ("pending",)]


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
