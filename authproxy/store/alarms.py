"""Places of the index that are not as they should be: which row of the record says what should be there, and its ends.

Such a row ended as `different`: an upload, or an operator's word that other bytes are right (`accepting`). Of one place
the youngest such row counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, bindparam, literal_column, select

from authproxy.domain.access import ACCEPT, Outcome
from authproxy.store import chain
from authproxy.store.tables import links, record

# Written out, not bound: SQLite uses a partial index only where the statement itself says its condition.
IS_DIFFERENT: Final = record.c.outcome == literal_column(f"'{Outcome.DIFFERENT}'")
_OF_PLACE: Final = and_(
    IS_DIFFERENT,
    record.c.index_name == bindparam("b_index"),
    record.c.identity == bindparam("b_identity"),
    record.c.identity != literal_column("''"),
)
_WANTED: Final[Select[Any]] = (
    select(record.c.id, record.c.action, record.c.sha256).where(_OF_PLACE).order_by(record.c.id.desc()).limit(1)
)
_UPLOAD: Final[Select[Any]] = _WANTED.where(record.c.action != ACCEPT)
_ENDS: Final[Select[Any]] = (
    select(links.c.record_id, links.c.time_ms, links.c.outcome)
    .where(links.c.record_id.in_(bindparam("b_records", expanding=True)), links.c.kind == chain.Kind.ENDED)
    .order_by(links.c.id)
)


@dataclass(frozen=True, slots=True)
class End:
    """How a row ended, as far as that was not pruned; one that ended as `different` may end anew."""

    record: int
    time_ms: int
    outcome: str


def wanted(connection: Connection, index: str, identity: str) -> Row[Any] | None:
    """Find the row (id, action, sha256) that says what should be in a place that was found to be different."""
    return connection.execute(_WANTED, {"b_index": index, "b_identity": identity}).first()


def upload(connection: Connection, index: str, identity: str) -> int | None:
    """Find the last upload to such a place, whatever an operator accepted since."""
    found = connection.execute(_UPLOAD, {"b_index": index, "b_identity": identity}).first()
    return None if found is None else int(found.id)


def ends(connection: Connection, last: Sequence[End]) -> Sequence[End]:
    """Read how rows ended, given how each did last, in the order of events.

    Of most there is that end alone, and the chain is not asked: what was seen later has a time in whole seconds.
    """
    if not any(end.time_ms % 1000 == 0 for end in last):
        return last
    return [End(*row) for row in connection.execute(_ENDS, {"b_records": [end.record for end in last]})]
