"""Migrations beside running replicas; and what a server has to be told that a SQLite file does of itself."""

import asyncio

import pytest

from authproxy.domain.keys import KeyId
from authproxy.store import SchemaError, Store, StoreError, current, migrate
from authproxy.store.postgres.engine import Login
from authproxy.store.tables import SCHEMA
from tests.peers.postgres import Postgres, said
from tests.store.samples import ENTRY, ID, KEY, NOW, finish, upload


async def test_replicas_that_start_at_once_migrate_once(database_server: Postgres) -> None:
    """All of them end well."""
    made = database_server.create()
    try:
        await asyncio.gather(*(migrate(str(made.address)) for _ in range(4)))
        assert await current(str(made.address))
        assert said(made, "SELECT count(*), max(version_num) FROM alembic_version") == [(1, SCHEMA)]
        assert said(made, "SELECT generation FROM meta") == [(1,)]
    finally:
        database_server.drop(made)


async def test_a_migration_is_all_or_nothing(database_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails at its end leaves the empty database that it found, and the next one works."""
    made = database_server.create()
    try:
        with monkeypatch.context() as patched:
            patched.setattr("authproxy.store.postgres.schema._ONLY_HERE", ("SELECT 1 / 0",))
            with pytest.raises(StoreError):
                await migrate(str(made.address))
        assert said(made, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
        await migrate(str(made.address))
    finally:
        database_server.drop(made)


async def test_a_database_of_another_program_is_left_alone(database_server: Postgres) -> None:
    """Its tables are not mixed with ours."""
    made = database_server.create()
    try:
        said(made, "CREATE TABLE theirs (id int)")
        with pytest.raises(SchemaError, match="tables of another program"):
            await migrate(str(made.address))
        with pytest.raises(SchemaError, match="tables of another program"):
            await Store.open(str(made.address))
    finally:
        database_server.drop(made)


async def test_an_older_program_goes_on_beside_a_wider_schema(server_login: Login) -> None:
    """The new version has migrated; replicas of this one run, and restart, until they are replaced: expand, contract."""
    url = str(server_login.address)
    running = await Store.open(url)
    said(server_login, "ALTER TABLE keys ADD COLUMN colour text NOT NULL DEFAULT 'green'")
    said(server_login, "UPDATE alembic_version SET version_num = '9998'")
    await running.add_key(KEY)
    await finish(running)
    restarted = await Store.open(url)
    assert await restarted.revoke(ID, NOW)
    await restarted.close()
    await running.close()
    await migrate(url)  # a unit or a pod of the old version says so before each start
    assert await current(url)
    assert said(server_login, "SELECT version_num FROM alembic_version") == [("9998",)]
    for note in ("'authproxy works on this from schema 9998'", "NULL"):
        said(server_login, f"COMMENT ON TABLE alembic_version IS {note}")
        for refused in (Store.open, migrate):
            with pytest.raises(SchemaError, match="install a newer authproxy"):
                await refused(url)


async def test_rows_are_numbered_without_a_gap(server_login: Login) -> None:
    """Also where writes fail between, alone and sharing a commit; a sequence, the negative control, loses numbers."""
    store = await Store.open(str(server_login.address))
    await store.add_key(KEY)

    def fails(connection: object) -> None:
        from authproxy.store import uploads

        uploads.refuse(connection, ENTRY, "no-rule", "no")
        raise StoreError("no")

    for number in range(5):
        work = [finish(store, upload(f"{number}.{each}")) for each in range(4)]
        done = await asyncio.gather(*work, *(store._worker.write(fails) for _ in range(4)), return_exceptions=True)
        assert sum(isinstance(each, StoreError) for each in done) == 4
    assert said(server_login, "SELECT min(id), max(id), count(*) FROM record") == [(1, 20, 20)]
    assert (await store.record.standing())[1] == 20
    said(server_login, "CREATE SEQUENCE naive")
    with pytest.raises(Exception, match="division"):
        said(server_login, "SELECT nextval('naive') / 0")
    assert said(server_login, "SELECT nextval('naive')") == [(2,)]
    await store.close()


async def test_every_change_of_a_key_is_told_by_the_database(server_login: Login) -> None:
    """A trigger tells, so a program that forgets to, or somebody with psql, is heard all the same."""
    store = await Store.open(str(server_login.address))
    heard = []
    store._watch.heard = lambda *_: heard.append(1)
    other = await Store.open(str(server_login.address))
    connection = store._watch._connection
    await connection.add_listener("authproxy_keys", store._watch.heard)
    await other.add_key(KEY)
    await asyncio.sleep(0.2)
    assert heard
    heard.clear()
    await finish(other)
    assert not await other.revoke(KeyId("B" * 12), NOW)
    await asyncio.sleep(0.2)
    assert not heard, "uploads flush nothing"
    await other.close()
    await store.close()
