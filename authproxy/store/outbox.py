"""Events for webhooks, written in the transaction of what they tell of: none is lost, and all tell what happened.

What ends on the record is told from its chain, whichever function ended it; so every piece of work that writes is
`watched`. Keys are not on the record: what changes one is made here, with the telling. Where no webhook wants an event,
nothing of this runs.

A receiver that is gone must not fill the disk: of each webhook the youngest BACKLOG events are kept.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Final, TypeVar

from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite takes its words

from authproxy.domain.events import OF_DECISIONS, Event, of_decision
from authproxy.domain.grants import format_grant
from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.store import chain, keyring, lives, trail
from authproxy.store import keys as key_rows
from authproxy.store.errors import StoreError
from authproxy.store.keyring import Paused
from authproxy.store.lives import Extend, Finish, Rotate, Step, TakeBack, Unchanged
from authproxy.store.tables import hooks, receivers
from authproxy.store.trail import Decision

T = TypeVar("T")

Wanted = Mapping[str, AbstractSet[Event]]  # by the name of the webhook
NOBODY: Final[Wanted] = MappingProxyType({})

# Some 12 MB for each webhook, and a week of an upload a minute.
BACKLOG: Final = 10_000
# After so many new events the backlogs are looked at: a backlog may be longer by these.
LOOK_EVERY: Final = 100
# Random, and not the row's number: a restored database would use numbers again, and receivers would take news for old.
MESSAGE_BYTES: Final = 16

_INSERT: Final = insert(hooks)
_OLDEST_KEPT: Final = (
    select(hooks.c.id)
    .where(hooks.c.name == bindparam("b_name"))
    .order_by(hooks.c.id.desc())
    .limit(1)
    .offset(bindparam("b_more"))
)
_DROP_OLDER: Final = delete(hooks).where(hooks.c.name == bindparam("b_name"), hooks.c.id < bindparam("b_id"))
_RECEIVER: Final = upsert(receivers)
_COUNT_DROPPED: Final = _RECEIVER.on_conflict_do_update(
    index_elements=["name"], set_={"dropped": receivers.c.dropped + _RECEIVER.excluded.dropped}
)

_OF_CHANGE: Final = {"revoke": Event.KEY_REVOKED, "pause": Event.KEY_PAUSED, "resume": Event.KEY_RESUMED}
_OF_STEP: Final = {
    Rotate: (Event.KEY_ROTATED, "begun"),
    Finish: (Event.KEY_ROTATED, "finished"),
    TakeBack: (Event.KEY_ROTATED, "taken back"),
    Extend: (Event.KEY_EXTENDED, None),
}


class Outbox:
    """Which webhooks want what, and the writing of it. The webhooks may change at any time, from any thread."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted

    def subscribe(self, wanted: Wanted) -> None:
        """Write events for these webhooks from now on, and for no others."""
        self._wanted = wanted

    def wants(self, events: AbstractSet[Event]) -> bool:
        """Say whether any webhook wants any of these."""
        return any(not events.isdisjoint(theirs) for theirs in self._wanted.values())

    def watched(self, work: Callable[[Connection], T]) -> Callable[[Connection], T]:
        """Return work that also tells what it decides and ends."""
        if not self.wants(OF_DECISIONS):
            return work

        def told(connection: Connection) -> T:
            last = chain.head(connection).link
            done = work(connection)
            for row in trail.since(connection, last)[0]:
                event = of_decision(row.action, row.outcome)
                if event is not None:
                    self.post(connection, event, row.completed_ms or row.time_ms, of_row(row))
            return done

        return told

    def adding(self, record: KeyRecord) -> Callable[[Connection], None]:
        """Make `keys.add` tell of it."""
        work = partial(key_rows.add, record=record)
        return self._telling(Event.KEY_CREATED, record.id, record.created, work)

    def changing(self, name: str, key_id: KeyId, now: int) -> Callable[[Connection], bool]:
        """Make `keys.change` tell of it."""
        work = partial(key_rows.change, name=name, key_id=key_id, now=now)
        return self._telling(_OF_CHANGE[name], key_id, now, work)

    def stepping(self, key_id: KeyId, step: Step, now: int) -> Callable[[Connection], KeyRecord | Unchanged]:
        """Make `lives.take` tell of it."""
        work = partial(lives.take, key_id=key_id, step=step, now=now)
        event, stage = _OF_STEP.get(type(step), (None, None))
        more = {} if stage is None else {"rotation": stage}
        return work if event is None else self._telling(event, key_id, now, work, **more)

    def pausing(self, allowed: Mapping[str, int], now: int) -> Callable[[Connection], list[Paused]]:
        """Make `keyring.pause_idle` tell of it."""

        def told(connection: Connection) -> list[Paused]:
            done = keyring.pause_idle(connection, allowed, now)
            for each in done:
                self.tell_key(connection, Event.KEY_PAUSED, each.id, now, why=keyring.UNUSED)
            return done

        return told

    def _telling(
        self, event: Event, key_id: KeyId, now: int, work: Callable[[Connection], T], **more: object
    ) -> Callable[[Connection], T]:
        def told(connection: Connection) -> T:
            done = work(connection)
            if done is not False and not isinstance(done, Unchanged):
                self.tell_key(connection, event, key_id, now, **more)
            return done

        return told

    def tell_key(self, connection: Connection, event: Event, key_id: KeyId, now: int, **more: object) -> None:
        """Write an event about a key as it is now."""
        if not self.wants({event}):
            return
        try:
            record = key_rows.find(connection, key_id)
        except StoreError:  # a key that this program cannot read can be revoked all the same
            record = None
        told = {"key_id": key_id} if record is None else of_record(record)
        self.post(connection, event, now * 1000, told | more)

    def post(self, connection: Connection, event: Event, time_ms: int, told: Mapping[str, object]) -> None:
        """Write an event for every webhook that wants it."""
        names = [name for name, events in self._wanted.items() if event in events]
        if not names:
            return
        message = {
            "event": event,
            "message": f"msg_{secrets.token_hex(MESSAGE_BYTES)}",
            "body": body_of(event, time_ms, told),
            "created": time_ms // 1000,
            "tries": 0,
            "due": 0,
        }
        for name in names:
            row = connection.execute(_INSERT, message | {"name": name}).inserted_primary_key
            if row is not None and row[0] % LOOK_EVERY == 0:
                for each in self._wanted:
                    _bound(connection, each)


