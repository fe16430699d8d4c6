"""`authproxy serve`: it starts or says in a sentence why not, reloads on SIGHUP, and ends on SIGTERM."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from authproxy.cli.serve import _work
from authproxy.config import load
from authproxy.store.driver import sqlite3
from authproxy.web.doors import Doors
from tests.cli.conftest import Cli
from tests.peers.attested import Sigstore
from tests.peers.masters import with_master

DEADLINE = 40.0


@contextmanager
def _serving(config_file: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    log = config_file.with_name("serve.log")
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "authproxy", "serve", "--config", str(config_file)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    try:
        yield process, log
    finally:
        process.kill()
        process.wait()


def _wait(log: Path, process: subprocess.Popen[bytes], found: Callable[[str], bool]) -> str:
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        text = log.read_text()
        if found(text):
            return text
        assert process.poll() is None, text
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def _events(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def test_a_life_with_reloads(config_file: Path) -> None:
    """It makes its store, listens, takes a good file on SIGHUP, keeps its own when the new one is bad, and ends on
    SIGTERM with status 0. Every line of the log is JSON, and the backend's password is in none.
    """
    with _serving(config_file) as (process, log):
        _wait(log, process, lambda text: '"listening"' in text)
        assert config_file.with_name("authproxy.db").exists()
        good = config_file.read_text()
        config_file.write_text("listen: nowhere\n")
        process.send_signal(signal.SIGHUP)
        _wait(log, process, lambda text: "not reloaded" in text)
        config_file.write_text(good.replace("lifetime: 90d", "lifetime: 30d"))
        process.send_signal(signal.SIGHUP)
        _wait(log, process, lambda text: "the config was reloaded" in text)
        process.terminate()
        assert process.wait(DEADLINE) == 0
        messages = [str(event["message"]) for event in _events(log)]
        assert messages[0].startswith("there is no master key: keys work")
        assert messages[1:3] == ["made a new store", "listening"]
        assert f"{config_file}:1:9: " in messages[3]
        assert len(messages) == len(log.read_text().splitlines())
        assert "hunter2" not in log.read_text()


def test_with_a_master_key_nothing_is_missing(config_file: Path) -> None:
    """The control of the line that says that there is none."""
    text = config_file.read_text() + f"keys: {json.dumps(with_master(config_file.parent))}\n"
    config_file.write_text(text)
    with _serving(config_file) as (process, log):
        assert "master key" not in _wait(log, process, lambda text: '"listening"' in text)


def _taken_port(config_file: Path) -> socket.socket:
    taken = socket.create_server(("127.0.0.1", 0))
    config_file.write_text(config_file.read_text().replace("127.0.0.1:0", f"127.0.0.1:{taken.getsockname()[1]}"))
    return taken


def _taken_metrics(config_file: Path) -> socket.socket:
    taken = socket.create_server(("127.0.0.1", 0))
    config_file.write_text(config_file.read_text() + f"metrics: 127.0.0.1:{taken.getsockname()[1]}\n")
    return taken


def _foreign_address(config_file: Path) -> None:
    config_file.write_text(config_file.read_text().replace("127.0.0.1:0", "192.0.2.1:0"))


def _another_schema(config_file: Path) -> None:
    path = config_file.with_name("authproxy.db")
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0000')")
        connection.commit()


def _state_is_a_file(config_file: Path) -> None:
    config_file.with_name("state").touch()


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (_taken_port, "another program listens there"),
        (_taken_metrics, "(metrics in "),
        (_foreign_address, "this machine has no such address"),
        (_another_schema, "run `authproxy db migrate`"),
        (_state_is_a_file, "/state, and that is no folder ("),
        (lambda path: path.unlink(), "there is no such file"),
        (lambda path: path.with_name("backend-password").unlink(), "backend-password"),
    ],
    ids=["port", "metrics port", "address", "old store", "state directory", "no configuration", "no password"],
)
def test_what_keeps_it_from_starting(
    cli: Cli, config_file: Path, prepare: Callable[[Path], object], words: str
) -> None:
    """Status 1 and the sentence; an old store is left as it is, and no mistake of an operator ends in a traceback."""
    held = prepare(config_file)
    ran = cli("serve")
    assert ran.status == 1
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""
    if isinstance(held, socket.socket):
        held.close()


def test_a_warning_does_not_keep_it_from_starting(config_file: Path) -> None:
    """A password file that others may read is told at every start."""
    config_file.with_name("backend-password").chmod(0o644)
    with _serving(config_file) as (process, log):
        _wait(log, process, lambda text: '"listening"' in text)
        assert _events(log)[0]["level"] == "warning"
        assert "backend-password" in str(_events(log)[0]["message"])


def test_a_trusted_root_that_is_none_is_noticed_at_once(config_file: Path) -> None:
    """On SIGHUP the old file stays in force, and no server starts with it; not the first upload finds out."""
    good, root = config_file.read_text(), config_file.with_name("trusted_root.json")
    root.write_text("{}")
    bad = good + "trusted_publishing: {attestation_root: trusted_root.json}\n"
    said = "the proxy's trusted root cannot be read: put sigstore's trusted_root.json at 'trusted_root.json', whole"
    with _serving(config_file) as (process, log):
        _wait(log, process, lambda text: '"listening"' in text)
        config_file.write_text(bad)
        process.send_signal(signal.SIGHUP)
        assert said in _wait(log, process, lambda text: "the old one stays in force" in text)
        process.terminate()
        assert process.wait(DEADLINE) == 0
    with _serving(config_file) as (process, log):
        assert process.wait(DEADLINE) == 1
        assert said in log.read_text()
    Sigstore().write_root(root)
    with _serving(config_file) as (process, log):
        _wait(log, process, lambda text: '"listening"' in text)


def test_a_worker_that_cannot_start_says_why_in_the_log(config_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As an error, which the journal is told; a line of its own would be information there."""
    config = replace(load(config_file), workers=2)
    doors = Doors.open(config, shares=2)
    here, there = socket.socketpair()
    with here, there:
        status = _work(config, lambda: config, doors, 0, there)
    doors.close()
    [said] = [each for each in caplog.records if each.levelname == "ERROR"]
    assert (status, "does not exist: run `authproxy db migrate`" in said.getMessage()) == (1, True)
