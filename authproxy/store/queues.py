"""How it goes with webhooks, read without changing a byte: for who looks for trouble, as `examination` is."""

from authproxy.store.engine import border, database_path
from authproxy.store.examination import reading
from authproxy.store.schema import revision
from authproxy.store.tables import SCHEMA
from authproxy.store.webhooks import Standing, standings


def standing(url: str) -> list[Standing]:
    """Read how it goes with every webhook that has, or had, something to tell; nothing of another schema.

    Raises StoreError where the database cannot be read, as `examination.examine` does.
    """
    path = database_path(url)
    with border(path), reading(path) as (connection, _):
        return standings(connection) if revision(connection, path) == SCHEMA else []
