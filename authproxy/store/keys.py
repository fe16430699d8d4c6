"""Keys in the database: rows to `KeyRecord` and back, and the changes of a key's life.

Every change of a key raises `meta.generation` in its own transaction; a spent use does not (see `changes`).
"""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from ipaddress import ip_network
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    insert,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from authproxy.domain.grants import Grant, format_grant, parse_grant
from authproxy.domain.keys import KeyId, KeyKind, KeyRecord, Secret
from authproxy.domain.refusal import Refused
from authproxy.store.errors import StoreError
from authproxy.store.prepared import Prepared
from authproxy.store.tables import keys, meta, secrets
from authproxy.store.verdicts import KeyState

PAGE: Final = 500  # keys per transaction of a listing: about 20 ms, during which no upload is admitted

COLUMNS_OF_KEY: Final = (
    keys.c.id,
    keys.c.owner,
    keys.c.note,
    keys.c.policy,
    keys.c.grants,
    keys.c.networks,
    keys.c.uses,
    keys.c.used,
    keys.c.created,
    keys.c.expires,
    keys.c.paused,
    keys.c.revoked,
    keys.c.kind,
    keys.c.derive_only,
    keys.c.publisher,
    keys.c.claims,
)
_COLUMNS: Final = (
    *COLUMNS_OF_KEY,
    secrets.c.slot,
    secrets.c.digest,
    secrets.c.created.label("secret_created"),
    secrets.c.expires.label("secret_expires"),
    secrets.c.mac,
)
_SECRET_AT: Final = len(COLUMNS_OF_KEY)

# One row per secret; one row with nulls for a key that has none left.
ONE: Final = Prepared(
    select(*_COLUMNS)
    .select_from(keys.outerjoin(secrets, secrets.c.key_id == keys.c.id))
    .where(keys.c.id == bindparam("key_id"))
    .order_by(secrets.c.created, secrets.c.slot)
)
_SECRETS_OF: Final = (
    select(secrets)
    .where(secrets.c.key_id.in_(bindparam("key_ids", expanding=True)))
    .order_by(secrets.c.created, secrets.c.slot)
)
_RAISE_GENERATION: Final = update(meta).values(generation=meta.c.generation + 1)
_REVOKE: Final = (
    update(keys).where(keys.c.id == bindparam("key_id"), keys.c.revoked.is_(None)).values(revoked=bindparam("now"))
)
_PAUSE: Final = (
    update(keys)
    .where(keys.c.id == bindparam("key_id"), keys.c.revoked.is_(None), keys.c.paused.is_(None))
    .values(paused=bindparam("now"))
)
_RESUME: Final = (
    update(keys)
    .where(keys.c.id == bindparam("key_id"), keys.c.revoked.is_(None), keys.c.paused.is_not(None))
    .values(paused=None, paused_why=None, resumed=bindparam("now"))
)
CHANGES: Final = {"revoke": _REVOKE, "pause": _PAUSE, "resume": _RESUME}


def record_of(rows: Sequence[Any]) -> KeyRecord | None:
    """Build the record from the rows of `ONE`, tuples in the order of its columns."""
    if not rows:
        return None
    found = tuple(Secret(*row[_SECRET_AT:]) for row in rows if row[_SECRET_AT] is not None)
    return _record(rows[0][:_SECRET_AT], found)


def grants_of(text: str) -> tuple[Grant, ...]:
    """Read the column `grants`. Raises Refused, ValueError, TypeError."""
    return tuple(parse_grant(each) for each in json.loads(text)) if text != "[]" else ()


def _record(
    row: Sequence[Any], found: tuple[Secret, ...], read: Callable[[str], tuple[Grant, ...]] = grants_of
) -> KeyRecord:
    key_id, owner, note, policy, grants, networks, uses, used, created, expires, paused, revoked, *more = row
    kind, derive_only, publisher, claims = more
    try:
        return KeyRecord(
            id=key_id,
            owner=owner,
            note=note,
            policy=policy,
            grants=read(grants),
            networks=tuple(ip_network(text) for text in json.loads(networks)) if networks != "[]" else (),
            uses=uses,
            used=used,
            created=created,
            expires=expires,
            paused=paused is not None,
            revoked=revoked,
            secrets=found,
            kind=KeyKind(kind),
            derive_only=derive_only != 0,
            publisher=publisher,
            claims=claims,
        )
    except (Refused, ValueError, TypeError) as exc:
        # Never half a key: a grant that this program cannot read may have been a restriction.
        raise StoreError(f"key {key_id} holds a grant, a network or a kind that this authproxy cannot read") from exc


def record_without_secrets(row: Sequence[Any], read: Callable[[str], tuple[Grant, ...]]) -> KeyRecord:
    """Build a record from a row of COLUMNS_OF_KEY, for questions that no secret answers; `read` reads as grants_of."""
    return _record(row, (), read)


