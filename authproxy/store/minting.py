"""Minted keys in the database: a token mints once, a publisher's names stay with whom they belonged to at first use.

`mint` is one transaction: the token is used up, the pin compared or set, and the key stored, or nothing of it. What a
publisher is and which ids it has to have is `domain.publishers`' business; that nothing changed between its answer and
the key is this room's.

Webhooks are not told of minted keys: each run of a CI makes and burns one, and what they upload is told.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Select, Update, and_, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert  # SQLite takes its words, not the other way round

from authproxy.domain.endings import DAY
from authproxy.domain.keys import KeyId, KeyKind, KeyRecord
from authproxy.domain.publishers import Pin
from authproxy.store import keys as key_rows
from authproxy.store.proof_tables import assertions, pins
from authproxy.store.tables import keys, last_uses
from authproxy.store.worker import Worker

# Seconds for which the row of a minted key stays after its end: `key list --minted` and `key show` say who was given
# one. The claims stand on every row of the record as well, and those stay.
KEPT: Final = 30 * DAY
# What stands in the column `policy` of a minted key.
NO_POLICY: Final = ""
# Rows per transaction of a sweep: a few ms, during which no upload is admitted.
SWEPT: Final = 500


class NotMinted(Enum):
    """Why nothing was stored."""

    REUSED = "reused"  # a key was minted for this token before
    MOVED = "moved"  # the publisher's pin is another one than was seen: match again


@dataclass(frozen=True, slots=True)
class Mint:
    """A key to store. `seen` are the ids that were pinned when the token was matched, `pin` those to be pinned now."""

    record: KeyRecord
    publisher: str  # its label
    assertion: str  # the token's name, for as long as it could be sent again
    until: int  # unix seconds; so long it stays used
    seen: Mapping[str, str]
    pin: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Swept:
    """How many rows a sweep took away."""

    assertions: int
    keys: int


# They follow no key policy: by that the index on policies finds them among a million others.
_MINTED: Final = and_(keys.c.policy == NO_POLICY, keys.c.kind == KeyKind.MINTED)
_PIN: Final[Select[Any]] = select(pins).where(pins.c.publisher == bindparam("b_publisher"))
_USE_UP: Final = insert(assertions).on_conflict_do_nothing()
_GIVE_BACK: Final = delete(assertions).where(assertions.c.id == bindparam("b_id"))
_NEW_PIN: Final = insert(pins)
_USED: Final = _NEW_PIN.on_conflict_do_update(
    index_elements=["publisher"], set_={"used": _NEW_PIN.excluded.used, "claims": _NEW_PIN.excluded.claims}
)
_KNOWN: Final = _NEW_PIN.on_conflict_do_nothing()
_UNPIN: Final = (
    update(pins)
    .where(pins.c.publisher == bindparam("b_publisher"))
    .values(since=bindparam("b_now"), used=None, claims=None)
)
_REVOKE: Final = update(keys).where(_MINTED, keys.c.revoked.is_(None)).values(revoked=bindparam("b_now"))
_REVOKE_SOME: Final = _REVOKE.where(keys.c.id.in_(bindparam("b_ids", expanding=True)))
_REVOKE_OF: Final = _REVOKE.where(keys.c.publisher == bindparam("b_publisher"), keys.c.expires > bindparam("b_now"))
_OVER: Final = select(assertions.c.id).where(assertions.c.until <= bindparam("b_now"))
_ENDED: Final = select(keys.c.id).where(_MINTED, keys.c.expires <= bindparam("b_end"))
_LIVE: Final = and_(_MINTED, keys.c.revoked.is_(None), keys.c.paused.is_(None), keys.c.expires > bindparam("b_now"))
_COUNT: Final = select(func.count()).select_from(keys)


def mint(connection: Connection, asked: Mint, now: int) -> NotMinted | None:
    """Use the token up, pin, and store the key; None where that is done. Reads first, so that a no leaves no trace."""
    row = connection.execute(_PIN, {"b_publisher": asked.publisher}).first()
    if (_claims(row.claims) if row else {}) != asked.seen:
        return NotMinted.MOVED
    if not connection.execute(_USE_UP, {"id": asked.assertion, "until": asked.until}).rowcount:
        return NotMinted.REUSED
    held = json.dumps(dict(asked.seen if asked.pin is None else asked.pin), sort_keys=True)
    connection.execute(_USED, {"publisher": asked.publisher, "since": now, "used": now, "claims": held})
    key_rows.add(connection, asked.record)
    return None


def take_back(connection: Connection, asked: Mint) -> None:
    """Undo a mint that nobody was given: its key is gone, and the token as good as before."""
    connection.execute(delete(keys).where(keys.c.id == asked.record.id))
    connection.execute(_GIVE_BACK, {"b_id": asked.assertion})
    key_rows.raise_generation(connection)


def burn(connection: Connection, key_id: KeyId, now: int) -> bool:
    """End a minted key; no other one."""
    record = key_rows.find(connection, key_id)
    if record is None or record.kind is not KeyKind.MINTED:
        return False
    return key_rows.change(connection, "revoke", key_id, now)


def end(connection: Connection, revoking: Update, given: Mapping[str, object]) -> int:
    """End minted keys, one `_REVOKE` of some kind; return how many that were."""
    ended = connection.execute(revoking, given).rowcount
    if ended:
        key_rows.raise_generation(connection)
    return ended


def unpin(connection: Connection, label: str, now: int) -> int | None:
    """Forget a pin and end the keys that there are by it: they may be of whoever had the names before."""
    given = {"b_publisher": label, "b_now": now}
    known = connection.execute(_UNPIN, given).rowcount > 0
    return end(connection, _REVOKE_OF, given) if known else None


def note(connection: Connection, labels: Collection[str], now: int) -> None:
    """Remember since when these publishers are known; those that are known already stay as they are."""
    known = set(connection.scalars(select(pins.c.publisher)))
    if new := [each for each in labels if each not in known]:
        connection.execute(_KNOWN, [{"publisher": each, "since": now, "used": None, "claims": None} for each in new])


def sweep(connection: Connection, now: int) -> Swept:
    """Take away what is over: tokens that nobody could send again, keys that ended long ago; at most SWEPT of each."""
    over = delete(assertions).where(assertions.c.id.in_(_OVER.limit(SWEPT)))
    tokens = connection.execute(over, {"b_now": now}).rowcount
    ended = list(connection.scalars(_ENDED.limit(SWEPT), {"b_end": now - KEPT}))
    if ended:  # whoever remembers one of them sees that it has expired
        connection.execute(delete(keys).where(keys.c.id.in_(ended)))
        connection.execute(delete(last_uses).where(last_uses.c.key_id.in_(ended)))
    return Swept(tokens, len(ended))


def _claims(text: str | None) -> dict[str, str]:
    return {} if text is None else json.loads(text)


class Minting:
    """Minted keys of one store."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def pins(self) -> dict[str, Pin]:
        """Read what is held of every publisher, by label."""

        def read(connection: Connection) -> dict[str, Pin]:
            rows = connection.execute(select(pins)).all()
            return {row.publisher: Pin(row.since, row.used, _claims(row.claims)) for row in rows}

        return await self._worker.read(read)

    async def mint(self, asked: Mint, *, now: int) -> NotMinted | None:
        """Store a key for a token, once; None where that is done, and it is on disk then.

        If the caller is cancelled while it waits, nobody learns the key: it is taken back. Raises StoreError.
        """

        def unheard(verdict: NotMinted | None) -> None:
            if verdict is None:
                self._worker.hand_in(partial(take_back, asked=asked), writes=True)

        return await self._worker.write(partial(mint, asked=asked, now=now), orphaned=unheard)

    async def burn(self, key_id: KeyId, *, now: int) -> bool:
        """End a minted key. False where nothing changed: no such key, ended before, or not a minted one."""
        return await self._worker.write(partial(burn, key_id=key_id, now=now))

    async def note(self, labels: Collection[str], *, now: int) -> None:
        """Remember since when these publishers are in the configuration."""
        await self._worker.write(partial(note, labels=labels, now=now))

    async def unpin(self, label: str, *, now: int) -> int | None:
        """Forget whom a publisher's names belonged to, know it since now, and end its keys; return how many lived.

        None where nothing is held of it.
        """
        return await self._worker.write(partial(unpin, label=label, now=now))

    async def end(self, key_ids: Collection[KeyId], *, now: int) -> int:
        """End some minted keys at once; return how many had not been ended before."""
        given = {"b_ids": list(key_ids), "b_now": now}
        return await self._worker.write(partial(end, revoking=_REVOKE_SOME, given=given))

    async def count(self, *, now: int) -> tuple[int, int]:
        """Count the minted keys that work, and all of which there is still a row."""

        def read(connection: Connection) -> tuple[int, int]:
            live = connection.scalar(_COUNT.where(_LIVE), {"b_now": now})
            return live or 0, connection.scalar(_COUNT.where(_MINTED)) or 0

        return await self._worker.read(read)

    async def sweep(self, *, now: int) -> Swept:
        """Take away what is over, in small transactions; return how much that was."""
        tokens = ended = 0
        while True:
            swept = await self._worker.write(partial(sweep, now=now))
            tokens, ended = tokens + swept.assertions, ended + swept.keys
            if max(swept.assertions, swept.keys) < SWEPT:
                return Swept(tokens, ended)
