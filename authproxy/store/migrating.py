"""A store gets to this program's schema, wherever its URL says that it is."""

from authproxy.config.databases import is_postgres
from authproxy.store import schema


async def current(url: str, password: str | None = None) -> bool:
    """Say whether the database exists and is at this program's schema. StoreError where it would not be opened."""
    if not is_postgres(url):
        return await schema.current(url)
    from authproxy.store.postgres import schema as there  # noqa: PLC0415 - an extra
    from authproxy.store.postgres.engine import login  # noqa: PLC0415

    return await there.current(login(url, password))


async def migrate(url: str, password: str | None = None) -> None:
    """Create the database (a SQLite file, in a folder that exists) or bring it to this program's schema.

    All or nothing, also when killed in the middle. SchemaError where it is newer than this program, or not ours.
    """
    if not is_postgres(url):
        return await schema.migrate(url)
    from authproxy.store.postgres import schema as there  # noqa: PLC0415 - an extra
    from authproxy.store.postgres.engine import login  # noqa: PLC0415

    return await there.migrate(login(url, password))
