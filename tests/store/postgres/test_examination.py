"""What doctor sees of a server, without changing anything."""

import pytest

from authproxy.store import Store, StoreError
from authproxy.store.postgres.engine import Login
from authproxy.store.postgres.examination import examine_there
from tests.peers.postgres import Postgres, said
from tests.store.samples import KEY, NOW, finish


async def test_what_is_seen(server_login: Login) -> None:
    """Its keys, its schema, what does not fit in the record; the tests' server is not durable, and that is said."""
    store = await Store.open(str(server_login.address))
    await store.add_key(KEY)
    await finish(store)
    seen = await examine_there(server_login, now=NOW, horizon=NOW + 20_000)
    assert (seen.usable, seen.flaw, seen.standby, seen.encrypted, seen.crowded) == (True, None, False, False, False)
    assert seen.census is not None
    assert seen.census.policies == {"release": 1}
    said(server_login, "UPDATE record SET owner = 'mallory'")
    assert "was changed" in str((await examine_there(server_login, now=NOW, horizon=NOW)).flaw)
    said(server_login, "UPDATE alembic_version SET version_num = '9998'")
    wider = await examine_there(server_login, now=NOW, horizon=NOW)
    assert (wider.usable, wider.census) == (True, None)
    await store.close()


async def test_an_empty_database(database_server: Postgres) -> None:
    """It can be looked at; and one that is not there is a sentence."""
    made = database_server.create()
    seen = await examine_there(made, now=NOW, horizon=NOW)
    assert (seen.revision, seen.usable) == (None, False)
    database_server.drop(made)
    with pytest.raises(StoreError, match="createdb"):
        await examine_there(made, now=NOW, horizon=NOW)
