"""Whether a database is at this program's schema, and how it gets there. Alembic is imported only to migrate."""

import asyncio
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from authproxy.store.engine import border, connect, create_private, database_path, engine_on, require_private, use_wal
from authproxy.store.errors import SchemaError
from authproxy.store.tables import SCHEMA

_MIGRATIONS: Final = Path(__file__).parent / "migrations"


def revision(connection: Connection, path: object) -> str | None:
    """Read the schema's revision; None for an empty database. SchemaError for another program's."""
    tables = inspect(connection).get_table_names()
    if "alembic_version" not in tables:
        if tables:
            raise SchemaError(f"{path} is not an authproxy database: it holds tables of another program")
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def require_current(connection: Connection, path: object) -> None:
    """Raise SchemaError where the database is not at this program's schema."""
    found = revision(connection, path)
    if found == SCHEMA:
        return
    if found is None or found < SCHEMA:
        raise SchemaError(f"{path} is not at schema {SCHEMA}: run `authproxy db migrate`")
    raise SchemaError(f"{path} is at schema {found} and this authproxy knows {SCHEMA}: install a newer authproxy")


async def current(url: str) -> bool:
    """Say whether the database exists and is at this program's schema. StoreError where it would not be opened."""
    return await asyncio.to_thread(_current, database_path(url))


def _current(path: Path) -> bool:
    try:
        require_private(path)
    except SchemaError:
        return False
    with border(path):
        engine = engine_on(path)
        try:
            with engine.connect() as connection:
                return revision(connection, path) == SCHEMA
        finally:
            engine.dispose()


async def migrate(url: str) -> None:
    """Create the database (mode 0600, in a folder that exists) or bring it to this program's schema.

    All or nothing, also when killed in the middle. SchemaError where it is newer than this program, or not ours.
    """
    await asyncio.to_thread(_migrate, database_path(url))


def bring_up(path: Path) -> bool:
    """Bring a database that nobody else has open to this program's schema; say whether it was at an older one."""
    if _current(path):
        return False
    _migrate(path)
    return True


def _migrate(path: Path) -> None:
    create_private(path)
    require_private(path)
    with border(path):
        engine = engine_on(path)
        try:
            with engine.begin() as connection:
                upgrade(connection, path)
        finally:
            engine.dispose()
        raw = connect(path)
        try:
            use_wal(raw)
        finally:
            raw.close()


def upgrade(connection: Connection, path: object) -> None:
    """Bring what a transaction sees to this program's schema. `path` is what sentences call the database."""
    from alembic import command  # noqa: PLC0415 - a tenth of a second that opening a store need not pay
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    found = revision(connection, path)
    if found is not None and found > SCHEMA:
        require_current(connection, path)
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as exc:
        raise SchemaError(f"{path} is at schema {found}, which this authproxy does not know") from exc
