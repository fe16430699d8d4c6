"""A ledger before an index that holds what a test puts there: what to ask it and how."""

import hashlib
from dataclasses import replace
from ipaddress import ip_address

from authproxy.audit import Origin, entry
from authproxy.domain.access import Access, Outcome, Principal, PrincipalKind
from authproxy.domain.grants import Action
from authproxy.domain.keys import KeyId, KeyRecord, PublicId, Secret
from authproxy.domain.names import artifact
from authproxy.domain.policy import Admission, MetadataCheck, Overwrite
from authproxy.domain.refusal import Denial
from authproxy.store import Ticket
from authproxy.web.ledger import Ledger, SameFile
from tests.peers.recording import Reply, Script, Seen

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


async def claim(ledger: Ledger, access: Access, admission: Admission = YES) -> Ticket | SameFile | Denial:
    """Ask for a claim as the upload does."""
    return await ledger.claim(entry(ORIGIN, WHO, access, admission), access, admission, now=NOW)


async def upload(ledger: Ledger, held: Index, filename: str, content: bytes = BYTES) -> None:
    """Take a file all the way into the index."""
    ticket = await claim(ledger, asking(filename, content), MAY_CREATE)
    assert isinstance(ticket, Ticket)
    held.files[filename] = content
    await ledger.store.complete(ticket, Outcome.STORED, index_status=200, time_ms=NOW * 1000)


def restarted(ledger: Ledger) -> Ledger:
    """A new proxy on the same store, before the same index."""
    return Ledger(ledger.store, ledger.backend)
