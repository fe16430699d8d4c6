"""A store in PostgreSQL is opened: its schema looked at, its run shown, its changes heard."""

from functools import partial

from authproxy.store.postgres.engine import login
from authproxy.store.postgres.schema import require_readable
from authproxy.store.postgres.sentinel import Sentinel
from authproxy.store.postgres.worker import PostgresWorker
from authproxy.store.worker import Watched


async def opened_there(
    url: str, password: str | None, watched: Watched, grace: float
) -> tuple[PostgresWorker, Sentinel]:
    """Open an existing database. Raises StoreError; creates nothing."""
    server = login(url, password)
    sentinel = Sentinel(server, grace)
    worker = PostgresWorker(server, sentinel, watched)
    await worker.start(partial(require_readable, server=server))
    return worker, sentinel
