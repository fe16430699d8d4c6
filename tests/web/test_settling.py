"""What was begun and not completed is settled by what the index has: at start, while the server runs, and not too soon."""

import asyncio
import logging
from dataclasses import replace

import pytest

from authproxy.audit import entry
from authproxy.domain.access import Access, Outcome
from authproxy.domain.grants import Action
from authproxy.domain.names import ProjectName
from authproxy.store import Removed, Ticket
from authproxy.web import looks, settling
from authproxy.web.ledger import Ledger
from authproxy.web.metrics import Metrics
from authproxy.web.settling import Round, kept_settled, look_again, settle
from tests.peers.recording import Hang, RecordingIndex, Reply
from tests.web.ledgers import BYTES, MAY_CREATE, NOW, ORIGIN, OTHER, WHO, YES, Index, asking, claim, sha256

FILE = "acme_core-1.0.tar.gz"


def now() -> int:
    """Long after everything here was begun, and within its deadline."""
    return NOW + 60


async def open_upload(ledger: Ledger, filename: str = FILE) -> None:
    """An upload whose end nobody saw."""
    ticket = await claim(ledger, asking(filename), MAY_CREATE)
    assert isinstance(ticket, Ticket), ticket
    await ledger.store.complete(ticket, Outcome.UNKNOWN, index_status=None, time_ms=NOW * 1000)


async def open_delete(ledger: Ledger, version: str = "1.0") -> None:
    """A delete whose end nobody saw."""
    access = Access(Action.DELETE, "default", ProjectName("acme-core"), version=version)
    number = await ledger.store.removals.admit(entry(ORIGIN, WHO, access, YES), (), now=NOW)
    assert isinstance(number, int)
    await ledger.store.removals.complete(
        number, Outcome.UNKNOWN, index_status=None, time_ms=NOW * 1000, removed=Removed("default", (), ())
    )


def outcomes(done: Round) -> dict[str, Outcome]:
    """What was settled, by file or version."""
    return {intent.row.filename or f"delete {intent.row.version}": outcome for intent, outcome in done.settled}


async def test_everything_is_settled_by_what_the_index_has(ledger: Ledger, held: Index) -> None:
    """There: stored. Not there: failed. Other bytes: different. A delete that happened, and one that did not."""
    held.files["acme_core-3.0.tar.gz"] = BYTES
    for version in ("1.0", "1.1", "1.2"):
        await open_upload(ledger, f"acme_core-{version}.tar.gz")
    await open_delete(ledger, "2.0")
    await open_delete(ledger, "3.0")
    held.files |= {FILE: BYTES, "acme_core-1.2.tar.gz": OTHER}
    done = await settle(ledger, now, pause=0)
    assert outcomes(done) == {
        FILE: Outcome.STORED,
        "acme_core-1.1.tar.gz": Outcome.FAILED,
        "acme_core-1.2.tar.gz": Outcome.DIFFERENT,
        "delete 2.0": Outcome.REMOVED,
        "delete 3.0": Outcome.FAILED,
    }
    assert (done.under_way, done.unasked, done.changing) == (0, [], [])
    again = await settle(ledger, now, pause=0)
    assert (again.settled, again.unasked) == ([], [])


async def test_a_file_that_comes_while_we_look_is_stored(ledger: Ledger, held: Index) -> None:
    """The index had read the last byte when the proxy was killed, and writes the file a moment later."""
    await open_upload(ledger)
    settling_it = asyncio.create_task(settle(ledger, now, pause=0.2))
    await asyncio.sleep(0.1)
    held.files[FILE] = BYTES
    assert outcomes(await settling_it) == {FILE: Outcome.STORED}


async def test_control_one_look_would_lose_it(ledger: Ledger, held: Index) -> None:
    """What the pause is for: without it, the same file ends as failed and has no row."""
    await open_upload(ledger)
    assert outcomes(await settle(ledger, now, pause=0)) == {FILE: Outcome.FAILED}
    held.files[FILE] = BYTES
    assert await ledger.store.file("default", asking(FILE).artifact.identity) is None  # type: ignore[union-attr]


async def test_a_file_that_grows_while_we_look_is_no_alarm_yet(ledger: Ledger, held: Index) -> None:
    """pypiserver writes under the final name: half of it is there for a moment."""
    await open_upload(ledger)
    held.files[FILE] = BYTES[:3]
    settling_it = asyncio.create_task(settle(ledger, now, pause=0.2))
    await asyncio.sleep(0.1)
    held.files[FILE] = BYTES[:5]
    done = await settling_it
    assert done.settled == []
    assert [intent.row.filename for intent in done.changing] == [FILE]
    held.files[FILE] = BYTES
    assert outcomes(await settle(ledger, now, pause=0)) == {FILE: Outcome.STORED}


async def test_an_index_that_is_away_settles_nothing(ledger: Ledger, held: Index, recording: RecordingIndex) -> None:
    """Nothing is guessed, and it is not asked a hundred times."""
    held.files["acme_core-0.9.tar.gz"] = BYTES
    for number in range(10):
        await open_upload(ledger, f"acme_core-1.{number}.tar.gz")
    recording.answer = lambda _: Reply(500)
    asked = len(recording.requests)
    done = await settle(ledger, now, pause=0)
    assert (done.settled, len(done.unasked)) == ([], 10)
    assert len(recording.requests) - asked == looks.FAILURES
    recording.answer = held
    assert len((await settle(ledger, now, pause=0)).settled) == 10


