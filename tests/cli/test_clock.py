"""A clock that is behind the record keeps the server from starting, and nothing is changed."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from authproxy.cli.clock import BEHIND
from tests.cli.conftest import Cli
from tests.cli.records import entry, recorded

DAY = 86_400


def write_in(config_file: Path, seconds: int) -> None:
    """Put a row on record so many seconds from now; the one before it is of now."""
    now = int(time.time() * 1000)
    plain = entry(None, "acme_core-1.0-py3-none-any.whl")
    recorded(config_file, plain)
    later = entry(None, "acme_core-1.1-py3-none-any.whl")
    recorded(config_file, replace(later, time_ms=now + seconds * 1000, request_id="later"))


@pytest.fixture
def taken(config_file: Path) -> None:
    """A server that would start finds no address to listen at, and so ends in a sentence."""
    config_file.write_text(config_file.read_text().replace("127.0.0.1:0", "192.0.2.1:0"))


@pytest.mark.parametrize("seconds", [BEHIND + 60, DAY, 3_650 * DAY])
def test_a_clock_before_the_last_record(cli: Cli, config_file: Path, taken: None, seconds: int) -> None:
    """Status 1, one sentence with both times, and the store as it was; with --trust-clock it goes on."""
    assert cli("db", "migrate").status == 0
    write_in(config_file, seconds)
    before = cli("audit", "export").stdout
    ran = cli("serve")
    assert (ran.status, ran.stdout) == (1, "")
    (sentence,) = (line for line in ran.stderr.splitlines() if not line.startswith("{"))
    assert "the clock of this machine says 20" in sentence
    assert "--trust-clock" in sentence
    assert cli("audit", "export").stdout == before
    assert cli("audit", "verify").status == 0
    assert "this machine has no such address" in cli("serve", "--trust-clock").stderr


@pytest.mark.parametrize("seconds", [-DAY, 0, BEHIND - 60])
def test_clocks_that_are_right_enough(cli: Cli, config_file: Path, taken: None, seconds: int) -> None:
    """Those of two replicas may differ by minutes (the control: it is the difference that counts)."""
    assert cli("db", "migrate").status == 0
    write_in(config_file, seconds)
    assert "this machine has no such address" in cli("serve").stderr


def test_an_empty_record(cli: Cli, config_file: Path, taken: None) -> None:
    """There is nothing to be behind."""
    assert cli("db", "migrate").status == 0
    assert "this machine has no such address" in cli("serve").stderr
