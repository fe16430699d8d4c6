"""Who is there, what has changed, and how fresh that is: also where the connection is cut, or says nothing."""

import asyncio
import os
import signal

import pytest

from authproxy.store import BUSY, FileBusy, FileUnsettled, Store, StoreLost
from authproxy.store.postgres import sentinel
from authproxy.store.postgres.engine import Login, connect
from authproxy.store.postgres.sentinel import number_of
from tests.peers.postgres import Postgres, PostgresServer, said
from tests.peers.waiting import until
from tests.store.samples import ANY, ENTRY, ID, KEY, NOW, admitted, generation

OF_RUN = "SELECT pid FROM pg_stat_activity WHERE application_name = $1"
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'authproxy run %' AND datname = $1"


@pytest.fixture
async def store(server_login: Login):
    opened = await Store.open(str(server_login.address))
    await opened.add_key(KEY)
    yield opened
    await opened.close()


@pytest.fixture
async def other(server_login: Login):
    opened = await Store.open(str(server_login.address), grace=30)
    yield opened
    await opened.close()


def session(store: Store, server_login: Login) -> int:
    ((pid,),) = said(server_login, OF_RUN, f"authproxy run {store._run.name}")
    return pid


async def test_a_change_is_heard_at_once(store: Store, other: Store) -> None:
    """Far sooner than it would be asked for; and one's own before the call returns."""
    before = await generation(other)
    await store.revoke(ID, NOW)
    assert store.generation() in {BUSY, before + 1}, "what was known is not believed any more"
    assert await until(lambda: other.generation() != before) < 0.3
    assert await generation(store) == await generation(other) == before + 1


