"""What the store's verdicts are called in a refusal: one sentence for each that stands, whatever the index has."""

from typing import Final

from authproxy.domain.names import Artifact, ProjectName
from authproxy.domain.policy import DEAD_KEY
from authproxy.domain.refusal import Code, Denial, quoted
from authproxy.store import (
    Admitted,
    Entry,
    FileBusy,
    FileKnown,
    FileUnsettled,
    KeyDead,
    NonceSpent,
    RateExceeded,
    ReleaseHeld,
    UsesSpent,
    Verdict,
)

# A concurrent upload of the same file is over soon, or was cut off; in seconds.
AGAIN: Final = 2


def denied(verdict: Verdict | None, entry: Entry, wanted: Artifact) -> Denial | None:
    """Say which refusals stand whatever the index has."""
    match verdict:
        case KeyDead():
            return DEAD_KEY
        case NonceSpent():
            # A replay of what was captured, or a second upload with what was derived for one.
            return Denial(Code.CAVEAT, f"{name_of(entry)} was good once and has been used: derive a new one")
        case UsesSpent(limit):
            uses = "1 upload, and it is" if limit == 1 else f"{limit} uploads, and all are"
            return Denial(Code.USES_SPENT, f"key {entry.public_id} was for {uses} used up")
        case RateExceeded(retry_after):
            reason = f"key {entry.public_id} uploads faster than its policy allows, try again in {retry_after} s"
            return Denial(Code.RATE, reason, retry_after)
        case FileBusy(deleting=True):
            return going(entry)
        case FileBusy():
            return busy(wanted)
        case ReleaseHeld(lost):
            return release_held(entry, lost)
        case FileKnown(row) if row.removed:
            why = f"{quoted(row.filename)} was deleted and had other bytes, release a new version instead"
            return exists(wanted, why)
        case Admitted() | FileKnown() | FileUnsettled() | None:
            return None


def name_of(entry: Entry) -> str:
    """Name the key of an entry, as `Principal.name` does."""
    return f"derived key {entry.public_id}.{entry.lineage[-1]}" if entry.lineage else f"key {entry.public_id}"


def may_not_create(entry: Entry, project: ProjectName) -> Denial:
    """Say that a project is not there, and that this key may not make it."""
    return Denial(
        Code.CREATE,
        f"key {entry.public_id} may not create the project {quoted(project)}: the index has no such project, and "
        f"{entry.grant} does not say create",
    )


def other_bytes(filename: str, wanted: Artifact, *, replaceable: bool = False) -> Denial:
    """Say that the file is there, as `filename` and with other bytes."""
    if replaceable:
        return exists(wanted, f"the index has it as {quoted(filename)}, use that name to replace it")
    return exists(wanted, f"the index has {quoted(filename)} with other bytes, release a new version instead")


def exists(wanted: Artifact, why: str) -> Denial:
    """Say that the file is there, in words that clients know."""
    # Both forms of --skip-existing look for these words (measured): "File already exists" and "already exist".
    return Denial(Code.FILE_EXISTS, f"File already exists: {quoted(wanted.filename)} cannot be uploaded, {why}")


def busy(wanted: Artifact) -> Denial:
    """Say that somebody else is uploading the file."""
    return Denial(Code.BUSY, f"{quoted(wanted.filename)} is being uploaded by someone else, try again", AGAIN)


def going(entry: Entry) -> Denial:
    """Say that the release is being deleted, all its files with it."""
    what = f"{quoted(entry.project)} {entry.version} is being deleted from {entry.index}"
    return Denial(Code.BUSY, f"{what}, try again when that is done", AGAIN)


def release_held(entry: Entry, lost: int | None) -> Denial:
    """Say that nothing changes in a release while it is copied. `lost` is in seconds (`store.ReleaseHeld`)."""
    what = f"{quoted(entry.project)} {entry.version} is being pushed out of {entry.index}"
    if lost is None:
        return Denial(Code.BUSY, f"{what} and stays as it is until that is done, try again", AGAIN)
    why = f"{what}, and the index did not say how that ended: push it again, or try again in {lost} s"
    return Denial(Code.BUSY, why, lost)
