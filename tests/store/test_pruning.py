"""Old rows leave from the old end; what is left can be verified, and who put a file there stays known."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from authproxy.domain.access import Outcome
from authproxy.store import FileUnsettled, Flaw, Sound, Store, Wrong, pruning
from tests.store.samples import ANY, ENTRY, NOW, OTHER_SHA, SHA, admitted, finish, upload

Rows = Callable[..., list[Any]]
MS = NOW * 1000
LATER = MS + 1_000_000


async def pruned(store: Store, before: int = MS + 6, now: int = LATER) -> tuple[int, int, str | None]:
    """Prune; return how many rows went, how many were kept, and what stood in the way."""
    batches = [batch async for batch in store.record.prune(before, now)]
    return sum(each.rows for each in batches), sum(each.kept for each in batches), batches[-1].flaw


async def refused(store: Store, count: int, **changes: Any) -> None:
    """Rows that nobody needs later."""
    for number in range(count):
        await store.record_refusal(upload(f"7.{number}", **changes), "no-rule", "no")


async def sound(store: Store) -> Sound:
    """Verify, or fail the test."""
    found = await store.record.verify()
    assert isinstance(found, Sound), found
    return found


@pytest.mark.parametrize("batch", [1, 3, 200])
async def test_what_is_old_goes_and_the_rest_fits(
    store: Store, rows: Rows, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """However small the batches are: after each the record can be verified, and it goes on."""
    monkeypatch.setattr(pruning, "BATCH", batch)
    await refused(store, 5)
    await refused(store, 2, time_ms=MS + 5)
    seen = []
    async for each in store.record.prune(MS + 5, LATER):
        await sound(store)
        seen.append(each.rows)
    assert sum(seen) == 5
    assert rows("SELECT id FROM record") == [(6,), (7,)]
    await refused(store, 1, time_ms=MS + 9)
    found = await sound(store)
    assert (found.anchor.link, found.anchor.record, found.rows, found.head.link) == (5, 5, 3, 8)


async def test_nothing_is_left_and_it_goes_on(store: Store) -> None:
    """The chain has a head also where it has no link."""
    await refused(store, 3)
    assert await pruned(store) == (3, 0, None)
    head, count = await store.record.standing()
    assert (head.link, count) == (3, 3)
    await refused(store, 1)
    assert (await sound(store)).head.link == 4


async def test_who_put_a_file_there_stays_known(store: Store, rows: Rows) -> None:
    """Row and new link, again and again as they grow old; refusals and failures beside it go."""
    await refused(store, 2)
    await finish(store, upload("1.0"))
    await finish(store, upload("1.1"), outcome=Outcome.FAILED)
    assert await pruned(store) == (3, 1, None)
    known = (await store.record.about_file(identity=upload("1.0").identity)).files
    assert [(file.put_by.owner, file.put_by.rule) for file in known if file.put_by] == [(ENTRY.owner, ENTRY.rule)]
    assert await pruned(store, LATER + 1000, LATER + 2000) == (0, 1, None)
    assert rows("SELECT record_id, kind, outcome, index_status, time_ms FROM links") == [
        (3, "kept", "pending", None, LATER + 2000),
        (3, "ended", "stored", 200, MS + 5),
    ]
    assert (await sound(store)).rows == 1


@pytest.mark.parametrize("batch", [1, 2, 3, 200])
async def test_the_end_of_a_row_that_is_kept_is_hashed_with_its_time(
    store: Store, rows: Rows, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """It is told again behind the new first link; verifying and pruning both see that it was changed."""
    monkeypatch.setattr(pruning, "BATCH", batch)
    await finish(store, upload("1.0"))
    await finish(store, upload("1.1"), outcome=Outcome.UNKNOWN)
    await finish(store, upload("1.2"), outcome=Outcome.FAILED)
    assert await pruned(store, LATER) == (1, 2, None)
    await sound(store)
    assert await pruned(store, LATER + 1000, LATER + 1000) == (0, 2, None)
    await sound(store)
    changes = ((1, "completed_ms = 5"), (2, "outcome = 'stored'"), (1, "completed_ms = NULL"))
    for now, (number, change) in enumerate(changes, start=LATER // 1000 + 2):
        [was] = rows("SELECT outcome, completed_ms FROM record WHERE id = ?", number)
        rows(f"UPDATE record SET {change} WHERE id = {number}")
        found = await store.record.verify()
        assert isinstance(found, Flaw)
        assert (found.wrong, found.row) == (Wrong.END_UNLINKED, number)
        assert "its last link does not say" in ((await pruned(store, now * 1000, now * 1000))[2] or "")
        rows("UPDATE record SET outcome = ?, completed_ms = ? WHERE id = ?", *was, number)
    await sound(store)


async def test_what_is_told_again_is_no_news(store: Store) -> None:
    """Whoever follows the record, and a webhook, hears of an end once; of one that comes after the pruning he hears."""
    await finish(store, upload("1.0"))
    begun = await admitted(store, upload("1.1"))
    head, _ = await store.record.standing()
    assert await pruned(store) == (0, 2, None)
    assert (await store.record.since(head.link))[0] == []
    await store.complete(begun, Outcome.STORED, index_status=200, time_ms=LATER // 1000 * 1000)
    assert [row.version for row in (await store.record.since(head.link))[0]] == ["1.1"]
    await sound(store)


async def test_an_upload_under_way_that_is_kept_has_no_end_yet(store: Store, rows: Rows) -> None:
    """Forged as ended in the meantime it is found, by verifying and by pruning."""
    await admitted(store)
    assert await pruned(store) == (0, 1, None)
    assert rows("SELECT kind, outcome FROM links") == [("kept", "pending")]
    rows("UPDATE record SET completed_ms = 5 WHERE id = 1")
    assert isinstance(await store.record.verify(), Flaw)
    assert (await pruned(store, LATER + 1000, LATER + 1000))[2] is not None


async def test_what_is_kept_is_not_old_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where nothing else is to be kept: the pruning ends."""
    monkeypatch.setattr(pruning, "BATCH", 1)
    await finish(store)
    async with asyncio.timeout(10):
        assert await pruned(store, LATER + 999, LATER + 999) == (0, 1, None)


