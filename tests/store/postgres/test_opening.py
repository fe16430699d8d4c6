"""Opening a store on a server: it is looked at first, and where that fails nothing is left open."""

import pytest

from authproxy.store import SchemaError, Store
from authproxy.store.postgres.engine import Login
from tests.peers.postgres import Postgres, said

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE 'authproxy %'"


async def test_an_empty_database_says_what_to_run(database_server: Postgres) -> None:
    """Opening never migrates by itself, and leaves no session behind."""
    made = database_server.create()
    try:
        with pytest.raises(SchemaError, match="run `authproxy db migrate`"):
            await Store.open(str(made.address))
        assert said(database_server.admin, SESSIONS, made.address.database) == [(0,)]
    finally:
        database_server.drop(made)


async def test_a_closed_store_leaves_no_session(database_server: Postgres, server_login: Login) -> None:
    """Six at most while it is open, as the documentation says; none after."""
    store = await Store.open(str(server_login.address))
    await store.ping()
    assert 1 <= said(database_server.admin, SESSIONS, server_login.address.database)[0][0] <= 6
    await store.close()
    await store.close()
    assert said(database_server.admin, SESSIONS, server_login.address.database) == [(0,)]
