"""What a server's and a network's failures mean: one sentence each, and never a password, a row or a statement."""

import socket
import traceback
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from authproxy.config.databases import PostgresAddress, SslMode
from authproxy.store import SchemaError, StoreBusy, StoreError, StoreFull, StoreLost
from authproxy.store.postgres.engine import Login, border, connect, engine_on, login, translated
from tests.peers.ports import LOOPBACK, reserved_port
from tests.peers.postgres import PASSWORD, Postgres, PostgresServer

HERE = Login(PostgresAddress("u", "localhost", 5432, "d"), "hunter2")
STATES = {
    "08006": (StoreLost, "the connection was lost"),
    "57P01": (StoreLost, "being restarted"),
    "57P03": (StoreLost, "being restarted"),
    "57014": (StoreBusy, "try again"),
    "40P01": (StoreBusy, "try again"),
    "53100": (StoreFull, "disk is full"),
    "53300": (StoreBusy, "max_connections"),
    "22021": (StoreError, "something it cannot answer"),
    "25006": (StoreLost, "standby"),
    "25P03": (StoreLost, "silent for too long"),
    "28P01": (StoreError, "store_password"),
    "3D000": (SchemaError, "createdb"),
    "42501": (StoreError, "owner"),
    "42P01": (SchemaError, "db migrate"),
    "XX001": (StoreError, "damaged"),
    "99999": (StoreError, "SQLSTATE 99999"),
}


@pytest.mark.parametrize("state", STATES)
def test_what_a_server_says(state: str) -> None:
    """By its code alone: its text may hold what was stored."""
    kind, said = STATES[state]
    failed = asyncpg.PostgresError("Failing row contains (hunter2)")
    failed.sqlstate = state
    found = translated(failed, HERE)
    assert type(found) is kind
    assert said in str(found)
    assert "hunter2" not in f"{found} {HERE!r} {HERE}"


async def test_nobody_listens() -> None:
    """A server that is not there is lost, and soon."""
    for host in (LOOPBACK, "localhost"):
        gone = replace(HERE, address=replace(HERE.address, host=host, port=reserved_port()))
        said = f"cannot be reached: nobody listens at {host}:{gone.address.port}$"
        with pytest.raises(StoreLost, match=said), border(gone):
            await connect(gone, "tests")


async def test_a_socket_that_is_gone(tmp_path: Path) -> None:
    """It is named as the file that it was: the URL of the store shows its folder nowhere else."""
    gone = replace(HERE, address=replace(HERE.address, host=str(tmp_path), port=5432))
    said = f"cannot be reached: nobody listens at its socket {tmp_path}/.s.PGSQL.5432$"
    with pytest.raises(StoreLost, match=said), border(gone):
        await connect(gone, "tests")


async def test_who_listens_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection is given up after a while."""
    monkeypatch.setattr("authproxy.store.postgres.engine.CONNECT_SECONDS", 0.2)
    with socket.create_server((LOOPBACK, 0)) as silent:
        there = replace(HERE, address=replace(HERE.address, host=LOOPBACK, port=silent.getsockname()[1]))
        with pytest.raises(StoreLost, match="does not answer"), border(there):
            await connect(there, "tests")


async def test_the_wrong_password_is_in_no_sentence_and_no_traceback(
    database_server: Postgres, server_login: Login
) -> None:
    """Neither the one that was tried nor the right one; the right one opens."""
    if not isinstance(database_server, PostgresServer):
        pytest.skip("the named server has a password of its own")
    there, wrong = database_server.by_tcp(server_login), "hunter" * 2
    with pytest.raises(StoreError, match="refuses the login") as caught, border(there):
        await connect(replace(there, password=wrong), "tests")
    assert wrong not in "".join(traceback.format_exception(caught.value))
    connection = await connect(there, "tests")
    await connection.close()
    assert PASSWORD not in repr(there)


async def test_a_server_without_tls_where_it_was_asked_for(database_server: Postgres, server_login: Login) -> None:
    """Nothing goes out in the clear instead."""
    if not isinstance(database_server, PostgresServer):
        pytest.skip("the named server may have TLS")
    there = database_server.by_tcp(server_login)
    with pytest.raises(StoreError, match="takes no TLS"), border(there):
        await connect(replace(there, address=replace(there.address, sslmode=SslMode.REQUIRE)), "tests")


async def test_what_was_asked_is_not_shown(server_login: Login) -> None:
    """The parameters of a statement, digests among them, are in no message of the library either."""
    engine, given = engine_on(server_login, "tests", 1), "hunter" * 2
    with pytest.raises(StoreError) as caught, border(server_login):
        async with engine.connect() as connection:
            await connection.execute(text("SELECT CAST(:given AS text) / 1"), {"given": given})
    assert given not in "".join(traceback.format_exception(caught.value))
    await engine.dispose()


async def test_who_waits_for_a_lock_is_told_by_the_server(server_login: Login) -> None:
    """It is busy, not away: it says so itself, before anybody gives it up."""
    first, second = [await connect(server_login, "tests", 0.2) for _ in range(2)]
    await first.execute("SELECT pg_advisory_lock(1)")
    for _ in range(5):
        with pytest.raises(StoreBusy, match="held by another program"), border(server_login):
            await second.execute("SELECT pg_advisory_lock(1)")
    await first.close()
    await second.close()


async def test_where_all_connections_wait_nobody_asked_anything_wrong(
    server_login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever finds none free is told to try again."""
    monkeypatch.setattr("authproxy.store.postgres.engine.STATEMENT_SECONDS", 0.1)
    engine = engine_on(server_login, "tests", 1)
    with pytest.raises(StoreBusy, match="is slow: all connections of this program"), border(server_login):
        async with engine.connect(), engine.connect():
            pass
    await engine.dispose()


async def test_commits_are_on_disk_when_they_are_acknowledged(server_login: Login) -> None:
    """Whatever the server's own setting; a stricter one stays."""
    connection = await connect(server_login, "tests")
    assert await connection.fetchval("SHOW synchronous_commit") == "on"
    await connection.close()


def test_a_url_with_a_password_is_not_repeated() -> None:
    """It is a sentence that says where the password goes."""
    with pytest.raises(StoreError, match="store_password") as caught:
        login("postgresql://u:hunter2@db/d", None)
    assert "hunter2" not in str(caught.value)
