"""What the ledger makes of an index to which others have access too, and of half a file in it."""

import pytest

from authproxy.domain.access import Outcome
from authproxy.domain.refusal import Code, Denial
from authproxy.store import Ticket
from authproxy.web.ledger import Ledger, SameFile
from tests.peers.recording import RecordingIndex
from tests.web.ledgers import BYTES, MAY_CREATE, NOW, OTHER, Index, asking, claim, restarted, upload


async def test_what_went_past_us_is_learned(ledger: Ledger, held: Index) -> None:
    """A file that the operator put into a project of ours is a file: the same bytes, other bytes, another spelling."""
    await upload(ledger, held, "acme_core-1.0.tar.gz")
    held.files["acme_core-1.1.tar.gz"] = BYTES
    again = restarted(ledger)
    assert await claim(again, asking("acme_core-1.1.tar.gz")) == SameFile("acme_core-1.1.tar.gz")
    refused = await claim(again, asking("Acme-Core-1.1.zip", OTHER))
    assert isinstance(refused, Denial)
    assert refused.code is Code.FILE_EXISTS


async def test_what_was_replaced_past_us_is_what_it_is_now(ledger: Ledger, held: Index) -> None:
    """As with a database that was restored: our row says one thing and the index has another."""
    await upload(ledger, held, "acme_core-1.0.tar.gz")
    held.files["acme_core-1.0.tar.gz"] = OTHER
    again = restarted(ledger)
    assert await claim(again, asking("acme_core-1.0.tar.gz", OTHER)) == SameFile("acme_core-1.0.tar.gz")
    refused = await claim(again, asking("acme_core-1.0.tar.gz"))
    assert isinstance(refused, Denial)
    assert refused.code is Code.FILE_EXISTS


async def test_a_project_that_was_deleted_past_us_needs_the_right_to_create(ledger: Ledger, held: Index) -> None:
    """It is asked for until it is there again, so that nobody's right to make it serves somebody else."""
    await upload(ledger, held, "acme_core-1.0.tar.gz")
    held.files.clear()
    again = restarted(ledger)
    for version in ("1.1", "1.2"):
        refused = await claim(again, asking(f"acme_core-{version}.tar.gz"))
        assert isinstance(refused, Denial)
        assert refused.code is Code.CREATE
        assert isinstance(await claim(again, asking(f"acme_core-{version}.tar.gz"), MAY_CREATE), Ticket)


async def test_a_project_is_compared_once(ledger: Ledger, held: Index, recording: RecordingIndex) -> None:
    """The first upload after a start asks the index, and the ones behind it do not."""
    await upload(ledger, held, "acme_core-1.0.tar.gz")
    again = restarted(ledger)
    asked = len(recording.requests)
    for version in ("1.1", "1.2", "1.3"):
        assert isinstance(await claim(again, asking(f"acme_core-{version}.tar.gz")), Ticket)
    assert len(recording.requests) == asked + 1


@pytest.mark.parametrize("hashes", [True, False], ids=["stated", "read back"])
async def test_an_index_that_has_the_file_after_all_is_believed(ledger: Ledger, held: Index, hashes: bool) -> None:
    """It refused an upload because somebody put the file there meanwhile: these bytes or others, and then it is known."""
    held.hashes = hashes
    held.files["acme_core-0.9.tar.gz"] = BYTES
    ticket = await claim(ledger, asking("acme_core-1.0.tar.gz"))
    assert isinstance(ticket, Ticket)
    held.files |= {"Acme_Core-1.0.tar.gz": OTHER, "acme_core-1.0.tar.gz": BYTES}
    await ledger.store.complete(ticket, Outcome.REFUSED, index_status=409, time_ms=NOW * 1000)
    assert await ledger.already_there(asking("acme_core-1.0.tar.gz")) == SameFile("acme_core-1.0.tar.gz")
    other = await ledger.already_there(asking("acme_core-1.0.tar.gz", b"third bytes"))
    assert isinstance(other, Denial)
    assert other.code is Code.FILE_EXISTS
    assert other.reason.startswith("File already exists")
    spelled = await claim(ledger, asking("acme-core-1.0.zip", b"third bytes"))
    assert isinstance(spelled, Denial)
    assert spelled.code is Code.FILE_EXISTS


async def test_an_index_that_refuses_what_it_does_not_list(ledger: Ledger, held: Index) -> None:
    """Nothing can be said of its bytes; the refusal stands."""
    held.files["acme_core-0.9.tar.gz"] = BYTES
    refused = await ledger.already_there(asking("acme_core-1.0.tar.gz"))
    assert isinstance(refused, Denial)
    assert refused.code is Code.FILE_EXISTS


async def test_half_a_file_is_not_final(ledger: Ledger, held: Index) -> None:
    """An upload was read back while the index still wrote it; later the whole is there, or nothing."""
    for filename, later, expected in (
        ("acme_core-1.0.tar.gz", BYTES, SameFile),
        ("acme_core-1.1.tar.gz", BYTES[:4], Denial),
        ("acme_core-1.2.tar.gz", None, Ticket),
    ):
        ticket = await claim(ledger, asking(filename), MAY_CREATE)
        assert isinstance(ticket, Ticket)
        await ledger.store.complete(ticket, Outcome.UNKNOWN, index_status=None, time_ms=NOW * 1000)
        held.files[filename] = BYTES[:4]
        half = await claim(ledger, asking(filename))
        assert isinstance(half, Denial)
        assert half.code is Code.FILE_EXISTS
        if later is None:
            del held.files[filename]
        else:
            held.files[filename] = later
        assert isinstance(await claim(ledger, asking(filename)), expected)
