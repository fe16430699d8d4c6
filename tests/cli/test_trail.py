"""`authproxy audit tail`, `export` and `file`: every answer is there, and no client can write a row of his own."""

import asyncio
import csv
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from authproxy.cli.trail import cell
from authproxy.domain.access import Outcome
from authproxy.store import AdoptedFile, Entry, Removed, Store
from tests.cli.conftest import Cli
from tests.cli.records import in_store, recorded
from tests.store.samples import ENTRY, NOW, OTHER_SHA, SHA, upload


@pytest.fixture
def three(cli: Cli, config_file: Path) -> None:
    """Three uploads on record."""
    assert cli("db", "migrate").status == 0
    recorded(config_file, *(upload(f"1.{number}", time_ms=(NOW + 60 * number) * 1000) for number in range(3)))


def test_the_youngest_last(cli: Cli, three: None) -> None:
    """In columns for people, with all columns as JSON."""
    ran = cli("audit", "tail", "-n", "2")
    head, first, second = ran.stdout.splitlines()
    assert head.split("\t")[:6] == ["row", "time", "outcome", "action", "project", "file"]
    assert second.split("\t")[:7] == [
        "3", "2027-01-15T08:02:00Z", "stored", "upload", "acme-core", "acme_core-1.2.tar.gz", "ci@acme (Abc123XYZ7890)",
    ]  # fmt: skip
    assert "1.1" in first
    rows = cli("audit", "tail", "--json").json
    assert [row["version"] for row in rows] == ["1.0", "1.1", "1.2"]
    assert rows[0]["time"] == "2027-01-15T08:00:00.000Z"
    assert (rows[0]["rule"], rows[0]["grant"], rows[0]["index_status"]) == (ENTRY.rule, ENTRY.grant, 200)


def test_an_empty_record(cli: Cli) -> None:
    """No rows are an answer too."""
    assert cli("db", "migrate").status == 0
    assert (cli("audit", "tail", "--json").json, cli("audit", "export").stdout) == ([], "")
    assert len(cli("audit", "export", "--format", "csv").stdout.splitlines()) == 1


