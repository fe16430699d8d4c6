"""One thread, one connection, shared commits: nobody is answered before the disk has it, nobody falls with another."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Connection, text

from authproxy.store import StoreBusy, StoreError, StoreFull
from authproxy.store.engine import connect
from authproxy.store.worker import BATCH_LIMIT, FileWorker

COUNT = text("SELECT generation FROM meta")
RAISE = text("UPDATE meta SET generation = generation + 1")


@pytest_asyncio.fixture
async def worker(url: str, path: Path) -> AsyncIterator[FileWorker]:
    """A worker on an empty database that gives up waiting for other programs after a moment."""
    opened = FileWorker(path)
    await opened.start(lambda _: None)
    await opened.read(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout=50"))
    yield opened
    await opened.close()


def raise_generation(connection: Connection) -> None:
    """A write."""
    connection.execute(RAISE)


def count(connection: Connection) -> int:
    """How often `raise_generation` was done, and one."""
    return int(connection.scalar(COUNT))


def commits(worker: FileWorker) -> list[str]:
    """Note every commit from now on."""
    seen: list[str] = []
    worker._driver.set_trace_callback(lambda statement: seen.append(statement) if statement == "COMMIT" else None)
    return seen


async def held(worker: FileWorker) -> threading.Event:
    """Stop the worker in a read, so that what comes next waits together."""
    release, arrived = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(_: Connection) -> None:
        loop.call_soon_threadsafe(arrived.set)
        release.wait(10)

    worker.hand_in(stop, writes=False)
    await arrived.wait()
    return release


async def test_what_waits_shares_a_commit(worker: FileWorker) -> None:
    """64 writes that wait together cost one commit, not 64, and each is answered."""
    seen = commits(worker)
    release = await held(worker)
    waiting = [worker.hand_in(raise_generation, writes=True) for _ in range(BATCH_LIMIT)]
    release.set()
    await asyncio.gather(*waiting)
    assert await worker.read(count) == BATCH_LIMIT + 1
    assert len(seen) <= 3, "the read that held, the batch, the last read"


async def test_a_batch_has_an_end(worker: FileWorker) -> None:
    """However much waits, all of it is done, in more than one commit."""
    seen = commits(worker)
    release = await held(worker)
    waiting = [worker.hand_in(raise_generation, writes=True) for _ in range(BATCH_LIMIT * 3 + 1)]
    release.set()
    await asyncio.gather(*waiting)
    assert await worker.read(count) == BATCH_LIMIT * 3 + 2
    assert 4 <= len(seen) <= 6


async def test_a_failing_write_takes_no_other_down(worker: FileWorker) -> None:
    """What it had written is taken back, the others are committed."""

    def fails(connection: Connection) -> None:
        connection.execute(RAISE)
        raise StoreError("no")

    release = await held(worker)
    waiting = [worker.hand_in(work, writes=True) for work in (raise_generation, fails, raise_generation)]
    release.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), StoreError, type(None)]
    assert await worker.read(count) == 3


async def test_a_failing_write_alone_is_taken_back(worker: FileWorker) -> None:
    """Also where the failure is a mistake of ours, and nothing foreign comes out."""

    def fails(connection: Connection) -> None:
        connection.execute(RAISE)
        connection.execute(text("INSERT INTO nowhere VALUES (1)"))

    with pytest.raises(StoreError, match="SQLITE_ERROR"):
        await worker.write(fails)
    assert await worker.read(count) == 1


@pytest.mark.parametrize("together", [False, True], ids=["alone", "sharing a commit"])
async def test_a_full_disk_fails_those_it_hits_and_heals(worker: FileWorker, together: bool) -> None:
    """What was acknowledged is there, what was not is not; with room again, the next write works."""
    pages = await worker.read(lambda connection: connection.exec_driver_sql("PRAGMA page_count").scalar())
    await worker.read(lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count={pages}"))

    def fills(connection: Connection) -> None:
        connection.execute(RAISE)
        connection.execute(
            text(
                "INSERT INTO keys (id, owner, note, policy, grants, networks, used, created) "
                "SELECT hex(randomblob(9)), hex(zeroblob(1000000)), '', '', '', '', 0, 0"
            )
        )

    release = await held(worker)
    waiting = [worker.hand_in(fills, writes=True)]
    if together:
        waiting.insert(0, worker.hand_in(raise_generation, writes=True))
    release.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert StoreFull in {type(result) for result in results}
    answered = sum(result is None for result in results)
    assert await worker.read(count) == 1 + answered, "exactly the acknowledged ones are there"
    await worker.read(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=100000"))
    await worker.write(raise_generation)
    assert await worker.read(count) == 2 + answered


async def test_a_transaction_that_sqlite_gives_up_fails_all_who_shared_it(worker: FileWorker) -> None:
    """After some errors SQLite has rolled everything back by itself; nobody may be told that his write is there."""

    def given_up(connection: Connection) -> None:
        connection.exec_driver_sql("ROLLBACK")
        raise StoreFull("no room")

    release = await held(worker)
    waiting = [worker.hand_in(work, writes=True) for work in (raise_generation, given_up, raise_generation)]
    release.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [StoreFull] * 3
    assert await worker.read(count) == 1
    await worker.write(raise_generation)
    assert await worker.read(count) == 2


@pytest.mark.parametrize("together", [False, True], ids=["alone", "sharing a commit"])
async def test_a_database_held_by_another_program_is_busy_and_heals(
    worker: FileWorker, path: Path, together: bool
) -> None:
    """All who wait are told; when the other program is done, the same call works."""
    other = connect(path)
    other.execute("BEGIN IMMEDIATE")
    release = await held(worker)
    waiting = [worker.hand_in(raise_generation, writes=True) for _ in range(1 + together)]
    release.set()
    for result in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(result, StoreBusy)
    other.execute("ROLLBACK")
    other.close()
    await worker.write(raise_generation)
    assert await worker.read(count) == 2


async def test_a_commit_that_a_reader_holds_up_is_taken_back(worker: FileWorker, path: Path, journal: str) -> None:
    """A commit that cannot get through is no commit: the caller is told, and the next one starts afresh."""
    other = connect(path)
    other.execute("BEGIN")
    other.execute("SELECT * FROM meta").fetchall()
    if journal == "truncate":
        with pytest.raises(StoreBusy):
            await worker.write(raise_generation)
        assert await worker.read(count) == 1
    other.execute("COMMIT")
    other.close()
    await worker.write(raise_generation)
    assert await worker.read(count) == 2


async def test_what_was_handed_in_is_done(worker: FileWorker) -> None:
    """A caller that is cancelled does not take its write back, and `orphaned` hears of it."""
    orphans: list[Any] = []
    release = await held(worker)
    asking = asyncio.ensure_future(worker.write(count, orphaned=orphans.append))
    writing = asyncio.ensure_future(worker.write(raise_generation))
    await asyncio.sleep(0)
    asking.cancel()
    writing.cancel()
    release.set()
    assert await worker.read(count) in {1, 2}
    assert await worker.read(count) == 2
    assert orphans == [1]


async def test_closing_finishes_what_waits(url: str, path: Path) -> None:
    """Work that was accepted before the end is done; after it the answer is a sentence."""
    worker = FileWorker(path)
    await worker.start(lambda _: None)
    release = await held(worker)
    waiting = [worker.hand_in(raise_generation, writes=True) for _ in range(BATCH_LIMIT * 2)]
    closing = asyncio.ensure_future(worker.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match="is closed"):
        worker.hand_in(raise_generation, writes=True)
    release.set()
    await closing
    await worker.close()
    await asyncio.gather(*waiting)
    other = connect(path)
    assert other.execute("SELECT generation FROM meta").fetchone() == (BATCH_LIMIT * 2 + 1,)
    other.close()


async def test_the_loop_goes_on_while_the_disk_is_slow(worker: FileWorker) -> None:
    """Nothing of the store ever stops the event loop."""
    release = await held(worker)
    started = time.perf_counter()
    writing = asyncio.ensure_future(worker.write(raise_generation))
    await asyncio.sleep(0.01)
    assert time.perf_counter() - started < 1
    assert not writing.done()
    release.set()
    await writing


async def test_what_is_done_afterwards_may_fail(worker: FileWorker, caplog: pytest.LogCaptureFixture) -> None:
    """It is told, who asked is answered, and the thread goes on: nobody would be answered any more without it."""

    def fails() -> None:
        raise ValueError("afterwards")

    await worker.write(raise_generation, afterwards=fails)
    assert await worker.read(count) == 2
    assert "afterwards" in caplog.text


@pytest.mark.parametrize("together", [False, True], ids=["alone", "sharing a commit"])
async def test_nothing_that_work_raises_ends_the_thread(
    worker: FileWorker, caplog: pytest.LogCaptureFixture, together: bool
) -> None:
    """Not even what is no Exception: all who wait are told, and nothing of it is there."""

    def leaves(connection: Connection) -> None:
        raise_generation(connection)
        raise SystemExit("out of the thread")

    release = await held(worker)
    waiting = [worker.hand_in(work, writes=True) for work in ([raise_generation, leaves] if together else [leaves])]
    release.set()
    for result in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(result, StoreError)
        assert "SystemExit" in str(result)
    assert "the store's thread failed" in caplog.text
    await worker.write(raise_generation)
    assert await worker.read(count) == 2


async def test_a_machine_without_a_thread_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said is why, and closing what never began is fine."""

    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    worker = FileWorker(path)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        await worker.start(lambda _: None)
    await worker.close()
