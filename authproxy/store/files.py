"""What the index holds, as far as we know: files that went through us, and those found there and adopted."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, delete, exists, insert, select, update

from authproxy.store.tables import claims, files
from authproxy.store.verdicts import AdoptedFile, FileRow

_ONE: Final[Select[Any]] = select(files).where(
    files.c.index_name == bindparam("b_index"), files.c.identity == bindparam("b_identity")
)
_PROJECT_KNOWN: Final = select(
    exists().where(files.c.index_name == bindparam("b_index"), files.c.project == bindparam("b_project"))
)
_DROP: Final = delete(files).where(
    files.c.index_name == bindparam("b_index"), files.c.identity == bindparam("b_identity")
)
_INSERT: Final = insert(files)
_KNOWN: Final = select(files.c.identity, files.c.sha256).where(
    files.c.index_name == bindparam("b_index"), files.c.project == bindparam("b_project")
)
_CLAIMED: Final = select(claims.c.identity).where(claims.c.index_name == bindparam("b_index"))
_SET_SHA256: Final = (
    update(files)
    .where(files.c.index_name == bindparam("b_index"), files.c.identity == bindparam("b_identity"))
    .where(files.c.sha256.is_(None))
    .values(sha256=bindparam("b_sha256"))
)
_FORGET: Final = delete(files).where(files.c.id == bindparam("b_id"))


def stored(row: Row[Any]) -> FileRow:
    """Build the value of a row of `files`."""
    return FileRow(
        row.id, row.index_name, row.identity, row.filename, row.project, row.version, row.sha256, pending=False
    )


def find(connection: Connection, index: str, identity: str) -> FileRow | None:
    """Find a stored file."""
    row = connection.execute(_ONE, {"b_index": index, "b_identity": identity}).first()
    return stored(row) if row else None


def put(connection: Connection, row: dict[str, Any]) -> None:
    """Store a file in place of whatever was known under its identity; its number is new."""
    connection.execute(_DROP, {"b_index": row["index_name"], "b_identity": row["identity"]})
    connection.execute(_INSERT, row)


def project_known(connection: Connection, index: str, project: str) -> bool:
    """Say whether a file of this project is stored."""
    return bool(connection.scalar(_PROJECT_KNOWN, {"b_index": index, "b_project": project}))


def adopt(connection: Connection, index: str, project: str, found: Sequence[AdoptedFile]) -> None:
    """Note files that the index has. One that is claimed is left to its claim: it may be there half."""
    known = {row.identity: row.sha256 for row in connection.execute(_KNOWN, {"b_index": index, "b_project": project})}
    claimed = set(connection.scalars(_CLAIMED, {"b_index": index}))
    fresh: dict[str, dict[str, Any]] = {}
    for each in found:
        if each.identity in known:
            if each.sha256 is not None and known[each.identity] is None:
                _set(connection, index, each.identity, each.sha256)
        elif each.identity not in claimed:
            # Two spellings of one file may lie in the index: the first one stands for both.
            fresh.setdefault(
                each.identity,
                {
                    "index_name": index,
                    "identity": each.identity,
                    "project": project,
                    "version": each.version,
                    "filename": each.filename,
                    "sha256": each.sha256,
                },
            )
    if fresh:
        connection.execute(_INSERT, list(fresh.values()))


def _set(connection: Connection, index: str, identity: str, sha256: str) -> bool:
    given = {"b_index": index, "b_identity": identity, "b_sha256": sha256}
    return connection.execute(_SET_SHA256, given).rowcount > 0


def set_sha256(connection: Connection, row: FileRow, sha256: str) -> bool:
    """Note the hash of a file that had none."""
    return _set(connection, row.index, row.identity, sha256)


def forget(connection: Connection, row: FileRow) -> bool:
    """Drop a stored file, if it is still the one that was looked at."""
    return connection.execute(_FORGET, {"b_id": row.id}).rowcount > 0
