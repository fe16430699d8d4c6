"""The one thread that talks to the database, and how many waiting writes share one commit.

Rule 1. One connection, one thread: within this program nothing ever waits for a lock of SQLite's.
Rule 2. A write is answered after its commit, never before.
Rule 3. Whatever waits when a commit starts shares the next one; each write stands in a savepoint of its own, so a
        failing one takes no other down, unless the database itself gave the whole transaction up.

What begins and ends a transaction is said to SQLite's driver itself: by SQLAlchemy it was a tenth of what an upload
costs. Why not an asyncio driver: admit and complete are a dozen statements, and a hop to a driver's thread and back for
each cost 2.7 ms of a core where this thread costs 0.7 (measured side by side). PostgreSQL has a true asyncio driver,
which runs the same functions by `AsyncConnection.run_sync` (`postgres.worker`).
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, Final, Generic, Protocol, TypeVar

from sqlalchemy import Connection

from authproxy.store.driver import sqlite3
from authproxy.store.engine import IMMEDIATE, border, connection_on, let_go, raw
from authproxy.store.errors import StoreError

T = TypeVar("T")

log: Final = logging.getLogger("authproxy.store")

# A batch of admissions holds the thread for about 25 ms; more would make a read wait noticeably.
BATCH_LIMIT: Final = 64


class Watched(Protocol):
    """Makes work do more in its own transaction than it was asked to."""

    def __call__(self, work: Callable[[Connection], T], /) -> Callable[[Connection], T]:
        """Return the work to do."""
        ...


def as_it_is(work: Callable[[Connection], T]) -> Callable[[Connection], T]:
    """Do nothing more."""
    return work


class Worker(ABC):
    """Runs functions of a `Connection`, each in a transaction. They raise StoreError, or what becomes one."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction that reads, and sees one moment of the database."""
        return await self.hand_in(work, writes=False)

    async def write(
        self,
        work: Callable[[Connection], T],
        orphaned: Callable[[T], None] | None = None,
        afterwards: Callable[[], None] | None = None,
    ) -> T:
        """Run `work` in a transaction that is on disk when this returns; no other that writes runs meanwhile.

        Work that was handed in is done, also where the caller is cancelled meanwhile; `orphaned` then gets its answer.
        `afterwards` is called in any case, before anything else is written, also where the transaction could not even
        begin.
        """
        return await self.hand_in(work, writes=True, orphaned=orphaned, afterwards=afterwards)

    @abstractmethod
    def hand_in(
        self,
        work: Callable[[Connection], T],
        *,
        writes: bool,
        orphaned: Callable[[T], None] | None = None,
        afterwards: Callable[[], None] | None = None,
    ) -> asyncio.Future[T]:
        """Queue work without waiting for it. `afterwards` is called where the work runs."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what waits, then let go. Closing twice is fine."""


@dataclass(slots=True)
class Job(Generic[T]):
    """A piece of work, and who waits for it."""

    work: Callable[[Connection], T]
    writes: bool
    future: asyncio.Future[T]
    orphaned: Callable[[T], None] | None  # told what came of it when nobody waits any more
    afterwards: Callable[[], None] | None  # called when the work is over, done or failed


@dataclass(slots=True)
class Answer:
    """What came of a job."""

    job: Job[Any]
    value: Any = None
    error: Exception | None = None

    def deliver(self) -> None:
        """Tell who waits, or what is to hear of it where nobody does any more. In the thread of the loop."""
        future = self.job.future
        if future.cancelled():
            if self.error is None and self.job.orphaned is not None:
                self.job.orphaned(self.value)
        elif self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(self.value)

    def end(self) -> None:
        """Do what is to be done when the job is over. Where it ran."""
        if self.job.afterwards is not None:
            self.job.afterwards()

    def send(self) -> None:
        """Deliver from another thread."""
        try:
            self.end()
        except Exception:
            log.exception("what was to be done after a piece of work failed")
        # The loop may be gone when a program ends in the middle: then nobody waits.
        with suppress(RuntimeError):
            self.job.future.get_loop().call_soon_threadsafe(self.deliver)


