"""What doctor says of a database server, by what was seen of it."""

from dataclasses import replace

import pytest

from authproxy.cli.checkup.finding import Finding
from authproxy.cli.checkup.server import about_server, seen
from authproxy.config import Config
from authproxy.config.databases import PostgresAddress, SslMode
from authproxy.store.postgres.engine import Login
from authproxy.store.postgres.examination import ServerSeen
from authproxy.store.tables import SCHEMA
from tests.peers.ports import LOOPBACK, reserved_port

THERE = Login(PostgresAddress("u", "db.example.com", 5432, "d", SslMode.VERIFY_FULL), "hunter2")
GOOD = ServerSeen("18.4", True, False, True, 90, SCHEMA, True, None, None)
BAD = {
    "standby": (replace(GOOD, standby=True), "is a standby"),
    "not durable": (replace(GOOD, durable=False), "when the power fails"),
    "in the clear": (replace(GOOD, encrypted=False), "is not encrypted"),
    "crowded": (replace(GOOD, free=2), "only 2 connections left"),
    "no tables": (replace(GOOD, revision=None, usable=False), "at schema none"),
    "newer": (replace(GOOD, revision="9999", usable=False), "at schema 9999, which is not"),
}


def told(found: ServerSeen, server: Login = THERE) -> list[Finding]:
    return list(about_server(found, server))


def test_nothing_is_wrong() -> None:
    """Two lines, both well; a wider schema is well, too; and on this machine nobody listens."""
    assert {each.verdict for each in told(GOOD)} == {told(GOOD)[0].verdict}
    assert "this one works on it" in str(told(replace(GOOD, revision="9999"))[-1])
    here = Login(PostgresAddress("u", "/run/postgresql", 5432, "d"))
    assert len(told(replace(GOOD, encrypted=False), here)) == 2


@pytest.mark.parametrize(("found", "said"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_said(found: ServerSeen, said: str) -> None:
    """And the password is in none of it."""
    shown = str(told(found))
    assert said in shown
    assert "hunter2" not in shown


def test_a_server_that_cannot_be_asked(configured) -> None:
    """One problem, and what to do."""
    config: Config = configured()
    gone = Login(replace(THERE.address, host=LOOPBACK, port=reserved_port(), sslmode=SslMode.DISABLE))
    found = seen(config, gone, now=0, horizon=0)
    assert isinstance(found, Finding)
    assert "cannot be reached" in str(found)
