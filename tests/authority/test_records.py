"""Remembered records are no older than the last change of any key, seen from another program too."""

import asyncio
from contextlib import ExitStack, contextmanager

import pytest

from authproxy.authority.records import KeyRecords
from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.store import BUSY, Store, StoreError, StoreLost, engine
from authproxy.store.driver import sqlite3
from tests.authority.conftest import NOW, SPEC


@pytest.fixture(autouse=True)
def rollback_journal(monkeypatch):
    """In WAL nobody waits for a commit: this is about where somebody has to."""
    monkeypatch.setattr(engine, "wal_is_safe", lambda _: False)


class Forgetless(KeyRecords):
    """The mistake: what was read once is good for ever."""

    async def read(self, key_id):
        known = self._records.get(key_id)
        return known if known is not None else await super().read(key_id)


@contextmanager
def exclusive(database):
    """Hold the database as another program's commit does."""
    writer = sqlite3.connect(database, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        writer.execute("ROLLBACK")
        writer.close()


def waits(coroutine):
    """Say whether a coroutine gives up the event loop before it is done."""
    try:
        coroutine.send(None)
    except StopIteration:
        return False
    coroutine.close()
    return True


@pytest.mark.parametrize(("kind", "seen"), [(KeyRecords, True), (Forgetless, False)], ids=["ours", "naive"])
async def test_a_change_by_another_program_is_seen_at_once(kind, seen, authority, store, shell):
    """Pause, resume and revoke show in the next read; a memory that never asks is caught by the same check."""
    record, _ = await authority.issue(SPEC, now=NOW)
    records = kind(store)
    assert await records.read(record.id) == record
    await shell.pause(record.id, NOW)
    assert (await records.read(record.id)).paused is seen
    await shell.resume(record.id, NOW)
    assert not (await records.read(record.id)).paused
    await shell.revoke(record.id, NOW)
    assert ((await records.read(record.id)).revoked == NOW) is seen


async def test_an_unknown_id_is_not_remembered(authority, store, shell):
    """A key that is made after somebody asked for its id is found."""
    records = KeyRecords(store)
    assert await records.read(KeyId("AAAAAAAAAAAA")) is None
    record, _ = await authority.issue(SPEC, now=NOW)
    assert await records.read(record.id) == record


async def test_a_remembered_record_is_the_same_object(authority, store):
    """While nothing changes, nothing is read again."""
    record, _ = await authority.issue(SPEC, now=NOW)
    records = KeyRecords(store)
    first = await records.read(record.id)
    assert await records.read(record.id) is first


async def test_no_read_waits_while_nobody_commits(authority, store):
    """Known, forgotten and unknown ids are answered without giving up the event loop."""
    record, _ = await authority.issue(SPEC, now=NOW)
    records = KeyRecords(store)
    assert not waits(records.read(record.id))
    assert not waits(records.read(record.id))
    assert not waits(records.read(KeyId("AAAAAAAAAAAA")))


async def test_a_commit_under_way_is_waited_for(authority, store, database):
    """While another program holds the database, records come by the slow way; what is remembered stays."""
    record, _ = await authority.issue(SPEC, now=NOW)
    records = KeyRecords(store)
    first = await records.read(record.id)
    with exclusive(database):
        busy = store.generation() is BUSY
        assert waits(records.read(record.id)) is busy
    assert await records.read(record.id) is first


class Raced(Store):
    """The real store; `then` happens right after the generation was read."""

    then = staticmethod(lambda: None)

    def generation(self):
        found = super().generation()
        self.then()
        return found


async def test_a_commit_that_begins_between_two_looks_is_waited_for(authority, database):
    """The generation was read, the record cannot be: it is waited for, too."""
    record, _ = await authority.issue(SPEC, now=NOW)
    store = await Raced.open(f"sqlite:///{database}")
    records = KeyRecords(store)
    await records.read(KeyId("AAAAAAAAAAAA"))
    in_wal = database.with_name(database.name + "-wal").exists()
    with ExitStack() as stack:
        store.then = lambda: stack.enter_context(exclusive(database))
        assert waits(records.read(record.id)) is not in_wal
        del store.then
    assert await records.read(record.id) == record
    await store.close()


async def test_memory_is_bounded(authority, store):
    """The least used record is read anew."""
    made = [(await authority.issue(SPEC, now=NOW))[0].id for _ in range(3)]
    records = KeyRecords(store, limit=2)
    first = await records.read(made[0])
    for key_id in made:
        await records.read(key_id)
    assert await records.read(made[0]) is not first


async def test_a_record_stands_until_a_key_is_changed(authority, store, shell):
    """Any key: what the store tells of a change is that there was one. What was never read here does not stand."""
    record, _ = await authority.issue(SPEC, now=NOW)
    other, _ = await authority.issue(SPEC, now=NOW)
    records = KeyRecords(store)
    assert not records.stands(record)
    known = await records.read(record.id)
    assert records.stands(known)
    await shell.pause(other.id, NOW)
    assert not records.stands(known)
    assert records.stands(await records.read(record.id))


async def test_whether_records_stand_is_asked_once_in_a_turn(authority, store, database):
    """One look serves all that a turn of the event loop answers, and the next turn looks again."""
    record, _ = await authority.issue(SPEC, now=NOW)
    records = KeyRecords(store)
    known = await records.read(record.id)
    asked = []
    store._watch._connection.set_trace_callback(asked.append)
    assert [records.stands(known) for _ in range(5)] == [True] * 5
    assert len(asked) == 1
    await asyncio.sleep(0)
    assert records.stands(known)
    assert len(asked) == 2


async def test_nothing_stands_while_somebody_commits(authority, store, database):
    """Then nobody knows; and that is not remembered for the rest of the turn."""
    record, _ = await authority.issue(SPEC, now=NOW)
    records = KeyRecords(store)
    known = await records.read(record.id)
    with exclusive(database):
        assert not records.stands(known)
    assert records.stands(known)


class Wired:
    """A store that never answers without waiting, as one on a database server; what happens while one waits."""

    def __init__(self, record: KeyRecord | None) -> None:
        self.record, self.number, self.asked, self.grace = record, 1, 0, False
        self.meanwhile = lambda: None

    def generation(self):
        return self.number

    def peek(self, _key_id):
        return BUSY

    async def key(self, _key_id):
        self.asked += 1
        found = self.record
        await asyncio.sleep(0)
        self.meanwhile()
        if isinstance(found, Exception):
            raise found
        return found

    def within_grace(self):
        return self.grace


async def test_what_was_waited_for_is_remembered(authority):
    """A server is asked once, and again when a key has changed."""
    record, _ = await authority.issue(SPEC, now=NOW)
    wired = Wired(record)
    records = KeyRecords(wired)
    assert await records.read(record.id) is await records.read(record.id) is record
    assert wired.asked == 1
    wired.number = 2
    assert await records.read(record.id) is record
    assert wired.asked == 2
    wired.record, wired.number = None, 3
    assert await records.read(record.id) is None
    assert await records.read(record.id) is None
    assert wired.asked == 4, "unknown ids are asked for each time"


@pytest.mark.parametrize("number", [2, BUSY])
async def test_what_changed_while_it_was_waited_for_is_not_remembered(authority, number):
    """It may be as old as the question; the next one asks again."""
    record, _ = await authority.issue(SPEC, now=NOW)
    wired = Wired(record)
    records = KeyRecords(wired)

    wired.meanwhile = lambda: setattr(wired, "number", number)
    assert await records.read(record.id) is record
    wired.number, wired.meanwhile = 1, lambda: None
    assert await records.read(record.id) is record
    assert wired.asked == 2


async def test_a_lost_store_is_bridged_where_the_operator_says_so(authority):
    """By what was remembered, within the grace, and for no other trouble."""
    record, _ = await authority.issue(SPEC, now=NOW)
    wired = Wired(record)
    records = KeyRecords(wired)
    assert await records.read(record.id) is record
    wired.number, wired.record = BUSY, StoreLost("gone")
    with pytest.raises(StoreLost):
        await records.read(record.id)
    wired.grace = True
    assert await records.read(record.id) is record
    with pytest.raises(StoreLost):
        await records.read(KeyId("AAAAAAAAAAAA"))
    wired.record = StoreError("damaged")
    with pytest.raises(StoreError, match="damaged"):
        await records.read(record.id)
