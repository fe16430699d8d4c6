"""A SQLite store moves: every row of every table, and the same chain; or nothing of it."""

import shutil
from pathlib import Path

import pytest

from authproxy.domain.access import Outcome
from authproxy.store import SchemaError, Store, StoreBusy, StoreError, migrate
from authproxy.store.driver import sqlite3
from authproxy.store.postgres import sentinel
from authproxy.store.postgres.copying import move
from authproxy.store.postgres.engine import Login
from authproxy.store.proof_tables import nonces
from authproxy.store.verification import Flaw, Sound
from tests.peers.postgres import said
from tests.store.samples import ENTRY, ID, KEY, NOW, admitted, finish, generation, listed, upload


@pytest.fixture
async def source(tmp_path: Path) -> Path:
    """A store with a life behind it: stored, refused, under way, pruned, and a use that is spent."""
    path = tmp_path / "authproxy.db"
    await migrate(f"sqlite:///{path}")
    store = await Store.open(f"sqlite:///{path}")
    await store.add_key(KEY)
    for number in range(30):
        await finish(store, upload(f"0.{number}", time_ms=1000))
    await store.record_refusal(ENTRY, "no-rule", "no: \u540d")
    await finish(store, upload("1.0"), Outcome.UNKNOWN)
    await admitted(store, upload("2.0"))
    await store.pause(ID, NOW)
    async for _ in store.record.prune(2000, NOW * 1000):
        pass
    await store.close()
    return path


async def test_everything_is_there(source: Path, server_login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, files, the record and its chain; and it goes on: numbers are not used twice, links fit."""
    monkeypatch.setattr(sentinel, "DEAD_AFTER", 0.0)
    old = await Store.open(f"sqlite:///{source}")
    standing, keys = await old.record.standing(), await listed(old)
    number = old.generation()
    await old.close()
    before = source.read_bytes()
    moved = await move(source, server_login)
    assert source.read_bytes() == before
    store = await Store.open(str(server_login.address))
    assert await store.record.standing() == standing
    assert (moved.head, moved.keys, moved.flaw) == (standing[0], 1, None)
    assert await listed(store) == keys
    assert await generation(store) == number + 1, "what remembers keys looks again"
    assert isinstance(await store.record.verify(standing[0]), Sound)
    intents, busy = await store.unfinished.intents(now=NOW)
    assert (len(intents), busy) == (2, 0), "the old program is not there any more"
    await store.resume(ID, NOW)
    used = {row for (row,) in said(server_login, "SELECT id FROM claims")}
    given = await admitted(store, upload("3.0"))
    assert given.record_id == standing[1] + 1
    assert given.claim_id > max(used)
    assert isinstance(await store.record.verify(standing[0]), Sound)
    await store.close()


async def test_every_table_is_copied(source: Path, server_login: Login) -> None:
    """A table that somebody adds goes with it: all of them are read from where they are declared."""
    await move(source, server_login)
    there = {name for (name,) in said(server_login, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert there == {*nonces.metadata.tables, "alembic_version"}


async def test_a_database_with_something_in_it_is_left_alone(source: Path, server_login: Login) -> None:
    """Two stores cannot be one."""
    await move(source, server_login)
    with pytest.raises(StoreError, match="is not empty"):
        await move(source, server_login)


async def test_a_store_in_use_is_not_copied(source: Path, server_login: Login) -> None:
    """What its server writes after that would be lost, a revocation too."""
    store = await Store.open(f"sqlite:///{source}")
    with pytest.raises(StoreBusy, match="in use: stop the server first"):
        await move(source, server_login)
    await store.close()
    await move(source, server_login)


async def test_a_copy_that_fails_leaves_nothing(
    source: Path, server_login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows are written, and then the end is another one: the database is as empty as before."""
    with monkeypatch.context() as patched:
        patched.setattr("authproxy.store.postgres.copying.head", id)
        with pytest.raises(StoreError, match="did not take"):
            await move(source, server_login)
    assert said(server_login, "SELECT (SELECT count(*) FROM keys), (SELECT count(*) FROM links)") == [(0, 0)]
    await move(source, server_login)


async def test_a_record_that_does_not_fit_is_copied_and_told(source: Path, server_login: Login) -> None:
    """It is what there is; the copy says the same of it."""
    connection = sqlite3.connect(source)
    connection.execute("UPDATE record SET owner = 'mallory' WHERE id = (SELECT max(id) FROM record)")
    connection.commit()
    connection.close()
    moved = await move(source, server_login)
    assert moved.flaw is not None
    assert "was changed" in moved.flaw
    store = await Store.open(str(server_login.address))
    assert isinstance(await store.record.verify(), Flaw)
    await store.close()


async def test_what_cannot_be_copied(source: Path, server_login: Login, tmp_path: Path) -> None:
    """A file that is not there, is no store, is of another schema; a database without tables."""
    with pytest.raises(SchemaError, match="does not exist"):
        await move(tmp_path / "none.db", server_login)
    other = tmp_path / "other.db"
    shutil.copy(source, other)
    connection = sqlite3.connect(other)
    connection.execute("UPDATE alembic_version SET version_num = '0003'")
    connection.commit()
    connection.close()
    with pytest.raises(SchemaError, match="bring it up first"):
        await move(other, server_login)
    said(server_login, "DROP TABLE alembic_version CASCADE")
    with pytest.raises(SchemaError):
        await move(source, server_login)
