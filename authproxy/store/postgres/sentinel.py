"""The one connection of an open store that others see, and that hears of them.

1. While it stands, this run is alive: it holds an advisory lock that is named after the run, shared, because a session
   that is lost may stand on the server for a while beside the one that takes its place.
2. It hears (LISTEN) that a key has changed. A trigger tells (NOTIFY), so no writer can forget to.
3. What was heard is believed for LEASE seconds from the moment that the server was asked: it is asked again all the
   time, and a connection that hears nothing because it is dead makes every question BUSY, not old.

A run whose lock is gone may only have lost its connection, and be in the middle of an upload all the same. So it counts
as dead when the lock was seen to be gone for DEAD_AFTER seconds, by a connection that stood all that time.
"""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from asyncpg import Connection
from sqlalchemy.util import await_only

from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.store.errors import StoreError, StoreLost
from authproxy.store.postgres.engine import Login, border, connect
from authproxy.store.verdicts import BUSY, Busy

log: Final = logging.getLogger("authproxy.store")

CHANNEL: Final = "authproxy_keys"
# Seconds. A revocation is seen within a second in any case: asked every half, and believed for no longer than this.
ASK_EVERY: Final = 0.4
LEASE: Final = 0.9
# Seconds between two tries to come back; the first is made at once.
RETRY: Final = 0.3
# Seconds. A server that restarts has its programs back within a second or two; an upload of a program that died waits
# for so long to be settled.
DEAD_AFTER: Final = 10.0
# Seconds without an answer after which a request is refused at once and does not wait for a connection first.
HOPELESS: Final = 2.0
_NAME_BYTES: Final = 8

_HOLD: Final = "SELECT pg_advisory_lock_shared($1::bigint)"
_ALIVE: Final = """
    SELECT count(*) > 0 FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND ((classid::bigint << 32) | objid::bigint) = $1::bigint
"""
_GENERATION: Final = "SELECT generation FROM meta"


def number_of(name: str) -> int | None:
    """Name the lock of a run: its 64 bits as PostgreSQL's bigint. None for what is no run's name."""
    try:
        return int.from_bytes(bytes.fromhex(name), signed=True) if len(name) == 2 * _NAME_BYTES else None
    except ValueError:
        return None


