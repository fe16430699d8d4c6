"""What is known of the index: adopted, read back, forgotten."""

from collections.abc import Callable
from typing import Any

from authproxy.domain.access import Outcome
from authproxy.store import AdoptedFile, FileKnown, Store
from tests.store.samples import ANY, ENTRY, NOW, OTHER_SHA, SHA, admitted

Rows = Callable[..., list[Any]]
OLD = AdoptedFile(ENTRY.identity, "Acme_Core-1.0.tar.gz", "1.0", None)


async def test_a_project_is_known_by_its_files(store: Store) -> None:
    """Neither a claim nor another project's or another index's file makes a project known; a stored file does."""
    given = await admitted(store)
    assert not await store.project_known("", "acme-core")
    await store.complete(given, Outcome.STORED, index_status=200, time_ms=NOW * 1000)
    assert await store.project_known("", "acme-core")
    assert not await store.project_known("", "acme")
    assert not await store.project_known("team/dev", "acme-core")


async def test_an_adopted_file_is_a_file(store: Store) -> None:
    """What the index had before us is refused to a second upload like what went through us."""
    await store.adopt("", "acme-core", [OLD])
    assert await store.project_known("", "acme-core")
    verdict = await store.admit(ENTRY, ANY, now=NOW)
    assert isinstance(verdict, FileKnown)
    assert (verdict.row.filename, verdict.row.sha256) == ("Acme_Core-1.0.tar.gz", None)


async def test_adopting_again_only_adds(store: Store, rows: Rows) -> None:
    """A hash that is known stays, a missing one is filled in, two spellings of one file are one file."""
    new = AdoptedFile("acme-core 2 sdist", "acme-core-2.0.tar.gz", "2.0", SHA)
    await store.adopt("", "acme-core", [OLD])
    await store.adopt("", "acme-core", [])
    await store.adopt("", "acme-core", [AdoptedFile(OLD.identity, "x", "1.0", SHA), new, new])
    await store.adopt("", "acme-core", [AdoptedFile(OLD.identity, "x", "1.0", OTHER_SHA)])
    assert rows("SELECT filename, sha256 FROM files ORDER BY version") == [
        ("Acme_Core-1.0.tar.gz", SHA),
        ("acme-core-2.0.tar.gz", SHA),
    ]


async def test_a_file_on_its_way_is_not_adopted(store: Store, rows: Rows) -> None:
    """An index may list an upload of ours before it has answered, half written perhaps: the upload decides."""
    given = await admitted(store)
    await store.adopt("", "acme-core", [OLD])
    await store.complete(given, Outcome.REFUSED, index_status=400, time_ms=NOW * 1000)
    assert rows("SELECT * FROM files") == []


async def test_a_hash_is_set_once(store: Store) -> None:
    """What was read back is kept; a second, different reading does not replace it."""
    await store.adopt("", "acme-core", [OLD])
    row = await store.file("", OLD.identity)
    assert row is not None
    assert await store.set_sha256(row, SHA)
    assert not await store.set_sha256(row, OTHER_SHA)
    found = await store.file("", OLD.identity)
    assert found is not None
    assert found.sha256 == SHA


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
