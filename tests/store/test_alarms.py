"""Which row says what should be in a place, and how it ended before."""

from dataclasses import replace

from authproxy.domain.access import Outcome
from authproxy.store import AdoptedFile, Claim, FileRow, Sound, Store, alarms
from tests.store.samples import ENTRY, NOW, OTHER_SHA, SHA, finish

THIRD_SHA = "a" * 64


async def seen(store: Store, sha256: str | None, *, now: int = NOW) -> Outcome | None:
    """Look at the place of the first sample, whatever is known of it."""
    row = await store.file("", ENTRY.identity)
    assert row is not None
    return await store.unfinished.found(row, sha256, now=now)


async def known(store: Store) -> FileRow:
    """The file of the first sample."""
    row = await store.file("", ENTRY.identity)
    assert row is not None
    return row


async def test_a_file_that_is_mended_is_the_uploads_again(store: Store) -> None:
    """Not a file that nobody put there: the row ends as stored once more, in the chain, and says who it was."""
    await finish(store)
    assert await seen(store, OTHER_SHA) is Outcome.DIFFERENT
    assert not (await known(store)).ours
    assert await seen(store, THIRD_SHA) is None, "that is neither"
    assert await seen(store, SHA, now=NOW + 60) is Outcome.STORED
    row = await known(store)
    assert (row.ours, row.sha256, await seen(store, SHA)) == (True, SHA, None)
    [file] = (await store.record.about_file(identity=ENTRY.identity)).files
    assert file.put_by is not None
    assert (file.put_by.owner, file.put_by.outcome, file.wrong) == ("ci@acme", "stored", None)
    assert [(end.outcome, end.time_ms // 1000 - NOW) for end in file.ends] == [
        ("stored", 0), ("different", 0), ("stored", 60),
    ]  # fmt: skip
    assert isinstance(await store.record.verify(), Sound)


async def test_a_list_that_shows_it_again_is_looked_at_once_more(store: Store) -> None:
    """It is doubted and no change; the control: third bytes are a change, and nobody's upload."""
    await finish(store)
    await seen(store, OTHER_SHA)
    listed = AdoptedFile(ENTRY.identity, ENTRY.filename, "1.0", THIRD_SHA)
    assert len((await store.adopt("", "acme-core", [listed])).changed) == 1
    answer = await store.adopt("", "acme-core", [replace(listed, sha256=SHA)])
    assert (len(answer.doubted), answer.changed) == (1, ())
    assert await seen(store, SHA) is Outcome.STORED


async def test_of_one_place_the_youngest_row_counts(store: Store) -> None:
    """Two uploads, the second over the first, each changed past us in turn: one alarm, about the second."""
    await finish(store)
    await seen(store, OTHER_SHA)
    await finish(store, replace(ENTRY, sha256=THIRD_SHA), claim=Claim(overwrite=True))
    await seen(store, OTHER_SHA)
    assert await store.unfinished.count_alarms() == 1
    assert [alarm.sent for alarm in await store.unfinished.alarms()] == [THIRD_SHA]
    assert await seen(store, SHA) is None, "what the first had is not what should be there"
    assert await seen(store, THIRD_SHA) is Outcome.STORED
    assert await store.unfinished.count_alarms() == 0


async def test_what_is_asked_of_a_place(store: Store) -> None:
    """Nothing where nothing is wrong."""
    await finish(store)
    ask = store._worker.read
    assert await ask(lambda connection: alarms.wanted(connection, "", ENTRY.identity)) is None
    assert await ask(lambda connection: alarms.upload(connection, "", ENTRY.identity)) is None
    await seen(store, None)
    assert (await ask(lambda connection: alarms.wanted(connection, "", ENTRY.identity))).id == 1
    assert await ask(lambda connection: alarms.upload(connection, "", ENTRY.identity)) == 1
    last = [alarms.End(1, NOW * 1000, "different")]
    assert [end.outcome for end in await ask(lambda connection: alarms.ends(connection, last))] == [
        "stored",
        "different",
    ]
    alone = [alarms.End(1, NOW * 1000 + 5, "stored")]
    assert await ask(lambda connection: alarms.ends(connection, alone)) is alone, "the chain is not asked"


async def test_what_was_forgotten_is_told_from_the_record(store: Store) -> None:
    """The index had other bytes and then nothing: its name is free, and who put it there is known; until somebody does."""
    await finish(store)
    await seen(store, OTHER_SHA)
    await store.forget(await known(store))
    for asked in ({"identity": ENTRY.identity}, {"sha256": SHA}):
        [file] = (await store.record.about_file(**asked)).files
        assert (file.lost, file.sha256, file.wrong, file.put_by and file.put_by.owner) == (True, SHA, None, "ci@acme")
    await finish(store)
    for asked in ({"identity": ENTRY.identity}, {"sha256": SHA}):
        [file] = (await store.record.about_file(**asked)).files
        assert (file.lost, file.put_by and file.put_by.id) == (False, 2)
