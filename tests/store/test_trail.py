"""The record, read: nothing twice, nothing left out, and all that is known of a file by any of its spellings."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from authproxy.domain.access import Outcome
from authproxy.store import AdoptedFile, Removed, Store, Wanted, trail
from authproxy.store.trail import PAGE
from tests.store.samples import ENTRY, NOW, OTHER_SHA, SHA, admitted, finish, upload

Rows = Callable[..., list[Any]]
MS = NOW * 1000


async def read(store: Store, **wanted: Any) -> list[str]:
    """The versions of the rows that are wanted."""
    return [row.version async for batch in store.record.rows(Wanted(**wanted)) for row in batch]


async def test_all_rows_in_the_order_in_which_they_were_written(store: Store) -> None:
    """Over the border of a page."""
    for number in range(4):
        await finish(store, upload(f"1.{number}"))
    assert await read(store) == ["1.0", "1.1", "1.2", "1.3"]


@pytest.mark.sqlite("rows by the thousand, in its words")
async def test_pages_neither_lose_nor_repeat(store: Store, rows: Rows) -> None:
    """Twice a page and one, with a gap where rows were pruned."""
    await finish(store, upload("0.0"))
    names = [row[1] for row in rows("PRAGMA table_info(record)") if row[1] not in {"id", "version"}]
    quoted = ", ".join(f'"{name}"' for name in names)
    rows(
        f"INSERT INTO record (id, version, {quoted}) WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n "
        f"WHERE i < {9 + 2 * PAGE}) SELECT i, 'v' || i, {quoted} FROM n, record WHERE record.id = 1"
    )
    assert await read(store) == ["0.0", *(f"v{number}" for number in range(10, 10 + 2 * PAGE))]
    assert await read(store, project="other") == []


async def test_which_rows_are_wanted(store: Store) -> None:
    """By time (the end is not in it), by project, by key, and by all of them."""
    await finish(store, upload("1.0", time_ms=MS))
    await finish(store, upload("1.1", time_ms=MS + 10, project="other"))
    await store.record_refusal(upload("1.2", time_ms=MS + 20, key_id="Abc123XYZ780"), "no-rule", "no")
    assert await read(store, since_ms=MS + 10) == ["1.1", "1.2"]
    assert await read(store, until_ms=MS + 10) == ["1.0"]
    assert await read(store, project="other") == ["1.1"]
    assert await read(store, key_id="Abc123XYZ780") == ["1.2"]
    assert await read(store, since_ms=MS, until_ms=MS + 20, project="acme-core", key_id=ENTRY.key_id) == ["1.0"]


async def test_the_youngest_and_what_comes_after_them(store: Store) -> None:
    """The youngest last; then each row that is written or ended, in the order of events."""
    for number in range(3):
        await finish(store, upload(f"1.{number}"))
    open_one = await admitted(store, upload("1.3"))
    latest, link = await store.record.latest(2)
    assert [row.version for row in latest] == ["1.2", "1.3"]
    assert await store.record.since(link) == ([], link)
    await store.record_refusal(upload("1.4"), "no-rule", "no")
    await store.complete(open_one, Outcome.STORED, index_status=200, time_ms=MS)
    after, link = await store.record.since(link)
    assert [(row.version, row.outcome) for row in after] == [("1.4", "denied"), ("1.3", "stored")]
    assert await store.record.since(link) == ([], link)


async def test_a_file_by_its_name_and_by_its_hash(store: Store) -> None:
    """Who put it there, and every row about it; other files are in neither answer."""
    await store.record_refusal(upload("1.0", owner="eve"), "no-rule", "no")
    await finish(store, upload("1.0"))
    await finish(store, upload("1.1", sha256=OTHER_SHA))
    for asked in ({"identity": upload("1.0").identity}, {"sha256": SHA}):
        found = await store.record.about_file(**asked)
        assert [(row.version, row.outcome) for row in found.rows] == [("1.0", "denied"), ("1.0", "stored")]
        (known,) = found.files
        assert known.put_by is not None
        assert (known.filename, known.put_by.owner, known.put_by.outcome) == (
            upload("1.0").filename,
            ENTRY.owner,
            "stored",
        )


async def test_a_file_that_was_deleted(store: Store) -> None:
    """By whom, although the delete names a release and no file, and whatever spelling of the version it has."""
    await finish(store, upload("1.0"))
    gone = upload("1.0.0", action="delete", sha256="")
    number = await store.removals.admit(gone, (), now=NOW)
    assert isinstance(number, int)
    removed = Removed("", (upload("1.0").identity,), ())
    await store.removals.complete(number, Outcome.REMOVED, index_status=200, time_ms=MS, removed=removed)
    other = await store.removals.admit(upload("3.0", action="delete", sha256=""), (), now=NOW)
    assert isinstance(other, int)
    found = await store.record.about_file(identity=upload("1.0").identity)
    assert [row.action for row in found.rows] == ["upload", "delete"]
    assert found.files[0].removed == NOW


async def test_a_file_that_was_there_before_us(store: Store) -> None:
    """It is known, and nobody put it there; in each of several indexes."""
    for index in ("team/dev", "team/prod", "a/b"):
        await store.adopt(index, "acme-core", [AdoptedFile(ENTRY.identity, ENTRY.filename, "1.0", SHA)])
    for asked in ({"identity": ENTRY.identity}, {"sha256": SHA}):
        found = await store.record.about_file(**asked)
        assert sorted(file.index for file in found.files) == ["a/b", "team/dev", "team/prod"]
        assert {file.put_by for file in found.files} == {None}
        assert found.rows == ()


async def test_a_file_that_was_tried_too_often(store: Store) -> None:
    """The youngest rows, and that there are more."""
    for number in range(5):
        await store.record_refusal(upload("1.0", request_id=f"r{number}"), "no-rule", "no")
    asked = {"identity": upload("1.0").identity, "sha256": None, "limit": 3}
    found = await store._worker.read(lambda connection: trail.about_file(connection, **asked))
    assert [row.request_id for row in found.rows] == ["r2", "r3", "r4"]
    assert found.more


async def test_what_nobody_knows(store: Store) -> None:
    """Nothing, and no error; an empty name is the name of nothing."""
    await store.record_refusal(replace(ENTRY, identity="", sha256=""), "no-rule", "no")
    for asked in ({"identity": "no 1 sdist"}, {"sha256": OTHER_SHA}, {"identity": ""}, {"sha256": ""}):
        found = await store.record.about_file(**asked)
        assert (found.files, found.rows) == ((), ())


async def test_one_row(store: Store) -> None:
    """By its number, all of it."""
    await finish(store)
    row = await store.record.row(1)
    assert row is not None
    assert (row.owner, row.rule, row.grant, row.index_status) == (ENTRY.owner, ENTRY.rule, ENTRY.grant, 200)
    assert await store.record.row(2) is None
