"""Whoever changes the record past us is found out: every kind of change, by the first row or link that does not fit."""

from collections.abc import Callable
from typing import Any

import pytest

from authproxy.domain.access import Outcome
from authproxy.store import Flaw, Head, Sound, Store, Wrong, verification
from authproxy.store.chain import HASHED, link_hash
from authproxy.store.tables import record
from authproxy.store.verification import Walk
from tests.store.samples import ENTRY, NOW, admitted, finish, upload

Rows = Callable[..., list[Any]]


async def filled(store: Store) -> None:
    """Five uploads, a refusal between them, and one that is still under way: links 1 to 12, rows 1 to 7."""
    for number in range(3):
        await finish(store, upload(f"1.{number}"))
    await store.record_refusal(ENTRY, "no-rule", "no")
    await finish(store, upload("1.3"), outcome=Outcome.REFUSED)
    await finish(store, upload("1.4"))
    await admitted(store, upload("1.5"))


async def test_what_nobody_touched_fits(store: Store) -> None:
    """All rows and links, and where the chain ends."""
    await filled(store)
    found = await store.record.verify()
    assert isinstance(found, Sound)
    assert (found.rows, found.links, found.head.link, found.anchor.link) == (7, 12, 12, 0)


async def test_an_empty_record_fits(store: Store) -> None:
    """There is nothing in it that could be wrong."""
    found = await store.record.verify()
    assert isinstance(found, Sound)
    assert (found.rows, found.links) == (0, 0)


