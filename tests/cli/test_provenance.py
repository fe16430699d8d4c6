"""`audit file` and `export` on what the index does not have as it was uploaded, and on what was pushed."""

import csv
import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from authproxy.domain.access import Outcome
from authproxy.store import Store
from tests.cli.conftest import Cli
from tests.cli.records import in_store, recorded
from tests.store.samples import ENTRY, NOW, OTHER_SHA, SHA, upload


@pytest.fixture
def three(cli: Cli, config_file: Path) -> None:
    """Three uploads on record, with the same bytes."""
    assert cli("db", "migrate").status == 0
    recorded(config_file, ENTRY, upload("1.1"), upload("1.2"))


def found(sha256: str | None) -> Callable[[Store], Awaitable[None]]:
    """As `audit reconcile` does where the index has something else in the place of the first file, or nothing."""

    async def look(store: Store) -> None:
        row = await store.file("", ENTRY.identity)
        assert row is not None
        assert await store.unfinished.found(row, sha256, now=NOW + 3600) is Outcome.DIFFERENT

    return look


@pytest.mark.parametrize(
    "asked", ["acme_core-1.0.tar.gz", SHA, OTHER_SHA], ids=["name", "what was sent", "what is there"]
)
def test_a_file_with_other_bytes_than_were_uploaded(cli: Cli, config_file: Path, three: None, asked: str) -> None:
    """By its name, by the hash that was sent and by the one that is there: an alarm, and who sent what."""
    in_store(config_file, found(OTHER_SHA))
    ran = cli("audit", "file", asked)
    assert (ran.status, "1 alarm about it is open: `authproxy audit reconcile`" in ran.stderr) == (3, True)
    lines = ran.stdout.splitlines()
    assert f"  put there with SHA-256 {SHA} (row 1) at 2027-01-15T08:00:00.000Z by ci@acme with key" in ran.stdout
    assert ", under the rule packages[0] acme-*, by the grant upload:acme-*" in ran.stdout
    assert "  ALARM  the index has other bytes than were uploaded: seen at 2027-01-15T09:00:00.000Z" in lines
    [told] = [each for each in cli("audit", "file", asked, "--json").json["files"] if each["alarm"]]
    assert (told["sha256"], told["uploaded"]["sha256"], told["uploaded"]["id"]) == (OTHER_SHA, SHA, 1)


def test_a_file_that_is_gone(cli: Cli, config_file: Path, three: None) -> None:
    """Nobody deleted it through us; who uploaded it stays known. The others are as they should be."""
    in_store(config_file, found(None))
    ran = cli("audit", "file", "acme_core-1.0.tar.gz")
    assert (ran.status, "1 alarm about it is open" in ran.stderr) == (3, True)
    lines = ran.stdout.splitlines()
    assert lines[1].startswith("  put there at 2027-01-15T08:00:00.000Z")
    assert (
        lines[2] == "  ALARM  gone from the index, and not deleted through this proxy: seen at 2027-01-15T09:00:00.000Z"
    )
    other = cli("audit", "file", "acme_core-1.1.tar.gz")
    assert (other.status, other.stderr, "ALARM" in other.stdout) == (0, "", False)


def test_a_file_that_was_forgotten(cli: Cli, config_file: Path, three: None) -> None:
    """It had other bytes and then it was gone: the alarm is over, and who put it there is still the answer."""
    in_store(config_file, found(OTHER_SHA))

    async def forget(store: Store) -> None:
        row = await store.file("", ENTRY.identity)
        assert row is not None
        await store.forget(row)

    in_store(config_file, forget)
    ran = cli("audit", "file", "acme_core-1.0.tar.gz")
    lines = ran.stdout.splitlines()
    assert (ran.status, "ALARM" in ran.stdout) == (0, False)
    assert lines[1].startswith("  put there at 2027-01-15T08:00:00.000Z by ci@acme with key Abc123XYZ7890")
    assert lines[2].startswith("  seen otherwise at 2027-01-15T09:00:00.000Z")
    assert lines[3].startswith("  gone from the index since then")
    [told] = cli("audit", "file", "acme_core-1.0.tar.gz", "--json").json["files"]
    assert (told["lost"], told["put_by"]["id"], told["alarm"], told["accepted"]) == (True, 1, None, None)
    assert [(end["row"], end["outcome"]) for end in told["ends"]] == [(1, "stored"), (1, "different")]


def test_a_push_says_where_from(cli: Cli, config_file: Path) -> None:
    """In the file's own line, in the list of rows, in JSON and in CSV."""
    assert cli("db", "migrate").status == 0
    recorded(config_file, replace(ENTRY, action="push", source="team/dev", index="team/stable"))
    shown = cli("audit", "file", ENTRY.filename).stdout.splitlines()
    assert shown[1].startswith("  pushed there from team/dev at 2027-01-15T08:00:00.000Z by ci@acme")
    assert "push from team/dev stored" in shown[-1]
    row = json.loads(cli("audit", "export").stdout)
    assert (row["source"], row["derived"], row["claims"]) == ("team/dev", None, None)
    [told] = csv.DictReader(io.StringIO(cli("audit", "export", "--format", "csv").stdout, newline=""))
    assert (told["source"], told["derived"], told["claims"]) == ("team/dev", "", "")
