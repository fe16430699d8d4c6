"""The steps of a key's life that look before they change anything: rotate, finish, take back, extend.

Each is one transaction, reads the key in it, and either changes it and raises the generation, or says why not. A key
never has more than two live secrets: the current one, which ends with the key, and the old one of a rotation, which has
an end of its own.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from authproxy.domain.endings import current, old
from authproxy.domain.keys import KeyId, KeyKind, KeyRecord, Secret
from authproxy.store import keys as key_rows
from authproxy.store import last_uses
from authproxy.store.last_uses import LastUse
from authproxy.store.tables import keys, secrets


@dataclass(frozen=True, slots=True)
class Rotate:
    """Add a secret beside the current one, whose slot is `replaces` and which then ends after `overlap` seconds.

    `again` puts it in the place of the new secret of a rotation under way, one that was lost: `replaces` is that one's
    slot, and unless `force` is set it must not have been used.
    """

    secret: Secret
    replaces: str
    overlap: int
    again: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """End the old secret now; with `quiet_since` only where it was not used after that time."""

    quiet_since: int | None


@dataclass(frozen=True, slots=True)
class Shown:
    """Note that the secret in this slot has been handed over."""

    slot: str


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Take the secret in this slot back, which nobody has seen: the old one is the current one again."""

    slot: str


@dataclass(frozen=True, slots=True)
class Extend:
    """Let a key that expires at `was` expire at `until`."""

    was: int | None
    until: int


Step = Rotate | Finish | Shown | TakeBack | Extend


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Why a step was not taken.

    "unknown", "revoked", "expired"; "minted": it ends by itself; "canary": it never works; "changed": somebody was
    quicker, read the key again; "rotating": an old secret still lives, until `ends`, and where `unseen` the new one may
    never have been printed; "not rotating"; "used": the secret that would end was used, by `use`.
    """

    reason: str
    ends: int | None = None
    unseen: bool = False
    use: LastUse | None = None


_THIS: Final = (secrets.c.key_id == bindparam("b_key"), secrets.c.slot == bindparam("b_slot"))
_UNSEEN: Final = select(secrets.c.unseen).where(*_THIS)
_SHOWN: Final = update(secrets).where(*_THIS).values(unseen=0)
_TAKE_BACK: Final = delete(secrets).where(*_THIS, secrets.c.unseen == 1)
_DROP: Final = delete(secrets).where(*_THIS)
_DROP_REPLACED: Final = delete(secrets).where(
    secrets.c.key_id == bindparam("b_key"), secrets.c.expires.is_not(None), secrets.c.expires <= bindparam("b_until")
)
_END: Final = update(secrets).where(*_THIS).values(expires=bindparam("b_expires"))
_INSERT: Final = insert(secrets)
_EXTEND: Final = update(keys).where(keys.c.id == bindparam("b_key")).values(expires=bindparam("b_expires"))

# Later than any end: all secrets that have one.
_ALL: Final = 2**62


def take(connection: Connection, key_id: KeyId, step: Step, now: int) -> KeyRecord | Unchanged:
    """Take a step; return the key as it is then."""
    record = key_rows.find(connection, key_id)
    if record is None:
        return Unchanged("unknown")
    if record.kind is not KeyKind.KEY:
        return Unchanged(record.kind)
    if isinstance(step, Shown):
        connection.execute(_SHOWN, _of(record, step.slot))
        return record
    no = _taken(connection, record, step, now)
    if no is not None:
        return no
    key_rows.raise_generation(connection)
    return key_rows.find(connection, key_id) or Unchanged("unknown")


def _taken(
    connection: Connection, record: KeyRecord, step: Rotate | Finish | TakeBack | Extend, now: int
) -> Unchanged | None:
    match step:
        case Rotate():
            return _rotate(connection, record, step, now)
        case Finish():
            return _finish(connection, record, step, now)
        case TakeBack():
            return _take_back(connection, record, step, now)
        case Extend():
            return _extend(connection, record, step)


def _of(record: KeyRecord, slot: str) -> dict[str, object]:
    return {"b_key": record.id, "b_slot": slot}


def _rotate(connection: Connection, record: KeyRecord, step: Rotate, now: int) -> Unchanged | None:
    if record.revoked is not None:
        return Unchanged("revoked")
    if record.dead(now) == "expired":
        return Unchanged("expired")
    newest, replaced = current(record), old(record, now)
    if replaced is not None and not step.again:
        unseen = bool(newest and connection.scalar(_UNSEEN, _of(record, newest.slot)))
        return Unchanged("rotating", replaced.expires, unseen)
    if replaced is None and step.again:
        return Unchanged("not rotating")
    if newest is None or newest.slot != step.replaces:
        return Unchanged("changed")
    if step.again and not step.force and (use := last_uses.since(connection, record.id, newest, 0)):
        return Unchanged("used", use=use)
    if replaced is None:
        ending = newest
        connection.execute(_DROP_REPLACED, {"b_key": record.id, "b_until": now})
    else:
        ending = replaced
        connection.execute(_DROP, _of(record, newest.slot))
    _add(connection, record, step.secret)
    end = now + step.overlap if record.expires is None else min(now + step.overlap, record.expires)
    connection.execute(_END, _of(record, ending.slot) | {"b_expires": end})
    return None


def _add(connection: Connection, record: KeyRecord, secret: Secret) -> None:
    last_uses.forget(connection, record.id, secret.slot)
    connection.execute(_DROP, _of(record, secret.slot))
    connection.execute(_INSERT, key_rows.secret_row(record.id, secret) | {"unseen": 1})


def _finish(connection: Connection, record: KeyRecord, step: Finish, now: int) -> Unchanged | None:
    replaced = old(record, now)
    if replaced is None:
        return Unchanged("not rotating")
    since = step.quiet_since
    if since is not None and (use := last_uses.since(connection, record.id, replaced, since)):
        return Unchanged("used", replaced.expires, use=use)
    connection.execute(_DROP_REPLACED, {"b_key": record.id, "b_until": _ALL})
    return None


def _take_back(connection: Connection, record: KeyRecord, step: TakeBack, now: int) -> Unchanged | None:
    replaced = old(record, now)
    if replaced is None:
        return Unchanged("not rotating")
    if not connection.execute(_TAKE_BACK, _of(record, step.slot)).rowcount:
        return Unchanged("changed")
    connection.execute(_END, _of(record, replaced.slot) | {"b_expires": None})
    return None


def _extend(connection: Connection, record: KeyRecord, step: Extend) -> Unchanged | None:
    if record.revoked is not None:
        return Unchanged("revoked")
    if record.expires != step.was:
        return Unchanged("changed")
    connection.execute(_EXTEND, {"b_key": record.id, "b_expires": step.until})
    return None
