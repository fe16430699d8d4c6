"""What the store is told and what it answers: values only, no SQL.

An `Entry` is one decision as it goes on record. `admit` answers with one verdict; only `Admitted` leaves rows behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from authproxy.domain.narrowing import Nonce


class Busy(Enum):
    """The answer of a read that must not wait, while a writer is in the middle of a commit."""

    BUSY = "busy"


BUSY: Final = Busy.BUSY


class KeyState(StrEnum):
    """What `Store.keys` filters by. A key is in exactly one state at a time; the first that fits, in this order."""

    REVOKED = "revoked"
    PAUSED = "paused"
    EXPIRED = "expired"
    CANARY = "canary"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision. Every text is already checked and bounded by the caller; `client` is a sanitised user agent."""

    time_ms: int  # unix milliseconds, UTC
    request_id: str
    action: str
    index: str
    project: str
    version: str
    filename: str
    identity: str
    size: int  # bytes
    sha256: str  # lower-case hex
    principal: str  # a PrincipalKind: "key", "password"
    key_id: str | None
    public_id: str | None
    owner: str | None  # of the key; of a password, its user
    rule: str
    grant: str
    address: str
    client: str
    warning: str | None = None  # what the user is told besides, where the answer is yes
    source: str | None = None  # of a push: the index that it takes from
    derived: str | None = None  # of a derived key: its name and its caveats, JSON
    claims: str | None = None  # of a minted key: what its token said, JSON
    attestations: str | None = None  # of an upload that carries any: hashes, and whose they claim to be, JSON
    lineage: tuple[str, ...] = ()  # names of a derived key and of those that it was made of; not on record


@dataclass(frozen=True, slots=True)
class Claim:
    """What `admit` must enforce."""

    uses_limit: int | None = None  # the smaller one of the key's own and its policy's (`domain.policy`)
    rate: tuple[int, int] | None = None  # (uploads, seconds)
    overwrite: bool = False
    pushed_from: bool = True  # whether releases are pushed out of that index, so that one may be held
    once: tuple[Nonce, ...] = ()  # of a derived key that is good once


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file of the index: stored, or (`FileUnsettled`) on its way there."""

    id: int  # of the stored file; in a FileUnsettled of the claim
    index: str
    identity: str
    filename: str
    project: str
    version: str
    sha256: str | None  # None: it was there before us and nobody has read it yet
    ours: bool  # `sha256` is of what we sent, and not of what was found in the index, perhaps half written
    removed: bool = False  # deleted through us; `sha256` is then of what it was


@dataclass(frozen=True, slots=True)
class Intent:
    """An upload or a delete that was admitted and whose end nobody saw."""

    row: FileRow  # `id` is the claim's; of a delete the project and the version, and no file
    record_id: int
    action: str
    opened: int  # unix seconds


@dataclass(frozen=True, slots=True)
class Alarm:
    """A file of the index where an upload of ours should be, with other bytes than were uploaded."""

    row: FileRow
    record_id: int  # of the upload
    sent: str  # the hash of what was uploaded


@dataclass(frozen=True, slots=True)
class AdoptedFile:
    """A file that the index had before us."""

    identity: str
    filename: str
    version: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Adopted:
    """What came of noting what an index has of a project.

    `changed`, as they were: files that did not come through us and have other bytes now. `doubted`: files that did,
    and that are not listed as they were sent; nothing is noted of those yet. Look again and tell `Unfinished.found`.
    """

    new: int
    changed: tuple[FileRow, ...] = ()
    doubted: tuple[FileRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Removed:
    """What a delete has made of files in an index, by their identities."""

    index: str
    gone: Sequence[str]  # or nobody saw whether they are
    left: Sequence[str]  # surely there


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to send one file; given back to `Store.complete` exactly once."""

    record_id: int
    claim_id: int
    key_id: str | None
    once: tuple[Nonce, ...] = ()  # what is spent with it


@dataclass(frozen=True, slots=True)
class Admitted:
    """The upload is on record, its use is spent, its file is claimed."""

    ticket: Ticket


@dataclass(frozen=True, slots=True)
class KeyDead:
    """The key stopped working while the body came in: "revoked", "paused", "expired", "unknown", "ended"."""

    reason: str


@dataclass(frozen=True, slots=True)
class NonceSpent:
    """A derived key that is good once has been used for an upload that the index took."""


@dataclass(frozen=True, slots=True)
class UsesSpent:
    """All successful uploads that the key or its policy allows have happened (or are on their way)."""

    limit: int


@dataclass(frozen=True, slots=True)
class RateExceeded:
    """The key has been admitted too often within its policy's window. `retry_after` is in seconds, at least 1."""

    retry_after: int


@dataclass(frozen=True, slots=True)
class FileKnown:
    """The index has this file (same project, version and tags), and these bytes may not, or need not, replace it.

    Where `row.sha256` is None only the index can tell which of the two.
    """

    row: FileRow


@dataclass(frozen=True, slots=True)
class FileBusy:
    """Another upload of this file is under way, or (`deleting`) a delete of its release."""

    deleting: bool = False


@dataclass(frozen=True, slots=True)
class FileUnsettled:
    """An upload of this file, or a delete of its release, ended without an answer (timeout, crash).

    Ask the index, settle what was begun, try again.
    """

    intent: Intent

    @property
    def row(self) -> FileRow:
        """The file of the upload; of a delete the release."""
        return self.intent.row


@dataclass(frozen=True, slots=True)
class ReleaseHeld:
    """The release is being pushed into another index, and may not change meanwhile.

    `lost` is the seconds until nobody waits any more for the end of a push that got no clear answer.
    """

    lost: int | None


@dataclass(frozen=True, slots=True)
class Passing:
    """A release that is to go from one index into another. `version` is canonical."""

    source: str
    target: str
    project: str
    version: str


@dataclass(frozen=True, slots=True)
class Hold:
    """A release is held; given back to `Holds.end` exactly once."""

    id: int


Verdict = (
    Admitted | KeyDead | NonceSpent | UsesSpent | RateExceeded | FileKnown | FileBusy | FileUnsettled | ReleaseHeld
)
