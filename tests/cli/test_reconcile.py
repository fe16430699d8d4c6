"""`authproxy audit reconcile` says what became of what was left open, and its exit status says whether to look."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from authproxy.domain.access import Outcome
from authproxy.store import Store
from authproxy.web import settling
from tests.cli.conftest import Cli
from tests.peers.recording import RecordingIndex, Reply
from tests.store.samples import ENTRY, NOW, admitted
from tests.web.ledgers import BYTES, OTHER, Index, sha256

FILE = ENTRY.filename
ALICE = replace(ENTRY, principal="password", key_id=None, public_id=None, owner="alice", sha256=sha256(BYTES))


@pytest.fixture
def held(config_file: Path, cli: Cli, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch) -> Index:
    """The index of the configuration, with a project in it."""
    monkeypatch.setattr(settling, "PAUSE", 0.0)
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