def test_following(config_file: Path, three: None) -> None:
    """What is decided from then on comes as it happens, once it has ended; Ctrl-C ends it."""
    command = [sys.executable, "-m", "authproxy", "audit", "tail", "-n", "1", "-f", "--json", "--config", config_file]
    # A shell's background jobs, and so their children, are started deaf to it.
    heard = ["env", "--default-signal=INT", *command]
    with subprocess.Popen(heard, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ran:
        assert ran.stdout is not None
        try:
            assert json.loads(ran.stdout.readline())["version"] == "1.2"
            recorded(config_file, upload("2.0"))
            row = json.loads(ran.stdout.readline())
            assert (row["version"], row["outcome"]) == ("2.0", "stored")
        finally:
            os.kill(ran.pid, signal.SIGINT)
        assert ran.wait(timeout=20) == 1


def test_an_export_is_a_part(cli: Cli, three: None) -> None:
    """By time, by project, by key; in UTC where nothing else is written."""

    def versions(*options: str) -> list[str]:
        ran = cli("audit", "export", *options)
        assert ran.status == 0, ran.stderr
        return [json.loads(line)["version"] for line in ran.stdout.splitlines()]

    assert versions() == ["1.0", "1.1", "1.2"]
    assert versions("--since", "2027-01-15T08:01:00Z") == ["1.1", "1.2"]
    assert versions("--until", "2027-01-15T09:01:00+01:00") == ["1.0"]
    assert versions("--since", "2027-01-16") == []
    assert versions("--project", "Acme_Core") == ["1.0", "1.1", "1.2"]
    assert versions("--project", "other") == []
    assert versions("--key", ENTRY.key_id or "") == ["1.0", "1.1", "1.2"]
    assert cli("audit", "export", "--since", "yesterday").status == 2
    assert cli("audit", "export", "--json", "--format", "csv").status == 2


HOSTILE = {
    "a formula": "=cmd|' /C calc'!A0",
    "a sum": "+1+1",
    "a minus": "-2+3",
    "an at": "@SUM(1)",
    "a tab": "\t=1",
    "a line of its own": "x\r\n2,2027-01-01T00:00:00.000Z,upload",
    "JSON of its own": '"}\n{"id": 99}',
    "an escape sequence": "\x1b[2J\x1b]0;owned\x07",
    "a reversed word": "a\u202egpj.exe",
    "a mark without width": "a\u200bb\ufeff",
    "C1 controls": "\x9b31m\x85",
    "line separators": "a\u2028b\u2029c",
    "quotes": 'a","b',
    "a megabyte": "x" * 1_000_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_a_client_wrote_stays_one_cell_of_one_row(cli: Cli, config_file: Path, text: str) -> None:
    """In every form: as many rows as there are, whole again for programs, and nothing that a terminal would obey."""
    assert cli("db", "migrate").status == 0
    hostile = replace(ENTRY, client=text, owner=text)
    recorded(config_file, hostile, upload("2.0"))
    lines = cli("audit", "export").stdout.split("\n")[:-1]
    assert [json.loads(line)["client"] for line in lines] == [text, ENTRY.client]
    assert all(line.isascii() and line.isprintable() for line in lines)
    exported = cli("audit", "export", "--format", "csv").stdout
    csv.field_size_limit(10_000_000)
    parsed = list(csv.reader(io.StringIO(exported, newline="")))
    assert len(parsed) == 3
    assert {len(row) for row in parsed} == {27}
    assert not any(value.startswith(("=", "+", "-", "@", "\t", "\r")) for row in parsed for value in row)
    assert all(line.isprintable() for line in exported.split("\n"))
    for shown in (cli("audit", "tail"), cli("audit", "file", ENTRY.filename)):
        assert all(line.replace("\t", "").isprintable() for line in shown.stdout.split("\n"))
    assert len(cli("audit", "tail").stdout.split("\n")) == 4
    assert [row["owner"] for row in cli("audit", "tail", "--json").json] == [text, ENTRY.owner]


def test_a_cell_that_is_no_formula_is_left_as_it_is() -> None:
    """Negative control: only what a spreadsheet would calculate gets its apostrophe."""
    assert [cell(value) for value in ("a=1", 5, None, "", "=1", "'=1")] == ["a=1", "5", "", "", "'=1", "'=1"]
    assert [cell(value) for value in ("a;b=1", "a,=1", "a =1")] == ["a;b=1", "a,=1", "a =1"]


INNER = ["a;=1+1", "a; =1", 'a;"=1"', "a;;+1", "a;\t-1", "a;@x", "\uff1d1", "a;\uff0b1", "=1;=2"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("text", INNER)
def test_no_list_separator_makes_a_formula(text: str, separator: str) -> None:
    """A spreadsheet splits at the list separator of its system, and where that is not ours it does so in our cells."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(["1", cell(text), "end"])
    # As Excel does: with another separator than ours a quote within a cell is a character like any other.
    cells = next(csv.reader([line.getvalue()])) if separator == "," else line.getvalue().strip().split(separator)
    assert not [each for each in cells if each.lstrip(' "').startswith(tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20"))]


PUT_THERE = (
    "put there at 2027-01-15T08:01:00.000Z by ci@acme with key Abc123XYZ7890, from 127.0.0.1 with twine/6.2.0, "
    "under the rule packages[0] acme-*, by the grant upload:acme-*"
)
DELETED = PUT_THERE.partition("Z ")[2]


def test_who_put_a_file_there(cli: Cli, three: None) -> None:
    """By name in any spelling and by hash: owner, key, rule, grant, when and where from."""
    ran = cli("audit", "file", "Acme.Core-1.1.tar.gz")
    assert ran.status == 0, ran.stderr
    assert ran.stdout.splitlines()[:2] == [
        f"acme_core-1.1.tar.gz of acme-core 1.1, SHA-256 {SHA}",
        f"  {PUT_THERE}",
    ]
    told = cli("audit", "file", SHA.upper(), "--json").json
    assert [file["put_by"]["version"] for file in told["files"]] == ["1.0", "1.1", "1.2"]
    assert len(told["rows"]) == 3


def test_refusals_are_shown_where_they_are_asked_for(cli: Cli, config_file: Path, three: None) -> None:
    """Of a file that only ever was refused nothing else is known."""

    async def refuse(store: Store) -> None:
        await store.record_refusal(replace(upload("9.0"), sha256=OTHER_SHA), "not-allowed", "key may not")

    in_store(config_file, refuse)
    ran = cli("audit", "file", OTHER_SHA)
    assert (ran.status, ran.stderr) == (3, "nothing is known of it, but refusals: --refusals shows them\n")
    ran = cli("audit", "file", OTHER_SHA, "--refusals")
    assert ran.status == 0
    assert ran.stdout.splitlines()[1].endswith("twine/6.2.0: key may not")


def test_a_file_that_was_there_before_us_and_was_deleted(cli: Cli, config_file: Path, three: None) -> None:
    """It is said so."""

    async def adopt(store: Store) -> None:
        await store.adopt("", "old", [AdoptedFile("old 1 sdist", "old-1.zip", "1", None)])
        deleted: Entry = replace(
            ENTRY, action="delete", project="old", version="1", filename="", identity="", sha256=""
        )
        number = await store.removals.admit(replace(deleted, key_id=None), (), now=NOW)
        assert isinstance(number, int)
        done: Any = {"index_status": 200, "time_ms": NOW * 1000, "removed": Removed("", ("old 1 sdist",), ())}
        await store.removals.complete(number, Outcome.REMOVED, **done)

    in_store(config_file, adopt)
    lines = cli("audit", "file", "old-1.zip").stdout.splitlines()
    assert lines[:3] == [
        "old-1.zip of old 1, SHA-256 not known",
        "  was in the index before us, or was changed there past us",
        f"  was deleted at 2027-01-15T08:00:00Z, with all of release 1, {DELETED}",
    ]
    assert lines[4].startswith("  row 4: 2027-01-15T08:00:00.000Z release 1 deleted (the index said 200): by ci@acme")


def test_a_delete_that_was_refused_deleted_nothing(cli: Cli, config_file: Path, three: None) -> None:
    """It stands there as what it was, and the file is as it was."""

    async def refuse(store: Store) -> None:
        deleted = replace(ENTRY, action="delete", version="1.1", filename="", identity="", sha256="")
        await store.record_refusal(deleted, "not-allowed", "key may not")

    in_store(config_file, refuse)
    said = cli("audit", "file", "acme_core-1.1.tar.gz", "--refusals").stdout
    assert "was deleted" not in said
    assert "delete of release 1.1 denied: by ci@acme" in said


UV = 'uv/0.13.9 {"installer":{"name":"uv","version":"0.13.9","subcommand":["publish"]},"implementation":{"name":"CPy'


def test_a_description_of_the_machine_is_for_programs(cli: Cli, config_file: Path) -> None:
    """uv and pip send some hundred characters of JSON behind their names; a person reads the name."""
    assert cli("db", "migrate").status == 0
    recorded(config_file, upload("1.1", client=UV))
    for said in (cli("audit", "tail").stdout, cli("audit", "file", "acme_core-1.1.tar.gz").stdout):
        assert "uv/0.13.9" in said
        assert "installer" not in said
    assert [row["client"] for row in cli("audit", "tail", "--json").json] == [UV]
    assert json.loads(cli("audit", "export").stdout)["client"] == UV


def test_an_export_into_a_file_says_that_it_is_there(cli: Cli, three: None, tmp_path: Path) -> None:
    """One line on stderr, with the number of rows; nothing where the rows themselves are seen."""
    path = tmp_path / "rows.csv"
    ran = cli("audit", "export", "--format", "csv", "-o", path)
    assert (ran.status, ran.stdout, ran.stderr) == (0, "", f"exported 3 rows of the record: {path}\n")
    assert cli("audit", "export").stderr == ""


def test_what_nobody_knows(cli: Cli, three: None) -> None:
    """3, and 2 for what is neither a name nor a hash."""
    ran = cli("audit", "file", "other-1.0.tar.gz", "--json")
    assert (ran.status, ran.json) == (3, {"files": [], "rows": [], "more": False})
    ran = cli("audit", "file", "other-1.0.tar.gz")
    assert (ran.status, ran.stderr) == (3, "nothing is known of it\n")
    ran = cli("audit", "file", "what is this")
    assert (ran.status, "64 hex digits" in ran.stderr) == (2, True)


def test_an_export_takes_the_memory_of_a_page(cli: Cli, config_file: Path) -> None:
    """Twenty pages take no more than two: the rows are written as they are read."""
    assert cli("db", "migrate").status == 0

    async def many(store: Store) -> None:
        await asyncio.gather(*(store.record_same(upload(f"1.{n}", client="x" * 2_000)) for n in range(2_000)))

    in_store(config_file, many)
    code = (
        "import resource, sys; from authproxy.cli import main; main(sys.argv[1:], standalone_mode=False); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    peaks = []
    for until in ("2020-01-01", "2040-01-01"):
        command = [sys.executable, "-c", code, "audit", "export", "--until", until, "--config", config_file]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        peaks.append(int(ran.stderr))
    assert len(ran.stdout.splitlines()) == 2_000
    assert peaks[1] - peaks[0] < 4 * 1024


def test_what_the_token_said_stands_beside_who_put_it_there(cli: Cli, config_file: Path) -> None:
    """Of a file that came with a minted key: the run, for people and for programs; and no terminal obeys it."""
    assert cli("db", "migrate").status == 0
    claims = {"repository": "acme/core", "ref": "refs/heads/\x1b[2J", "run_id": "7"}
    recorded(config_file, replace(ENTRY, claims=json.dumps(claims)))
    lines = cli("audit", "file", ENTRY.filename).stdout.splitlines()
    assert lines[2] == "  for a token of repository 'acme/core', ref 'refs/heads/?[2J', run_id '7'"
    assert json.loads(cli("audit", "export").json["claims"]) == claims
