"""A release leaves the index: on record before, its files marked after.

The rows of its files stay, marked: a filename is for one content, because somebody may have the old hash in a lock
file. The same bytes may come again (`uploads`), other bytes only where the package's rule lets them overwrite.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, update

from authproxy.domain.access import Outcome
from authproxy.store import keys as key_rows
from authproxy.store import uploads
from authproxy.store.tables import files, record
from authproxy.store.verdicts import Entry, KeyDead

_COMPLETE: Final = (
    update(record)
    .where(record.c.id == bindparam("b_record"), record.c.outcome == uploads.PENDING)
    .values(outcome=bindparam("b_outcome"), index_status=bindparam("b_status"), completed_ms=bindparam("b_time"))
)
_MARK: Final = (
    update(files)
    .where(files.c.index_name == bindparam("b_index"), files.c.identity == bindparam("b_identity"))
    .values(removed=bindparam("b_time"))
)


def admit(connection: Connection, entry: Entry, now: int) -> int | KeyDead:
    """Look at the key once more; put the delete on record and return the number of its row."""
    key = None if entry.key_id is None else key_rows.find(connection, entry.key_id)
    return uploads.key_says_no(key, entry, now) or uploads.note(connection, entry, outcome=uploads.PENDING)


def complete(
    connection: Connection,
    record_id: int,
    outcome: Outcome,
    index_status: int | None,
    time_ms: int,
    removed: tuple[str, Sequence[str]],
) -> None:
    """End a delete and mark what is gone: an index and the identities of files in it."""
    given = {"b_record": record_id, "b_outcome": outcome, "b_status": index_status, "b_time": time_ms}
    connection.execute(_COMPLETE, given)
    index, identities = removed
    if identities:
        marks = [{"b_index": index, "b_identity": identity, "b_time": time_ms // 1000} for identity in identities]
        connection.execute(_MARK, marks)
