"""No file twice, no project by accident: the ledger, on a real store and before an index that records."""

from dataclasses import replace

import pytest

from authproxy.domain.access import Outcome
from authproxy.domain.policy import Overwrite, Rate
from authproxy.domain.refusal import Code, Denial, Refused
from authproxy.store import Ticket
from authproxy.web.ledger import Ledger, SameFile
from tests.peers.recording import RecordingIndex
from tests.web.ledgers import BYTES, KEY, MAY_CREATE, NOW, OTHER, YES, Index, asking, claim, restarted, upload


async def test_a_new_project_needs_the_right_to_create(ledger: Ledger, held: Index) -> None:
    """The index's redirect to the public one means that it has no such project."""
    refused = await claim(ledger, asking("acme-core-1.0.tar.gz"))
    assert isinstance(refused, Denial)
    assert refused.code is Code.CREATE
    assert "Ab3Ab3Ab3Ab30" in refused.reason
    assert isinstance(await claim(ledger, asking("acme-core-1.0.tar.gz"), MAY_CREATE), Ticket)
    assert held.files == {}


async def test_a_project_of_the_index_needs_no_right_to_create(ledger: Ledger, held: Index) -> None:
    """It was there before us."""
    held.files["acme-core-0.9.tar.gz"] = BYTES
    assert isinstance(await claim(ledger, asking("acme-core-1.0.tar.gz")), Ticket)


async def test_a_known_project_costs_no_request(ledger: Ledger, held: Index, recording: RecordingIndex) -> None:
    """Once the index has told what it has of a project, our own rows answer."""
    await upload(ledger, held, "acme-core-0.9.tar.gz")
    await upload(ledger, held, "acme-core-1.0.tar.gz")
    asked = len(recording.requests)
    assert isinstance(await claim(ledger, asking("acme-core-1.1.tar.gz")), Ticket)
    assert len(recording.requests) == asked


SPELLINGS = {
    "the same name": "acme_core-1.0.tar.gz",
    "another hyphen": "acme-core-1.0.tar.gz",
    "capital letters": "Acme_Core-1.0.tar.gz",
    "another spelling of the version": "acme_core-1.0.0.tar.gz",
    "another archive of the same sdist": "acme_core-1.0.zip",
}


@pytest.mark.parametrize("known", ["uploaded through us", "in the index before us", "listed without a hash"])
@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
async def test_other_bytes_are_refused_whatever_the_spelling(
    ledger: Ledger, held: Index, known: str, spelling: str
) -> None:
    """The index's own check compares exact strings; ours compares what the names mean."""
    held.hashes = known != "listed without a hash"
    if known == "uploaded through us":
        await upload(ledger, held, "acme_core-1.0.tar.gz")
    else:
        held.files["acme_core-1.0.tar.gz"] = BYTES
    refused = await claim(ledger, asking(spelling, OTHER))
    assert isinstance(refused, Denial)
    assert refused.code is Code.FILE_EXISTS
    assert refused.reason.startswith("File already exists")


@pytest.mark.parametrize("known", ["uploaded through us", "in the index before us", "listed without a hash"])
async def test_the_same_bytes_are_no_upload(ledger: Ledger, held: Index, known: str) -> None:
    """A CI job that runs twice is not an error."""
    held.hashes = known != "listed without a hash"
    if known == "uploaded through us":
        await upload(ledger, held, "acme_core-1.0.tar.gz")
    else:
        held.files["acme_core-1.0.tar.gz"] = BYTES
    assert await claim(ledger, asking("acme_core-1.0.tar.gz")) == SameFile("acme_core-1.0.tar.gz")


async def test_a_file_that_the_index_lost_may_come_again(ledger: Ledger, held: Index) -> None:
    """To say 200 for a file that is gone would be a lie; the same bytes are sent once more."""
    await upload(ledger, held, "acme_core-1.0.tar.gz")
    held.files = {"acme_core-0.9.tar.gz": BYTES}
    assert isinstance(await claim(ledger, asking("acme_core-1.0.tar.gz")), Ticket)


