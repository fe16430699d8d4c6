"""What the store keeps for derived keys besides nonces: sealed MAC keys, and the names of those that were ended.

It cannot open what is sealed, and does not know who may end what. Ending a derived key raises the generation, as every
change of a key does, so that whatever is remembered of keys is looked at again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite takes its words

from authproxy.domain.access import UPLOAD_DEADLINE
from authproxy.domain.keys import KEY_ID_LENGTH, PublicId
from authproxy.store import keys as key_rows
from authproxy.store import nonces
from authproxy.store.changes import Watch
from authproxy.store.proof_tables import ended
from authproxy.store.reserve import Reserve
from authproxy.store.tables import keys, secrets
from authproxy.store.verdicts import Busy
from authproxy.store.worker import Worker

# So many bytes of what is sealed say how, and under which master key (`authority.sealing`).
HEAD: Final = 9
PAGE: Final = 200  # sealed keys per transaction of a change of master keys: 10 ms, during which no upload is admitted

_THIS: Final = (secrets.c.key_id == bindparam("b_key"), secrets.c.slot == bindparam("b_slot"))
_SEAL: Final = update(secrets).where(*_THIS, secrets.c.mac.is_(None)).values(mac=bindparam("b_mac"))
_RESEAL: Final = update(secrets).where(*_THIS, secrets.c.mac == bindparam("b_was")).values(mac=bindparam("b_mac"))
_END: Final = upsert(ended).on_conflict_do_nothing()
_ENDED: Final[Select[Any]] = (
    select(literal_column("1")).where(ended.c.name.in_(bindparam("b_names", expanding=True))).limit(1)
)
_ANY_SEALED: Final[Select[Any]] = select(literal_column("1")).where(secrets.c.mac.is_not(None)).limit(1)
_SWEEP: Final = delete(ended).where(ended.c.until <= bindparam("b_until"))


@dataclass(frozen=True, slots=True)
class SealedKey:
    """The MAC key of one secret, sealed."""

    public_id: PublicId
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Resealed:
    """The same under another master key, or nothing. `was` must still be there when it takes its place."""

    public_id: PublicId
    was: bytes
    sealed: bytes | None


class Derivations:
    """What is asked of the store about derived keys. Its coroutines raise StoreError."""

    def __init__(self, worker: Worker, watch: Watch, reserve: Reserve) -> None:
        self._worker = worker
        self._watch = watch
        self._reserve = reserve

    # Sealed MAC keys

    async def seal(self, made: SealedKey) -> bool:
        """Store what was sealed for a secret that has nothing yet. False where it is gone, or has something now."""
        return await self._worker.write(lambda connection: _sealed(connection, made))

    async def not_under(self, head: bytes, after: PublicId | None) -> list[SealedKey]:
        """Read the next MAC keys that are not sealed under the master key that writes `head`, by public id."""
        return await self._worker.read(lambda connection: _not_under(connection, head, after))

    async def heads(self) -> dict[bytes | None, int]:
        """Count the secrets of keys that are not revoked by how what is sealed for them begins; None: nothing is."""
        return await self._worker.read(lambda connection: heads(connection, keys.c.revoked.is_(None)))

    async def any_sealed(self) -> bool:
        """Say whether anything is sealed at all; it may take a look at every key."""
        return await self._worker.read(lambda connection: connection.execute(_ANY_SEALED).first() is not None)

    async def reseal(self, changes: Sequence[Resealed]) -> int:
        """Put these in the place of what they were made of; return how many of those were still there."""
        return await self._worker.write(lambda connection: _resealed(connection, changes))

    # Those that were ended one by one

    async def end(self, name: str, until: int | None) -> bool:
        """End one derived key and all that was made of it. False where it was ended before.

        `until` is when it would have ended by itself, unix seconds with its leeway; None: never.
        """
        return await self._reserve.write(lambda connection: end_one(connection, name, until))

    async def ended(self, names: Sequence[str]) -> bool:
        """Say whether any of these was ended."""
        return await self._worker.read(lambda connection: any_ended(connection, names))

    def peek_ended(self, names: Sequence[str]) -> bool | Busy:
        """Say so in microseconds, from the event loop's thread alone. On BUSY ask `ended`."""
        return self._watch.peek_ended(names)

    def peek_calm(self) -> bool | Busy:
        """Say whether no derived key was ended by itself at all, as quickly and from the same thread."""
        return self._watch.peek_calm()

    async def sweep(self, *, now: int) -> None:
        """Forget the nonces and the names of derived keys that have ended by themselves. `now` is unix seconds."""
        await self._worker.write(lambda connection: _sweep(connection, now))


def any_ended(connection: Connection, names: Sequence[str]) -> bool:
    """Say whether any of these derived keys was ended."""
    return bool(names) and connection.execute(_ENDED, {"b_names": list(names)}).first() is not None


def end_one(connection: Connection, name: str, until: int | None) -> bool:
    """End one derived key, as `Derivations.end` does."""
    changed = connection.execute(_END, {"name": name, "until": until}).rowcount > 0
    if changed:
        key_rows.raise_generation(connection)
    return changed


def heads(connection: Connection, of_keys: ColumnElement[bool]) -> dict[bytes | None, int]:
    """Count the secrets of some keys by how what is sealed for them begins; None: nothing is."""
    head = func.substr(secrets.c.mac, 1, HEAD)
    counted = select(head, func.count()).join(keys, keys.c.id == secrets.c.key_id).where(of_keys).group_by(head)
    return {row[0]: row[1] for row in connection.execute(counted)}


def _at(public_id: PublicId) -> dict[str, object]:
    return {"b_key": public_id[:KEY_ID_LENGTH], "b_slot": public_id[KEY_ID_LENGTH:]}


def _sealed(connection: Connection, made: SealedKey) -> bool:
    changed = connection.execute(_SEAL, _at(made.public_id) | {"b_mac": made.sealed}).rowcount > 0
    if changed:
        key_rows.raise_generation(connection)
    return changed


def _not_under(connection: Connection, head: bytes, after: PublicId | None) -> list[SealedKey]:
    wanted = (
        select(secrets.c.key_id, secrets.c.slot, secrets.c.mac)
        .where(secrets.c.mac.is_not(None), func.substr(secrets.c.mac, 1, len(head)) != head)
        .order_by(secrets.c.key_id, secrets.c.slot)
        .limit(PAGE)
    )
    if after is not None:
        last = (after[:KEY_ID_LENGTH], after[KEY_ID_LENGTH:])
        wanted = wanted.where(tuple_(secrets.c.key_id, secrets.c.slot) > last)
    return [SealedKey(PublicId(row.key_id + row.slot), row.mac) for row in connection.execute(wanted)]


def _resealed(connection: Connection, changes: Sequence[Resealed]) -> int:
    given = [_at(each.public_id) | {"b_was": each.was, "b_mac": each.sealed} for each in changes]
    changed = sum(connection.execute(_RESEAL, each).rowcount for each in given)
    if changed:
        key_rows.raise_generation(connection)
    return changed


def _sweep(connection: Connection, now: int) -> None:
    # What was judged before the end may be admitted after it: an upload is under way no longer than this.
    over = now - UPLOAD_DEADLINE
    nonces.sweep(connection, over)
    connection.execute(_SWEEP, {"b_until": over})