async def test_a_row_that_no_file_needs_any_more_goes_when_its_link_is_old(store: Store, rows: Rows) -> None:
    """Until then it stays: the chain says that it is there."""
    await finish(store)
    assert await pruned(store) == (0, 1, None)
    stored = await store.file("", ENTRY.identity)
    assert stored is not None
    await store.forget(stored)
    await sound(store)
    assert await pruned(store, LATER + 1000, LATER + 2000) == (1, 0, None)
    assert rows("SELECT count(*) FROM record") == [(0,)]
    await sound(store)


async def test_a_kept_row_can_still_not_be_changed(store: Store, rows: Rows) -> None:
    """It has a link of its own, and only rows with one may be there."""
    await finish(store)
    await refused(store, 1)
    await pruned(store)
    rows("UPDATE record SET owner = 'mallory' WHERE id = 1")
    found = await store.record.verify()
    assert isinstance(found, Flaw)
    assert (found.wrong, found.row) == (Wrong.ROW_CHANGED, 1)
    rows("UPDATE record SET owner = ? WHERE id = 1", ENTRY.owner)
    await sound(store)
    rows("UPDATE record SET outcome = 'failed' WHERE id = 1")
    assert isinstance(await store.record.verify(), Flaw)


async def test_an_old_upload_that_nobody_settled_keeps_its_row(store: Store) -> None:
    """Its file is claimed still; settled after the pruning it ends as always, and is linked."""
    await finish(store, outcome=Outcome.UNKNOWN)
    assert await pruned(store) == (0, 1, None)
    verdict = await store.admit(ENTRY, ANY, now=NOW)
    assert isinstance(verdict, FileUnsettled)
    assert await store.settle(verdict.row, SHA, now=NOW + 5000) is Outcome.STORED
    await sound(store)


async def test_an_end_whose_decision_was_pruned_fits(store: Store) -> None:
    """An upload that began before the boundary and ended after it."""
    given = await admitted(store, upload("1.0"))
    await store.complete(given, Outcome.FAILED, index_status=None, time_ms=MS + 50)
    assert await pruned(store, MS + 50) == (1, 0, None)
    found = await sound(store)
    assert (found.rows, found.links) == (0, 1)


async def test_an_alarm_keeps_its_row(store: Store) -> None:
    """Where the index has other bytes than we sent, the row says what we sent."""
    await finish(store, outcome=Outcome.UNKNOWN)
    verdict = await store.admit(ENTRY, ANY, now=NOW)
    assert isinstance(verdict, FileUnsettled)
    assert await store.settle(verdict.row, OTHER_SHA, now=NOW) is Outcome.DIFFERENT
    assert await pruned(store) == (0, 1, None)


CHANGES = {
    "a row that was changed": "UPDATE record SET owner = 'mallory' WHERE id = 2",
    "a row that is gone": "DELETE FROM record WHERE id = 2",
    "a link that was changed": "UPDATE links SET outcome = 'stored' WHERE id = 2",
    "a link that is gone": "DELETE FROM links WHERE id = 2",
}


@pytest.mark.parametrize("sql", CHANGES.values(), ids=CHANGES.keys())
async def test_what_does_not_fit_is_not_taken_away(store: Store, rows: Rows, sql: str) -> None:
    """A forgery does not vanish with the rest; the control is the same pruning without it, above."""
    await refused(store, 3)
    rows(sql)
    before = rows("SELECT count(*) FROM links")
    gone, _, flaw = await pruned(store)
    assert gone == 0
    assert flaw is not None
    assert rows("SELECT count(*) FROM links") == before


async def test_a_checkpoint_from_before_is_told_as_such(store: Store) -> None:
    """One of the very link that was pruned last can still be checked; one before it cannot."""
    await refused(store, 1)
    old, _ = await store.record.standing()
    await refused(store, 1)
    last, _ = await store.record.standing()
    await pruned(store)
    found = await store.record.verify(old)
    assert isinstance(found, Flaw)
    assert found.wrong is Wrong.PRUNED
    assert isinstance(await store.record.verify(last), Sound)


@pytest.mark.parametrize("change", ["outcome = 'failed'", "index_status = 500", "completed_ms = 5"])
async def test_a_forged_end_is_not_sealed(store: Store, rows: Rows, change: str) -> None:
    """What a row says of its end is compared with its last link, however much later that was written."""
    await finish(store)
    await refused(store, 1)
    rows(f"UPDATE record SET {change} WHERE id = 1")
    gone, kept, flaw = await pruned(store, before=LATER)
    assert (gone, kept) == (0, 0)
    assert flaw is not None
    assert "its last link does not say" in flaw
    assert isinstance(await store.record.verify(), Flaw)
