"""What stands between a decision and the index: is the project there, is the file there, whose claim is it.

Our own rows answer where they can. Where they cannot (a row that a crash left open, a file that did not come through
us) the index itself is asked, and what it says is kept; and once per project and running proxy it is asked in any case,
since somebody may have gone to it past us, and a database may be a restored one. The index's own no-overwrite compares
exact strings (measured: `Victim-1.0.tar.gz` lands beside `victim-1.0.tar.gz`), so it does not help.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from authproxy.authority.recent import Recent
from authproxy.backend.client import Backend
from authproxy.backend.flavour import IndexFile
from authproxy.backend.spans import step
from authproxy.domain.access import Access, Outcome
from authproxy.domain.names import Artifact, ProjectName
from authproxy.domain.narrowing import Nonce
from authproxy.domain.policy import DEAD_KEY, Admission, Overwrite
from authproxy.domain.refusal import Code, Denial, Refused, quoted, refuse
from authproxy.store import (
    Admitted,
    Claim,
    Entry,
    FileBusy,
    FileKnown,
    FileRow,
    FileUnsettled,
    Intent,
    KeyDead,
    NonceSpent,
    RateExceeded,
    ReleaseHeld,
    Store,
    Ticket,
    UsesSpent,
    Verdict,
)
from authproxy.web.comparing import Noted, alarm, compared, put_right
from authproxy.web.looks import Looks, Round, alike, stated
from authproxy.web.verdicts import AGAIN, busy, denied, exists, may_not_create, other_bytes, release_held

# After the first answer the index may have to be asked once, and someone else may have been quicker once.
ATTEMPTS: Final = 3
# How many projects are remembered as compared with the index: 2 MB of names. One that fell out costs one request more.
COMPARED: Final = 10_000


@dataclass(frozen=True, slots=True)
class SameFile:
    """The index has these very bytes under this very identity: nothing to send."""

    filename: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the index holds, as far as uploads are concerned. `clock` gives unix seconds."""

    store: Store
    backend: Backend
    clock: Callable[[], float] = time.time
    _compared: Recent[tuple[str, ProjectName], bool] = field(default_factory=lambda: Recent(COMPARED), repr=False)

    async def claim(
        self, entry: Entry, access: Access, admission: Admission, *, now: int, once: tuple[Nonce, ...] = ()
    ) -> Ticket | SameFile | Denial:
        """Put the upload on record and claim its file, and `once`; from then on the caller owes `Store.complete`.

        Raises Refused (index-unreachable, index-timeout, misconfigured) where the index is needed and cannot be asked,
        and StoreError.
        """
        wanted = _artifact(access)
        claim = Claim(
            uses_limit=admission.uses,
            rate=(admission.rate.count, admission.rate.seconds) if admission.rate else None,
            overwrite=admission.overwrite is Overwrite.ALLOW,
            pushed_from=self.backend.flavour.pushes,
            once=once,
        )
        if not self._compared.get((access.index, wanted.project)):
            foreseen = await self.store.foresee(entry, claim, now=now)
            denial = denied(foreseen, entry, wanted) or await self._compare(entry, wanted, admission)
            if denial is not None:
                return denial
        for _ in range(ATTEMPTS):
            with step("store admit"):
                verdict = await self.store.admit(entry, claim, now=now)
            if isinstance(verdict, Admitted):
                return verdict.ticket
            answer = denied(verdict, entry, wanted) or await self._answer(verdict, entry, wanted, claim)
            if isinstance(answer, SameFile) and once and await self.spend(entry, wanted, once, now=now):
                continue  # somebody was quicker, and the store says what became of that
            if answer is not None:
                return answer
        return busy(wanted)

    async def spend(self, entry: Entry, wanted: Artifact, once: tuple[Nonce, ...], *, now: int) -> Denial | None:
        """Use up what is good once on a file that the index has already; say why not. Raises StoreError."""
        verdict = await self.store.record_same(entry, once, now=now)
        return denied(verdict, entry, wanted) or (busy(wanted) if verdict else None)

    async def already_there(self, access: Access) -> SameFile | Denial:
        """Say what the index has of a file that it refused because it has it: these bytes, or others; and learn it.

        To be asked once the upload is completed: until then what the index has is taken for a part of it. Raises
        Refused (index-unreachable, index-timeout, misconfigured) where the index cannot be asked, and StoreError.
        """
        wanted = _artifact(access)
        found = await self.backend.files(access.index, wanted.project) or ()
        await self.note(access.index, wanted.project, found)
        there = alike(found, wanted.identity, wanted.filename)
        if there is None:
            return exists(wanted, "the index has it and does not list it")
        if await self.looks.sha256(there) == access.sha256:
            return SameFile(there.filename)
        return other_bytes(there.filename, wanted)

    @property
    def looks(self) -> Looks:
        """How the index is looked at."""
        return Looks(self.store, self.backend)

    def _now(self) -> int:
        return int(self.clock())

    async def remember(self, index: str, project: ProjectName, files: tuple[IndexFile, ...]) -> None:
        """Note files that are about to be deleted, with their hashes; those on their way are left to their uploads.

        Raises Refused (index-unreachable, index-timeout, misconfigured) where the index is needed and cannot be asked,
        and StoreError.
        """
        await self.note(index, project, files)
        await self.read_back(index, files)

    async def adopt(
        self, index: str, project: ProjectName, *, whole: bool = False
    ) -> tuple[tuple[IndexFile, ...], Noted]:
        """Learn what the index has of a project; return that, and what was new or otherwise; `whole`: or is gone.

        Raises Refused and StoreError.
        """
        found = await self.backend.files(index, project) or ()
        return found, await self.note(index, project, found, whole=whole)

    async def read_back(self, index: str, files: tuple[IndexFile, ...]) -> int:
        """Learn the hashes that the index does not state, of files that were adopted; say how many. Raises Refused."""
        read = 0
        for file in files:
            row = await self.store.file(index, file.artifact.identity)
            if row is not None and row.sha256 is None:
                await self.store.set_sha256(row, await self.looks.sha256(file))
                read += 1
        return read

    async def claim_removal(self, entry: Entry, files: tuple[IndexFile, ...], *, now: int) -> int | Denial:
        """Put the delete of these files on record and mark them; the caller then owes `store.removals.complete`.

        An upload of the release that ended without an answer is settled first. Raises Refused (busy;
        index-unreachable, index-timeout, misconfigured) where it cannot be, and StoreError.
        """
        identities = [file.artifact.identity for file in files if file.artifact.project == entry.project]
        for _ in range(ATTEMPTS + len(files)):
            verdict = await self.store.removals.admit(entry, identities, now=now)
            match verdict:
                case int():
                    return verdict
                case KeyDead():
                    return DEAD_KEY
                case FileUnsettled(intent):
                    await self.settle(intent)
                    late = intent.row.identity not in identities
                    if late and await self.store.file(entry.index, intent.row.identity) is not None:
                        break  # it is there after all, and who listed the release has not seen it
                case ReleaseHeld(lost):
                    return release_held(entry, lost)
                case FileBusy():
                    break
        return Denial(Code.BUSY, f"a file of {entry.project} {entry.version} is being uploaded, try again", AGAIN)

    async def settle(self, *intents: Intent) -> None:
        """End uploads and deletes whose end nobody saw by what the index has, which takes `looks.PAUSE` at most.

        Raises Refused (index-unreachable, index-timeout, misconfigured where it cannot be asked; busy where it is at
        it still), and StoreError.
        """
        done = await self.looks.settle(intents, self._now)
        await self.tell(done)
        if done.denial is not None:
            raise Refused(done.denial)
        if done.changing:
            row = done.changing[0].row
            what = row.filename or f"{row.project} {row.version}"
            raise refuse(Code.BUSY, f"the index is at {quoted(what)} still, try again", retry_after=AGAIN)

    async def tell(self, done: Round) -> None:
        """Tell the operator of what was settled with other bytes than were uploaded. Raises StoreError."""
        for intent, outcome in done.settled:
            if outcome is Outcome.DIFFERENT:
                stored = await self.store.file(intent.row.index, intent.row.identity)
                alarm(intent.row, stored.sha256 if stored else None)

    def doubt(self, index: str, project: ProjectName) -> None:
        """Have the index asked again by the next upload to a project: much of it may be gone."""
        self._compared.drop((index, project))

    async def arrived(self, access: Access) -> bool:
        """Whether the index has exactly this file, for an upload that it did not answer clearly."""
        try:
            wanted = _artifact(access)
            there = await self.looks.in_index(access.index, wanted, wanted.filename)
            return there is not None and await self.looks.sha256(there) == access.sha256
        except Refused:
            return False

    async def _compare(self, entry: Entry, wanted: Artifact, admission: Admission) -> Denial | None:
        """Learn what the index has of a project; refuse to make one that it does not have without the right to."""
        found = await self.backend.files(entry.index, wanted.project)
        if found is None and not admission.may_create:
            return may_not_create(entry, wanted.project)
        await self.note(entry.index, wanted.project, found or ())
        # A project that is not there is asked for again until it is: whoever comes next may lack the right to make it.
        if found is not None:
            self._compared.put((entry.index, wanted.project), value=True)
        return None

    async def _answer(self, verdict: Verdict, entry: Entry, wanted: Artifact, claim: Claim) -> SameFile | Denial | None:
        """Ask the index what our rows cannot say; None means that the question is now worth asking again."""
        match verdict:
            case FileUnsettled(intent):
                await self.settle(intent)
                return None
            case FileKnown(row) if row.ours and row.sha256 != entry.sha256:
                return other_bytes(row.filename, wanted, replaceable=claim.overwrite)
            case FileKnown(row):
                return await self._known(row, entry, wanted, claim)
            case Admitted() | KeyDead() | NonceSpent() | UsesSpent() | RateExceeded() | FileBusy() | ReleaseHeld():
                return None

    async def _known(self, row: FileRow, entry: Entry, wanted: Artifact, claim: Claim) -> SameFile | Denial | None:
        """Look at the file in the index: it may be gone, and what was found there once may have been half of it."""
        there = await self.looks.in_index(entry.index, wanted, row.filename)
        if there is None:
            await self.store.forget(row)
            return None
        told = stated(there)
        if row.sha256 == entry.sha256 and (told == entry.sha256 or (told is None and there.filename == row.filename)):
            return SameFile(row.filename)
        sha256 = told or await self.looks.sha256(there)
        if not row.ours and sha256 != row.sha256:
            await self.store.set_sha256(row, sha256)
        await put_right(self.looks, row, sha256, now=self._now())
        if sha256 == entry.sha256:
            return SameFile(there.filename)
        if claim.overwrite and row.filename == wanted.filename:
            return None
        return other_bytes(row.filename, wanted, replaceable=claim.overwrite)

    async def note(self, index: str, project: ProjectName, found: Sequence[IndexFile], *, whole: bool = False) -> Noted:
        """Note what the index has of a project, `whole`: all of it (`comparing`). Raises Refused, StoreError."""
        return await compared(self.looks, index, project, found, now=self._now(), whole=whole)


def _artifact(access: Access) -> Artifact:
    if access.artifact is None:
        raise TypeError("an upload's access names its artifact")
    return access.artifact
