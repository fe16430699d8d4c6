"""What is known of the index: adopted, read back, forgotten."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from authproxy.domain.access import Outcome
from authproxy.store import AdoptedFile, FileKnown, Removed, Store
from tests.store.samples import ANY, ENTRY, NOW, OTHER_SHA, SHA, admitted

Rows = Callable[..., list[Any]]
OLD = AdoptedFile(ENTRY.identity, "Acme_Core-1.0.tar.gz", "1.0", None)


async def test_an_adopted_file_is_a_file(store: Store) -> None:
    """What the index had before us is refused to a second upload like what went through us."""
    await store.adopt("", "acme-core", [OLD])
    verdict = await store.admit(ENTRY, ANY, now=NOW)
    assert isinstance(verdict, FileKnown)
    assert (verdict.row.filename, verdict.row.sha256) == ("Acme_Core-1.0.tar.gz", None)


async def test_adopting_again_only_adds(store: Store, rows: Rows) -> None:
    """A hash that is known stays where none is stated, two spellings of one file are one file."""
    new = AdoptedFile("acme-core 2 sdist", "acme-core-2.0.tar.gz", "2.0", SHA)
    await store.adopt("", "acme-core", [OLD])
    await store.adopt("", "acme-core", [])
    stated = replace(OLD, sha256=SHA)
    await store.adopt("", "acme-core", [replace(stated, filename="x", sha256=OTHER_SHA), stated, new, new])
    await store.adopt("", "acme-core", [OLD, replace(OLD, filename="x")])
    assert rows("SELECT filename, sha256 FROM files ORDER BY version") == [
        ("Acme_Core-1.0.tar.gz", SHA),
        ("acme-core-2.0.tar.gz", SHA),
    ]


async def test_what_the_index_states_counts(store: Store, rows: Rows) -> None:
    """A file of ours that was replaced past us, by other bytes or in another spelling, is what the index has now."""
    given = await admitted(store)
    await store.complete(given, Outcome.STORED, index_status=200, time_ms=NOW * 1000)
    same = AdoptedFile(ENTRY.identity, ENTRY.filename, "1.0", SHA)
    await store.adopt("", "acme-core", [same])
    assert rows("SELECT filename, sha256, record_id FROM files") == [(ENTRY.filename, SHA, 1)]
    await store.adopt("", "acme-core", [replace(same, sha256=OTHER_SHA)])
    assert rows("SELECT filename, sha256, record_id FROM files") == [(ENTRY.filename, OTHER_SHA, None)]
    await store.adopt("", "acme-core", [replace(same, filename="Acme.Core-1.0.zip", sha256=None)])
    assert rows("SELECT filename, sha256, record_id FROM files") == [("Acme.Core-1.0.zip", None, None)]


async def test_a_deleted_file_that_is_there_again_is_not_deleted(store: Store, rows: Rows) -> None:
    """Somebody put it back past us."""
    await store.adopt("", "acme-core", [replace(OLD, sha256=SHA)])
    number = await store.removals.admit(replace(ENTRY, action="delete"), [OLD.identity], now=NOW)
    assert isinstance(number, int)
    gone = Removed("", [OLD.identity], [])
    await store.removals.complete(number, Outcome.REMOVED, index_status=200, time_ms=NOW * 1000, removed=gone)
    assert rows("SELECT filename FROM files WHERE removed IS NULL") == []
    await store.adopt("", "acme-core", [OLD])
    assert rows("SELECT filename FROM files WHERE removed IS NULL") == [(OLD.filename,)]


async def test_a_file_on_its_way_is_not_adopted(store: Store, rows: Rows) -> None:
    """An index may list an upload of ours before it has answered, half written perhaps: the upload decides."""
    given = await admitted(store)
    await store.adopt("", "acme-core", [OLD])
    await store.complete(given, Outcome.REFUSED, index_status=400, time_ms=NOW * 1000)
    assert rows("SELECT * FROM files") == []


async def test_a_file_may_be_read_again(store: Store) -> None:
    """What was read back may have been half of it: a later reading counts, and none is taken for what we sent."""
    await store.adopt("", "acme-core", [OLD])
    row = await store.file("", OLD.identity)
    assert row is not None
    assert await store.set_sha256(row, SHA)
    assert await store.set_sha256(row, OTHER_SHA)
    found = await store.file("", OLD.identity)
    assert found is not None
    assert (found.sha256, found.ours) == (OTHER_SHA, False)
    await store.forget(row)
    assert not await store.set_sha256(row, SHA)


async def test_only_what_was_looked_at_is_forgotten(store: Store) -> None:
    """Forgetting a file that was replaced since leaves the new one."""
    await store.adopt("", "acme-core", [OLD])
    row = await store.file("", OLD.identity)
    assert row is not None
    assert await store.forget(row)
    assert not await store.forget(row)
    given = await admitted(store)
    await store.complete(given, Outcome.STORED, index_status=200, time_ms=NOW * 1000)
    assert not await store.forget(row)
    assert await store.file("", OLD.identity) is not None
