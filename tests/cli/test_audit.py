"""`authproxy audit passwords` names whoever has to come over, and nobody else."""

from dataclasses import replace
from pathlib import Path

from tests.cli.conftest import Cli
from tests.cli.records import recorded
from tests.store.samples import NOW, upload

ALICE = {"principal": "password", "key_id": None, "public_id": None, "owner": "alice"}


def test_the_list_says_who_what_from_where_with_what_and_when(cli: Cli, config_file: Path) -> None:
    """As JSON, and in columns; an upload with a key is in neither."""
    assert cli("db", "migrate").status == 0
    again = replace(upload("2.0", **ALICE), time_ms=(NOW + 60) * 1000)
    by_key = replace(upload("3.0", **ALICE), principal="key", owner="ci@acme")
    recorded(config_file, upload("1.0", **ALICE), again, by_key)
    ran = cli("audit", "passwords", "--json")
    assert (ran.status, ran.json) == (
        0,
        [
            {
                "user": "alice",
                "package": "acme-core",
                "index": "",
                "address": "127.0.0.1",
                "last": "2027-01-15T08:01:00Z",
                "tries": 2,
                "stored": 2,
                "client": "twine/6.2.0",
            }
        ],
    )
    ran = cli("audit", "passwords")
    head, line = ran.stdout.splitlines()
    assert head.split("\t") == ["user", "package", "index", "address", "last", "tries", "stored", "client"]
    assert line.split("\t")[:2] == ["alice", "acme-core"]


def test_nobody_is_said_in_words(cli: Cli) -> None:
    """An empty list is an answer: JSON has an empty array, a person a sentence."""
    assert cli("db", "migrate").status == 0
    ran = cli("audit", "passwords", "--json")
    assert (ran.status, ran.json, ran.stderr) == (0, [], "")
    ran = cli("audit", "passwords")
    assert (ran.status, ran.stderr) == (0, "nobody has used a password\n")


def test_a_users_name_drives_no_terminal(cli: Cli, config_file: Path) -> None:
    """Names and clients come from strangers."""
    assert cli("db", "migrate").status == 0
    recorded(config_file, upload("1.0", **{**ALICE, "client": "\x1b[2Jtwine"}))
    assert "\x1b" not in cli("audit", "passwords").stdout
