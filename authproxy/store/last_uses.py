"""When each secret of a key was last used, where from and for what: one row per secret, replaced by a younger one.

Servers write these in batches, so a row may be half a minute late. What is on record is there at once, refusals too,
so the record is asked as well where being late would end a secret that is in use.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert  # SQLite takes its words, not the other way round

from authproxy.domain.access import UPLOAD_DEADLINE
from authproxy.domain.keys import KeyId, Secret
from authproxy.store.tables import last_uses, record


@dataclass(frozen=True, slots=True)
class LastUse:
    """The last use of one secret. `project` is "" where it was about no single one; `client` is printable ASCII."""

    key_id: KeyId
    slot: str
    time: int  # unix seconds
    action: str
    project: str
    address: str
    client: str


_NEW: Final = insert(last_uses)
_NOTE: Final = _NEW.on_conflict_do_update(
    index_elements=["key_id", "slot"],
    set_={name: _NEW.excluded[name] for name in ("time", "action", "project", "address", "client")},
    # Two servers on one store flush in any order.
    where=last_uses.c.time <= _NEW.excluded.time,
)
_OF: Final = (
    select(last_uses)
    .where(last_uses.c.key_id.in_(bindparam("key_ids", expanding=True)))
    .order_by(last_uses.c.time.desc())
)
_ON_RECORD: Final = (
    select(record.c.time_ms, record.c.action, record.c.project, record.c.address, record.c.client)
    .where(
        record.c.id > bindparam("b_after"),
        record.c.public_id == bindparam("b_public"),
        record.c.time_ms > bindparam("b_since"),
    )
    .order_by(record.c.time_ms.desc())
    .limit(1)
)
_YOUNGEST: Final = select(func.max(record.c.id))
_UP_TO: Final[Select[Any]] = (
    select(record.c.id, record.c.time_ms).where(record.c.id <= bindparam("b_id")).order_by(record.c.id.desc()).limit(1)
)
# Rows that are read at once on the way back to a time: no index leads there.
_STRIDE: Final = 1000
_FORGET: Final = delete(last_uses).where(
    last_uses.c.key_id == bindparam("b_key"), last_uses.c.slot == bindparam("b_slot")
)


def note(connection: Connection, uses: Sequence[LastUse]) -> None:
    """Write down the last use of some secrets; an older one than is known changes nothing."""
    if uses:
        connection.execute(_NOTE, [asdict(use) for use in uses])


def of(connection: Connection, key_ids: Iterable[str]) -> dict[str, tuple[LastUse, ...]]:
    """Read the last use of each secret of some keys, those that have ended too, the latest first."""
    found: dict[str, tuple[LastUse, ...]] = {}
    for row in connection.execute(_OF, {"key_ids": list(key_ids)}):
        found[row.key_id] = (*found.get(row.key_id, ()), LastUse(*row))
    return found


def since(connection: Connection, key_id: KeyId, secret: Secret, time: int) -> LastUse | None:
    """Read the last use of one secret after `time`, by what servers noted and by what is on record, refusals too.

    Its slot may have had another secret before: what that one did is on record for ever.
    """
    slot, after = secret.slot, max(time, secret.created - 1)
    noted = [use for use in of(connection, [key_id]).get(key_id, ()) if use.slot == slot and use.time > time]
    asked = {"b_after": _before(connection, after), "b_since": after * 1000 + 999, "b_public": key_id + slot}
    row = connection.execute(_ON_RECORD, asked).first()
    if row is not None:
        noted.append(LastUse(key_id, slot, row.time_ms // 1000, row.action, row.project, row.address, row.client))
    return max(noted, key=lambda use: use.time, default=None)


def _before(connection: Connection, time: int) -> int:
    """Find a row that was written before `time`, not too far back; 0: the first one was not.

    Rows are numbered in the order in which they are written, and say when their requests began.
    """
    number, stride = connection.scalar(_YOUNGEST) or 0, _STRIDE
    while (row := connection.execute(_UP_TO, {"b_id": number}).first()) is not None:
        if row.time_ms < (time - UPLOAD_DEADLINE) * 1000:
            return int(row.id)
        number, stride = row.id - stride, stride * 2
    return 0


def forget(connection: Connection, key_id: KeyId, slot: str) -> None:
    """Drop what is known of a slot that a new secret takes."""
    connection.execute(_FORGET, {"b_key": key_id, "b_slot": slot})
