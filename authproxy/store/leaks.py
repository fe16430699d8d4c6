"""Keys that somebody has who should not, or gives up: what becomes of the key, its row on record, and the events.

All of it is one transaction, in the room that is kept for revocations. Who proved what, and whether they were believed,
is not known here. What changes nothing leaves no trace, unless it is news by itself: whoever gives up a key a thousand
times does not fill the disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, bindparam, literal_column, update

from authproxy.domain.events import Event
from authproxy.domain.keys import KeyId
from authproxy.store import keys as key_rows
from authproxy.store import uploads
from authproxy.store.derivations import end_one
from authproxy.store.outbox import Outbox
from authproxy.store.reserve import Reserve
from authproxy.store.tables import keys
from authproxy.store.verdicts import Entry

# What stands in `keys.paused_why` of a key that was reported.
LEAKED: Final = "leaked"


class Remedy(StrEnum):
    """What is done to a key. Of a derived key the key stays as it is, and that one is ended."""

    REVOKE = "revoke"
    PAUSE = "pause"
    NOTHING = "nothing"  # to a canary, which is there to be found again


class Fate(StrEnum):
    """What became of it. The record keeps these words."""

    REVOKED = "revoked"
    PAUSED = "paused"
    ENDED = "ended"  # a derived one, and all that was made of it
    KNOWN = "known"  # there was nothing to change


@dataclass(frozen=True, slots=True)
class Derivation:
    """A derived key: its name, and when it ends by itself, unix seconds with its leeway; None: it names no end."""

    name: str
    until: int | None


@dataclass(frozen=True, slots=True)
class Find:
    """A key that somebody has. `entry` is its row, `why` is told of a key that ends.

    `news` is the event that it is in itself, with `more` of it.
    """

    key_id: KeyId
    entry: Entry
    remedy: Remedy
    why: str
    derived: Derivation | None = None
    news: Event | None = None
    more: Mapping[str, object] = field(default_factory=dict)


_BECAUSE: Final = update(keys).where(keys.c.id == bindparam("b_key")).values(paused_why=literal_column(f"'{LEAKED}'"))
_DONE: Final = {Remedy.REVOKE: Fate.REVOKED, Remedy.PAUSE: Fate.PAUSED}
_EVENTS: Final = {
    Fate.REVOKED: Event.KEY_REVOKED,
    Fate.PAUSED: Event.KEY_PAUSED,
    Fate.ENDED: Event.KEY_ENDED,
}


class Leaks:
    """The keys of one open store that somebody has who should not. Its coroutines raise StoreError."""

    def __init__(self, reserve: Reserve, outbox: Outbox) -> None:
        self._reserve = reserve
        self._outbox = outbox

    async def respond(self, find: Find, *, now: int) -> Fate:
        """Do what is to be done, put it on record and tell of it. `now` is unix seconds."""
        return await self._reserve.write(lambda connection: respond(connection, self._outbox, find, now))


def respond(connection: Connection, outbox: Outbox, find: Find, now: int) -> Fate:
    """Do what is to be done, put it on record and tell of it."""
    fate = _changed(connection, find, now)
    if fate is Fate.KNOWN and find.news is None:
        return fate
    uploads.note(connection, replace(find.entry, key_id=find.key_id), outcome=fate)
    name = {} if find.derived is None else {"derived": find.derived.name}
    if find.news is not None:
        outbox.tell_key(connection, find.news, find.key_id, now, **name, fate=fate, **find.more)
    if (event := _EVENTS.get(fate)) is not None:
        outbox.tell_key(connection, event, find.key_id, now, **name, why=find.why)
    return fate


def _changed(connection: Connection, find: Find, now: int) -> Fate:
    if find.remedy is Remedy.NOTHING:
        return Fate.KNOWN
    if find.derived is not None:
        return Fate.ENDED if end_one(connection, find.derived.name, find.derived.until) else Fate.KNOWN
    if not key_rows.change(connection, find.remedy, find.key_id, now):
        return Fate.KNOWN
    if find.remedy is Remedy.PAUSE:
        connection.execute(_BECAUSE, {"b_key": find.key_id})
    return _DONE[find.remedy]