async def test_a_file_that_the_index_lost_may_not_come_back_changed(ledger: Ledger, held: Index) -> None:
    """Somebody may have pinned the hash of what was there; a name is used for one content."""
    await upload(ledger, held, "acme_core-1.0.tar.gz")
    held.files = {"acme_core-0.9.tar.gz": BYTES}
    refused = await claim(ledger, asking("acme_core-1.0.tar.gz", OTHER))
    assert isinstance(refused, Denial)
    assert refused.code is Code.FILE_EXISTS


async def test_an_upload_that_ended_unclearly_is_settled_with_the_index(ledger: Ledger, held: Index) -> None:
    """There with these bytes: done. Not there: to be sent. There with others: refused."""
    for filename, found, expected in (
        ("acme_core-1.0.tar.gz", BYTES, SameFile),
        ("acme_core-1.1.tar.gz", None, Ticket),
        ("acme_core-1.2.tar.gz", OTHER, Denial),
    ):
        ticket = await claim(ledger, asking(filename), MAY_CREATE)
        assert isinstance(ticket, Ticket)
        await ledger.store.complete(ticket, Outcome.UNKNOWN, index_status=None, time_ms=NOW * 1000)
        if found is not None:
            held.files[filename] = found
        assert await ledger.arrived(asking(filename)) == (found == BYTES)
        assert isinstance(await claim(ledger, asking(filename)), expected)


async def test_a_file_that_is_listed_and_cannot_be_read_keeps_its_name(ledger: Ledger, held: Index) -> None:
    """An unclear answer frees no name: other bytes could take it while the file is there."""
    held.hashes = False
    ticket = await claim(ledger, asking("acme_core-1.0.tar.gz"), MAY_CREATE)
    assert isinstance(ticket, Ticket)
    await ledger.store.complete(ticket, Outcome.UNKNOWN, index_status=None, time_ms=NOW * 1000)
    held.files["acme_core-1.0.tar.gz"] = BYTES
    held.unreadable = True
    with pytest.raises(Refused) as caught:
        await claim(ledger, asking("acme_core-1.0.tar.gz", OTHER))
    assert caught.value.denial.code is Code.INDEX_UNREACHABLE
    held.unreadable = False
    refused = await claim(ledger, asking("acme_core-1.0.tar.gz", OTHER))
    assert isinstance(refused, Denial)
    assert refused.code is Code.FILE_EXISTS


async def test_two_at_once_are_one(ledger: Ledger, held: Index) -> None:
    """The second is told to wait: it can neither win nor be refused yet."""
    assert isinstance(await claim(ledger, asking("acme_core-1.0.tar.gz"), MAY_CREATE), Ticket)
    second = await claim(ledger, asking("Acme-Core-1.0.0.zip", OTHER), MAY_CREATE)
    assert isinstance(second, Denial)
    assert second.code is Code.BUSY
    assert second.retry_after is not None
    assert held.files == {}


async def test_the_same_bytes_are_no_overwriting(ledger: Ledger, held: Index) -> None:
    """Where files may be overwritten, the same bytes are still nothing to send: an index would say that it has them."""
    allow = replace(YES, overwrite=Overwrite.ALLOW)
    await upload(ledger, held, "acme_core-1.0.tar.gz")
    assert await claim(ledger, asking("acme_core-1.0.tar.gz"), allow) == SameFile("acme_core-1.0.tar.gz")
    assert await claim(ledger, asking("Acme_Core-1.0.tar.gz"), allow) == SameFile("acme_core-1.0.tar.gz")
    held.hashes = False
    held.files["acme_core-1.1.tar.gz"] = BYTES
    again = Ledger(ledger.store, ledger.backend)
    assert await claim(again, asking("acme_core-1.1.tar.gz"), allow) == SameFile("acme_core-1.1.tar.gz")
    assert isinstance(await claim(again, asking("acme_core-1.1.tar.gz", OTHER), allow), Ticket)


