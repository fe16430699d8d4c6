"""`authproxy audit accept`: a file that has changed is right so, on somebody's word, and never in silence."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from authproxy.cli import accept
from authproxy.domain.access import Outcome
from authproxy.store import Store
from tests.cli.conftest import Cli
from tests.cli.records import in_store
from tests.cli.test_reconcile import ALICE, FILE, outcomes
from tests.peers.recording import RecordingIndex, Reply
from tests.store.samples import NOW, admitted
from tests.web.ledgers import BYTES, OTHER, Index, sha256

THIRD = b"third bytes"
SAID = ("--why", "signed anew", "--by", "bob")


@pytest.fixture
def changed(config_file: Path, cli: Cli, recording: RecordingIndex) -> Index:
    """An upload that ended well, and other bytes in its place that nobody has noticed yet."""
    config_file.write_text(config_file.read_text().replace("http://127.0.0.1:9/", recording.url))
    assert cli("db", "migrate").status == 0
    recording.answer = index = Index()
    index.files[FILE] = OTHER

    async def work(store: Store) -> None:
        ticket = await admitted(store, replace(ALICE, index="pypiserver"))
        await store.complete(ticket, Outcome.STORED, index_status=200, time_ms=NOW * 1000)

    in_store(config_file, work)
    return index


@pytest.mark.parametrize("noticed", [True, False], ids=["an alarm that stands", "nobody has looked yet"])
def test_a_file_is_accepted_as_it_is(cli: Cli, config_file: Path, changed: Index, noticed: bool) -> None:
    """One row says who and why, the upload's says what became of it; nothing is amiss any more, until it changes."""
    if noticed:
        assert cli("audit", "reconcile").status == 3
    ran = cli("audit", "accept", "Acme.Core-1.0.zip", "--sha256", sha256(OTHER).upper(), *SAID)
    assert (ran.status, ran.stderr) == (0, "")
    assert ran.stdout == f"{FILE} in pypiserver is right with sha256 {sha256(OTHER)} from now on: row 2 of the record\n"
    assert outcomes(config_file) == ["different", "accepted"]
    assert cli("audit", "reconcile").status == cli("audit", "verify").status == 0
    told = cli("audit", "file", FILE)
    assert (told.status, "ALARM" in told.stdout) == (0, False)
    lines = told.stdout.splitlines()
    assert lines[1].startswith(
        f"  put there with SHA-256 {sha256(BYTES)} (row 1) at 2027-01-15T08:00:00.000Z by alice with a password"
    )
    assert lines[2].startswith("  seen otherwise at ")
    assert lines[3].startswith(f"  accepted as it was then, SHA-256 {sha256(OTHER)}, at ")
    assert lines[3].endswith(" by bob (row 2): signed anew")
    changed.files[FILE] = THIRD
    assert cli("audit", "reconcile").status == 3
    told = cli("audit", "file", FILE)
    assert (told.status, "ALARM  the index has other bytes than were accepted: seen" in told.stdout) == (3, True)


def test_as_json_and_twice(cli: Cli, changed: Index, tmp_path: Path) -> None:
    """What is done already is no row of its own."""
    ran = cli("audit", "accept", FILE, "--sha256", sha256(OTHER), *SAID, "--json")
    assert ran.json == {
        "index": "pypiserver",
        "project": "acme-core",
        "filename": FILE,
        "sha256": sha256(OTHER),
        "before": sha256(BYTES),
        "record": 2,
        "by": "bob",
        "why": "signed anew",
    }
    again = cli("audit", "accept", FILE, "--sha256", sha256(OTHER), *SAID, "-o", str(tmp_path / "said"))
    assert (again.status, again.stdout, again.stderr) == (0, "", f"nothing to accept: {tmp_path / 'said'}\n")
    assert "there is nothing to accept" in (tmp_path / "said").read_text()
    [row] = [json.loads(line) for line in cli("audit", "export").stdout.splitlines() if '"accept"' in line]
    assert (row["principal"], row["owner"], row["reason"], row["address"]) == ("operator", "bob", "signed anew", "")
    ran = cli("policy", "explain", "--record", "2")
    assert (ran.status, "row 2 is what bob accepted at the command line" in ran.stderr) == (1, True)


