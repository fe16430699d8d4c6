"""A database as an older authproxy left it."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from authproxy.store import schema
from authproxy.store.engine import engine_on


def at_schema(path: Path, revision: str, fill: Callable[[Connection], object] = lambda _: None) -> None:
    """Make one in an empty file, at this revision of the schema, with what `fill` writes."""
    path.touch(0o600)
    engine = engine_on(path)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(schema._MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        fill(connection)
    engine.dispose()
