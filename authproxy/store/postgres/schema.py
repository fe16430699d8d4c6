"""How a PostgreSQL database gets to this program's schema, also where two replicas begin at once.

A migration is one transaction that holds the lock of whoever writes: a second one waits and finds nothing to do, and
replicas that run meanwhile write before it or after it. An older program goes on beside a newer schema as long as that
is only wider: the database says down to which program it can be used (READABLE_FROM), so first every replica is
replaced and then, by a later version, what nobody needs any more is taken away.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import Connection, text

from authproxy.store.errors import SchemaError
from authproxy.store.postgres.engine import Login, border, engine_on
from authproxy.store.postgres.sentinel import CHANNEL
from authproxy.store.postgres.worker import LOCK
from authproxy.store.schema import require_current, revision, upgrade
from authproxy.store.tables import SCHEMA

T = TypeVar("T")

# The oldest schema whose programs work on this one. A migration that only adds (columns with a default or that may be
# null, tables, indexes) leaves it; one that takes away or changes a meaning raises it.
READABLE_FROM: Final = "0004"
# Seconds. An index on a large record takes minutes.
MIGRATION_SECONDS: Final = 3600.0
# PostgreSQL 14 is the first with functions whose body is parsed when they are made.
OLDEST: Final = 140_000

_VERSION: Final = text("SELECT current_setting('server_version_num')::int")
_NOTE: Final = "authproxy works on this from schema "
_READABLE: Final = text("SELECT obj_description(to_regclass('alembic_version'), 'pg_class')")

# What SQLite does of itself, or by asking the file.
_ONLY_HERE: Final = (
    # Rows are numbered without a gap and no number is used twice; a sequence loses numbers with every rollback.
    """
    CREATE OR REPLACE FUNCTION authproxy_next_row() RETURNS bigint LANGUAGE sql VOLATILE
    RETURN 1 + greatest((SELECT max(id) FROM record), (SELECT record_id FROM anchor), 0)
    """,
    "ALTER TABLE record ALTER COLUMN id SET DEFAULT authproxy_next_row()",
    f"""
    CREATE OR REPLACE FUNCTION authproxy_tell() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_notify('{CHANNEL}', ''); RETURN NULL; END $$
    """,
    """
    CREATE OR REPLACE TRIGGER authproxy_tell AFTER UPDATE OF generation ON meta
    FOR EACH ROW EXECUTE FUNCTION authproxy_tell()
    """,
    f"COMMENT ON TABLE alembic_version IS '{_NOTE}{READABLE_FROM}'",
)


def require_readable(connection: Connection, server: Login) -> None:
    """Raise SchemaError where the database is not at this program's schema, or at a wider one that it can use."""
    if not usable(connection, server):
        require_current(connection, server)


def usable(connection: Connection, server: Login) -> bool:
    """Say whether the database is at this program's schema, or at a wider one that it can use."""
    found = revision(connection, server)
    if found is None or found <= SCHEMA:
        return found == SCHEMA
    note: str = connection.scalar(_READABLE) or ""
    return note.startswith(_NOTE) and note.removeprefix(_NOTE) <= SCHEMA


async def current(server: Login) -> bool:
    """Say whether there is nothing to migrate for this program. StoreError where the database cannot be asked."""
    return await within(server, lambda connection: usable(connection, server))


async def migrate(server: Login) -> None:
    """Bring a database that is there to this program's schema; all or nothing, also when killed in the middle.

    A wider one that this program can use is left as it is: a replica of the old version that starts again, or the one
    that an operator goes back to, runs `db migrate` first, too. SchemaError where it cannot.
    """
    await within(server, lambda connection: _upgrade(connection, server))


def _upgrade(connection: Connection, server: Login) -> None:
    connection.execute(LOCK)
    if (connection.scalar(_VERSION) or 0) < OLDEST:
        raise SchemaError(f"{server} is on a PostgreSQL that is too old: 14 is the first that can be used")
    if usable(connection, server):
        return  # the one that was waited for has done it
    upgrade(connection, server)
    for statement in _ONLY_HERE:
        connection.exec_driver_sql(statement)


async def within(server: Login, work: Callable[[Connection], T]) -> T:
    """Do something long in one transaction, on a connection of its own. Raises StoreError."""
    engine = engine_on(server, "administration", 1, seconds=MIGRATION_SECONDS)
    try:
        with border(server):
            async with engine.begin() as connection:
                return await connection.run_sync(work)
    finally:
        await engine.dispose()
