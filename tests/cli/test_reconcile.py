"""`authproxy audit reconcile` says what became of what was left open, and its exit status says whether to look."""

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from authproxy.cli.reconcile import FAILURES
from authproxy.domain.access import Outcome
from authproxy.store import AdoptedFile, Store
from authproxy.store.driver import sqlite3
from authproxy.web import looks
from tests.cli.conftest import Cli
from tests.cli.records import in_store
from tests.peers.recording import RecordingIndex, Reply
from tests.store.samples import ENTRY, NOW, admitted
from tests.web.ledgers import BYTES, OTHER, Index, sha256

FILE = ENTRY.filename
ALICE = replace(ENTRY, principal="password", key_id=None, public_id=None, owner="alice", sha256=sha256(BYTES))


@pytest.fixture
def held(config_file: Path, cli: Cli, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch) -> Index:
    """The index of the configuration, with a project in it."""
    monkeypatch.setattr(looks, "PAUSE", 0.0)
    config_file.write_text(config_file.read_text().replace("http://127.0.0.1:9/", recording.url))
    assert cli("db", "migrate").status == 0
    recording.answer = index = Index()
    index.files["acme_core-0.9.tar.gz"] = BYTES
    return index


@pytest.fixture
def leave_open(config_file: Path) -> Callable[..., None]:
    """Leave an upload without an end."""

    async def leave() -> None:
        store = await Store.open(f"sqlite:///{config_file.parent}/authproxy.db")
        ticket = await admitted(store, replace(ALICE, index="pypiserver"))
        await store.complete(ticket, Outcome.UNKNOWN, index_status=None, time_ms=NOW * 1000)
        await store.close()

    return lambda: asyncio.run(leave())


def test_nothing_open_is_said_so(cli: Cli, held: Index, recording: RecordingIndex) -> None:
    """The index is not even asked."""
    ran = cli("audit", "reconcile")
    assert (ran.status, ran.stdout) == (0, "nothing was left open\n")
    recording.assert_saw_nothing()


FOUND = {"our bytes": (BYTES, "stored", 0), "nothing": (None, "failed", 0), "other bytes": (OTHER, "different", 3)}


@pytest.mark.parametrize(("content", "outcome", "status"), FOUND.values(), ids=FOUND.keys())
def test_what_was_open_is_settled(
    cli: Cli, held: Index, leave_open: Callable[..., None], content: bytes | None, outcome: str, status: int
) -> None:
    """One line for each, one object for each; an alarm ends with 3, now and until it is mended."""
    leave_open()
    if content is not None:
        held.files[FILE] = content
    ran = cli("audit", "reconcile", "--json")
    assert ran.status == status
    [settled] = ran.json["settled"]
    assert settled == {
        "record": 1,
        "action": "upload",
        "index": "pypiserver",
        "project": "acme-core",
        "version": "1.0",
        "filename": FILE,
        "begun": "2027-01-15T08:00:00Z",
        "outcome": outcome,
    }
    assert (ran.json["open"], ran.json["under_way"]) == ([], 0)
    again = cli("audit", "reconcile")
    assert again.status == status
    if status == 0:
        assert ran.json["alarms"] == []
        return
    [alarm] = ran.json["alarms"]
    assert (alarm["filename"], alarm["sent"], alarm["found"]) == (FILE, sha256(BYTES), sha256(OTHER))
    assert again.stdout.startswith(f"ALARM  {FILE} in pypiserver")
    held.files[FILE] = BYTES
    assert cli("audit", "reconcile").status == 0


def test_an_index_that_is_away_is_a_failure(
    cli: Cli, held: Index, leave_open: Callable[..., None], recording: RecordingIndex
) -> None:
    """Nothing is guessed; the sentence says why."""
    leave_open()
    recording.answer = lambda _: Reply(500)
    ran = cli("audit", "reconcile", "--json")
    assert ran.status == 1
    assert [each["filename"] for each in ran.json["open"]] == [FILE]
    assert "could not be asked about 1" in ran.stderr
    recording.answer = held
    assert cli("audit", "reconcile").status == 0


def test_an_index_that_is_at_it_is_asked_later(
    cli: Cli, held: Index, leave_open: Callable[..., None], recording: RecordingIndex
) -> None:
    """Two answers are none."""
    leave_open()
    answers = iter([OTHER, b"more bytes"])

    def growing(seen: object) -> object:
        held.files[FILE] = next(answers)
        return held(seen)  # type: ignore[arg-type]

    recording.answer = growing  # type: ignore[assignment]
    ran = cli("audit", "reconcile", "--json")
    assert (ran.status, ran.json["settled"]) == (1, [])
    assert [each["reason"] for each in ran.json["open"]] == ["the index is at it still"]


