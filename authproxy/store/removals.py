"""A release leaves the index: on record and its files marked before, the marks of what is left taken away after.

The rows of its files stay, marked: a filename is for one content, because somebody may have the old hash in a lock
file. The same bytes may come again (`uploads`), other bytes only where the package's rule lets them overwrite. Marked
before, because nobody may see the end of it; a mark on a file that is there ends when the index lists it (`files`).

A delete has a claim as an upload has one, under a name of its own that keeps no file out: it says which program is to
complete the delete, and is left where that did not happen. A push of the release out of that index waits for its end,
and it for the end of the push (`holds`).
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, or_, select, update

from authproxy.domain.access import Outcome
from authproxy.domain.grants import Action
from authproxy.domain.names import release_identity, same_version
from authproxy.store import chain, holds, uploads
from authproxy.store import files as file_rows
from authproxy.store import keys as key_rows
from authproxy.store.runs import Run
from authproxy.store.tables import claims, files, record
from authproxy.store.verdicts import Entry, FileBusy, FileUnsettled, Intent, KeyDead, ReleaseHeld, Removed
from authproxy.store.worker import Worker

_COMPLETE: Final = (
    update(record)
    .where(record.c.id == bindparam("b_record"), record.c.outcome == uploads.PENDING)
    .values(outcome=bindparam("b_outcome"), index_status=bindparam("b_status"), completed_ms=bindparam("b_time"))
)
_CLAIMS: Final = uploads.CLAIMS.where(record.c.project == bindparam("b_project"), record.c.action != Action.DELETE)
_CLAIMED: Final[Select[Any]] = (
    select(claims.c.id, claims.c.run)
    .join(record, record.c.index_name == claims.c.index_name)
    .where(record.c.id == bindparam("b_record"), claims.c.identity == bindparam("b_identity"))
)
_SETTLE: Final = (
    update(record)
    .where(record.c.id == bindparam("b_record"))
    .values(outcome=bindparam("b_outcome"), completed_ms=bindparam("b_time"))
    .returning(record.c.index_status)
)
_FILES: Final = select(files).where(
    files.c.index_name == bindparam("b_index"), files.c.project == bindparam("b_project")
)
# What came by an upload that was admitted after the delete is not what the delete took away.
_MARK: Final = (
    update(files)
    .where(
        files.c.index_name == bindparam("b_index"),
        files.c.identity == bindparam("b_identity"),
        or_(files.c.record_id.is_(None), files.c.record_id < bindparam("b_delete")),
    )
    .values(removed=bindparam("b_time"))
)


def admit(
    connection: Connection, run: Run, entry: Entry, identities: Sequence[str], now: int
) -> int | KeyDead | FileBusy | FileUnsettled | ReleaseHeld:
    """Look at the key and at the files once more; put the delete on record, mark them, return the number of its row."""
    key = None if entry.key_id is None else key_rows.find(connection, entry.key_id)
    verdict = (
        uploads.key_says_no(connection, key, entry, now)
        or _files_say_no(connection, run, entry, identities, now)
        or holds.over(connection, run, entry.index, release_identity(entry.project, entry.version), now)
    )
    if verdict is not None:
        return verdict
    run.hold()
    number = uploads.note(connection, entry, outcome=uploads.PENDING)
    row = {"index_name": entry.index, "identity": _claimed(number), "record_id": number, "run": run.name, "opened": now}
    run.deletes[number] = uploads.INSERT_CLAIM.insert(connection, row)
    run.in_flight.add(run.deletes[number])
    _mark(connection, entry.index, identities, now, number)
    return number


def _claimed(number: int) -> str:
    return f"delete {number}"  # no artifact's identity: those have a version in the middle


def _claim(connection: Connection, record_id: int) -> Row[Any] | None:
    given = {"b_record": record_id, "b_identity": _claimed(record_id)}
    found: Row[Any] | None = connection.execute(_CLAIMED, given).first()
    return found


def _files_say_no(
    connection: Connection, run: Run, entry: Entry, identities: Sequence[str], now: int
) -> FileBusy | FileUnsettled | None:
    for found in connection.execute(_CLAIMS, {"b_index": entry.index, "b_project": entry.project}):
        # A file of the release that the index did not list yet goes with it all the same.
        if found.identity in identities or same_version(found.version, entry.version):
            return uploads.claimed(run, found, now)
    rows = [file_rows.find(connection, entry.index, identity) for identity in identities]
    # Somebody was quicker: an upload ended just now, or another delete.
    return FileBusy() if any(row is None or row.sha256 is None for row in rows) else None


def complete(
    connection: Connection,
    record_id: int,
    outcome: Outcome,
    index_status: int | None,
    time_ms: int,
    removed: Removed,
) -> None:
    """End a delete, and mark what is gone once more: whoever saw it meanwhile has taken the mark away."""
    claim = _claim(connection, record_id)
    if claim is not None and outcome is not Outcome.UNKNOWN:
        uploads.DROP_CLAIM.run(connection, {"b_claim": claim.id})
    given = {"b_record": record_id, "b_outcome": outcome, "b_status": index_status, "b_time": time_ms}
    if connection.execute(_COMPLETE, given).rowcount:
        chain.ended(connection, record_id, outcome, index_status, time_ms)
    _mark(connection, removed.index, removed.gone, time_ms // 1000, record_id)
    _mark(connection, removed.index, removed.left, None, record_id)


def _mark(connection: Connection, index: str, identities: Sequence[str], time: int | None, number: int) -> None:
    if identities:
        given = {"b_index": index, "b_time": time, "b_delete": number}
        marks = [given | {"b_identity": identity} for identity in identities]
        connection.execute(_MARK, marks)


def settle(connection: Connection, run: Run, intent: Intent, left: Collection[str] | None, now: int) -> Outcome | None:
    """End a delete by what the index still has of the release: the identities of its files, None where it is gone."""
    claim = _claim(connection, intent.record_id)
    if claim is None or (claim.run == run.name and claim.id in run.in_flight):
        return None
    uploads.DROP_CLAIM.run(connection, {"b_claim": claim.id})
    outcome = Outcome.REMOVED if left is None else Outcome.FAILED
    given = {"b_record": intent.record_id, "b_outcome": outcome, "b_time": now * 1000}
    status = connection.execute(_SETTLE, given).scalar_one()
    chain.ended(connection, intent.record_id, outcome, status, now * 1000)
    row = intent.row
    known = connection.execute(_FILES, {"b_index": row.index, "b_project": row.project})
    of_release = {each.identity for each in known if each.removed is None and same_version(each.version, row.version)}
    _mark(connection, row.index, sorted(of_release.difference(left or ())), now, intent.record_id)
    _mark(connection, row.index, sorted(left or ()), None, intent.record_id)
    return outcome


class Removals:
    """What a delete asks of the store. Its coroutines raise StoreError."""

    def __init__(self, worker: Worker, run: Run) -> None:
        self._worker = worker
        self._run = run

    async def admit(
        self, entry: Entry, identities: Sequence[str], *, now: int
    ) -> int | KeyDead | FileBusy | FileUnsettled | ReleaseHeld:
        """Put a delete on record and mark its files; return its number for `complete`.

        Everything but a number leaves no trace: the key is dead; the release is being pushed out of this index; an
        upload of a file of it is on its way, or ended without an answer (`Store.settle` it and ask again); or the hash
        of one of these files is not known (any more). If the caller is cancelled while it waits, the delete is
        completed as FAILED, and nothing of it is gone.
        """

        def release(verdict: int | KeyDead | FileBusy | FileUnsettled | ReleaseHeld) -> None:
            if isinstance(verdict, int):
                left = Removed(entry.index, (), identities)
                self._hand_in(verdict, Outcome.FAILED, None, entry.time_ms, left)

        return await self._worker.write(
            lambda connection: admit(connection, self._run, entry, identities, now), orphaned=release
        )

    async def complete(
        self, number: int, outcome: Outcome, *, index_status: int | None, time_ms: int, removed: Removed
    ) -> None:
        """End a delete. Of what is left the mark is taken away again. Where it fails, the delete is to be settled."""
        await self._hand_in(number, outcome, index_status, time_ms, removed)

    def _hand_in(
        self, number: int, outcome: Outcome, index_status: int | None, time_ms: int, removed: Removed
    ) -> asyncio.Future[None]:
        return self._worker.hand_in(
            lambda connection: complete(connection, number, outcome, index_status, time_ms, removed),
            writes=True,
            afterwards=lambda: self._run.in_flight.discard(self._run.deletes.pop(number, 0)),
        )
