r"""The record's hash chain: each decision, and each end of one, is a link whose hash holds that of the link before.

    digest = SHA-256(JSON of ["authproxy row 1", what was decided])
             SHA-256(JSON of ["authproxy row 2", what was decided, and LATER]) where one of LATER is not null
             SHA-256(JSON of ["authproxy row 3", what was decided, LATER, and LAST]) where LAST is not null
    hash   = SHA-256(hash of the link before || JSON of ["authproxy link 1", the link, digest in hex or null])

JSON is an array without white space, everything but printable ASCII as lower-case \uXXXX. So a row that was changed or
taken away, a link that was, and an end that nobody linked all show (`verification`); what was taken from the young end
shows by a checkpoint that lies elsewhere. The encoding is frozen: tests/vectors/chain.txt, docs/record.md.

The older links go when their time has come (`pruning`); the anchor says where the chain begins since then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from json import JSONEncoder
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, func, select

from authproxy.store.prepared import Prepared, PreparedInsert
from authproxy.store.tables import anchor, links, record

# What a row says until what it decided has ended.
PENDING: Final = "pending"

GENESIS: Final = sha256(b"authproxy record, version 1").digest()
_ROW: Final = "authproxy row 1"
_ROW_2: Final = "authproxy row 2"
_ROW_3: Final = "authproxy row 3"
_LINK: Final = "authproxy link 1"
_json: Final = JSONEncoder(separators=(",", ":")).encode

# What of a row is there from the beginning and never changes, in the order in which it is hashed. The rest of a row
# (outcome, index_status, completed_ms) says what its last link says.
DECIDED: Final = (
    "id",
    "time_ms",
    "request_id",
    "action",
    "index_name",
    "project",
    "version",
    "filename",
    "identity",
    "size",
    "sha256",
    "principal",
    "key_id",
    "public_id",
    "owner",
    "rule",
    "grant",
    "address",
    "client",
    "code",
    "reason",
    "admitted_ms",
)
# What came to be said later. A row that says nothing of it hashes as it always did.
LATER: Final = ("source", "derived", "claims")
LAST: Final = ("attestations",)
HASHED: Final = (*DECIDED, *LATER, *LAST)
_AT_LAST: Final = len(DECIDED) + len(LATER)


class Kind(StrEnum):
    """What a link says of its row."""

    DECIDED = "decided"  # it was written
    ENDED = "ended"  # an upload or a delete ended so, or was settled so
    # Its first link is older than the record is kept, and a file or a claim still needs the row. It says the row as it
    # was decided; an end that the row has had is told once more behind it. (No store outside this repository holds one
    # of the earlier form, which told the end itself and hashed no time of it.)
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Head:
    """The young end: the last link's number and hash."""

    link: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Anchor:
    """The old end: the last link that was pruned, and the last row whose first link was. Nothing pruned: 0."""

    link: int
    hash: bytes
    record: int
    time_ms: int | None  # of the pruning


UNPRUNED: Final = Anchor(0, GENESIS, 0, None)

_LAST: Final = Prepared(
    select(links.c.id, links.c.hash).where(links.c.id == select(func.max(links.c.id)).scalar_subquery())
)
_ANCHOR: Final[Select[Any]] = select(anchor.c.link_id, anchor.c.hash, anchor.c.record_id, anchor.c.time_ms).where(
    anchor.c.id == 1
)
_INSERT: Final = PreparedInsert(links)

# A page of links, each with its row as it is now: what the link says, how the row says that it ended, what was decided.
LINKED: Final[Select[Any]] = (
    select(
        links.c.id,
        links.c.record_id,
        links.c.time_ms,
        links.c.kind,
        links.c.outcome,
        links.c.index_status,
        links.c.digest,
        links.c.hash,
        record.c.outcome.label("now_outcome"),
        record.c.index_status.label("now_status"),
        record.c.completed_ms.label("now_completed"),
        *(record.c[name].label(f"row_{name}") for name in HASHED),
    )
    .select_from(links.outerjoin(record, record.c.id == links.c.record_id))
    .where(links.c.id > bindparam("b_after"), links.c.id <= bindparam("b_until"))
    .order_by(links.c.id)
)
ROW_AT: Final = 11
ROW: Final = slice(ROW_AT, ROW_AT + len(HASHED))


def row_digest(row: Sequence[object]) -> bytes:
    """Hash what was decided, given in the order of HASHED."""
    first, later, last = row[: len(DECIDED)], row[len(DECIDED) : _AT_LAST], row[_AT_LAST:]
    if last.count(None) != len(last):
        told = [_ROW_3, *first, *later, *last]
    else:
        told = [_ROW, *first] if later.count(None) == len(later) else [_ROW_2, *first, *later]
    return sha256(_json(told).encode()).digest()


def link_hash(previous: bytes, link: Sequence[object], digest: bytes | None) -> bytes:
    """Hash a link, given as (id, record_id, time_ms, kind, outcome, index_status)."""
    return sha256(previous + _json([_LINK, *link, digest and digest.hex()]).encode()).digest()


def old_end(connection: Connection) -> Anchor:
    """Read where the chain begins."""
    row = connection.execute(_ANCHOR).first()
    return Anchor(*row) if row else UNPRUNED


def head(connection: Connection) -> Head:
    """Read where the chain ends. In a transaction that writes nobody else can move it."""
    row = _LAST.first(connection)
    if row:
        return Head(*row)
    begins = old_end(connection)
    return Head(begins.link, begins.hash)


def decided(connection: Connection, row: Mapping[str, Any], *, outcome: str) -> None:
    """Link a new row; `row` has the columns of `record` by name."""
    digest = row_digest([row.get(name) for name in HASHED])
    append(connection, (row["id"], row["time_ms"], Kind.DECIDED, outcome, None), digest)


def kept(connection: Connection, row: Row[Any], now_ms: int, last: Head | None) -> Head:
    """Link a row anew whose first link goes, and the end that it has had with it; `row` is one of LINKED.

    The new first link has a time in whole seconds, as settling has: an end behind it that is older was told before.
    """
    decided = PENDING if row.now_completed is not None else row.now_outcome
    last = append(connection, (row.record_id, now_ms // 1000 * 1000, Kind.KEPT, decided, None), row.digest, last)
    if row.now_completed is None:
        return last
    end = row.record_id, row.now_completed, Kind.ENDED, row.now_outcome, row.now_status
    return append(connection, end, None, last)


def told_of_end(kind: str, outcome: str, index_status: int | None, time_ms: int) -> tuple[str, int | None, int | None]:
    """What a row has to say of its end where this is its last link: its outcome, index_status and completed_ms."""
    return outcome, index_status, time_ms if kind == Kind.ENDED else None


def ended(connection: Connection, record_id: int, outcome: str, index_status: int | None, time_ms: int) -> None:
    """Link the end of a row's upload or delete."""
    append(connection, (record_id, time_ms, Kind.ENDED, outcome, index_status), None)


def append(
    connection: Connection, link: tuple[int, int, Kind, str, int | None], digest: bytes | None, last: Head | None = None
) -> Head:
    """Add a link, given as (record_id, time_ms, kind, outcome, index_status); return the new end of the chain."""
    last = last or head(connection)
    number = last.link + 1
    new = Head(number, link_hash(last.hash, (number, *link), digest))
    record_id, time_ms, kind, outcome, index_status = link
    _INSERT.insert(
        connection,
        {
            "id": number,
            "record_id": record_id,
            "time_ms": time_ms,
            "kind": kind.value,
            "outcome": str(outcome),
            "index_status": index_status,
            "digest": digest,
            "hash": new.hash,
        },
    )
    return new