NOT_TAKEN = {
    "other bytes": ({FILE: THIRD}, FILE, f"pypiserver has sha256 {sha256(THIRD)} there, and not {sha256(OTHER)}"),
    "no such file": ({"acme_core-0.9.tar.gz": BYTES}, FILE, "pypiserver has no such file"),
    "of which nothing is known": ({}, "acme_core-7.tar.gz", "nothing is known of acme_core-7.tar.gz"),
}


@pytest.mark.parametrize(("files", "wanted", "sentence"), NOT_TAKEN.values(), ids=NOT_TAKEN.keys())
def test_what_is_not_so_is_not_accepted(
    cli: Cli, config_file: Path, changed: Index, files: dict[str, bytes], wanted: str, sentence: str
) -> None:
    """Exit status 3, a sentence, and nothing on record."""
    changed.files = files
    ran = cli("audit", "accept", wanted, "--sha256", sha256(OTHER), *SAID)
    assert (ran.status, ran.stdout, sentence in ran.stderr) == (3, "", True), ran.stderr
    assert outcomes(config_file) == ["stored"]


def test_the_upload_itself_needs_no_word(cli: Cli, config_file: Path, changed: Index) -> None:
    """Its bytes are back: the alarm is over by that, and nobody accepted anything."""
    assert cli("audit", "reconcile").status == 3
    changed.files[FILE] = BYTES
    ran = cli("audit", "accept", FILE, "--sha256", sha256(BYTES), *SAID)
    assert (ran.status, "there is nothing to accept" in ran.stdout) == (0, True)
    assert outcomes(config_file) == ["stored"]
    lines = cli("audit", "file", FILE).stdout.splitlines()
    assert lines[1].startswith("  put there at 2027-01-15T08:00:00.000Z by alice with a password")
    assert ["seen otherwise at" in lines[2], "seen as it should be at" in lines[3]] == [True, True]


def test_an_index_that_states_what_it_does_not_return(cli: Cli, changed: Index, recording: RecordingIndex) -> None:
    """The file itself is read: a statement is no file."""
    recording.answer = lambda seen: Reply(200, THIRD) if seen.target.startswith("/packages/") else changed(seen)
    ran = cli("audit", "accept", FILE, "--sha256", sha256(OTHER), *SAID)
    assert (ran.status, f"states sha256 {sha256(OTHER)} of {FILE}, and returns another file" in ran.stderr) == (1, True)


def test_an_index_that_is_away(cli: Cli, changed: Index, recording: RecordingIndex) -> None:
    """Nothing is taken on somebody's word alone."""
    recording.answer = lambda _: Reply(500)
    ran = cli("audit", "accept", FILE, "--sha256", sha256(OTHER), *SAID)
    assert (ran.status, "backend.url is " in ran.stderr) == (1, True)


WRONG = {
    "no hash": (FILE, "--sha256", "9f", "--why", "x"),
    "no reason": (FILE, "--sha256", "0" * 64, "--why", " "),
    "a reason of two lines": (FILE, "--sha256", "0" * 64, "--why", "a\nb"),
    "nobody": (FILE, "--sha256", "0" * 64, "--why", "x", "--by", ""),
    "no file": ("README", "--sha256", "0" * 64, "--why", "x"),
    "an index that is none": (FILE, "--sha256", "0" * 64, "--why", "x", "--index", "team/dev"),
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG.keys())
def test_wrong_usage(cli: Cli, changed: Index, arguments: tuple[str, ...]) -> None:
    """Exit status 2, before the index is asked."""
    assert cli("audit", "accept", *arguments).status == 2


def test_whose_word_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account's, and who stands behind its sudo; a name that could drive a terminal is none."""
    monkeypatch.delenv("SUDO_USER", raising=False)
    name = accept.word(None, None).by
    monkeypatch.setenv("SUDO_USER", "alice")
    assert (accept.word(None, None).by, accept.word("bob", " so ")) == (f"alice as {name}", accept.Word("bob", "so"))
    monkeypatch.setenv("SUDO_USER", "al\x1bice")
    assert accept.word(None, None).by == name
    monkeypatch.setattr(accept.os, "getuid", lambda: 4_000_000_000)
    monkeypatch.delenv("SUDO_USER")
    assert accept.word(None, None).by == "uid 4000000000"