async def test_an_unread_file_is_read_before_it_is_overwritten(ledger: Ledger, held: Index) -> None:
    """Other bytes take its place, and another spelling lands beside it nowhere."""
    held.hashes = False
    held.files["acme_core-1.0.tar.gz"] = BYTES
    allow = replace(YES, overwrite=Overwrite.ALLOW)
    beside = await claim(ledger, asking("Acme_Core-1.0.tar.gz", OTHER), allow)
    assert isinstance(beside, Denial)
    assert "use that name to replace it" in beside.reason
    assert isinstance(await claim(ledger, asking("acme_core-1.0.tar.gz", OTHER), allow), Ticket)


async def test_overwriting_replaces_the_same_name_only(ledger: Ledger, held: Index) -> None:
    """Another spelling would land beside the old file instead of replacing it."""
    allow = replace(YES, overwrite=Overwrite.ALLOW)
    await upload(ledger, held, "acme_core-1.0.tar.gz")
    beside = await claim(ledger, asking("Acme_Core-1.0.tar.gz", OTHER), allow)
    assert isinstance(beside, Denial)
    assert beside.code is Code.FILE_EXISTS
    assert isinstance(await claim(ledger, asking("acme_core-1.0.tar.gz", OTHER), allow), Ticket)


async def test_a_refusal_of_ours_alone_does_not_reach_the_index(
    ledger: Ledger, held: Index, recording: RecordingIndex
) -> None:
    """Uses, rate, a key that ended, a file on its way: told before the index is asked about a project."""
    held.files["acme-core-0.9.tar.gz"] = BYTES
    await upload(ledger, held, "acme_core-1.0.tar.gz")
    assert isinstance(await claim(ledger, asking("acme_core-1.1.tar.gz")), Ticket)
    again, asked = restarted(ledger), len(recording.requests)
    file = asking("acme_core-1.2.tar.gz")
    for access, admission, code in (
        (file, replace(YES, uses=1), Code.USES_SPENT),
        (file, replace(YES, rate=Rate(1, 60)), Code.RATE),
        (asking("acme_core-1.1.tar.gz"), YES, Code.BUSY),
    ):
        refused = await claim(again, access, admission)
        assert isinstance(refused, Denial)
        assert refused.code is code
    await ledger.store.revoke(KEY.id, NOW)
    refused = await claim(again, asking("acme-other-1.0.tar.gz"), MAY_CREATE)
    assert isinstance(refused, Denial)
    assert refused.code is Code.CREDENTIAL_INVALID
    assert len(recording.requests) == asked


async def test_a_key_that_ended_meanwhile_is_refused(ledger: Ledger, held: Index) -> None:
    """The body may have taken minutes; the key is looked at once more, in the store itself."""
    held.files["acme-core-0.9.tar.gz"] = BYTES
    await ledger.store.revoke(KEY.id, NOW)
    refused = await claim(ledger, asking("acme_core-1.0.tar.gz"))
    assert isinstance(refused, Denial)
    assert refused.code is Code.CREDENTIAL_INVALID


async def test_uses_and_rates_are_held(ledger: Ledger, held: Index) -> None:
    """A refusal here is the policy's, in words that name the key."""
    held.files["acme-core-0.9.tar.gz"] = BYTES
    await upload(ledger, held, "acme_core-1.0.tar.gz")
    spent = await claim(ledger, asking("acme_core-1.1.tar.gz"), replace(YES, uses=1))
    fast = await claim(ledger, asking("acme_core-1.1.tar.gz"), replace(YES, rate=Rate(1, 60)))
    assert isinstance(spent, Denial)
    assert isinstance(fast, Denial)
    assert (spent.code, fast.code) == (Code.USES_SPENT, Code.RATE)
    assert spent.reason.endswith(" was for 1 upload, and it is used up")
    assert fast.retry_after == 60