def _bound(connection: Connection, name: str) -> None:
    oldest = connection.scalar(_OLDEST_KEPT, {"b_name": name, "b_more": BACKLOG - 1})
    if oldest is not None:
        count_dropped(connection, name, connection.execute(_DROP_OLDER, {"b_name": name, "b_id": oldest}).rowcount)


def count_dropped(connection: Connection, name: str, dropped: int) -> None:
    """Note that events of a webhook were dropped, which somebody will be told."""
    if dropped:
        connection.execute(_COUNT_DROPPED, {"name": name, "dropped": dropped})


def body_of(event: str, time_ms: int, told: Mapping[str, object]) -> str:
    """Write a message down: ASCII, whatever a client wrote in it."""
    return json.dumps({"type": event, "timestamp": _exact(time_ms), "data": told}, separators=(",", ":"))


def of_row(row: Decision) -> dict[str, object]:
    """Return a row of the record as `audit export` shows it."""
    told = asdict(row)
    number, time_ms, completed_ms = told.pop("id"), told.pop("time_ms"), told.pop("completed_ms")
    completed = None if completed_ms is None else _exact(completed_ms)
    return {"id": number, "time": _exact(time_ms), **told, "completed": completed}


def of_record(record: KeyRecord) -> dict[str, object]:
    """Return a key as anybody may see it: no digest."""
    return {
        "key_id": record.id,
        "public_ids": [record.id + secret.slot for secret in record.secrets],
        "owner": record.owner,
        "note": record.note,
        "policy": record.policy,
        "allow": [format_grant(grant) for grant in record.grants],
        "networks": [str(network) for network in record.networks],
        "uses": record.uses,
        "used": record.used,
        "created": _moment(record.created),
        "expires": _moment(record.expires),
        "paused": record.paused,
        "revoked": _moment(record.revoked),
    }


def _moment(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _exact(milliseconds: int) -> str:
    return f"{(_moment(milliseconds // 1000) or '')[:-1]}.{milliseconds % 1000:03}Z"
