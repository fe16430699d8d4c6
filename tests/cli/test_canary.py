"""`key create --canary`: a key that may do nothing, is shown as what it is, and cannot be made into another."""

from contextlib import closing
from pathlib import Path

import pytest

from authproxy.cli.lifecycle import CHANGES
from authproxy.store.driver import sqlite3
from tests.cli.conftest import Cli, Created
from tests.peers.sqlite import dumped


@pytest.fixture
def canary(cli: Cli) -> Created:
    """One that lies in an old wiki."""
    ran = cli("key", "create", "--canary", "--owner", "security@acme", "--note", "in the old wiki", "--json")
    assert ran.status == 0, ran.stderr
    assert ran.json.keys() == {"id", "key", "owner", "policy", "allow", "expires", "canary"}
    assert (ran.json["canary"], ran.json["allow"], ran.json["expires"]) == (True, [], None)
    return Created(ran.json["id"], ran.json["key"])


def test_it_looks_like_any_key(cli: Cli, canary: Created) -> None:
    """Whoever finds it must take it for one: only the store knows."""
    made = cli("key", "create", "--policy", "release", "--owner", "ci@acme", "--json").json
    assert len(made["key"]) == len(canary.key)
    ran = cli("key", "create", "--canary", "--owner", "x")
    assert ran.stdout.startswith("apx_")
    assert "may nothing, and raises an alarm where somebody uses it, never expires" in ran.stderr


def test_its_secret_is_not_in_the_store(canary: Created, config_file: Path) -> None:
    """As a digest alone."""
    with closing(sqlite3.connect(config_file.parent / "authproxy.db")) as connection:
        dump = "\n".join(dumped(connection))
    assert canary.id in dump
    assert canary.secret[:16] not in dump


def test_it_is_shown_and_listed_as_one(cli: Cli, canary: Created) -> None:
    """Beside the keys that work, in a state of its own; never among those that are unused or expire."""
    other = cli("key", "create", "--policy", "release", "--owner", "ci@acme", "--json").json["id"]
    states = {row["id"]: (row["state"], row["canary"]) for row in cli("key", "list", "--json").json}
    assert states == {canary.id: ("canary", True), other: ("live", False)}
    for state, ids in {"canary": [canary.id], "live": [other], "paused": []}.items():
        assert [row["id"] for row in cli("key", "list", "--state", state, "--json").json] == ids
    ran = cli("key", "show", canary.id)
    assert "canary:       yes" in ran.stdout
    assert "in the old wiki" in ran.stdout
    assert "whoever uses it raises an alarm" in ran.stderr
    assert canary.id in cli("key", "list").stdout


def test_the_operator_is_told_what_it_is(cli: Cli, canary: Created) -> None:
    """`key verify` with one in hand: the answer is no, and no alarm, since nobody sent it."""
    ran = cli("key", "verify", input=canary.key)
    assert (ran.status, ran.stdout.strip()) == (
        3,
        f"no: key {canary.id} is a canary, which never works: where did you find it?",
    )
    assert cli("key", "pause", canary.id).status == 0
    assert "it raises no alarm: it is paused" in cli("key", "verify", input=canary.key).stdout
    assert cli("audit", "export").stdout == ""


def test_it_is_ended_like_any_key(cli: Cli, canary: Created) -> None:
    """That takes its voice, and `resume` gives it back after a pause."""
    for verb in ("pause", "resume", "revoke"):
        assert cli("key", verb, canary.id).status == 0, CHANGES[verb]
    assert cli("key", "show", canary.id, "--json").json["state"] == "revoked"


@pytest.mark.parametrize("command", [["rotate"], ["extend", "--by", "30d"]], ids=" ".join)
def test_it_is_made_into_nothing_else(cli: Cli, canary: Created, command: list[str]) -> None:
    """A second secret would be one that works, or none that is watched."""
    name, *options = command
    ran = cli("key", name, canary.id, *options)
    assert ran.status == 1
    assert "is a canary, which never works" in ran.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--policy", "release"],
        ["--allow", "upload:acme-core"],
        ["--network", "10.0.0.0/8"],
        ["--uses", "1"],
        ["--derive-only"],
    ],
    ids=lambda options: options[0],
)
def test_it_may_do_nothing(cli: Cli, config_file: Path, options: list[str]) -> None:
    """What a canary was allowed would be a promise that nobody keeps."""
    ran = cli("key", "create", "--canary", "--owner", "x", *options)
    assert ran.status == 2
    assert "a canary may do nothing" in ran.stderr
    assert not (config_file.parent / "authproxy.db").exists()


def test_it_may_have_an_end(cli: Cli) -> None:
    """And then it is one that has expired."""
    ran = cli("key", "create", "--canary", "--owner", "x", "--expires", "30d", "--json")
    assert ran.json["expires"] is not None


def test_it_is_among_nobody_who_can(cli: Cli, canary: Created) -> None:
    """`who-can` and `explain` say no."""
    ran = cli("policy", "who-can", "upload", "acme-core", "--json")
    assert canary.id not in ran.stdout
    ran = cli("policy", "explain", "--key", canary.id, "upload", "acme-core")
    assert ran.status == 3
    assert "canary" in ran.stdout
