"""All keys at once: which end soon, which are being rotated, which nobody uses.

Pages are in the order of the ends, the nearest first, and a transaction each, so that no upload waits for a listing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)

from authproxy.domain.endings import DAY
from authproxy.domain.keys import KeyId, KeyKind, KeyRecord
from authproxy.store import keys as key_rows
from authproxy.store import last_uses
from authproxy.store.keys import PAGE
from authproxy.store.last_uses import LastUse
from authproxy.store.tables import keys, meta, record, secrets
from authproxy.store.tables import last_uses as noted

UNUSED: Final = "unused"

# Uses that were not noted for so long, in seconds, are missing: the server was off, or the database is a restored one.
GAP: Final = DAY

# As the index has it, to the letter, so that SQLite takes it.
WORKS: Final = and_(keys.c.revoked.is_(None), keys.c.paused.is_(None), keys.c.expires.is_not(None))
_UNTIL: Final = select(func.count()).where(
    WORKS,
    keys.c.expires > bindparam("after"),
    keys.c.expires <= bindparam("until"),
    keys.c.expires - keys.c.created > bindparam("life"),
    keys.c.kind == KeyKind.KEY,
)
_HEARTBEAT: Final = select(meta.c.uses_since, meta.c.uses_noted)


@dataclass(frozen=True, slots=True)
class Ending:
    """A key in a listing by ends: when it ends, or its old secret."""

    end: int
    key: KeyRecord


@dataclass(frozen=True, slots=True)
class KeyLife:
    """What is known of a key besides its record. `paused_why` is UNUSED where a server paused it."""

    key: KeyRecord
    uses: tuple[LastUse, ...]  # the latest first; of ended secrets too
    paused: int | None
    paused_why: str | None
    unseen: str | None  # the slot of a new secret that may never have been printed


@dataclass(frozen=True, slots=True)
class Paused:
    """A key that was paused because nobody used it."""

    id: KeyId
    owner: str
    policy: str


def expiring(where: ColumnElement[bool], now: int, until: int) -> Select[Any]:
    """Ask for keys that end after `now` and no later than `until`; minted ones all do, and nobody has to look."""
    end = keys.c.expires.label("end")
    asked = select(end, keys.c.id).where(where, WORKS, keys.c.expires > now, keys.c.expires <= until)
    return asked.where(keys.c.kind == KeyKind.KEY)


def rotating(where: ColumnElement[bool], now: int) -> Select[Any]:
    """Ask for keys whose old secret still works."""
    ending = select(secrets.c.expires.label("end"), keys.c.id).join(keys, keys.c.id == secrets.c.key_id)
    works = or_(keys.c.expires.is_(None), keys.c.expires > now)
    return ending.where(where, secrets.c.expires > now, secrets.c.expires.is_not(None), keys.c.revoked.is_(None), works)


def page(connection: Connection, asked: Select[Any], after: Ending | None) -> list[Ending]:
    """Read the next PAGE of `expiring` or `rotating`."""
    end: Column[Any] | Any = asked.selected_columns[0]
    if after is not None:
        asked = asked.where(tuple_(end.element, keys.c.id) > (after.end, after.key.id))
    ends = {row.id: row.end for row in connection.execute(asked.order_by(end.element, keys.c.id).limit(PAGE))}
    return [Ending(ends[each.id], each) for each in key_rows.several(connection, list(ends))]


def idle(cutoff: int) -> ColumnElement[bool]:
    """Filter for keys that were made, resumed and last used at or before `cutoff`."""
    used = exists().where(noted.c.key_id == keys.c.id, noted.c.time > cutoff)
    admitted = exists().where(record.c.key_id == keys.c.id, record.c.admitted_ms > cutoff * 1000)
    return and_(keys.c.created <= cutoff, func.coalesce(keys.c.resumed, 0) <= cutoff, ~used, ~admitted)


def life(connection: Connection, key_id: KeyId) -> KeyLife | None:
    """Read all that is known of a key."""
    found = key_rows.find(connection, key_id)
    if found is None:
        return None
    paused, why = connection.execute(select(keys.c.paused, keys.c.paused_why).where(keys.c.id == key_id)).one()
    slot = connection.scalar(select(secrets.c.slot).where(secrets.c.key_id == key_id, secrets.c.unseen == 1))
    return KeyLife(found, last_uses.of(connection, [key_id]).get(key_id, ()), paused, why, slot)


def ends(connection: Connection, now: int, days: tuple[int, ...]) -> tuple[int, dict[int, int]]:
    """Count the keys that have expired, and those made for longer that will within so many days."""

    def count(after: int, until: int, life: int) -> int:
        return connection.scalar(_UNTIL, {"after": after, "until": until, "life": life}) or 0

    return count(-1, now, -1), {each: count(now, now + each * DAY, each * DAY) for each in days}


def uses_since(connection: Connection, now: int) -> int:
    """Return since when no use was missed, and note that uses are being noted at `now`."""
    since, last = connection.execute(_HEARTBEAT).one()
    if now - last > GAP:
        since = now
    connection.execute(update(meta).values(uses_since=since, uses_noted=now))
    return int(since)


def pause_idle(connection: Connection, allowed: Mapping[str, int], now: int) -> list[Paused]:
    """Pause keys of policies that nobody used for as many seconds as the policy allows; at most PAGE at a time.

    Nothing is paused for a time in which uses were not noted.
    """
    since = uses_since(connection, now)
    paused: list[Paused] = []
    unexpired = or_(keys.c.expires.is_(None), keys.c.expires > now)
    lives = and_(keys.c.revoked.is_(None), keys.c.paused.is_(None), unexpired)
    for policy, seconds in allowed.items():
        if since > now - seconds:
            continue
        lives = and_(
            keys.c.revoked.is_(None), keys.c.paused.is_(None), or_(keys.c.expires.is_(None), keys.c.expires > now)
        )
        found = select(keys.c.id).where(keys.c.policy == policy, lives, idle(now - seconds)).limit(PAGE - len(paused))
        change = update(keys).where(keys.c.id.in_(found)).values(paused=now, paused_why=literal_column(f"'{UNUSED}'"))
        rows = connection.execute(change.returning(keys.c.id, keys.c.owner, keys.c.policy)).all()
        paused += [Paused(*row) for row in rows]
    if paused:
        key_rows.raise_generation(connection)
    return paused