async def test_who_tells_while_it_asks_is_not_kept_waiting(
    store: Store, server_login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer may be older than what was told: it is asked again at once, and not when it would be anyway."""
    monkeypatch.setattr(sentinel, "ASK_EVERY", 60.0)
    before, run = await generation(store), store._run
    outside = await connect(server_login, "tests")
    async with outside.transaction():
        await outside.execute("LOCK TABLE meta IN ACCESS EXCLUSIVE MODE")
        run.heard()
        await until(lambda: not run._heard)  # it asks, and waits for the lock
        run.heard()
    await until(lambda: store.generation() == before)
    await outside.close()


async def test_a_defect_does_not_end_it(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody has foreseen is in the log, with a new connection behind it: or this run would be dead for good."""
    before, broken = await generation(store), store._run._connection
    monkeypatch.setattr(sentinel, "_GENERATION", "SELECT NULL")  # and None is no number
    store._run.heard()
    await until(lambda: "the store could not be asked" in caplog.text)
    monkeypatch.undo()
    await until(lambda: store.generation() == before)
    assert store._run._connection is not broken


async def test_what_is_not_heard_is_not_believed_for_a_second(store: Store, other: Store, server_login: Login) -> None:
    """The server's side of the connection is stopped: nothing ends, nothing comes; from then on, BUSY."""
    before, pid = await generation(other), session(other, server_login)
    os.kill(pid, signal.SIGSTOP)
    try:
        began = asyncio.get_running_loop().time()
        await store.revoke(ID, NOW)
        await until(lambda: other.generation() != before, 1.0)
        assert asyncio.get_running_loop().time() - began < 1
        record = await other.key(ID)
        assert record is not None
        assert record.revoked == NOW, "and the store itself answers"
    finally:
        os.kill(pid, signal.SIGCONT)
    assert await generation(other) == before + 1


async def test_believing_for_longer_would_be_found(
    store: Store, server_login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: with no end to what is believed, a revoked key reads as long as nobody hears of it."""
    monkeypatch.setattr(sentinel, "LEASE", 60.0)
    naive = await Store.open(str(server_login.address))
    before, pid = await generation(naive), session(naive, server_login)
    os.kill(pid, signal.SIGSTOP)
    try:
        await store.revoke(ID, NOW)
        await asyncio.sleep(1.2)
        assert naive.generation() == before
    finally:
        os.kill(pid, signal.SIGCONT)
        await naive.close()


async def test_a_connection_that_is_cut_is_made_again(store: Store, other: Store, server_login: Login) -> None:
    """Under the same name, so that its uploads are still its own; what was revoked meanwhile is known."""
    before, name = await generation(other), other._run.name
    await admitted(other)
    said(server_login, CUT, server_login.address.database)
    await store.revoke(ID, NOW)
    assert await generation(other) == before + 1
    assert session(other, server_login)
    assert other._run.name == name
    intents, busy = await store.unfinished.intents(now=NOW)
    assert (intents, busy) == ([], 1), "it is under way, not left behind"


async def test_a_dead_run_is_dead_after_a_while(store: Store, other: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at once, because one that only lost its connection would be settled in the middle of its upload."""
    monkeypatch.setattr(sentinel, "DEAD_AFTER", 0.3)
    await admitted(other)
    await other.close()
    assert isinstance(await store.admit(ENTRY, ANY, now=NOW), FileBusy)
    await asyncio.sleep(0.35)
    verdict = await store.admit(ENTRY, ANY, now=NOW)
    assert isinstance(verdict, FileUnsettled)
    assert await store.settle(verdict.row, None, now=NOW)
    await admitted(store)


async def test_a_living_run_is_never_dead(store: Store, other: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long its upload takes; and where nobody can be asked, nobody is dead."""
    monkeypatch.setattr(sentinel, "DEAD_AFTER", 0.0)
    await admitted(other)
    for _ in range(3):
        assert isinstance(await store.admit(ENTRY, ANY, now=NOW), FileBusy)
    assert await store._worker.read(lambda _: store._run.alive(other._run.name))
    connection, store._run._connection = store._run._connection, None
    assert await store._worker.read(lambda _: store._run.alive("00" * 8))
    with pytest.raises(StoreLost):
        store._run.hold()
    store._run._connection = connection
    assert not await store._worker.read(lambda _: store._run.alive("00" * 8))
    store._run.sweep()
    store._run.close()


@pytest.mark.parametrize("name", ["", "nobody", "0" * 15, "zz" * 8])
def test_what_is_no_run_is_dead(name: str) -> None:
    """A name of another kind of store, or none."""
    assert number_of(name) is None


def test_a_run_has_a_lock_of_its_own() -> None:
    """The whole of its name, as PostgreSQL's signed 64 bits."""
    assert number_of("ffffffffffffffff") == -1
    assert number_of("0000000000000001") == 1


async def test_a_server_that_is_gone(store: Store, other: Store, database_server: Postgres) -> None:
    """Nothing is believed at once, who asks is told at once after a while, the grace is counted, and all heals."""
    if not isinstance(database_server, PostgresServer):
        pytest.skip("the named server is not ours to stop")
    await generation(store)
    database_server.stop()
    try:
        await until(lambda: store.generation() is BUSY, 1)
        assert (store.within_grace(), other.within_grace()) == (False, True)
        for asked in (store.key(ID), store.revoke(ID, NOW), store.admit(ENTRY, ANY, now=NOW)):
            with pytest.raises(StoreLost, match="cannot be reached"):
                await asked
        await asyncio.sleep(sentinel.HOPELESS)
        began = asyncio.get_running_loop().time()
        with pytest.raises(StoreLost, match="has not answered for a while"):
            await store.key(ID)
        assert asyncio.get_running_loop().time() - began < 0.1
    finally:
        database_server.start()
    await until(lambda: store.generation() is not BUSY, 10)
    assert await store.key(ID) == KEY
    await admitted(store)


@pytest.mark.parametrize("turns", range(4))
async def test_an_end_is_not_lost_in_what_is_heard_at_that_moment(server_login: Login, turns: int) -> None:
    """A key changes and the server ends: it ends, however many turns of the loop lie between."""
    opened = await Store.open(str(server_login.address))
    keeper = opened._run
    assert isinstance(keeper, sentinel.Sentinel)
    await asyncio.sleep(0.05)  # it waits for what it may hear
    keeper.heard()
    for _ in range(turns):
        await asyncio.sleep(0)
    closing = asyncio.create_task(opened.close())
    done, _ = await asyncio.wait([closing], timeout=5)
    assert done
