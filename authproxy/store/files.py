"""What the index holds, as far as we know: files that went through us, and those found there and adopted.

What an index states of a file that it had before us is noted as it is. Of one that came through us we know better: a
listing that says otherwise, or no longer has it, is a doubt, because it may have been read while somebody overwrote the
file. Whoever looks again tells `found`, which ends the upload on record anew; and once more, when the file is what was
uploaded again, so that who put it there stays known.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, delete, insert, select, update

from authproxy.domain.access import ACCEPT, Outcome
from authproxy.store import alarms, chain
from authproxy.store.prepared import Prepared, PreparedInsert
from authproxy.store.tables import claims, files, record
from authproxy.store.verdicts import Adopted, AdoptedFile, FileRow

_THIS: Final = (files.c.index_name == bindparam("b_index"), files.c.identity == bindparam("b_identity"))
_ONE: Final = Prepared(select(files).where(*_THIS))
_DROP: Final = Prepared(delete(files).where(*_THIS))
_INSERT: Final = insert(files)
_PUT: Final = PreparedInsert(files)
_KNOWN: Final[Select[Any]] = (
    select(files, record.c.outcome)
    .select_from(files.outerjoin(record, record.c.id == files.c.record_id))
    .where(files.c.index_name == bindparam("b_index"), files.c.project == bindparam("b_project"))
)
_PROJECTS: Final = (
    select(files.c.project)
    .where(files.c.index_name == bindparam("b_index"), files.c.project > bindparam("b_after"))
    .distinct()
    .order_by(files.c.project)
    .limit(bindparam("b_limit"))
)
PAGE: Final = 500  # of projects
_NOW: Final = (
    select(files.c.record_id, files.c.removed, record.c.action)
    .select_from(files.outerjoin(record, record.c.id == files.c.record_id))
    .where(files.c.id == bindparam("b_id"))
)
_AS_IT_WAS: Final = {ACCEPT: Outcome.ACCEPTED}  # how else than as stored a row ends whose file is as it says
_IS_CLAIMED: Final = select(claims.c.id).where(
    claims.c.index_name == bindparam("b_index"), claims.c.identity == bindparam("b_identity")
)
_END: Final = (
    update(record)
    .where(record.c.id == bindparam("b_record"), record.c.outcome != bindparam("b_outcome"))
    .values(outcome=bindparam("b_outcome"), completed_ms=bindparam("b_time"))
    .returning(record.c.index_status)
)
_CLAIMED: Final = select(claims.c.identity).where(claims.c.index_name == bindparam("b_index"))
_SET_SHA256: Final = (
    update(files).where(files.c.id == bindparam("b_id")).values(sha256=bindparam("b_sha256"), record_id=None)
)
_IS_RIGHT: Final = (
    update(files)
    .where(files.c.id == bindparam("b_id"))
    .values(sha256=bindparam("b_sha256"), record_id=bindparam("b_record"), removed=None)
)
_IS_THERE: Final = update(files).where(files.c.id == bindparam("b_id")).values(removed=None)
_IS_NAMED: Final = update(files).where(files.c.id == bindparam("b_id")).values(filename=bindparam("b_filename"))
_IS_OTHERWISE: Final = (
    update(files)
    .where(files.c.id == bindparam("b_id"))
    .values(filename=bindparam("b_filename"), sha256=bindparam("b_sha256"), record_id=None)
)
_IS_GONE: Final = (
    update(files).where(files.c.id == bindparam("b_id"), files.c.removed.is_(None)).values(removed=bindparam("b_time"))
)
_FORGET: Final = delete(files).where(files.c.id == bindparam("b_id"))


def stored(row: Row[Any]) -> FileRow:
    """Build the value of a row of `files`."""
    return FileRow(
        row.id,
        row.index_name,
        row.identity,
        row.filename,
        row.project,
        row.version,
        row.sha256,
        ours=row.record_id is not None,
        removed=row.removed is not None,
    )


def find(connection: Connection, index: str, identity: str) -> FileRow | None:
    """Find a stored file."""
    row = _ONE.first(connection, {"b_index": index, "b_identity": identity})
    return stored(row) if row else None


def put(connection: Connection, row: dict[str, Any]) -> None:
    """Store a file in place of whatever was known under its identity; its number is new."""
    _DROP.run(connection, {"b_index": row["index_name"], "b_identity": row["identity"]})
    _PUT.insert(connection, row)


def projects(connection: Connection, index: str, after: str) -> list[str]:
    """Read the next PAGE projects, in the order of their names, of which files of an index are known."""
    return list(connection.scalars(_PROJECTS, {"b_index": index, "b_after": after, "b_limit": PAGE}))


def adopt(
    connection: Connection, index: str, project: str, found: Sequence[AdoptedFile], *, whole: bool = False
) -> Adopted:
    """Note files that the index has, `whole`: all of the project. One that is claimed is left to its claim: it may be
    there half.
    """
    known = {row.identity: row for row in connection.execute(_KNOWN, {"b_index": index, "b_project": project})}
    claimed = set(connection.scalars(_CLAIMED, {"b_index": index}))
    there: dict[str, AdoptedFile] = {}
    for each in found:
        # Two spellings of one file may lie in the index: the one that we know stands for both, or else the first.
        row = known.get(each.identity)
        if each.identity not in claimed and (each.identity not in there or (row and row.filename == each.filename)):
            there[each.identity] = each
    fresh = [_fresh(index, project, each) for each in there.values() if each.identity not in known]
    if fresh:
        connection.execute(_INSERT, fresh)
    changed: list[FileRow] = []
    doubted: list[FileRow] = []
    for identity in sorted(known.keys() & there.keys()):
        row = known[identity]
        if row.record_id is not None:
            doubted += [] if _is_ours(connection, row, there[identity]) else [stored(row)]
        elif not _compare(connection, row, there[identity]):
            continue
        else:
            wanted = alarms.wanted(connection, index, identity)
            again = wanted is not None and wanted.sha256 == there[identity].sha256
            (doubted if again else changed).append(stored(row))
    if whole:
        missing = known.keys() - there.keys() - claimed
        doubted += [stored(known[identity]) for identity in sorted(missing) if known[identity].removed is None]
    return Adopted(len(fresh), tuple(changed), tuple(doubted))


def _fresh(index: str, project: str, found: AdoptedFile) -> dict[str, Any]:
    return {
        "index_name": index,
        "identity": found.identity,
        "project": project,
        "version": found.version,
        "filename": found.filename,
        "sha256": found.sha256,
    }


def _is_ours(connection: Connection, row: Row[Any], found: AdoptedFile) -> bool:
    """Say whether a file of ours is there as it was sent, as far as the index states it."""
    moved = found.filename != row.filename
    if found.sha256 not in {None, row.sha256} or (moved and found.sha256 is None):
        return False
    if row.removed is not None:
        connection.execute(_IS_THERE, {"b_id": row.id})
    if moved:
        connection.execute(_IS_NAMED, {"b_id": row.id, "b_filename": found.filename})
    return bool(row.outcome != Outcome.DIFFERENT)


def _compare(connection: Connection, row: Row[Any], found: AdoptedFile) -> bool:
    """Note a file that is known from the index as it is there now; say whether it has other bytes than it had."""
    if row.removed is not None:
        connection.execute(_IS_THERE, {"b_id": row.id})
    if found.filename != row.filename or found.sha256 not in {None, row.sha256}:
        given = {"b_id": row.id, "b_filename": found.filename, "b_sha256": found.sha256}
        connection.execute(_IS_OTHERWISE, given)
    return None not in {row.sha256, found.sha256} and row.sha256 != found.sha256


def found(connection: Connection, row: FileRow, sha256: str | None, time_ms: int) -> Outcome | None:
    """End the upload of a stored file anew by what is in its place: its bytes, other ones, or (None) nothing.

    A file that is not the upload's any more is given back to it where it has its bytes again. None comes back where
    nothing changed, or where it is not the file any more that was looked at.
    """
    now = connection.execute(_NOW, {"b_id": row.id}).first()
    if now is None or is_claimed(connection, row) or (sha256 is None and now.removed is not None):
        return None
    if now.record_id is None:
        return None if sha256 is None else _given_back(connection, row, sha256, time_ms)
    outcome = _AS_IT_WAS.get(now.action, Outcome.STORED) if sha256 == row.sha256 else Outcome.DIFFERENT
    if outcome is Outcome.DIFFERENT and sha256 is not None:
        connection.execute(_IS_THERE, {"b_id": row.id})
        connection.execute(_SET_SHA256, {"b_id": row.id, "b_sha256": sha256})
    return _ended(connection, now.record_id, outcome, time_ms)


def is_the_one(connection: Connection, row: FileRow) -> bool:
    """Say whether a stored file is still the one that was looked at."""
    return find(connection, row.index, row.identity) == row


def is_claimed(connection: Connection, row: FileRow) -> bool:
    """Say whether an upload is on its way to the place of a file."""
    return connection.scalar(_IS_CLAIMED, {"b_index": row.index, "b_identity": row.identity}) is not None


def _given_back(connection: Connection, row: FileRow, sha256: str, time_ms: int) -> Outcome | None:
    wanted = alarms.wanted(connection, row.index, row.identity)
    if wanted is None or wanted.sha256 != sha256:
        return None
    right(connection, row, sha256, wanted.id)
    return _ended(connection, wanted.id, _AS_IT_WAS.get(wanted.action, Outcome.STORED), time_ms)


def right(connection: Connection, row: FileRow, sha256: str, number: int) -> None:
    """Note that a file is there with these bytes, as a row of the record says that it should be."""
    connection.execute(_IS_RIGHT, {"b_id": row.id, "b_sha256": sha256, "b_record": number})


def _ended(connection: Connection, number: int, outcome: Outcome, time_ms: int) -> Outcome | None:
    """End a row anew; None where it ended so before."""
    ended = connection.execute(_END, {"b_record": number, "b_outcome": outcome, "b_time": time_ms}).first()
    if ended is None:
        return None
    chain.ended(connection, number, outcome, ended.index_status, time_ms)
    return outcome


def gone(connection: Connection, row: FileRow, time: int) -> bool:
    """Mark a file that the index has no more as deleted: its name stays its own, and it is missed no longer."""
    return connection.execute(_IS_GONE, {"b_id": row.id, "b_time": time}).rowcount > 0


def set_sha256(connection: Connection, row: FileRow, sha256: str) -> bool:
    """Note what a file is in the index; from then on its row is what was found there, and not what was sent."""
    return connection.execute(_SET_SHA256, {"b_id": row.id, "b_sha256": sha256}).rowcount > 0


def forget(connection: Connection, row: FileRow) -> bool:
    """Drop a stored file, if it is still the one that was looked at."""
    return connection.execute(_FORGET, {"b_id": row.id}).rowcount > 0
