"""Whether the record is what it was: the chain walked from its old end, each link and each row against its hash.

A page is one transaction, so that a server goes on writing meanwhile; memory holds a page and the rows whose last link
is still to come, of which an honest record has as many as there were uploads under way at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select

from authproxy.store.chain import (
    LINKED,
    ROW,
    ROW_AT,
    Anchor,
    Head,
    Kind,
    head,
    link_hash,
    old_end,
    row_digest,
    told_of_end,
)
from authproxy.store.tables import links, record

PAGE: Final = 1000  # links per transaction: some 20 ms, during which nobody else commits
# Rows whose end has no link yet. No server has so many uploads under way; a forged record must not eat our memory.
OPEN_LIMIT: Final = 100_000


class Wrong(StrEnum):
    """What does not fit."""

    LINK_CHANGED = "link-changed"
    LINK_MISSING = "link-missing"
    ROW_CHANGED = "row-changed"
    ROW_MISSING = "row-missing"
    ROW_UNLINKED = "row-unlinked"
    END_UNLINKED = "end-unlinked"
    TAIL_REMOVED = "tail-removed"
    OTHER_CHAIN = "other-chain"
    PRUNED = "pruned"


@dataclass(frozen=True, slots=True)
class Flaw:
    """The first thing that does not fit: which link, which row where one is concerned, and what, in a sentence."""

    wrong: Wrong
    link: int | None
    row: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Sound:
    """All of it fits: so many rows and links, from the anchor to the head."""

    rows: int
    links: int
    anchor: Anchor
    head: Head


_FIRST_FROM: Final = select(func.min(links.c.id)).where(links.c.id > bindparam("b_after"))
_HASH: Final = select(links.c.hash).where(links.c.id == bindparam("b_link"))
_BETWEEN: Final = select(func.min(record.c.id)).where(
    record.c.id > bindparam("b_after"), record.c.id < bindparam("b_until")
)
_BEYOND: Final = select(func.min(record.c.id)).where(record.c.id > bindparam("b_after"))
_KEPT: Final = select(func.count()).select_from(record).where(record.c.id <= bindparam("b_until"))


def _found(connection: Connection, after: int) -> Sequence[Any]:
    # The driver's own tuples: ten million of SQLAlchemy's rows cost a third more, and the columns stand in order.
    with connection.execute(LINKED, {"b_after": after, "b_until": after + PAGE}) as asked:
        return asked.cursor.fetchall()


class Walk:
    """One walk along the chain. `step` is a transaction; when `result` is set the walk has ended."""

    def __init__(self, expected: Head | None = None) -> None:
        self._expected = expected  # a link that must be there with this hash
        self._anchor: Anchor | None = None
        self.result: Sound | Flaw | None = None

    def step(self, connection: Connection) -> None:
        """Walk a page on. Where the old end was pruned meanwhile, begin again."""
        begins = old_end(connection)
        if begins != self._anchor:
            self.result = self._begin(begins)
        if self.result is None:
            self.result = self._page(connection)

    def young(self, connection: Connection) -> Flaw | None:
        """Look at the last page of links alone, as if what is before it fitted: some 20 ms, however long the record."""
        begins = old_end(connection)
        self._begin(begins)
        self._number = max(begins.link, head(connection).link - PAGE)
        if self._number > begins.link:
            self._hash = connection.scalar(_HASH, {"b_link": self._number}) or b""
        found = _found(connection, self._number)
        decided = [row[1] for row in found if row[3] == Kind.DECIDED]
        self._decided = min(decided) - 1 if decided else begins.record
        for row in found:
            flaw = self._link(row) or self._row(connection, row)
            if flaw is not None:
                return flaw
        if self._open:
            return self._end_unlinked()
        return _no_link(connection.scalar(_BEYOND, {"b_after": self._decided})) if decided or not found else None

    def _begin(self, begins: Anchor) -> Flaw | None:
        self._anchor = begins
        self._number, self._hash = begins.link, begins.hash
        self._decided = begins.record  # the last row whose first link was seen
        self._rows, self._kept, self._links = 0, 0, 0
        self._open: dict[int, int] = {}  # row: the link after which its end is missing
        expected = self._expected
        if expected is not None and expected.link < begins.link:
            sentence = f"link {expected.link} was pruned: the record begins at link {begins.link + 1} now"
            return Flaw(Wrong.PRUNED, expected.link, None, sentence)
        return self._compare()

    def _compare(self) -> Flaw | None:
        expected = self._expected
        if expected is None or expected.link != self._number or expected.hash == self._hash:
            return None
        return Flaw(Wrong.OTHER_CHAIN, self._number, None, f"link {self._number} had another hash at the checkpoint")

    def _page(self, connection: Connection) -> Flaw | Sound | None:
        found = _found(connection, self._number)
        for row in found:
            flaw = self._link(row) or self._row(connection, row)
            if flaw is not None:
                return flaw
        if len(found) == PAGE:
            return None
        after = connection.scalar(_FIRST_FROM, {"b_after": self._number})
        if after is not None:
            return Flaw(Wrong.LINK_MISSING, self._number + 1, None, f"link {self._number + 1} is missing")
        return self._end(connection)

    def _link(self, row: Sequence[Any]) -> Flaw | None:
        number, digest, stated = row[0], row[6], row[7]
        if number != self._number + 1:
            return Flaw(Wrong.LINK_MISSING, self._number + 1, None, f"link {self._number + 1} is missing")
        if link_hash(self._hash, row[:6], digest) != stated or (digest is None) != (row[3] == Kind.ENDED):
            sentence = f"link {number}, of row {row[1]}, was changed, or one before it was put in or taken out"
            return Flaw(Wrong.LINK_CHANGED, number, row[1], sentence)
        self._number, self._hash = number, stated
        self._links += 1
        return self._compare() if self._expected is not None else None

    def _row(self, connection: Connection, row: Sequence[Any]) -> Flaw | None:
        assert self._anchor is not None
        number, record_id, time_ms, kind, outcome, status, digest = row[:7]
        if row[ROW_AT] is None:
            if kind == Kind.ENDED and record_id <= self._anchor.record:
                return None  # of a row whose first link was pruned, and the row with it
            return Flaw(Wrong.ROW_MISSING, number, record_id, f"row {record_id} is missing")
        if kind != Kind.ENDED:
            if row_digest(row[ROW]) != digest:
                return Flaw(Wrong.ROW_CHANGED, number, record_id, f"row {record_id} was changed")
            self._rows += 1
            self._kept += kind == Kind.KEPT
        if kind == Kind.DECIDED and (flaw := self._unlinked(connection, record_id)):
            return flaw
        if (row[8], row[9], row[10]) == told_of_end(kind, outcome, status, time_ms):
            self._open.pop(record_id, None)
        else:
            self._open[record_id] = number
        return self._end_unlinked() if len(self._open) > OPEN_LIMIT else None

    def _unlinked(self, connection: Connection, record_id: int) -> Flaw | None:
        """Look into a gap between the numbers of two rows, for a row that no link is of."""
        between = {"b_after": self._decided, "b_until": record_id}
        gap = record_id != self._decided + 1
        self._decided = max(self._decided, record_id)
        return _no_link(connection.scalar(_BETWEEN, between)) if gap else None

    def _end_unlinked(self) -> Flaw:
        record_id, number = min(self._open.items(), key=lambda each: each[1])
        sentence = f"what row {record_id} says of its end, no link says: its last one is link {number}"
        return Flaw(Wrong.END_UNLINKED, number, record_id, sentence)

    def _end(self, connection: Connection) -> Flaw | Sound:
        assert self._anchor is not None
        if self._open:
            return self._end_unlinked()
        if flaw := _no_link(connection.scalar(_BEYOND, {"b_after": self._decided})):
            return flaw
        if connection.scalar(_KEPT, {"b_until": self._anchor.record}) != self._kept:
            sentence = f"among the rows up to {self._anchor.record}, which were pruned but for a few, is one too many"
            return Flaw(Wrong.ROW_UNLINKED, None, None, sentence)
        expected = self._expected
        if expected is not None and expected.link > self._number:
            sentence = f"the record ends at link {self._number}, and had {expected.link} at the checkpoint"
            return Flaw(Wrong.TAIL_REMOVED, self._number, None, sentence)
        return Sound(self._rows, self._links, self._anchor, Head(self._number, self._hash))


def _no_link(record_id: int | None) -> Flaw | None:
    return None if record_id is None else Flaw(Wrong.ROW_UNLINKED, None, record_id, f"row {record_id} has no link")
