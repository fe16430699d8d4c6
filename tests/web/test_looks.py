"""Two looks at the index before a name is free or an alarm is raised, whoever it is that asks."""

import asyncio
import time
from dataclasses import replace

import pytest

from authproxy.audit import entry
from authproxy.backend.flavour import IndexFile
from authproxy.domain.access import Access, Outcome
from authproxy.domain.grants import Action
from authproxy.domain.names import ProjectName, artifact
from authproxy.domain.refusal import Code, Denial, Refused
from authproxy.store import Removed, Ticket
from authproxy.web import looks
from authproxy.web.ledger import Ledger, SameFile
from authproxy.web.looks import alike, stated
from tests.peers.recording import RecordingIndex, Reply
from tests.web.ledgers import BYTES, MAY_CREATE, NOW, ORIGIN, OTHER, WHO, YES, Index, asking, claim, upload

FILE = "acme_core-1.0.tar.gz"
PAUSE = 0.3


@pytest.fixture
def pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause in which something can happen."""
    monkeypatch.setattr(looks, "PAUSE", PAUSE)


@pytest.fixture
async def begun(ledger: Ledger) -> Ledger:
    """An upload whose end nobody saw."""
    await left_open(ledger)
    return ledger


async def left_open(ledger: Ledger, filename: str = FILE) -> None:
    ticket = await claim(ledger, asking(filename), MAY_CREATE)
    assert isinstance(ticket, Ticket), ticket
    await ledger.store.complete(ticket, Outcome.UNKNOWN, index_status=None, time_ms=NOW * 1000)


async def meanwhile(held: Index, filename: str, content: bytes | None) -> None:
    """Change the index between the two looks."""
    await asyncio.sleep(PAUSE / 2)
    if content is None:
        del held.files[filename]
    else:
        held.files[filename] = content


async def test_a_file_that_comes_late_is_not_sent_again(begun: Ledger, held: Index, pause: None) -> None:
    """The index writes what it has read; whoever repeats the upload waits a moment and is told that it is there."""
    answer, _ = await asyncio.gather(claim(begun, asking(FILE), MAY_CREATE), meanwhile(held, FILE, BYTES))
    assert answer == SameFile(FILE)
    assert await begun.store.unfinished.count_alarms() == 0


async def test_control_one_look_would_send_it_again(begun: Ledger, held: Index) -> None:
    """What the pause is for: without one the name is free, and two writers are at one file."""
    answer, _ = await asyncio.gather(claim(begun, asking(FILE), MAY_CREATE), meanwhile(held, FILE, BYTES))
    assert isinstance(answer, Ticket)


async def test_a_file_that_is_there_waits_for_nothing(begun: Ledger, held: Index, pause: None) -> None:
    """The right bytes do not change by waiting: most repeats are answered at once."""
    held.files[FILE] = BYTES
    started = time.perf_counter()
    assert await claim(begun, asking(FILE)) == SameFile(FILE)
    assert time.perf_counter() - started < PAUSE


async def test_a_file_that_is_not_there_twice_may_come_again(begun: Ledger, held: Index, pause: None) -> None:
    """So that a client that sends it once more (twine does, at once) is served by that very try."""
    started = time.perf_counter()
    assert isinstance(await claim(begun, asking(FILE), MAY_CREATE), Ticket)
    assert time.perf_counter() - started >= PAUSE


async def test_a_project_is_listed_once_in_a_look(ledger: Ledger, held: Index, recording: RecordingIndex) -> None:
    """Ten files of a release that an outage has left open cost two pages, one for each look, and not twenty."""
    for number in range(10):
        await left_open(ledger, f"acme_core-1.{number}.tar.gz")
    held.files["acme_core-1.3.tar.gz"] = BYTES
    intents, _ = await ledger.store.unfinished.intents(now=NOW)
    recording.requests.clear()
    done = await ledger.looks.settle(intents, lambda: NOW, pause=0)
    assert [outcome for _, outcome in done.settled].count(Outcome.STORED) == 1
    assert len(done.settled) == 10
    assert [seen.target for seen in recording.requests] == ["/simple/acme-core/"] * 2


async def test_half_a_file_is_waited_for(begun: Ledger, held: Index, pause: None) -> None:
    """Two answers are none: no alarm, no free name, and a sentence that says to try again."""
    held.files[FILE] = BYTES[:3]
    with pytest.raises(Refused) as caught:
        await asyncio.gather(claim(begun, asking(FILE)), meanwhile(held, FILE, BYTES[:5]))
    denial = caught.value.denial
    assert (denial.code, denial.retry_after, FILE in denial.reason) == (Code.BUSY, 2, True)
    assert len((await begun.store.unfinished.intents(now=NOW))[0]) == 1
    held.files[FILE] = BYTES
    assert await claim(begun, asking(FILE)) == SameFile(FILE)


async def test_an_index_that_is_away_is_said_so(begun: Ledger, held: Index, recording: RecordingIndex) -> None:
    """Nothing is guessed."""
    held.files["acme_core-0.9.tar.gz"] = BYTES
    recording.answer = lambda _: Reply(500)
    with pytest.raises(Refused) as caught:
        await claim(begun, asking(FILE))
    assert caught.value.denial.code is Code.INDEX_UNREACHABLE


def delete_of(version: str = "1.0") -> Access:
    return Access(Action.DELETE, "default", ProjectName("acme-core"), version=version)


def files(*names: str) -> tuple[IndexFile, ...]:
    return tuple(IndexFile(artifact(name), f"/packages/{name}", None) for name in names)


async def test_a_delete_settles_what_the_release_is_waiting_for(begun: Ledger, held: Index, pause: None) -> None:
    """It does not go by the listing that it has: the file may come while it looks, and is to be deleted knowingly."""
    asked = entry(ORIGIN, WHO, delete_of(), YES)
    busy, _ = await asyncio.gather(begun.claim_removal(asked, (), now=NOW), meanwhile(held, FILE, BYTES))
    assert isinstance(busy, Denial)
    assert busy.code is Code.BUSY
    row = await begun.store.file("default", files(FILE)[0].artifact.identity)
    assert row is not None, "the upload ended as stored"
    assert isinstance(await begun.claim_removal(asked, files(FILE), now=NOW), int)
    row = await begun.store.file("default", files(FILE)[0].artifact.identity)
    assert row is not None
    assert row.removed


@pytest.mark.parametrize("gone", [True, False], ids=["and it is gone", "and it is there"])
async def test_an_upload_settles_a_delete_that_nobody_saw_the_end_of(
    ledger: Ledger, held: Index, pause: None, gone: bool
) -> None:
    """By the release as the index has it, twice; then the name is free for its own bytes, or the file is there."""
    held.files["acme_core-0.9.tar.gz"] = BYTES
    await upload(ledger, held, FILE)
    number = await ledger.store.removals.admit(entry(ORIGIN, WHO, delete_of(), YES), (), now=NOW)
    assert isinstance(number, int)
    busy = await claim(ledger, asking(FILE))
    assert isinstance(busy, Denial)
    assert (busy.code, "is being deleted" in busy.reason) == (Code.BUSY, True)
    await ledger.store.removals.complete(
        number, Outcome.UNKNOWN, index_status=None, time_ms=NOW * 1000, removed=Removed("default", (), ())
    )
    if gone:
        answer, _ = await asyncio.gather(claim(ledger, asking(FILE)), meanwhile(held, FILE, None))
        assert isinstance(answer, Ticket)
    else:
        assert await claim(ledger, asking(FILE)) == SameFile(FILE)


async def test_many_are_settled_with_one_pause(ledger: Ledger, held: Index, pause: None) -> None:
    """As a push does, which needs a whole release."""
    held.files["acme_core-0.9.tar.gz"] = BYTES
    for number in range(4):
        await left_open(ledger, f"acme_core-1.{number}.tar.gz")
    intents, _ = await ledger.store.unfinished.intents(now=NOW)
    started = time.perf_counter()
    await ledger.settle(*intents)
    assert PAUSE <= time.perf_counter() - started < 2 * PAUSE
    assert (await ledger.store.unfinished.intents(now=NOW))[0] == []


async def test_other_bytes_are_told(begun: Ledger, held: Index, caplog: pytest.LogCaptureFixture) -> None:
    """An alarm that a request finds is in the log as one that the clock finds."""
    held.files[FILE] = OTHER
    assert isinstance(await claim(begun, asking(FILE)), Denial)
    assert [vars(each)["file"] for each in caplog.records if each.levelname == "ERROR"] == [FILE]


def test_a_file_whatever_its_spelling() -> None:
    """Its own name first; and a hash is a SHA-256 or none."""
    one, other = files("Acme-Core-1.0.zip", FILE)
    identity = one.artifact.identity
    assert (alike((one, other), identity, FILE), alike((one,), identity, FILE)) == (other, one)
    assert alike((), identity, FILE) is None
    digests = (("sha256", "a" * 64), ("md5", "b" * 32), None)
    assert [stated(replace(one, digest=each)) for each in digests] == ["a" * 64, None, None]
