"""`authproxy webhook`: what waits and why, and one message now; and what commands change is told."""

import asyncio
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from authproxy.config import load
from authproxy.store import Failure, Store
from authproxy.store.driver import sqlite3
from tests.cli.conftest import Cli, Created
from tests.peers.recording import RecordingIndex, Reply
from tests.web.receivers import verified, webhook


@pytest.fixture
def hooked(config_file: Path, cli: Cli, recording: RecordingIndex) -> Path:
    """A configuration with a webhook, and a store."""
    section = webhook(config_file.parent, recording, "key.created", "key.revoked", "key.rotated")
    config_file.write_text(config_file.read_text() + f"webhooks: {json.dumps([section])}\n")
    assert cli("db", "migrate").status == 0
    return config_file


def waiting(config_file: Path) -> list[str]:
    with closing(sqlite3.connect(config_file.parent / "authproxy.db")) as connection:
        return [event for (event,) in connection.execute("SELECT event FROM hooks ORDER BY id")]


def test_what_commands_change_waits_for_the_server(
    cli: Cli, hooked: Path, created: Callable[..., Created], recording: RecordingIndex
) -> None:
    """They send nothing themselves, and tell all the same."""
    key = created()
    assert cli("key", "rotate", key.id, "--overlap", "7d").status == 0
    assert cli("key", "pause", key.id).status == 0
    assert cli("key", "revoke", key.id).status == 0
    assert waiting(hooked) == ["key.created", "key.rotated", "key.revoked"]
    recording.assert_saw_nothing()
    [row] = cli("webhook", "list", "--json").json
    assert (row["name"], row["state"], row["waiting"], row["error"]) == ("ops", "unused", 3, None)


def test_a_test_is_a_signed_ping(cli: Cli, hooked: Path, recording: RecordingIndex) -> None:
    """Sent now; nothing of it stays."""
    ran = cli("webhook", "test", "ops")
    assert (ran.status, ran.stdout) == (0, "webhook ops: it answered 200\n")
    [seen] = recording.requests
    told = verified(seen)
    assert (told["type"], told["data"]) == ("ping", {"webhook": "ops"})
    assert waiting(hooked) == []
    ran = cli("webhook", "test", "ops", "--json")
    assert (ran.json["webhook"], ran.json["status"], ran.json["error"]) == ("ops", 200, None)
    assert ran.json["id"] == recording.requests[1].header("webhook-id")


def test_a_receiver_that_says_no(cli: Cli, hooked: Path, recording: RecordingIndex) -> None:
    """Exit status 3, and in words of ours what came back."""
    recording.answer = lambda _: Reply(500, b"\x1b[2J evil", reason="\x1b[2J evil")
    ran = cli("webhook", "test", "ops")
    assert (ran.status, ran.stdout) == (3, "webhook ops: it answered 500\n")
    assert cli("webhook", "test", "ops", "--json").json["error"] == "it answered 500"


def test_a_webhook_that_there_is_not(cli: Cli, hooked: Path) -> None:
    """Exit status 1, and which there are."""
    ran = cli("webhook", "test", "opps")
    assert ran.status == 1
    assert "there is no webhook 'opps' in the configuration: there is ops" in ran.stderr


def fail(config_file: Path) -> None:
    async def failing() -> None:
        config = load(config_file)
        store = await Store.open(config.store, config.wanted)
        [first, *_] = await store.webhooks.pending("ops", 1, now=2_000_000_000)
        await store.webhooks.settle("ops", [], Failure(first, "it answered 503"), now=2_000_000_000)
        await store.close()

    asyncio.run(failing())


def test_a_list_says_what_is_wrong(cli: Cli, hooked: Path, created: Callable[..., Created]) -> None:
    """Also of a webhook that left the configuration, as long as something waits for it; there are no secrets in it."""
    created()
    fail(hooked)
    [row] = cli("webhook", "list", "--json").json
    assert (row["state"], row["error"], row["next_try"]) == ("failing", "it answered 503", "2033-05-18T03:33:25Z")
    hooked.write_text(hooked.read_text().replace('"name": "ops"', '"name": "chat"'))
    rows = cli("webhook", "list", "--json").json
    assert [(row["name"], row["state"], row["waiting"]) for row in rows] == [
        ("chat", "unused", 0),
        ("ops", "not configured", 1),
    ]
    assert "failing" not in cli("webhook", "list").stdout


def test_no_webhooks(cli: Cli, config_file: Path) -> None:
    """Nothing on stdout, and a word on stderr."""
    assert cli("db", "migrate").status == 0
    ran = cli("webhook", "list")
    assert (ran.status, ran.stdout.count("\n"), ran.stderr) == (0, 1, "there are no webhooks\n")
    assert cli("webhook", "list", "--json").json == []