def add(connection: Connection, record: KeyRecord) -> None:
    """Insert a key and its secrets."""
    row = {
        "id": record.id,
        "owner": record.owner,
        "note": record.note,
        "policy": record.policy,
        "grants": json.dumps([format_grant(grant) for grant in record.grants]),
        "networks": json.dumps([str(network) for network in record.networks]),
        "uses": record.uses,
        "used": record.used,
        "created": record.created,
        "expires": record.expires,
        "paused": record.created if record.paused else None,
        "revoked": record.revoked,
        "kind": record.kind,
        "derive_only": int(record.derive_only),
        "publisher": record.publisher,
        "claims": record.claims,
    }
    try:
        connection.execute(insert(keys), row)
    except IntegrityError as exc:
        raise StoreError(f"key id {record.id} is taken: create the key again") from exc
    if rows := [secret_row(record.id, secret) for secret in record.secrets]:
        connection.execute(insert(secrets), rows)
    raise_generation(connection)


def secret_row(key_id: KeyId, secret: Secret) -> dict[str, object]:
    """Write a secret of a key as a row."""
    return {
        "key_id": key_id,
        "slot": secret.slot,
        "digest": secret.digest,
        "created": secret.created,
        "expires": secret.expires,
        "mac": secret.sealed,
    }


def find(connection: Connection, key_id: str) -> KeyRecord | None:
    """Read one key."""
    return record_of(ONE.rows(connection, {"key_id": key_id}))


def change(connection: Connection, name: str, key_id: KeyId, now: int) -> bool:
    """Make one of CHANGES; False where it changed nothing."""
    changed = connection.execute(CHANGES[name], {"key_id": key_id, "now": now}).rowcount > 0
    if changed:
        raise_generation(connection)
    return changed


def raise_generation(connection: Connection) -> None:
    """Let every server see that a key has changed."""
    connection.execute(_RAISE_GENERATION)


def _in_state(state: KeyState, now: int) -> ColumnElement[bool]:
    kept, unpaused = keys.c.revoked.is_(None), keys.c.paused.is_(None)
    lasts, canary = or_(keys.c.expires.is_(None), keys.c.expires > now), keys.c.kind == KeyKind.CANARY
    return {
        KeyState.REVOKED: keys.c.revoked.is_not(None),
        KeyState.PAUSED: and_(kept, keys.c.paused.is_not(None)),
        KeyState.EXPIRED: and_(kept, unpaused, keys.c.expires.is_not(None), keys.c.expires <= now),
        KeyState.CANARY: and_(kept, unpaused, lasts, canary),
        KeyState.LIVE: and_(kept, unpaused, lasts, ~canary),
    }[state]


def matching(
    policy: str | None, owner: str | None, state: KeyState | None, now: int, kinds: Collection[KeyKind] = ()
) -> ColumnElement[bool]:
    """Build the filter of a listing; no kinds: all of them."""
    return and_(
        true(),
        *([keys.c.policy == policy] if policy is not None else []),
        *([keys.c.owner == owner] if owner is not None else []),
        *([_in_state(state, now)] if state is not None else []),
        *([keys.c.kind.in_(kinds)] if kinds else []),
    )


def page(connection: Connection, where: ColumnElement[bool], after: KeyRecord | None) -> list[KeyRecord]:
    """Read the next keys in the order of creation, at most PAGE."""
    wanted = select(*COLUMNS_OF_KEY).where(where).order_by(keys.c.created, keys.c.id).limit(PAGE)
    if after is not None:
        wanted = wanted.where(tuple_(keys.c.created, keys.c.id) > (after.created, after.id))
    return _records(connection, wanted)


def several(connection: Connection, key_ids: Sequence[str]) -> list[KeyRecord]:
    """Read some keys, in the order in which they are named."""
    found = {each.id: each for each in _records(connection, select(*COLUMNS_OF_KEY).where(keys.c.id.in_(key_ids)))}
    return [found[KeyId(key_id)] for key_id in key_ids]


def _records(connection: Connection, wanted: Select[Any]) -> list[KeyRecord]:
    rows = connection.execute(wanted).all()
    found = _secrets(connection, (row.id for row in rows))
    return [_record(tuple(row), tuple(found.get(row.id, ()))) for row in rows]


def _secrets(connection: Connection, key_ids: Iterable[str]) -> dict[str, list[Secret]]:
    found: dict[str, list[Secret]] = {}
    row: Row[Any]
    for row in connection.execute(_SECRETS_OF, {"key_ids": list(key_ids)}):
        found.setdefault(row.key_id, []).append(Secret(row.slot, row.digest, row.created, row.expires, row.mac))
    return found
