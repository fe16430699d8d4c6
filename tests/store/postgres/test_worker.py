"""One writer at a time over all replicas: what holds on SQLite holds here, and what would not is shown."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import event, text

from authproxy.domain.access import Outcome
from authproxy.store import Admitted, FileBusy, Store, StoreError
from authproxy.store.postgres import worker as workers
from authproxy.store.postgres.engine import Login
from authproxy.store.verification import Sound
from authproxy.store.worker import BATCH_LIMIT
from tests.peers.postgres import said
from tests.store.samples import ANY, ENTRY, KEY, NOW, admitted, finish, upload

RAISE = text("UPDATE meta SET uses_since = uses_since + 1")
SLOWLY = text("SELECT pg_sleep(0.02)")


@pytest.fixture
async def replicas(server_login: Login):
    async with AsyncExitStack() as stack:
        opened = [await Store.open(str(server_login.address)) for _ in range(3)]
        for each in opened:
            stack.push_async_callback(each.close)
        await opened[0].add_key(KEY)
        yield opened


async def test_a_file_is_claimed_once(replicas: list[Store]) -> None:
    """64 claims of one file over three replicas at once: one is admitted, everybody else is told that it is busy."""
    verdicts = await asyncio.gather(*(replicas[n % 3].admit(ENTRY, ANY, now=NOW) for n in range(64)))
    assert Counter(type(each) for each in verdicts) == {Admitted: 1, FileBusy: 63}


async def test_the_chain_does_not_fork(replicas: list[Store]) -> None:
    """A storm over three replicas: every row is linked, every use counted."""
    await asyncio.gather(*(finish(replicas[n % 3], upload(f"{n}.0")) for n in range(90)))
    found = await replicas[0].record.verify()
    assert isinstance(found, Sound)
    assert (found.rows, found.links) == (90, 180)
    record = await replicas[1].key(KEY.id)
    assert record is not None
    assert record.used == 90


async def counted_up(replicas: list[Store], server_login: Login) -> int:
    """Read, wait, write what was read and one, from three replicas at once; how far it came in 12 turns."""

    def step(connection) -> None:
        (seen,) = connection.execute(text("SELECT uses_since FROM meta")).one()
        connection.execute(SLOWLY)
        connection.execute(text("UPDATE meta SET uses_since = :next"), {"next": seen + 1})

    for _ in range(4):
        await asyncio.gather(*(each._worker.write(step) for each in replicas), return_exceptions=True)
    return int(said(server_login, "SELECT uses_since FROM meta")[0][0])


async def test_nobody_writes_between_a_look_and_a_write(replicas: list[Store], server_login: Login) -> None:
    """What a transaction that writes has read stands until its end, on every replica."""
    assert await counted_up(replicas, server_login) == 12


async def test_without_the_lock_it_would_be_found(
    replicas: list[Store], server_login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: the same turns without the lock lose some."""
    monkeypatch.setattr(workers, "LOCK", text("SELECT 1"))
    assert await counted_up(replicas, server_login) < 12


async def test_a_snapshot_before_the_lock_would_be_found(replicas: list[Store], server_login: Login) -> None:
    """Negative control: REPEATABLE READ sees what was there before it waited; hence READ COMMITTED."""
    for each in replicas:
        each._worker._writer = each._worker._writer.execution_options(isolation_level="REPEATABLE READ")
    assert await counted_up(replicas, server_login) < 12


async def test_a_read_sees_one_moment(replicas: list[Store], server_login: Login) -> None:
    """Two questions of one transaction agree, whatever is committed between them; and it can write nothing."""
    seen = []

    def twice(connection) -> None:
        for _ in range(2):
            seen.append(connection.scalar(text("SELECT uses_since FROM meta")))
            connection.execute(text("SELECT pg_sleep(0.2)"))

    reading = asyncio.ensure_future(replicas[0]._worker.read(twice))
    await asyncio.sleep(0.1)
    await replicas[1]._worker.write(lambda connection: connection.execute(RAISE))
    await reading
    assert seen[0] == seen[1]
    assert said(server_login, "SELECT uses_since FROM meta") == [(seen[0] + 1,)]
    with pytest.raises(StoreError, match="read-only"):
        await replicas[0]._worker.read(lambda connection: connection.execute(RAISE))


async def test_what_waits_shares_a_commit(replicas: list[Store], server_login: Login) -> None:
    """Many writes that wait together cost few commits; a failing one takes no other down."""
    store, commits = replicas[0], []
    event.listen(store._worker._writer.sync_engine, "commit", lambda _: commits.append(1))

    def fails(connection) -> None:
        connection.execute(RAISE)
        connection.execute(text("SELECT 1 / 0"))

    works = [store._worker.write(lambda connection: connection.execute(RAISE).rowcount) for _ in range(BATCH_LIMIT)]
    done = await asyncio.gather(
        *works, store._worker.write(fails), *(store._worker.write(fails),), return_exceptions=True
    )
    assert [each for each in done[:BATCH_LIMIT] if each != 1] == []
    assert [type(each) for each in done[BATCH_LIMIT:]] == [StoreError, StoreError]
    assert len(commits) <= 4
    assert said(server_login, "SELECT uses_since FROM meta") == [(BATCH_LIMIT,)]


async def test_what_was_handed_in_is_done(replicas: list[Store]) -> None:
    """A caller that is cancelled does not take its write back; an admission that nobody waits for is released."""
    asking = asyncio.ensure_future(replicas[0].admit(ENTRY, ANY, now=NOW))
    await asyncio.sleep(0)
    asking.cancel()
    async with asyncio.timeout(5):
        while not isinstance(verdict := await replicas[1].admit(ENTRY, ANY, now=NOW), Admitted):
            await asyncio.sleep(0.01)
    assert verdict.ticket.record_id == 2


CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name LIKE 'authproxy %' AND datname = $1 AND pid <> pg_backend_pid()
"""


async def test_a_restart_between_two_requests_is_not_noticed(replicas: list[Store], server_login: Login) -> None:
    """Connections that died while nobody used them are replaced."""
    await finish(replicas[0])
    said(server_login, CUT, server_login.address.database)
    await asyncio.sleep(0.5)
    await finish(replicas[0], upload("2.0"))
    assert await replicas[0].key(KEY.id)


async def test_a_commit_whose_answer_was_lost_is_settled(replicas: list[Store], server_login: Login) -> None:
    """The connection ends in the middle: the admission is an error, and its claim, if there is one, is nobody's."""
    store = replicas[0]

    def dies(connection) -> None:
        store._run.in_flight.add(4711)
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(StoreError, match="cannot be reached"):
        await store._worker.write(dies)
    assert 4711 not in store._run.in_flight
    given = await admitted(store)
    await store.complete(given, Outcome.STORED, index_status=200, time_ms=NOW * 1000)


async def test_an_end_that_cannot_be_written_leaves_the_claim_to_be_settled(
    replicas: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server goes away while a file is on its way: nobody will complete it, and whoever asks next settles it."""
    store = replicas[0]
    given = await admitted(store)
    with monkeypatch.context() as patched:
        patched.setattr(workers, "LOCK", text("SELECT pg_terminate_backend(pg_backend_pid())"))
        with pytest.raises(StoreError):
            await store.complete(given, Outcome.STORED, index_status=200, time_ms=NOW * 1000)
    intents, busy = await store.unfinished.intents(now=NOW)
    assert ([each.record_id for each in intents], busy) == ([given.record_id], 0)
