"""The transactions on PostgreSQL, and how many waiting writes share one commit.

Rule 1. Every transaction that writes takes one advisory lock first, and the next one of whatever replica waits for it:
        what the functions assume of SQLite's single writer (a chain without a fork, a use that is spent once, a claim
        that is looked for and then made) holds unchanged.
Rule 2. It is READ COMMITTED, and must be: a snapshot of the whole transaction would be taken before the lock was waited
        for, and would not show what the one that had it committed. The lock is let go after its commit can be seen.
Rule 3. A transaction that reads is REPEATABLE READ: its statements see one moment, as on SQLite. It writes nothing, so
        it can never fail for what others write.
Rule 4. A write is answered after its commit, never before. Whatever waits when a commit starts shares the next one;
        each stands in a savepoint of its own, so a failing one takes no other down.
Rule 5. A connection that turns out to be dead before any work was done on it is replaced, once. After that a lost
        connection is an error: the commit may have happened or not.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from authproxy.store.errors import StoreError, StoreLost
from authproxy.store.postgres.engine import Login, border, engine_on
from authproxy.store.postgres.sentinel import CHANNEL, Sentinel
from authproxy.store.worker import BATCH_LIMIT, Answer, Job, Watched, Worker, as_it_is

T = TypeVar("T")

# Two 32-bit numbers: locks of this kind have nothing to do with those of runs, which are one of 64 bits.
LOCK: Final = text("SELECT pg_advisory_xact_lock(1635084920, 1)")  # "apax", and: whoever writes
# Reads at once. More would only wait in the server: a replica has one core.
READERS: Final = 4

# What every connection of ours costs a server, so that an operator can count: READERS, the writer, the sentinel.
CONNECTIONS: Final = READERS + 2


class PostgresWorker(Worker):
    """Runs functions of a `Connection` in greenlets of the event loop. They raise StoreError, or what `border` makes.

    `watched` sees every piece of work that writes before it is done. The sentinel starts and ends with the worker.
    """

    def __init__(self, login: Login, sentinel: Sentinel, watched: Watched = as_it_is) -> None:
        self._login: Final = login
        self._sentinel: Final = sentinel
        self._watched: Final = watched
        self._readers: Final = engine_on(login, "reads", READERS)
        self._writer: Final = engine_on(login, "writes", 1, heard=(CHANNEL, sentinel.heard))
        self._waiting: Final[deque[Job[Any]]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._reading: Final[set[asyncio.Task[None]]] = set()
        self._closed = False

    async def start(self, check: Callable[[Connection], None]) -> None:
        """Open the database and let `check` refuse it."""
        try:
            answer = await self._read(check)
            if isinstance(answer, Exception):
                raise answer
            await self._sentinel.start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Finish what waits, then let go."""
        if self._closed:
            return
        self._closed = True
        while self._writing is not None or self._reading:
            await asyncio.wait([*self._reading, *([self._writing] if self._writing else [])])
        await self._sentinel.stop()
        for engine in (self._readers, self._writer):
            await engine.dispose()

    def hand_in(
        self,
        work: Callable[[Connection], T],
        *,
        writes: bool,
        orphaned: Callable[[T], None] | None = None,
        afterwards: Callable[[], None] | None = None,
    ) -> asyncio.Future[T]:
        """Queue work without waiting for it."""
        if self._closed and not (writes and self._writing is not None):
            raise StoreError(f"{self._login} is closed")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        job = Job(self._watched(work) if writes else work, writes, future, orphaned, afterwards)
        if writes:
            self._waiting.append(job)
            self._writing = self._writing or asyncio.create_task(self._drain())
        else:
            task = asyncio.create_task(self._answer(job))
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)
        return future

    # Reads

    async def _answer(self, job: Job[Any]) -> None:
        found = await self._read(job.work)
        (Answer(job, error=found) if isinstance(found, Exception) else Answer(job, found[0])).deliver()

    async def _read(self, work: Callable[[Connection], T]) -> tuple[T] | Exception:
        async def once(connection: AsyncConnection) -> tuple[T]:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with connection.begin():
                return (await connection.run_sync(work),)

        return await self._bordered(self._readers, once)

    # Writes

    async def _drain(self) -> None:
        try:
            while self._waiting:
                jobs = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_LIMIT))]
                answers = await self._written(jobs)
                for answer in answers:
                    answer.end()
                for answer in answers:
                    answer.deliver()
        finally:
            self._writing = None

    async def _written(self, jobs: list[Job[Any]]) -> list[Answer]:
        claimed = set(self._sentinel.in_flight)

        async def once(connection: AsyncConnection) -> tuple[list[Answer]]:
            async with connection.begin():
                await connection.execute(LOCK)
                return (await connection.run_sync(self._all, jobs),)

        done = await self._bordered(self._writer, once)
        if not isinstance(done, Exception):
            return done[0]
        # What was claimed and lost with the commit, or with its answer, is nobody's: it will be settled.
        self._sentinel.in_flight.intersection_update(claimed)
        return [Answer(job, error=done) for job in jobs]

    def _all(self, connection: Connection, jobs: list[Job[Any]]) -> list[Answer]:
        if len(jobs) == 1:
            return [Answer(jobs[0], jobs[0].work(connection))]
        return [self._in_savepoint(connection, job) for job in jobs]

    def _in_savepoint(self, connection: Connection, job: Job[Any]) -> Answer:
        claimed = set(self._sentinel.in_flight)
        try:
            with border(self._login), connection.begin_nested():
                return Answer(job, job.work(connection))
        except StoreLost:
            raise
        except Exception as exc:  # noqa: BLE001 - it is raised where the job came from
            self._sentinel.in_flight.intersection_update(claimed)
            return Answer(job, error=exc)

    # Both

    async def _bordered(
        self, engine: AsyncEngine, once: Callable[[AsyncConnection], Coroutine[Any, Any, tuple[T]]]
    ) -> tuple[T] | Exception:
        try:
            self._sentinel.require_hope()
            with border(self._login):
                async with engine.connect() as connection:
                    if not await _stands(connection):
                        await connection.invalidate()
                    return await self._once(connection, once)
        except Exception as exc:  # noqa: BLE001 - it is raised where the job came from
            return exc

    async def _once(self, connection: AsyncConnection, once: Callable[[AsyncConnection], Coroutine[Any, Any, T]]) -> T:
        try:
            with border(self._login):
                return await once(connection)
        except (StoreLost, asyncio.CancelledError):
            await connection.invalidate()  # who knows what it is in the middle of
            raise


async def _stands(connection: AsyncConnection) -> bool:
    """Say whether a connection of the pool is still one: the loop has seen its end, if the server sent one."""
    raw: Any = (await connection.get_raw_connection()).driver_connection
    return raw is not None and not raw.is_closed()