async def test_a_project_is_compared_again_after_it_was_settled(
    ledger: Ledger, held: Index, recording: RecordingIndex
) -> None:
    """What the index took later than we waited is learned by the next upload."""
    held.files["acme_core-0.9.tar.gz"] = BYTES
    await open_upload(ledger)
    await settle(ledger, now, pause=0)
    held.files["Acme-Core-1.0.tar.gz"] = OTHER
    assert not isinstance(await claim(ledger, asking(FILE)), Ticket)


async def test_an_alarm_is_looked_at_again(ledger: Ledger, held: Index, recording: RecordingIndex) -> None:
    """It stands while the file is wrong or cannot be asked about, and ends when it is right or gone."""
    await open_upload(ledger)
    held.files[FILE] = OTHER
    await settle(ledger, now, pause=0)
    for content in (OTHER, b"third bytes"):
        held.files[FILE] = content
        [(alarm, denial)] = await look_again(ledger)
        assert (alarm.row.sha256, alarm.sent, denial) == (sha256(content), sha256(BYTES), None)
    recording.answer = lambda _: Reply(500)
    [(_, denial)] = await look_again(ledger)
    assert denial is not None
    recording.answer = held
    held.files[FILE] = BYTES
    assert await look_again(ledger) == []
    assert await ledger.store.unfinished.count_alarms() == 0
    held.files.clear()
    assert await look_again(ledger) == []


@pytest.fixture
def keeping(monkeypatch: pytest.MonkeyPatch) -> Metrics:
    """The background task, which does not wait long."""
    monkeypatch.setattr(looks, "PAUSE", 0.0)
    monkeypatch.setattr(settling, "PERIOD", 0.05)
    return Metrics()


async def until_settled(ledger: Ledger) -> None:
    async with asyncio.timeout(10):
        while (await ledger.store.unfinished.intents(now=now()))[0]:
            await asyncio.sleep(0.02)


async def test_the_server_settles_at_start_and_goes_on(
    ledger: Ledger, held: Index, keeping: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    """An alarm is an error in the log and a gauge, and the gauge falls when the file is mended."""
    await open_upload(ledger)
    held.files[FILE] = OTHER
    caplog.set_level(logging.INFO, "authproxy")
    async with kept_settled(ledger, keeping, now):
        await until_settled(ledger)
        await open_upload(ledger, "acme_core-2.0.tar.gz")
        await until_settled(ledger)
        await asyncio.sleep(0.2)
        assert keeping.registry.get_sample_value("authproxy_different_files") == 1
        [alarm] = await ledger.store.unfinished.alarms()
        await ledger.store.forget(alarm.row)
        await asyncio.sleep(0.2)
        assert keeping.registry.get_sample_value("authproxy_different_files") == 0
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [vars(record)["file"] for record in errors] == [FILE]
    assert [vars(record)["found"] for record in errors] == [sha256(OTHER)]


async def test_trouble_is_told_once_and_does_not_end_the_task(
    ledger: Ledger, held: Index, recording: RecordingIndex, keeping: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    """An index that is down for a night is one line, and what was open is settled in the morning."""
    await open_upload(ledger)
    recording.answer = lambda _: Reply(500)
    async with kept_settled(ledger, keeping, now):
        await asyncio.sleep(0.5)
        recording.answer = held
        await until_settled(ledger)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1


async def test_a_fault_of_ours_does_not_end_the_task(
    ledger: Ledger, held: Index, keeping: Metrics, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is in the log with its traceback, and the next round goes on."""
    await open_upload(ledger)
    real, faults = ledger.store.unfinished.tidy, [ZeroDivisionError("once")]

    async def tidy() -> None:
        if faults:
            raise faults.pop()
        await real()

    monkeypatch.setattr(ledger.store.unfinished, "tidy", tidy)
    async with kept_settled(ledger, keeping, now):
        await until_settled(ledger)
    assert any(record.exc_info for record in caplog.records)


async def test_a_file_of_two_spellings_is_asked_for_by_its_own(ledger: Ledger, held: Index) -> None:
    """Where the index has another spelling as well, ours is the one that counts."""
    await open_upload(ledger)
    held.files |= {"Acme-Core-1.0.zip": OTHER, FILE: BYTES}
    done = await settle(ledger, now, pause=0)
    assert outcomes(done) == {FILE: Outcome.STORED}
    assert replace(done, settled=[]) == Round()


async def test_a_start_waits_for_nothing(
    ledger: Ledger, held: Index, recording: RecordingIndex, keeping: Metrics
) -> None:
    """An index that does not answer holds up neither the beginning nor the end of the server."""
    await open_upload(ledger)
    asked = len(recording.requests)
    recording.answer = lambda _: Hang()
    async with asyncio.timeout(2):
        async with kept_settled(ledger, keeping, now):
            while len(recording.requests) == asked:
                await asyncio.sleep(0.01)
    assert len((await ledger.store.unfinished.intents(now=now()))[0]) == 1
