"""What an operator takes for right is on record with who and why, and guarded from then on."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from authproxy.domain.access import Outcome
from authproxy.domain.events import Event
from authproxy.store import AdoptedFile, Claim, Entry, FileKnown, FileRow, Flaw, Sound, Store
from tests.store.samples import ANY, ENTRY, NOW, OTHER_SHA, SHA, admitted, finish

Rows = Callable[..., list[Any]]
THIRD_SHA = "a" * 64
WORD = replace(
    ENTRY, principal="operator", key_id=None, public_id=None, owner="alice", rule="", grant="", address="",
    sha256=OTHER_SHA, warning="signed anew",
)  # fmt: skip


async def changed(store: Store, found: str | None = OTHER_SHA) -> FileRow:
    """A file that was uploaded and has other bytes now, or is gone."""
    await finish(store)
    row = await known(store)
    assert await store.unfinished.found(row, found, now=NOW) is Outcome.DIFFERENT
    return await known(store)


async def known(store: Store) -> FileRow:
    """The file of the first sample."""
    row = await store.file("", ENTRY.identity)
    assert row is not None
    return row


async def test_a_file_is_accepted_as_it_is(store: Store, rows: Rows) -> None:
    """The alarm is over, the upload stays what it was, and the row of the operator is in the chain."""
    assert await store.unfinished.accept(await changed(store), WORD) == 2
    assert rows("SELECT action, outcome, owner, principal, reason, sha256 FROM record ORDER BY id")[1:] == [
        ("accept", "accepted", "alice", "operator", "signed anew", OTHER_SHA)
    ]
    assert rows("SELECT outcome FROM record WHERE id = 1") == [("different",)]
    assert (await store.unfinished.count_alarms(), await store.unfinished.alarms()) == (0, [])
    same = AdoptedFile(ENTRY.identity, ENTRY.filename, "1.0", OTHER_SHA)
    assert (await store.adopt("", "acme-core", [same], whole=True)).doubted == ()
    assert isinstance(await store.record.verify(), Sound)
    rows("UPDATE record SET reason = 'no reason' WHERE id = 2")
    assert isinstance(await store.record.verify(), Flaw)


async def test_who_put_it_there_stays_known(store: Store) -> None:
    """By either hash and by the name: the upload, the operator, and that no alarm stands."""
    await store.unfinished.accept(await changed(store), WORD)
    for asked in ({"identity": ENTRY.identity}, {"sha256": SHA}, {"sha256": OTHER_SHA}):
        [file] = (await store.record.about_file(**asked)).files
        assert (file.sha256, file.put_by, file.wrong) == (OTHER_SHA, None, None)
        assert (file.instead_of and file.instead_of.owner, file.accepted and file.accepted.owner) == (
            "ci@acme",
            "alice",
        )
    kept = [each async for each in store.record.prune(NOW * 1000 + 60_000, NOW * 1000 + 90_000)]
    assert sum(each.kept for each in kept) == 2, "the record may be as short as it likes"
    [file] = (await store.record.about_file(identity=ENTRY.identity)).files
    assert file.instead_of is not None


async def test_other_bytes_after_that_are_an_alarm_again(store: Store, rows: Rows) -> None:
    """One, about what was accepted; and it is over when those bytes are back, or others are accepted."""
    store.webhooks.subscribe({"ops": frozenset({Event.UPLOAD_DIFFERENT})})
    await store.unfinished.accept(await changed(store), WORD)
    assert await store.unfinished.found(await known(store), THIRD_SHA, now=NOW) is Outcome.DIFFERENT
    [alarm] = await store.unfinished.alarms()
    assert (alarm.record_id, alarm.sent, await store.unfinished.count_alarms()) == (2, OTHER_SHA, 1)
    [file] = (await store.record.about_file(identity=ENTRY.identity)).files
    assert (file.wrong, file.missing, file.instead_of and file.instead_of.id) == (file.accepted, False, 1)
    assert await store.unfinished.found(await known(store), OTHER_SHA, now=NOW) is Outcome.ACCEPTED
    assert await store.unfinished.count_alarms() == 0
    assert await store.unfinished.found(await known(store), SHA, now=NOW) is Outcome.DIFFERENT
    assert await store.unfinished.accept(await known(store), replace(WORD, sha256=SHA)) == 3
    assert await store.unfinished.count_alarms() == 0
    assert await store.unfinished.found(await known(store), None, now=NOW) is Outcome.DIFFERENT
    assert await store.unfinished.count_alarms() == 1
    assert isinstance(await store.record.verify(), Sound)
    assert rows("SELECT count(*) FROM hooks") == [(4,)]


async def test_a_file_from_before_us_may_be_vouched_for(store: Store) -> None:
    """From then on it is held to that."""
    await store.adopt("", "acme-core", [AdoptedFile(ENTRY.identity, ENTRY.filename, "1.0", None)])
    assert await store.unfinished.accept(await known(store), WORD) == 1
    assert await store.unfinished.found(await known(store), SHA, now=NOW) is Outcome.DIFFERENT
    [file] = (await store.record.about_file(identity=ENTRY.identity)).files
    assert (file.put_by, file.instead_of, file.wrong and file.wrong.owner) == (None, None, "alice")


async def test_only_what_was_looked_at_is_accepted(store: Store, rows: Rows) -> None:
    """Not what was replaced since, nor what somebody is uploading: nothing is on record then."""
    row = await changed(store)
    given = await admitted(store, replace(ENTRY, sha256=THIRD_SHA), Claim(overwrite=True))
    assert await store.unfinished.accept(row, WORD) is None
    await store.complete(given, Outcome.STORED, index_status=200, time_ms=NOW * 1000)
    assert await store.unfinished.accept(row, WORD) is None
    assert rows("SELECT action FROM record") == [("upload",), ("upload",)]
    assert (await known(store)).sha256 == THIRD_SHA


async def test_what_is_gone_is_accepted_with_a_row(store: Store, rows: Rows) -> None:
    """Then it counts as deleted; other bytes still do not take its name. Twice is once."""
    row = await changed(store, None)
    gone: Entry = replace(WORD, sha256=SHA)
    assert [await store.unfinished.accept_gone(row, gone, now=NOW) for _ in range(2)] == [True, False]
    assert rows("SELECT action, outcome, owner FROM record WHERE id > 1") == [("accept-gone", "accepted", "alice")]
    assert await store.unfinished.count_alarms() == 0
    assert isinstance(await store.admit(replace(ENTRY, sha256=OTHER_SHA), ANY, now=NOW), FileKnown)
    assert isinstance(await store.record.verify(), Sound)
