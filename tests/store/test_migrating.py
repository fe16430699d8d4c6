"""A URL says where the store is; whoever migrates need not know which kind it is."""

import pytest

from authproxy.store import StoreError, current, migrate
from authproxy.store.postgres.engine import Login
from tests.peers.postgres import Postgres


async def test_a_file_and_a_server(tmp_path, database_server: Postgres) -> None:
    """Not current before, current after, and doing it twice does no harm."""
    made = database_server.create()
    try:
        for url in (f"sqlite:///{tmp_path / 'a.db'}", str(made.address)):
            assert not await current(url)
            await migrate(url)
            assert await current(url)
            await migrate(url)
    finally:
        database_server.drop(made)


@pytest.mark.parametrize("asked", [current, migrate])
async def test_a_database_that_is_not_there(asked, server_login: Login) -> None:
    """A server's databases are made by who administers it; the sentence says how."""
    url = str(server_login.address).replace(server_login.address.database, "nobody_made_this")
    with pytest.raises(StoreError, match="nobody_made_this does not exist: make it there with `createdb"):
        await asked(url)
