"""No file twice, no project by accident: the ledger, on a real store and before an index that records."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from authproxy.audit import Origin, entry
from authproxy.backend.client import Backend, Upstream
from authproxy.backend.pypiserver import PYPISERVER
from authproxy.domain.access import Access, Outcome, Principal, PrincipalKind
from authproxy.domain.grants import Action
from authproxy.domain.keys import KeyId, KeyRecord, PublicId, Secret
from authproxy.domain.names import artifact
from authproxy.domain.policy import Admission, MetadataCheck, Overwrite, Rate
from authproxy.domain.refusal import Code, Denial, Refused
from authproxy.store import Store, Ticket, migrate
from authproxy.web.ledger import Ledger, SameFile
from tests.peers.recording import RecordingIndex, Reply, Script, Seen

NOW = 1_800_000_000
KEY = KeyRecord(
    id=KeyId("Ab3Ab3Ab3Ab3"), owner="ci@acme.test", note="", policy="release", grants=(), networks=(), uses=None, used=0,
    created=NOW - 10, expires=None, paused=False, revoked=None, secrets=(Secret("0", "$argon2id$", NOW - 10, None),),
)  # fmt: skip
WHO = Principal(PrincipalKind.KEY, ip_address("192.0.2.7"), KEY, PublicId("Ab3Ab3Ab3Ab30"))
ORIGIN = Origin("request-1", NOW * 1000, "192.0.2.7", "twine/7.0")
YES = Admission("packages[0] *", "upload:acme-*", False, Overwrite.NEVER, MetadataCheck.VERIFY, None, None)
MAY_CREATE = replace(YES, may_create=True)
BYTES, OTHER = b"these bytes", b"other bytes"


def sha256(content: bytes) -> str:
    """Hash as the record has it."""
    return hashlib.sha256(content).hexdigest()


def asking(filename: str, content: bytes = BYTES) -> Access:
    """The access of an upload of this file."""
    file = artifact(filename)
    return Access(Action.UPLOAD, "default", file.project, file, len(content), sha256(content))


class Index:
    """What the recorded index holds: filename to bytes; `hashes` says whether its pages tell the SHA-256."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.hashes = True
        self.unreadable = False

    def __call__(self, seen: Seen) -> Script:
        if seen.target.startswith("/packages/"):
            content = self.files.get(seen.target.removeprefix("/packages/"))
            return Reply(404) if content is None or self.unreadable else Reply(200, content)
        if not self.files:
            return Reply(303, b"", (("Location", "http://192.0.2.1/simple/"),))
        links = "".join(
            f'<a href="../../packages/{name}{f"#sha256={sha256(content)}" if self.hashes else ""}">{name}</a><br>\n'
            for name, content in self.files.items()
        )
        return Reply(200, f"<!DOCTYPE html>\n<html><body>{links}</body></html>".encode())


@pytest.fixture
def held(recording: RecordingIndex) -> Index:
    """The files of the index behind the ledger."""
    recording.answer = held = Index()
    return held


@pytest.fixture
async def ledger(tmp_path: Path, recording: RecordingIndex) -> AsyncIterator[Ledger]:
    """A ledger on a new store that knows one key."""
    url = f"sqlite:///{tmp_path}/authproxy.db"
    await migrate(url)
    store = await Store.open(url)
    await store.add_key(KEY)
    async with Backend(Upstream(recording.url, "pypi.acme.test", "https"), PYPISERVER) as backend:
        yield Ledger(store, backend)
    await store.close()


async def claim(ledger: Ledger, access: Access, admission: Admission = YES) -> Ticket | SameFile | Denial:
    """Ask for a claim as the upload does."""
    return await ledger.claim(entry(ORIGIN, WHO, access, admission), access, admission, now=NOW)


async def upload(ledger: Ledger, held: Index, filename: str, content: bytes = BYTES) -> None:
    """Take a file all the way into the index."""
    ticket = await claim(ledger, asking(filename, content), MAY_CREATE)
    assert isinstance(ticket, Ticket)
    held.files[filename] = content
    await ledger.store.complete(ticket, Outcome.STORED, index_status=200, time_ms=NOW * 1000)


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
    """Our own rows answer: the second upload asks the index nothing."""
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


async def test_overwriting_replaces_the_same_name_only(ledger: Ledger, held: Index) -> None:
    """Another spelling would land beside the old file instead of replacing it."""
    allow = replace(YES, overwrite=Overwrite.ALLOW)
    await upload(ledger, held, "acme_core-1.0.tar.gz")
    beside = await claim(ledger, asking("Acme_Core-1.0.tar.gz", OTHER), allow)
    assert isinstance(beside, Denial)
    assert beside.code is Code.FILE_EXISTS
    assert isinstance(await claim(ledger, asking("acme_core-1.0.tar.gz", OTHER), allow), Ticket)


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
    assert fast.retry_after == 60
