"""What the index holds, as far as we know: files that went through us, and those found there and adopted."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, delete, insert, select, update

from authproxy.store.tables import claims, files
from authproxy.store.verdicts import AdoptedFile, FileRow

_ONE: Final[Select[Any]] = select(files).where(
    files.c.index_name == bindparam("b_index"), files.c.identity == bindparam("b_identity")
)
_DROP: Final = delete(files).where(
    files.c.index_name == bindparam("b_index"), files.c.identity == bindparam("b_identity")
)
_INSERT: Final = insert(files)
_KNOWN: Final[Select[Any]] = select(files).where(
    files.c.index_name == bindparam("b_index"), files.c.project == bindparam("b_project")
)
_CLAIMED: Final = select(claims.c.identity).where(claims.c.index_name == bindparam("b_index"))
_SET_SHA256: Final = (
    update(files).where(files.c.id == bindparam("b_id")).values(sha256=bindparam("b_sha256"), record_id=None)
)
_IS_THERE: Final = update(files).where(files.c.id == bindparam("b_id")).values(removed=None)
_IS_OTHERWISE: Final = (
    update(files)
    .where(files.c.id == bindparam("b_id"))
    .values(filename=bindparam("b_filename"), sha256=bindparam("b_sha256"), record_id=None)
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
    row = connection.execute(_ONE, {"b_index": index, "b_identity": identity}).first()
    return stored(row) if row else None


def put(connection: Connection, row: dict[str, Any]) -> None:
    """Store a file in place of whatever was known under its identity; its number is new."""
    connection.execute(_DROP, {"b_index": row["index_name"], "b_identity": row["identity"]})
    connection.execute(_INSERT, row)


def adopt(connection: Connection, index: str, project: str, found: Sequence[AdoptedFile]) -> int:
    """Note files that the index has; return how many were new. One that is claimed is left to its claim: it may be
    there half.
    """
    known = {row.identity: stored(row) for row in connection.execute(_KNOWN, {"b_index": index, "b_project": project})}
    claimed = set(connection.scalars(_CLAIMED, {"b_index": index}))
    there: dict[str, AdoptedFile] = {}
    for each in found:
        # Two spellings of one file may lie in the index: the one that we know stands for both, or else the first.
        row = known.get(each.identity)
        if each.identity not in claimed and (each.identity not in there or (row and row.filename == each.filename)):
            there[each.identity] = each
    fresh = [
        {
            "index_name": index,
            "identity": each.identity,
            "project": project,
            "version": each.version,
            "filename": each.filename,
            "sha256": each.sha256,
        }
        for each in there.values()
        if each.identity not in known
    ]
    if fresh:
        connection.execute(_INSERT, fresh)
    for identity in known.keys() & there.keys():
        _compare(connection, known[identity], there[identity])
    return len(fresh)


def _compare(connection: Connection, row: FileRow, found: AdoptedFile) -> None:
    if row.removed:
        connection.execute(_IS_THERE, {"b_id": row.id})
    if found.filename != row.filename or found.sha256 not in {None, row.sha256}:
        given = {"b_id": row.id, "b_filename": found.filename, "b_sha256": found.sha256}
        connection.execute(_IS_OTHERWISE, given)


def set_sha256(connection: Connection, row: FileRow, sha256: str) -> bool:
    """Note what a file is in the index; from then on its row is what was found there, and not what was sent."""
    return connection.execute(_SET_SHA256, {"b_id": row.id, "b_sha256": sha256}).rowcount > 0


def forget(connection: Connection, row: FileRow) -> bool:
    """Drop a stored file, if it is still the one that was looked at."""
    return connection.execute(_FORGET, {"b_id": row.id}).rowcount > 0