@pytest.fixture
def uploaded(config_file: Path, held: Index) -> Index:
    """An upload that ended well, and a file that was there before, both known."""

    async def work(store: Store) -> None:
        ticket = await admitted(store, replace(ALICE, index="pypiserver"))
        await store.complete(ticket, Outcome.STORED, index_status=200, time_ms=NOW * 1000)

    in_store(config_file, work)
    held.files[FILE] = BYTES
    return held


def outcomes(config_file: Path) -> list[str]:
    """What the record says, past the program."""
    with closing(sqlite3.connect(config_file.parent / "authproxy.db")) as connection:
        return [outcome for (outcome,) in connection.execute("SELECT outcome FROM record ORDER BY id")]


def test_what_is_as_it_should_be_is_counted(cli: Cli, uploaded: Index) -> None:
    """One line and exit status 0; what nobody knew is adopted on the way."""
    ran = cli("audit", "reconcile")
    assert (ran.status, ran.stdout) == (0, "nothing was left open\n1 project compared with the index\n")
    assert cli("audit", "file", "acme_core-0.9.tar.gz").status == 0


def test_a_file_that_was_replaced_past_us(
    cli: Cli, config_file: Path, uploaded: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CHANGED when it is found, an ALARM from then on, status 3 until it is what was uploaded."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as in a program: pytest would take the log's lines
    uploaded.files[FILE] = OTHER
    ran = cli("audit", "reconcile")
    line = f"CHANGED  {FILE} in pypiserver: the index has sha256 {sha256(OTHER)}, and {sha256(BYTES)} is on record"
    assert (ran.status, ran.stdout.splitlines()[0]) == (3, line)
    assert ran.stderr == "", "what the log would say of it, this command has said"
    assert outcomes(config_file) == ["different"]
    again = cli("audit", "reconcile", "--json")
    assert (again.status, again.json["changed"], again.json["compared"]) == (3, [], 1)
    assert [(each["filename"], each["sent"]) for each in again.json["alarms"]] == [(FILE, sha256(BYTES))]
    assert "ALARM" in cli("audit", "file", FILE).stdout
    assert cli("audit", "reconcile", "--open").status == 3
    uploaded.files[FILE] = BYTES
    assert (cli("audit", "reconcile").status, outcomes(config_file)) == (0, ["stored"])
    assert "  put there at 2027-01-15T08:00:00.000Z by alice with a password" in cli("audit", "file", FILE).stdout


def test_a_file_that_is_gone(cli: Cli, config_file: Path, uploaded: Index) -> None:
    """GONE each time, whoever put it there; an alarm of what was uploaded; and back again all is well."""
    assert cli("audit", "reconcile").status == 0
    there = dict(uploaded.files)
    del uploaded.files[FILE]
    for _ in range(2):
        ran = cli("audit", "reconcile")
        assert ran.status == 3
        assert ran.stdout.splitlines()[0] == (
            f"GONE  {FILE} in pypiserver: it was uploaded, and nobody deleted it through this proxy"
        )
        assert outcomes(config_file) == ["different"]
    uploaded.files.clear()
    gone = cli("audit", "reconcile", "--json").json["gone"]
    assert [(each["filename"], each["uploaded"]) for each in gone] == [("acme_core-0.9.tar.gz", False), (FILE, True)]
    uploaded.files |= there
    assert (cli("audit", "reconcile").status, outcomes(config_file)) == (0, ["stored"])


def test_what_is_gone_may_be_accepted(cli: Cli, config_file: Path, uploaded: Index) -> None:
    """Somebody deleted it in the index by hand: from then on it counts as deleted, and its name stays its own."""
    uploaded.files = {"acme_core-0.9.tar.gz": BYTES}
    ran = cli("audit", "reconcile", "--accept-gone", "--json")
    assert (ran.status, ran.json["accepted"], len(ran.json["gone"])) == (0, 1, 1)
    assert outcomes(config_file) == ["different", "accepted"]
    assert cli("audit", "reconcile").status == 0
    shown = cli("audit", "file", FILE).stdout
    assert f"was gone from the index past us, and taken for deleted at {shown.split('deleted at ')[1][:24]} by" in shown
    assert ("ALARM" in shown, "by alice with a password" in shown) == (False, True)
    assert cli("audit", "reconcile", "--accept-gone", "--open").status == 2


def test_a_file_from_before_us_that_changed(cli: Cli, config_file: Path, uploaded: Index) -> None:
    """Told once, with status 3; there is no upload that it would be an alarm of."""
    assert cli("audit", "reconcile").status == 0
    uploaded.files["acme_core-0.9.tar.gz"] = OTHER
    ran = cli("audit", "reconcile")
    assert (ran.status, ran.stdout.splitlines()[0].endswith(f"and {sha256(BYTES)} was there before")) == (3, True)
    assert (cli("audit", "reconcile").status, outcomes(config_file)) == (0, ["stored"])


def test_only_what_was_left_open(cli: Cli, uploaded: Index, recording: RecordingIndex) -> None:
    """The index is not asked about files."""
    uploaded.files[FILE] = OTHER
    recording.forget()
    assert cli("audit", "reconcile", "--open").status == 0
    recording.assert_saw_nothing()


def test_an_alarm_is_an_event(cli: Cli, config_file: Path, uploaded: Index) -> None:
    """Once, with the row of the upload, for a webhook that wants it."""
    (config_file.parent / "webhook-secret").write_text("s" * 40)
    (config_file.parent / "webhook-secret").chmod(0o600)
    hook = "{name: ops, url: 'http://127.0.0.1:9/', secret: {file: webhook-secret}, events: [upload.different]}"
    config_file.write_text(f"{config_file.read_text()}\nwebhooks: [{hook}]\n")
    uploaded.files[FILE] = OTHER
    for _ in range(2):
        assert cli("audit", "reconcile").status == 3
    with closing(sqlite3.connect(config_file.parent / "authproxy.db")) as connection:
        [(event, body)] = connection.execute("SELECT event, body FROM hooks").fetchall()
    told = json.loads(body)["data"]
    assert (event, told["outcome"], told["filename"], told["sha256"]) == (
        "upload.different", "different", FILE, sha256(BYTES),
    )  # fmt: skip


def test_a_project_that_cannot_be_read(cli: Cli, uploaded: Index, recording: RecordingIndex) -> None:
    """It is said, nothing is guessed of it, and the exit status is 1."""
    recording.answer = lambda _: Reply(500)
    ran = cli("audit", "reconcile", "--json")
    assert (ran.status, ran.json["gone"], [each["project"] for each in ran.json["unread"]]) == (1, [], ["acme-core"])
    assert "1 project could not be compared" in ran.stderr


def test_an_index_that_has_gone_is_not_asked_a_thousand_times(
    cli: Cli, config_file: Path, uploaded: Index, recording: RecordingIndex
) -> None:
    """After so many projects in a row."""

    async def many(store: Store) -> None:
        for number in range(20):
            known = AdoptedFile(f"p{number} 1 sdist", f"p{number}-1.zip", "1", None)
            await store.adopt("pypiserver", f"p{number}", [known])

    in_store(config_file, many)
    recording.forget()
    recording.answer = lambda _: Reply(500)
    ran = cli("audit", "reconcile")
    assert (ran.status, "cannot be read any more, at p" in ran.stderr) == (1, True)
    assert len(recording.requests) == FAILURES


def test_who_accepts_that_files_are_gone(cli: Cli, config_file: Path, uploaded: Index) -> None:
    """Is on record, and why; without --accept-gone there is nothing to say."""
    uploaded.files = {"acme_core-0.9.tar.gz": BYTES}
    assert cli("audit", "reconcile", "--why", "x").status == 2
    assert cli("audit", "reconcile", "--accept-gone", "--why", "a bad build", "--by", "bob").status == 0
    shown = cli("audit", "file", FILE).stdout
    assert "by bob (row 2): a bad build" in shown
    assert "row 2: " in shown
    assert "accept-gone accepted: by bob, at the command line: a bad build" in shown


def test_what_goes_into_a_file_is_said(cli: Cli, uploaded: Index, tmp_path: Path) -> None:
    """Or nobody at the terminal knows how it went."""
    uploaded.files[FILE] = OTHER
    ran = cli("audit", "reconcile", "-o", str(tmp_path / "found"))
    assert (ran.status, ran.stdout, "CHANGED" in (tmp_path / "found").read_text()) == (3, "", True)
    said = f"1 project compared, 0 settled: 0 alarms, 1 changed, 0 gone: {tmp_path / 'found'}\n"
    assert ran.stderr == said
