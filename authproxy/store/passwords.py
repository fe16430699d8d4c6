"""Who still uses a password of the index: the record, asked by user and package."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, case, func, literal_column, select

from authproxy.domain.access import Outcome
from authproxy.store.tables import record

_STORED: Final = func.sum(case((record.c.outcome == Outcome.STORED, 1), else_=0))
_LAST: Final = func.max(record.c.time_ms)
_USES: Final = (
    select(record.c.owner, record.c.project, record.c.index_name, record.c.address, record.c.client)
    .add_columns(func.count(), _STORED, _LAST)
    # Written out and not bound: SQLite takes a partial index only for a condition that it can read.
    .where(record.c.principal == literal_column("'password'"))
    .group_by(record.c.owner, record.c.project, record.c.index_name, record.c.address, record.c.client)
    .order_by(record.c.owner, record.c.project, _LAST.desc())
)


@dataclass(frozen=True, slots=True)
class PasswordUse:
    """Somebody with a password of the index, a package, where from and with what: how often and when last."""

    user: str
    project: str
    index: str
    address: str
    client: str
    tries: int
    stored: int  # of these
    last_ms: int  # unix milliseconds


def uses(connection: Connection) -> list[PasswordUse]:
    """Read who used a password for which package, from where and with which client; the latest of each first."""
    return [PasswordUse(*row) for row in connection.execute(_USES)]
