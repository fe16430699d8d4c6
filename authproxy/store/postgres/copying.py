"""A store that was a SQLite file moves into PostgreSQL: every row as it is, so that the record's chain is the same.

All or nothing: one transaction, at whose end the chain is walked in the copy. The file is only read, and nobody may
have it open: what is written to it afterwards would be lost, a revocation too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Table, insert, select, text, update

from authproxy.store.backups import inspect
from authproxy.store.chain import Head, head
from authproxy.store.engine import border as file_border
from authproxy.store.engine import require_private
from authproxy.store.errors import SchemaError, StoreBusy, StoreError
from authproxy.store.examination import reading
from authproxy.store.postgres.engine import Login
from authproxy.store.postgres.schema import within
from authproxy.store.postgres.worker import LOCK
from authproxy.store.proof_tables import nonces
from authproxy.store.runs import in_use
from authproxy.store.schema import require_current
from authproxy.store.tables import claims, files, hooks, keys, meta, record
from authproxy.store.verification import Flaw, Walk

BATCH: Final = 2000
# Those of both modules; what one refers to comes first.
_TABLES: Final = (*nonces.metadata.sorted_tables,)
# Whose numbers the database gives: they go on where the file's stopped, so that no number is used twice.
_NUMBERED: Final = (claims, files, hooks)
_GIVEN: Final = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
_GO_ON: Final = text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :last)")


@dataclass(frozen=True, slots=True)
class Moved:
    """What is in the copy. `flaw` is what does not fit in the record, there as in the file."""

    keys: int
    rows: int
    head: Head
    flaw: str | None


async def move(source: Path, server: Login) -> Moved:
    """Copy a SQLite store, or a backup of one, into an empty database. Raises StoreError, and then changes nothing."""
    require_private(source)
    if in_use(source):
        raise StoreBusy(f"{source} is in use: stop the server first, or copy a backup")
    found = inspect(source)
    if not found.current:
        raise SchemaError(f"{source} is at schema {found.revision}: bring it up first, with `authproxy db migrate`")
    return await within(server, lambda connection: _move(connection, source, server))


def _move(connection: Connection, source: Path, server: Login) -> Moved:
    connection.execute(LOCK)
    require_current(connection, server)
    for table in (keys, record, files):
        if connection.execute(select(table.c.id).limit(1)).first() is not None:
            raise StoreError(f"{server} is not empty: a store is copied into a database that holds none yet")
    with file_border(source), reading(source) as (reader, _):
        counted = {table.name: _table(connection, reader, table) for table in _TABLES}
        for table in _NUMBERED:
            last = reader.scalar(_GIVEN, {"name": table.name})
            if last:
                connection.execute(_GO_ON, {"name": table.name, "last": last})
        end = head(reader)
    if head(connection) != end:
        raise StoreError(f"{server} did not take {source} as it is: its record ends otherwise")
    walk = Walk(end)
    while walk.result is None:
        walk.step(connection)
    flaw = walk.result.sentence if isinstance(walk.result, Flaw) else None
    return Moved(counted[keys.name], counted[record.name], end, flaw)


def _table(connection: Connection, reader: Connection, table: Table) -> int:
    count = 0
    for rows in _pages(reader, table):
        count += len(rows)
        if table is meta:
            (row,) = rows  # which the migration has made there, too; what remembers its number has to look again
            connection.execute(update(meta).values({**row, "generation": row["generation"] + 1}))
        else:
            connection.execute(insert(table), rows)
    return count


def _pages(reader: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    found = reader.execution_options(yield_per=BATCH).execute(select(table))
    for page in found.mappings().partitions():
        yield [dict(row) for row in page]
