"""What is known of the index: adopted, read back, forgotten."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from authproxy.domain.access import Outcome
from authproxy.store import Adopted, AdoptedFile, Claim, FileKnown, FileRow, Removed, Sound, Store, files
from tests.store.samples import ANY, ENTRY, NOW, OTHER_SHA, SHA, admitted, finish

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


SAME = AdoptedFile(ENTRY.identity, ENTRY.filename, "1.0", SHA)
OTHER = replace(SAME, sha256=OTHER_SHA)
FILES = "SELECT filename, sha256, record_id FROM files"


async def test_what_the_index_states_counts(store: Store, rows: Rows) -> None:
    """A file that it had before us, which has other bytes or another spelling now, is what the index has now."""
    await store.adopt("", "acme-core", [SAME])
    [was] = (await store.adopt("", "acme-core", [OTHER])).changed
    assert (was.sha256, rows(FILES)) == (SHA, [(ENTRY.filename, OTHER_SHA, None)])
    renamed = await store.adopt("", "acme-core", [replace(SAME, filename="Acme.Core-1.0.zip", sha256=None)])
    assert (renamed, rows(FILES)) == (Adopted(0), [("Acme.Core-1.0.zip", None, None)])


LISTED = {
    "as it was sent": ([SAME], True, []),
    "without a hash": ([replace(SAME, sha256=None)], True, []),
    "with other bytes": ([OTHER], True, [ENTRY.identity]),
    "as another spelling, of which nobody knows the bytes": (
        [replace(SAME, filename="Acme.Core-1.0.zip", sha256=None)], True, [ENTRY.identity],
    ),
    "not any more": ([], True, [ENTRY.identity]),
    "not in a part of the list": ([], False, []),
}  # fmt: skip


@pytest.mark.parametrize(("found", "whole", "doubted"), LISTED.values(), ids=LISTED.keys())
async def test_what_came_through_us_is_never_overwritten_by_a_list(
    store: Store, rows: Rows, found: list[AdoptedFile], whole: bool, doubted: list[str]
) -> None:
    """Its hash is known: a list that says otherwise is a doubt, for whoever asks the index once more."""
    await finish(store)
    answer = await store.adopt("", "acme-core", found, whole=whole)
    assert ([row.identity for row in answer.doubted], answer.changed) == (doubted, ())
    assert rows(FILES) == [(ENTRY.filename, SHA, 1)]


async def test_a_spelling_of_the_same_bytes_is_its_file(store: Store, rows: Rows) -> None:
    """Somebody renamed it in the index; who uploaded it is still known."""
    await finish(store)
    await store.adopt("", "acme-core", [replace(SAME, filename="Acme.Core-1.0.zip")])
    assert rows(FILES) == [("Acme.Core-1.0.zip", SHA, 1)]


async def doubted(store: Store, found: list[AdoptedFile]) -> FileRow:
    """The one file that a list does not show as it was sent."""
    [row] = (await store.adopt("", "acme-core", found, whole=True)).doubted
    return row


async def test_other_bytes_in_its_place_end_the_upload_anew(store: Store, rows: Rows) -> None:
    """The row says so, a link of the chain too, and it is an alarm; the second look that says the same is none."""
    await finish(store)
    row = await doubted(store, [OTHER])
    assert await store.unfinished.found(row, OTHER_SHA, now=NOW + 60) is Outcome.DIFFERENT
    assert await store.unfinished.found(row, OTHER_SHA, now=NOW + 61) is None
    assert rows(FILES) == [(ENTRY.filename, OTHER_SHA, None)]
    assert rows("SELECT outcome, index_status, completed_ms FROM record") == [("different", 200, (NOW + 60) * 1000)]
    assert rows("SELECT kind, outcome FROM links")[-1] == ("ended", "different")
    [alarm] = await store.unfinished.alarms()
    assert (alarm.sent, alarm.row.sha256, await store.unfinished.count_alarms()) == (SHA, OTHER_SHA, 1)
    assert isinstance(await store.record.verify(), Sound)
    await store.adopt("", "acme-core", [SAME])
    assert await store.unfinished.count_alarms() == 0


async def test_a_file_that_is_gone_is_an_alarm_until_it_is_back(store: Store, rows: Rows) -> None:
    """Its row stays: its name is for its bytes, and who uploaded it is known."""
    await finish(store)
    row = await doubted(store, [])
    assert await store.unfinished.found(row, None, now=NOW + 60) is Outcome.DIFFERENT
    assert (rows(FILES), await store.unfinished.count_alarms()) == ([(ENTRY.filename, SHA, 1)], 1)
    assert await store.unfinished.found(await doubted(store, []), None, now=NOW + 61) is None
    back = await doubted(store, [SAME])
    assert await store.unfinished.found(back, SHA, now=NOW + 62) is Outcome.STORED
    assert (rows("SELECT outcome FROM record"), await store.unfinished.count_alarms()) == ([("stored",)], 0)
    assert (await store.adopt("", "acme-core", [SAME], whole=True)).doubted == ()
    assert isinstance(await store.record.verify(), Sound)


async def test_what_is_gone_may_be_accepted(store: Store, rows: Rows) -> None:
    """Then it counts as deleted and is missed no longer; other bytes still do not take its name."""
    await finish(store)
    row = await doubted(store, [])
    await store.unfinished.found(row, None, now=NOW)
    assert await store.unfinished.accept_gone(row, ENTRY, now=NOW)
    assert not await store.unfinished.accept_gone(row, ENTRY, now=NOW)
    assert (await store.adopt("", "acme-core", [], whole=True)).doubted == ()
    assert await store.unfinished.count_alarms() == 0
    assert isinstance(await store.admit(replace(ENTRY, sha256=OTHER_SHA), ANY, now=NOW), FileKnown)


async def test_a_second_look_at_what_was_replaced_meanwhile_changes_nothing(store: Store, rows: Rows) -> None:
    """An overwrite through us that ended after the list was read, and one that is under way, are no alarm."""
    await finish(store)
    row = await doubted(store, [OTHER])
    other = replace(ENTRY, sha256=OTHER_SHA)
    given = await admitted(store, other, Claim(overwrite=True))
    assert await store.unfinished.found(row, "a" * 64, now=NOW) is None
    await store.complete(given, Outcome.STORED, index_status=200, time_ms=NOW * 1000)
    assert await store.unfinished.found(row, "a" * 64, now=NOW) is None
    assert rows("SELECT sha256, record_id FROM files") == [(OTHER_SHA, 2)]
    assert rows("SELECT outcome FROM record") == [("stored",), ("stored",)]


async def test_what_was_deleted_through_us_is_not_missed(store: Store) -> None:
    """Nor what is on its way there."""
    await finish(store)
    row = await doubted(store, [])
    number = await store.removals.admit(replace(ENTRY, action="delete"), [ENTRY.identity], now=NOW)
    assert isinstance(number, int)
    assert await store.unfinished.found(row, None, now=NOW) is None
    assert (await store.adopt("", "acme-core", [], whole=True)).doubted == ()


async def test_the_projects_of_an_index(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, in pages."""
    monkeypatch.setattr(files, "PAGE", 2)
    for name in ("a", "b", "c"):
        await store.adopt("", name, [AdoptedFile(f"{name} 1 sdist", f"{name}-1.zip", "1", None)])
        await store.adopt("", name, [AdoptedFile(f"{name} 2 sdist", f"{name}-2.zip", "2", None)])
    assert await store.unfinished.projects("") == ["a", "b"]
    assert await store.unfinished.projects("", after="b") == ["c"]
    assert await store.unfinished.projects("", after="c") == await store.unfinished.projects("team/dev") == []


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
