"""What stands between a decision and the index: is the project there, is the file there, whose claim is it.

Our own rows answer where they can. Where they cannot (a project that we never saw, a row that a crash left open, a file
from before our time) the index itself is asked, and what it says is kept. The index's own no-overwrite compares
exact strings (measured: `Victim-1.0.tar.gz` lands beside `victim-1.0.tar.gz`), so it does not help.
"""

from dataclasses import dataclass
from typing import Final

from authproxy.backend.client import Backend
from authproxy.backend.flavour import IndexFile
from authproxy.domain.access import Access
from authproxy.domain.names import Artifact, ProjectName, artifact
from authproxy.domain.policy import DEAD_KEY, Admission, Overwrite
from authproxy.domain.refusal import Code, Denial, Refused, quoted, refuse
from authproxy.store import (
    Admitted,
    AdoptedFile,
    Claim,
    Entry,
    FileBusy,
    FileKnown,
    FileRow,
    FileUnsettled,
    KeyDead,
    RateExceeded,
    Store,
    Ticket,
    UsesSpent,
    Verdict,
)

# After the first answer the index may have to be asked once, and someone else may have been quicker once.
ATTEMPTS: Final = 3
# A concurrent upload of the same file is over soon, or was cut off; in seconds.
AGAIN: Final = 2


@dataclass(frozen=True, slots=True)
class SameFile:
    """The index has these very bytes under this very identity: nothing to send."""

    filename: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the index holds, as far as uploads are concerned."""

    store: Store
    backend: Backend

    async def claim(
        self, entry: Entry, access: Access, admission: Admission, *, now: int
    ) -> Ticket | SameFile | Denial:
        """Put the upload on record and claim its file; from then on the caller owes `Store.complete`.

        Raises Refused where the index is needed and cannot be asked.
        """
        wanted = _artifact(access)
        if not await self.store.project_known(access.index, wanted.project):
            found = await self.backend.files(wanted.project)
            if found is None and not admission.may_create:
                return _may_not_create(entry, wanted.project)
            await self._adopt(access.index, wanted.project, found or ())
        claim = Claim(
            uses_limit=admission.uses,
            rate=(admission.rate.count, admission.rate.seconds) if admission.rate else None,
            overwrite=admission.overwrite is Overwrite.ALLOW,
        )
        for _ in range(ATTEMPTS):
            if claim.overwrite and (other := await self._other_spelling(access.index, wanted)):
                return _exists(wanted, f"the index has it as {quoted(other.filename)}, use that name to replace it")
            verdict = await self.store.admit(entry, claim, now=now)
            if isinstance(verdict, Admitted):
                return verdict.ticket
            answer = await self._answer(verdict, entry, wanted)
            if answer is not None:
                return answer
        return _busy(wanted)

    async def arrived(self, access: Access) -> bool:
        """Whether the index has exactly this file, for an upload that it did not answer clearly."""
        try:
            there = await self._in_index(_artifact(access))
            return there is not None and await self._sha256(there) == access.sha256
        except Refused:
            return False

    async def _answer(self, verdict: Verdict, entry: Entry, wanted: Artifact) -> SameFile | Denial | None:
        """Turn what `admit` said into an answer; None means that the question is now worth asking again."""
        match verdict:
            case KeyDead():
                return DEAD_KEY
            case UsesSpent(limit):
                return Denial(Code.USES_SPENT, f"key {entry.public_id} was for {limit} uploads, and all are used up")
            case RateExceeded(retry_after):
                reason = f"key {entry.public_id} uploads faster than its policy allows, try again in {retry_after} s"
                return Denial(Code.RATE, reason, retry_after)
            case FileBusy():
                return _busy(wanted)
            case FileUnsettled(row):
                there = await self._in_index(wanted)
                await self.store.settle(row, await self._sha256(there) if there else None)
                return None
            case FileKnown(row):
                return await self._known(row, entry, wanted)
            case Admitted():
                return None

    async def _known(self, row: FileRow, entry: Entry, wanted: Artifact) -> SameFile | Denial | None:
        sha256 = row.sha256
        if sha256 is None or sha256 == entry.sha256:
            there = await self._in_index(wanted)
            if there is None:
                await self.store.forget(row)
                return None
            if sha256 is None:
                sha256 = await self._sha256(there)
                await self.store.set_sha256(row, sha256)
        if sha256 == entry.sha256:
            return SameFile(row.filename)
        return _exists(wanted, f"{quoted(row.filename)} has other bytes, release a new version instead")

    async def _other_spelling(self, index: str, wanted: Artifact) -> FileRow | None:
        row = await self.store.file(index, wanted.identity)
        return row if row is not None and row.filename != wanted.filename else None

    async def _adopt(self, index: str, project: ProjectName, found: tuple[IndexFile, ...]) -> None:
        files = [
            AdoptedFile(known.identity, known.filename, known.version, _sha256_of(file))
            for file in found
            if (known := _reads_as(file.filename)) is not None and known.project == project
        ]
        if files:
            await self.store.adopt(index, project, files)

    async def _in_index(self, wanted: Artifact) -> IndexFile | None:
        for file in await self.backend.files(wanted.project) or ():
            known = _reads_as(file.filename)
            if known is not None and known.identity == wanted.identity:
                return file
        return None

    async def _sha256(self, file: IndexFile) -> str:
        found = _sha256_of(file) or await self.backend.sha256(file.path)
        if found is None:
            # To take this for "not there" would free the name for other bytes.
            raise refuse(Code.INDEX_UNREACHABLE, f"the index lists {quoted(file.filename)} and does not return it")
        return found


def _artifact(access: Access) -> Artifact:
    if access.artifact is None:
        raise TypeError("an upload's access names its artifact")
    return access.artifact


def _reads_as(filename: str) -> Artifact | None:
    """An index also holds files that we would not take (eggs, old spellings); no upload of ours collides with them."""
    try:
        return artifact(filename)
    except Refused:
        return None


def _sha256_of(file: IndexFile) -> str | None:
    return file.digest[1] if file.digest is not None and file.digest[0] == "sha256" else None


def _may_not_create(entry: Entry, project: ProjectName) -> Denial:
    return Denial(
        Code.CREATE,
        f"key {entry.public_id} may not create the project {quoted(project)}: the index has no such project, and "
        f"{entry.grant} does not say create",
    )


def _exists(wanted: Artifact, why: str) -> Denial:
    # Both forms of --skip-existing look for these words (measured): "File already exists" and "already exist".
    return Denial(Code.FILE_EXISTS, f"File already exists: {quoted(wanted.filename)} cannot be uploaded, {why}")


def _busy(wanted: Artifact) -> Denial:
    return Denial(Code.BUSY, f"{quoted(wanted.filename)} is being uploaded by someone else, try again", AGAIN)
