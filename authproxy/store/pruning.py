"""What is older than the record is kept: rows and links leave from the old end, and the anchor says where it is now.

A row that says how a stored file came there stays, and so does one that a claim still needs; it gets a new link at the
young end, because its first one goes, and behind that its end is told again. Nothing that does not fit its hash is
taken away, lest a forgery go with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, delete, exists, insert, literal_column, or_, select

from authproxy.domain.access import Outcome
from authproxy.store import chain
from authproxy.store.chain import LINKED, ROW, Kind, link_hash, row_digest, told_of_end
from authproxy.store.tables import anchor, claims, files, links, record

BATCH: Final = 200  # links per transaction: some 20 ms, during which no upload is admitted

# A file's row says who put it there; one that was found to hold other bytes is an alarm about its upload, and that says
# who put it there also where somebody has accepted them.
_NEEDED: Final = or_(
    exists().where(
        files.c.index_name == record.c.index_name,
        files.c.identity == record.c.identity,
        or_(files.c.record_id == record.c.id, record.c.outcome == literal_column(f"'{Outcome.DIFFERENT}'")),
    ),
    exists().where(claims.c.index_name == record.c.index_name, claims.c.record_id == record.c.id),
)
_OLDEST: Final[Select[Any]] = LINKED.add_columns(_NEEDED.label("needed"))
# The last link of each row, which says what became of it.
_ENDS: Final[Select[Any]] = (
    select(links.c.record_id, links.c.kind, links.c.outcome, links.c.index_status, links.c.time_ms)
    .where(links.c.record_id.in_(bindparam("b_records", expanding=True)))
    .order_by(links.c.id)
)
_DROP_ROWS: Final = delete(record).where(record.c.id == bindparam("b_record"))
_DROP_LINKS: Final = delete(links).where(links.c.id <= bindparam("b_until"))
_DROP_ANCHOR: Final = delete(anchor).where(anchor.c.id == 1)
_PUT_ANCHOR: Final = insert(anchor)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one batch took away. `done`: there is nothing left that is old enough. `flaw`: why it stopped."""

    rows: int
    kept: int
    done: bool
    flaw: str | None = None


def prune(connection: Connection, before_ms: int, now_ms: int) -> Pruned:
    """Take away a batch of links that are older than `before_ms`, with the rows that they are the first links of."""
    before_ms = min(before_ms, now_ms // 1000 * 1000)  # or what is kept would be old at once, again and again
    begins = chain.old_end(connection)
    found: Sequence[Any] = connection.execute(_OLDEST, {"b_after": begins.link, "b_until": begins.link + BATCH}).all()
    old = list(_older(found, before_ms))
    if not old:
        return Pruned(0, 0, done=True)
    hashed, flaw = begins.hash, None
    rows = [row.record_id for row in old if row.kind != Kind.ENDED]
    ends = {end.record_id: end for end in connection.execute(_ENDS, {"b_records": rows})}
    for number, row in enumerate(old):
        flaw = _flaw(begins, number, hashed, row) or _wrong_end(ends.get(row.record_id), row)
        if flaw is not None:
            return Pruned(0, 0, done=True, flaw=flaw)
        hashed = row.hash
    gone, kept = _parted(old)
    last: chain.Head | None = None
    for row in kept:
        last = chain.kept(connection, row, now_ms, last)
    if gone:
        connection.execute(_DROP_ROWS, [{"b_record": record_id} for record_id in gone])
    connection.execute(_DROP_LINKS, {"b_until": old[-1].id})
    connection.execute(_DROP_ANCHOR)
    first = max([begins.record, *(row.record_id for row in old if row.kind == Kind.DECIDED)])
    values = {"id": 1, "link_id": old[-1].id, "hash": hashed, "record_id": first, "time_ms": now_ms}
    connection.execute(_PUT_ANCHOR, values)
    return Pruned(len(gone), len(kept), done=len(old) < BATCH)


def _older(found: Sequence[Any], before_ms: int) -> Iterator[Any]:
    for row in found:
        if row.time_ms >= before_ms:
            return
        yield row


def _flaw(begins: chain.Anchor, number: int, hashed: bytes, row: Any) -> str | None:
    fits = row.id == begins.link + number + 1 and link_hash(hashed, row[:6], row.digest) == row.hash
    if not fits:
        return f"link {begins.link + number + 1} does not fit the one before it"
    if row.kind != Kind.ENDED and (row.row_id is None or row_digest(row[ROW]) != row.digest):
        return f"row {row.record_id} is not what its link says"
    return None


def _wrong_end(end: Any, row: Any) -> str | None:
    """Say where a row tells another end than its last link, whose own place in the chain may be much further on."""
    if row.kind == Kind.ENDED:
        return None
    told = told_of_end(end.kind, end.outcome, end.index_status, end.time_ms)
    if (row.now_outcome, row.now_status, row.now_completed) != told:
        return f"what row {row.record_id} says of its end, its last link does not say"
    return None


def _parted(old: list[Any]) -> tuple[list[int], list[Any]]:
    """Part the rows that go from those that stay."""
    first_links = [row for row in old if row.kind != Kind.ENDED]
    return [row.record_id for row in first_links if not row.needed], [row for row in first_links if row.needed]