class FileWorker(Worker):
    """Runs functions of a `Connection` in its thread. They raise StoreError, or what `border` turns into one.

    `watched` sees every piece of work that writes before it is done.
    """

    def __init__(self, path: Path, watched: Watched = as_it_is) -> None:
        self._path: Final = path
        self._border: Final = border(path)
        self._watched: Final = watched
        self._waiting: Final[SimpleQueue[Job[Any] | None]] = SimpleQueue()  # None is the last: it is closed
        self._thread: Thread | None = None
        self._closed = False

    async def start(self, check: Callable[[Connection], None]) -> None:
        """Open the database and let `check` refuse it."""
        opened: Future[None] = Future()
        thread = Thread(target=self._live, args=(check, opened), name="authproxy-store", daemon=True)
        try:
            thread.start()
            self._thread = thread
            await asyncio.shield(asyncio.wrap_future(opened))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Finish what waits, then let go."""
        if self._closed:
            return
        self._closed = True
        self._waiting.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def hand_in(
        self,
        work: Callable[[Connection], T],
        *,
        writes: bool,
        orphaned: Callable[[T], None] | None = None,
        afterwards: Callable[[], None] | None = None,
    ) -> asyncio.Future[T]:
        """Queue work without waiting for it."""
        if self._closed:
            raise StoreError(f"{self._path} is closed")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        work = self._watched(work) if writes else work
        self._waiting.put(Job(work, writes, future, orphaned, afterwards))
        return future

    # What follows runs in the thread.

    def _live(self, check: Callable[[Connection], None], opened: Future[None]) -> None:
        try:
            with self._border:
                self._connection = connection_on(self._path)
        except BaseException as exc:  # noqa: BLE001 - it is raised where it was started
            opened.set_exception(exc)
            return
        try:
            self._driver = raw(self._connection)
            self._reading, self._writing = _Transaction(self._driver, "BEGIN"), _Transaction(self._driver, IMMEDIATE)
            with self._border, self._reading:
                check(self._connection)
        except BaseException as exc:  # noqa: BLE001 - as above
            opened.set_exception(exc)
        else:
            opened.set_result(None)
            while (job := self._waiting.get()) is not None:
                self._drain(self._batch(job))
        finally:
            self._closed = True
            let_go(self._connection)

    def _batch(self, first: Job[Any]) -> list[Job[Any]]:
        batch = [first]
        while len(batch) < BATCH_LIMIT:
            try:
                job = self._waiting.get_nowait()
            except Empty:
                break
            if job is None:
                self._waiting.put(None)
                break
            batch.append(job)
        return batch

    def _drain(self, batch: list[Job[Any]]) -> None:
        for job in batch:
            if not job.writes:
                self._alone(job, self._reading).send()
        writes = [job for job in batch if job.writes]
        if len(writes) == 1:
            self._alone(writes[0], self._writing).send()
        elif writes:
            for answer in self._together(writes):
                answer.send()

    def _alone(self, job: Job[T], transaction: "_Transaction") -> Answer:
        try:
            with self._border, transaction:
                value = job.work(self._connection)
        except BaseException as exc:  # noqa: BLE001 - it is raised where the job came from
            return Answer(job, error=self._told(exc))
        return Answer(job, value)

    def _together(self, jobs: list[Job[Any]]) -> list[Answer]:
        try:
            with self._border, self._writing:
                return [self._in_savepoint(job) for job in jobs]
        except BaseException as exc:  # noqa: BLE001 - as above
            error = self._told(exc)
            return [Answer(job, error=error) for job in jobs]

    def _told(self, exc: BaseException) -> Exception:
        """Return what those who wait are told. What would end a thread does not end this one: nobody else answers."""
        if isinstance(exc, Exception):
            return exc
        log.error("the store's thread failed", exc_info=exc)
        return StoreError(f"{self._path} failed: {type(exc).__name__}")

    def _in_savepoint(self, job: Job[T]) -> Answer:
        driver = self._driver
        driver.execute("SAVEPOINT job")
        try:
            with self._border:
                value = job.work(self._connection)
        except Exception as exc:
            # On a full disk and the like SQLite rolls everything back by itself, https://sqlite.org/lang_transaction.html
            if not driver.in_transaction:
                raise
            driver.execute("ROLLBACK TO job")
            driver.execute("RELEASE job")
            return Answer(job, error=exc)
        driver.execute("RELEASE job")
        return Answer(job, value)


@dataclass(slots=True)
class _Transaction:
    """Transactions, one after another, as a context: each is committed at its end, or nothing of it is left."""

    driver: sqlite3.Connection
    begin: str

    def __enter__(self) -> None:
        self.driver.execute(self.begin)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if exc is None:
                self.driver.commit()
        finally:
            if self.driver.in_transaction:  # what failed, and a COMMIT that did (another program reads)
                self.driver.rollback()