class Sentinel:
    """A run and a watch (`store.runs`, `store.changes`), for one event loop."""

    def __init__(self, login: Login, grace: float = 0) -> None:
        self.name: Final = secrets.token_hex(_NAME_BYTES)
        self.in_flight: Final[set[int]] = set()  # ids of claims
        self.deletes: Final[dict[int, int]] = {}  # which of these is of a delete, by its row
        self._login: Final = login
        self._grace: Final = grace
        self._connection: Connection | None = None
        self._asking: Final = asyncio.Lock()  # one question at a time is all that a connection takes
        self._wake: Final = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._generation = 0
        self._heard = False  # since the server was asked last
        self._believed_until = float("-inf")
        self._answered = float("-inf")  # when the server answered last
        self._missing: dict[str, float] = {}  # runs whose lock is gone, since when

    # Its life

    async def start(self) -> None:
        """Connect, or raise StoreError; from then on a connection that is lost is made again."""
        with border(self._login):
            await self._connect()
            await self._ask()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Let go: from then on this run is dead."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        connection = self._let_go()
        if connection is not None:
            try:
                await connection.close(timeout=1)
            except Exception:  # noqa: BLE001 - it is gone either way
                connection.terminate()

    async def _connect(self) -> None:
        connection = await connect(self._login, f"run {self.name}")
        try:
            await connection.execute(_HOLD.replace("$1", str(number_of(self.name))))
            await connection.add_listener(CHANNEL, self.heard)
            connection.add_termination_listener(self.heard)
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection
        self._missing.clear()

    def _let_go(self) -> Connection | None:
        connection, self._connection = self._connection, None
        self._believed_until = float("-inf")
        if connection is not None:
            connection.remove_termination_listener(self.heard)  # it is no news, and would make the next try hurry
        return connection

    async def _keep(self) -> None:
        lost = False
        while True:
            try:
                with border(self._login):
                    if self._connection is None:
                        await self._connect()
                    await self._ask()
            except Exception as exc:
                if not lost and isinstance(exc, StoreError):
                    log.warning("the store does not answer, what is remembered of keys is not used",
                                extra={"trouble": str(exc)})  # fmt: skip
                elif not lost:  # a defect must not leave this run without its lock for good
                    log.exception("the store could not be asked")
                lost = True
                if (connection := self._let_go()) is not None:
                    connection.terminate()  # to wait for a goodbye from who says nothing costs a second of refusals
                self._wake.clear()  # by what ended it: the next try comes after a pause
            else:
                if lost:
                    log.warning("the store answers again")
                lost = False
            # Not wait_for, which forgets in CPython 3.11 that it was cancelled where the event comes at that moment.
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY if lost else ASK_EVERY):
                    await self._wake.wait()

    # What changed

    async def _ask(self) -> None:
        connection = self._connection
        assert connection is not None
        async with self._asking:
            asked = asyncio.get_running_loop().time()
            self._heard = False
            self._wake.clear()  # before it is asked: who tells meanwhile is not kept waiting for the next time
            found = await connection.fetchval(_GENERATION, timeout=LEASE)
        self._generation = int(found)
        self._answered = asked
        # Whoever told of a change while the answer was on its way may have told of a later one.
        self._believed_until = float("-inf") if self._heard else asked + LEASE

    def heard(self, *_: object) -> None:
        """Believe nothing until the server was asked again: a key has changed, or the connection is gone."""
        self._heard = True
        self._believed_until = float("-inf")
        self._wake.set()

    def generation(self) -> int | Busy:
        """Read the number that every mutation of a key raises, as it was less than LEASE seconds ago."""
        return self._generation if asyncio.get_running_loop().time() < self._believed_until else BUSY

    def peek(self, key_id: KeyId) -> KeyRecord | Busy | None:  # noqa: ARG002 - the watch of a file can
        """Say BUSY: no answer comes over a wire without waiting."""
        return BUSY

    def peek_ended(self, names: Sequence[str]) -> bool | Busy:  # noqa: ARG002 - as above
        """Say BUSY, as `peek` does."""
        return BUSY

    def peek_calm(self) -> bool | Busy:
        """Say BUSY, as `peek` does."""
        return BUSY

    def within_grace(self) -> bool:
        """Say whether the server answered no longer than `grace` seconds ago."""
        return self._silent_for() < self._grace

    def lost_for(self) -> float:
        """Say for how many seconds the server has not answered."""
        return self._silent_for() if self._connection is None else 0.0

    def _silent_for(self) -> float:
        return asyncio.get_running_loop().time() - self._answered

    def require_hope(self) -> None:
        """Raise StoreLost where the server has been away for a while: nobody else needs to wait to see that."""
        if self._keeper is not None and self._connection is None and self._silent_for() > HOPELESS:
            raise StoreLost(f"{self._login} cannot be reached: it has not answered for a while")

    # Who is there

    def hold(self) -> None:
        """Raise StoreLost where nobody could see that this run is alive: then it may not claim anything."""
        if self._connection is None:
            raise StoreLost(f"{self._login} cannot be reached: the connection was lost")

    def sweep(self) -> None:
        """Do nothing: a session leaves nothing behind."""

    def close(self) -> None:
        """Do nothing: `stop` does."""

    def alive(self, name: str) -> bool:
        """Say whether another run is there, or may be. Within the worker's work. Raises StoreError."""
        return bool(await_only(self._is_alive(name)))

    async def _is_alive(self, name: str) -> bool:
        number = number_of(name)
        if number is None:
            return False
        connection = self._connection
        if connection is None:
            return True  # who cannot be asked counts as alive
        with border(self._login):
            async with self._asking:
                found = await connection.fetchval(_ALIVE, number)
        if found:
            self._missing.pop(name, None)
            return True
        now = asyncio.get_running_loop().time()
        return now - self._missing.setdefault(name, now) < DEAD_AFTER
