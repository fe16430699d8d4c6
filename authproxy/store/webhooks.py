"""The queue of each webhook as its sender sees it: what is next, what became of it, how long it is.

Events are sent in the order in which they were written, as far as they go: one that fails is tried again before the
next, and after some minutes those behind it pass by. A webhook has one sender, the run that took it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite takes its words

from authproxy.domain.endings import DAY, THRESHOLDS, threshold
from authproxy.domain.events import Event
from authproxy.domain.keys import KeyId
from authproxy.store.keyring import WORKS
from authproxy.store.keys import PAGE
from authproxy.store.outbox import Outbox, Wanted, count_dropped
from authproxy.store.runs import Run
from authproxy.store.tables import announced, hooks, keys, receivers
from authproxy.store.worker import Worker

# Three days: a receiver that breaks on a Friday evening is mended on Monday.
MAX_AGE: Final = 3 * DAY
# Tries of one event that fail before what is too old is given up: seven minutes. A blip after a weekend's standstill
# must not cost the weekend's events.
PATIENCE: Final = 5
# Seconds until the next try: 5, 20, 80, 320 and so on. One event waits for hours in the end, its webhook for minutes at
# most: those behind an event that the receiver will not have pass it by, and one that is back is told soon.
FIRST_PAUSE: Final = 5
LONGEST_PAUSE: Final = 4 * 3600
LONGEST_SILENCE: Final = 300


@dataclass(frozen=True, slots=True)
class Message:
    """One event on its way to one webhook. `tries` have failed."""

    row: int
    id: str
    event: str
    body: str
    tries: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A try that failed. `jitter`, about 1, spreads the next ones of many senders."""

    message: Message
    error: str
    jitter: float = 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How it goes with one webhook. Times are unix seconds."""

    name: str
    waiting: int
    oldest: int | None
    failures: int  # in a row
    error: str | None  # of the last try; None: it went well
    due: int | None  # of the next try; None: nothing waits
    sent: int | None  # when one went well last
    dropped: int


_NEXT: Final[Select[Any]] = (
    select(hooks.c.id, hooks.c.message, hooks.c.event, hooks.c.body, hooks.c.tries)
    .where(hooks.c.name == bindparam("b_name"), hooks.c.due <= bindparam("b_now"))
    .order_by(hooks.c.id)
    .limit(bindparam("b_limit"))
)
_RECEIVER: Final[Select[Any]] = select(receivers).where(receivers.c.name == bindparam("b_name"))
_NEW: Final = upsert(receivers)
_TAKE: Final = _NEW.on_conflict_do_update(index_elements=["name"], set_={"run": _NEW.excluded.run})
_RELEASE: Final = update(receivers).where(receivers.c.name == bindparam("b_name")).values(run=None)
_DONE: Final = delete(hooks).where(hooks.c.id == bindparam("b_row"))
_WENT_WELL: Final = (
    update(receivers)
    .where(receivers.c.name == bindparam("b_name"))
    .values(failures=0, due=0, error=None, sent=bindparam("b_now"))
)
_FAILED: Final = (
    update(receivers)
    .where(receivers.c.name == bindparam("b_name"))
    .values(failures=bindparam("b_failures"), due=bindparam("b_due"), error=bindparam("b_error"))
)
_LATER: Final = (
    update(hooks).where(hooks.c.id == bindparam("b_row")).values(tries=hooks.c.tries + 1, due=bindparam("b_due"))
)
_DROP_OLD: Final = delete(hooks).where(hooks.c.name == bindparam("b_name"), hooks.c.created < bindparam("b_before"))
_QUEUES: Final[Select[Any]] = (
    select(hooks.c.name, func.count().label("waiting"), func.min(hooks.c.id).label("first"))
    .group_by(hooks.c.name)
    .order_by(hooks.c.name)
)
_OLDEST: Final = select(hooks.c.created, hooks.c.due).where(hooks.c.id == bindparam("b_row"))
_ALL: Final[Select[Any]] = select(receivers).order_by(receivers.c.name)
_NEWS: Final = upsert(announced)
_ANNOUNCED: Final = _NEWS.on_conflict_do_update(index_elements=["key_id"], set_={"threshold": _NEWS.excluded.threshold})


class Webhooks:
    """The queues of one open store. Its coroutines raise StoreError."""

    def __init__(self, worker: Worker, run: Run, outbox: Outbox) -> None:
        self._worker = worker
        self._run = run
        self._outbox = outbox
        self._mine: set[str] = set()

    def subscribe(self, wanted: Wanted) -> None:
        """Write events for these webhooks from now on, and for no others. What was written before still goes out."""
        self._outbox.subscribe(wanted)

    async def pending(self, name: str, limit: int, *, now: int) -> list[Message]:
        """Read the next messages that are due; none where another program sends to this webhook."""
        read = partial(_pending, name=name, limit=limit, now=now)
        found = await self._worker.read(read)
        if not found or name in self._mine:
            return found
        if not await self._worker.write(lambda connection: _take(connection, self._run, name)):
            return []
        self._mine.add(name)
        return await self._worker.read(read)  # whoever sent before has taken some away

    async def release(self, name: str) -> None:
        """Leave a webhook to other programs."""
        if name in self._mine:
            self._mine.discard(name)
            await self._worker.write(lambda connection: connection.execute(_RELEASE, {"b_name": name}))

    async def settle(self, name: str, sent: Sequence[Message], failure: Failure | None, *, now: int) -> None:
        """Take away what was sent, and note a try that failed after that; what is too old then is dropped."""
        await self._worker.write(lambda connection: _settle(connection, name, sent, failure, now))

    async def drop_unknown(self, names: Collection[str], *, now: int) -> None:
        """Drop what is too old of webhooks that are not in the configuration any more; nobody tries those."""
        await self._worker.write(lambda connection: _drop_unknown(connection, names, now))

    async def standing(self) -> list[Standing]:
        """Read how it goes with every webhook that has, or had, something to tell."""
        return await self._worker.read(standings)

    async def announce(self, *, now: int) -> None:
        """Write an event for every key that has come within 30, 7 or 1 days of its end, once for each of them."""
        if not self._outbox.wants({Event.KEY_EXPIRING}):
            return
        while await self._worker.write(lambda connection: _announce(connection, self._outbox, now)) == PAGE:
            pass


def _pending(connection: Connection, name: str, limit: int, now: int) -> list[Message]:
    receiver = connection.execute(_RECEIVER, {"b_name": name}).first()
    if receiver is not None and receiver.due > now:
        return []
    # A webhook that fails is asked one thing at a time.
    limit = limit if receiver is None or receiver.failures == 0 else 1
    return [Message(*row) for row in connection.execute(_NEXT, {"b_name": name, "b_now": now, "b_limit": limit})]


def _take(connection: Connection, run: Run, name: str) -> bool:
    receiver = connection.execute(_RECEIVER, {"b_name": name}).first()
    if receiver is not None and receiver.run not in {None, run.name} and run.alive(receiver.run):
        return False
    run.hold()
    connection.execute(_TAKE, {"name": name, "run": run.name})
    return True


def _settle(connection: Connection, name: str, sent: Sequence[Message], failure: Failure | None, now: int) -> None:
    if sent:
        connection.execute(_DONE, [{"b_row": message.row} for message in sent])
        connection.execute(_WENT_WELL, {"b_name": name, "b_now": now})
    if failure is not None:
        _note_failure(connection, name, failure, now)


def _note_failure(connection: Connection, name: str, failure: Failure, now: int) -> None:
    receiver = connection.execute(_RECEIVER, {"b_name": name}).first()
    failures, tries = (receiver.failures if receiver else 0) + 1, failure.message.tries + 1
    silent = min(_pause(failures, failure.jitter), LONGEST_SILENCE)
    told = {"b_name": name, "b_failures": failures, "b_due": now + silent, "b_error": failure.error}
    connection.execute(_FAILED, told)
    connection.execute(_LATER, {"b_row": failure.message.row, "b_due": now + _pause(tries, failure.jitter)})
    if tries >= PATIENCE:
        _drop_old(connection, name, now)


def _pause(failures: int, jitter: float) -> int:
    # Before it is multiplied: the power of a thousand failures is no number to wait for.
    return round(jitter * min(FIRST_PAUSE * (1 << 2 * min(failures - 1, 10)), LONGEST_PAUSE))


def _drop_old(connection: Connection, name: str, now: int) -> None:
    old = {"b_name": name, "b_before": now - MAX_AGE}
    count_dropped(connection, name, connection.execute(_DROP_OLD, old).rowcount)


def _drop_unknown(connection: Connection, names: Collection[str], now: int) -> None:
    for queue in connection.execute(_QUEUES).all():
        if queue.name not in names:
            _drop_old(connection, queue.name, now)


def standings(connection: Connection) -> list[Standing]:
    """Read how it goes with every webhook that has, or had, something to tell, by name."""
    queues = {row.name: row for row in connection.execute(_QUEUES)}
    known = {row.name: row for row in connection.execute(_ALL)}
    return [_standing_of(connection, name, queues.get(name), known.get(name)) for name in sorted({*queues, *known})]


def _standing_of(connection: Connection, name: str, queue: Any, known: Any) -> Standing:
    first = None if queue is None else connection.execute(_OLDEST, {"b_row": queue.first}).one()
    waiting, oldest = (0, None) if first is None else (queue.waiting, first.created)
    if known is None:
        return Standing(name, waiting, oldest, 0, None, None if first is None else first.due, None, 0)
    due = None if first is None else known.due
    return Standing(name, waiting, oldest, known.failures, known.error, due, known.sent, known.dropped)


def _announce(connection: Connection, outbox: Outbox, now: int) -> int:
    """Announce at most PAGE keys; return how many."""
    news = [
        and_(
            keys.c.expires <= now + days * DAY,
            keys.c.expires - keys.c.created > days * DAY,
            func.coalesce(announced.c.threshold, 0) < keys.c.expires - days * DAY,
        )
        for days in THRESHOLDS
    ]
    asked = (
        select(keys.c.id, keys.c.created, keys.c.expires)
        .select_from(keys.outerjoin(announced, announced.c.key_id == keys.c.id))
        .where(WORKS, keys.c.expires > now, keys.c.expires <= now + max(THRESHOLDS) * DAY, or_(*news))
    )
    found = connection.execute(asked.order_by(keys.c.expires, keys.c.id).limit(PAGE)).all()
    for key_id, created, expires in found:
        days = threshold(created, expires, now)
        assert days is not None, "the question was the same"
        outbox.tell_key(connection, Event.KEY_EXPIRING, KeyId(key_id), now, within_days=days)
        connection.execute(_ANNOUNCED, {"key_id": key_id, "threshold": expires - days * DAY})
    return len(found)