COLUMNS = ", ".join(f'"{each.name}"' for each in record.c if each.name != "id")
ROW_COPIED = f"INSERT INTO record (id, {COLUMNS}) SELECT 8, {COLUMNS} FROM record WHERE id = 4"
CHANGES = {
    "a row's owner": ("UPDATE record SET owner = 'mallory' WHERE id = 3", Wrong.ROW_CHANGED, 5, 3),
    "a row is gone": ("DELETE FROM record WHERE id = 2", Wrong.ROW_MISSING, 3, 2),
    "a link is gone": ("DELETE FROM links WHERE id = 4", Wrong.LINK_MISSING, 4, None),
    "the first link is gone": ("DELETE FROM links WHERE id = 1", Wrong.LINK_MISSING, 1, None),
    "a row is gone with its links": (
        "DELETE FROM record WHERE id = 2; DELETE FROM links WHERE record_id = 2", Wrong.LINK_MISSING, 3, None,
    ),
    "links are numbered anew over a gap": (
        "DELETE FROM record WHERE id = 2; DELETE FROM links WHERE record_id = 2; UPDATE links SET id = id - 2 WHERE id > 4",
        Wrong.LINK_CHANGED, 3, 3,
    ),
    "an end": ("UPDATE record SET outcome = 'stored' WHERE id = 5", Wrong.END_UNLINKED, 9, 5),
    "an end, and its link": (
        "UPDATE record SET outcome = 'stored' WHERE id = 5; UPDATE links SET outcome = 'stored' WHERE id = 9",
        Wrong.LINK_CHANGED, 9, 5,
    ),
    "the index's answer": ("UPDATE record SET index_status = 500 WHERE id = 1", Wrong.END_UNLINKED, 2, 1),
    "when it ended": ("UPDATE record SET completed_ms = 1 WHERE id = 1", Wrong.END_UNLINKED, 2, 1),
    "an upload under way was never completed": ("UPDATE record SET outcome = 'stored' WHERE id = 7", Wrong.END_UNLINKED, 12, 7),
    "a row without a link, the youngest": (ROW_COPIED, Wrong.ROW_UNLINKED, None, 8),
    "a row under another number": ("UPDATE record SET id = 99 WHERE id = 7", Wrong.ROW_MISSING, 12, 7),
    "rows that took each other's place": (
        "UPDATE record SET id = 99 WHERE id = 1; UPDATE record SET id = 1 WHERE id = 2; UPDATE record SET id = 2 WHERE id = 99",
        Wrong.ROW_CHANGED, 1, 1,
    ),
    "an anchor that was moved": (
        "INSERT INTO anchor VALUES (1, 4, (SELECT hash FROM links WHERE id = 4), 2, 0); DELETE FROM links WHERE id <= 4",
        Wrong.ROW_UNLINKED, None, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("sql", "wrong", "link", "row"), CHANGES.values(), ids=CHANGES.keys())
async def test_a_change_is_found(store: Store, rows: Rows, sql: str, wrong: Wrong, link: int, row: int) -> None:
    """The first thing that does not fit is named."""
    await filled(store)
    for statement in sql.split("; "):
        rows(statement)
    found = await store.record.verify()
    assert isinstance(found, Flaw)
    assert (found.wrong, found.link, found.row) == (wrong, link, row)


@pytest.mark.parametrize("column", [name for name in HASHED if name != "id"])
async def test_no_column_can_be_changed(store: Store, rows: Rows, column: str) -> None:
    """Whatever stands in a row, numbers and nulls too."""
    await filled(store)
    rows(f"UPDATE record SET \"{column}\" = '1' WHERE id = 4")
    found = await store.record.verify()
    assert isinstance(found, Flaw)
    assert (found.wrong, found.row) == (Wrong.ROW_CHANGED, 4)


async def test_a_cut_tail_fits_by_itself_and_not_with_a_checkpoint(store: Store, rows: Rows) -> None:
    """What a chain alone cannot show; the control is the first half."""
    await filled(store)
    head, _ = await store.record.standing()
    rows("DELETE FROM record WHERE id = 7")
    rows("DELETE FROM links WHERE id = 12")
    assert isinstance(await store.record.verify(), Sound)
    found = await store.record.verify(head)
    assert isinstance(found, Flaw)
    assert (found.wrong, found.link) == (Wrong.TAIL_REMOVED, 11)


async def test_a_chain_that_was_written_anew_fits_by_itself_and_not_with_a_checkpoint(store: Store, rows: Rows) -> None:
    """Whoever may write the database can hash as well as we do, but not what was signed before."""
    await filled(store)
    head, _ = await store.record.standing()
    rows("UPDATE links SET time_ms = 5 WHERE id = 11")
    hashed = rows("SELECT hash FROM links WHERE id = 10")[0][0]
    for number in (11, 12):
        *link, digest = rows(
            "SELECT id, record_id, time_ms, kind, outcome, index_status, digest FROM links WHERE id = ?", number
        )[0]
        hashed = link_hash(hashed, link, digest)
        rows("UPDATE links SET hash = ? WHERE id = ?", hashed, number)
    rows("UPDATE record SET completed_ms = 5 WHERE id = 6")
    assert isinstance(await store.record.verify(), Sound)
    found = await store.record.verify(head)
    assert isinstance(found, Flaw)
    assert (found.wrong, found.link) == (Wrong.OTHER_CHAIN, 12)


async def test_an_older_checkpoint_fits_a_chain_that_went_on(store: Store) -> None:
    """Also the one of the empty record."""
    empty, _ = await store.record.standing()
    await filled(store)
    head, count = await store.record.standing()
    await finish(store, upload("9.0"))
    assert count == 7
    for each in (empty, head):
        assert isinstance(await store.record.verify(each), Sound)
    assert isinstance(await store.record.verify(Head(0, b"\0" * 32)), Flaw)


async def test_the_walk_is_the_same_however_long_its_steps_are(
    store: Store, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page ends anywhere, between a decision and its end too."""
    await filled(store)
    for size in (1, 2, 3, 12, 13):
        monkeypatch.setattr(verification, "PAGE", size)
        assert isinstance(await store.record.verify(), Sound)
    rows("UPDATE record SET outcome = 'stored' WHERE id = 5")
    for size in (1, 2, 3, 12, 13):
        monkeypatch.setattr(verification, "PAGE", size)
        found = await store.record.verify()
        assert isinstance(found, Flaw)
        assert found.row == 5


async def test_a_server_may_write_meanwhile(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that ends between two pages is no flaw, nor is one that is pruned."""
    monkeypatch.setattr(verification, "PAGE", 2)
    await filled(store)
    walk = Walk()
    for number in range(40):
        await store._worker.read(walk.step)
        if walk.result is not None:
            break
        if number < 4:
            await finish(store, upload(f"3.{number}"))
        if number == 4:
            _ = [batch async for batch in store.record.prune(NOW * 1000 + 1, NOW * 1000 + 1000)]
    assert isinstance(walk.result, Sound)
    assert walk.result.anchor.link > 0


@pytest.mark.parametrize("size", [1, 2, 5, 12, 1000])
async def test_the_young_end_alone(store: Store, rows: Rows, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """What does not fit there is found, and what lies before it is not looked at."""
    monkeypatch.setattr(verification, "PAGE", size)
    assert await store.record.verify_young() is None
    await filled(store)
    assert await store.record.verify_young() is None
    rows("UPDATE record SET owner = 'mallory' WHERE id = 1")
    assert (await store.record.verify_young() is None) is (size < 11)
    rows("UPDATE record SET owner = ? WHERE id = 1", ENTRY.owner)
    for statement in ("UPDATE record SET completed_ms = 7 WHERE id = 7", "UPDATE links SET time_ms = 7 WHERE id = 12"):
        rows(statement)
        assert isinstance(await store.record.verify_young(), Flaw)
    _ = rows("DELETE FROM links"), rows("DELETE FROM record WHERE id < 7")
    found = await store.record.verify_young()
    assert isinstance(found, Flaw)
    assert (found.wrong, found.row) == (Wrong.ROW_UNLINKED, 7)


async def test_forged_ends_do_not_fill_the_memory(store: Store, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more rows have no end than any server has uploads under way, the walk stops at once."""
    monkeypatch.setattr(verification, "OPEN_LIMIT", 2)
    await filled(store)
    rows("UPDATE record SET completed_ms = 1")
    found = await store.record.verify()
    assert isinstance(found, Flaw)
    assert (found.wrong, found.row) == (Wrong.END_UNLINKED, 1)
