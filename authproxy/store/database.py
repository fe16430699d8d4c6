"""The store as the rooms above see it: every question and every change is one method here, and one transaction."""

from collections.abc import AsyncIterator, Collection, Sequence
from functools import partial
from typing import Self

from sqlalchemy import text

from authproxy.domain.access import Outcome
from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.store import files, keys, passwords, removals, uploads
from authproxy.store.changes import Watch
from authproxy.store.engine import border, database_path, require_private
from authproxy.store.errors import StoreError
from authproxy.store.holds import Holds
from authproxy.store.passwords import PasswordUse
from authproxy.store.runs import Run
from authproxy.store.schema import require_current
from authproxy.store.verdicts import (
    Admitted,
    AdoptedFile,
    Busy,
    Claim,
    Entry,
    FileBusy,
    FileRow,
    FileUnsettled,
    Intent,
    KeyDead,
    KeyState,
    ReleaseHeld,
    Removed,
    Ticket,
    Verdict,
)
from authproxy.store.worker import Worker


class Store:
    """One open database. Its coroutines raise StoreError (StoreBusy, StoreFull), and nothing foreign.

    A change that a coroutine has returned from is on disk. Work that was handed in is done, also where the caller is
    cancelled while it waits.
    """

    def __init__(self, worker: Worker, watch: Watch, run: Run) -> None:
        self._worker = worker
        self._watch = watch
        self._run = run
        self.holds = Holds(worker, run)

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open an existing database at this program's schema, else raise SchemaError. Creates nothing."""
        path = database_path(url)
        require_private(path)
        worker = Worker(path)
        await worker.start(partial(require_current, path=path))
        try:
            with border(path):
                return cls(worker, Watch(path), Run(path))
        except StoreError:
            await worker.close()
            raise

    async def close(self) -> None:
        """Finish what was handed in, then let go. Closing twice is fine."""
        self._watch.close()
        await self._worker.close()
        self._run.close()

    async def ping(self) -> None:
        """Raise StoreError where the database does not answer."""
        await self._worker.read(lambda connection: connection.scalar(text("SELECT generation FROM meta")))

    # Keys

    async def add_key(self, record: KeyRecord) -> None:
        """Store a new key with its secrets. Raises StoreError where the id is taken."""
        await self._worker.write(lambda connection: keys.add(connection, record))

    async def key(self, key_id: KeyId) -> KeyRecord | None:
        """Read one key, a dead one too."""
        return await self._worker.read(lambda connection: keys.find(connection, key_id))

    async def keys(
        self, *, policy: str | None = None, owner: str | None = None, state: KeyState | None = None, now: int = 0
    ) -> AsyncIterator[KeyRecord]:
        """Read keys in the order of their creation, a page per transaction. `state` is judged at `now`."""
        where = keys.matching(policy, owner, state, now)
        last: KeyRecord | None = None
        while True:
            page = await self._worker.read(partial(keys.page, where=where, after=last))
            for record in page:
                yield record
            if len(page) < keys.PAGE:
                return
            last = page[-1]

    async def revoke(self, key_id: KeyId, now: int) -> bool:
        """End a key for good. False where nothing changed: no such key, or revoked before (the first time stays)."""
        return await self._worker.write(lambda connection: keys.change(connection, "revoke", key_id, now))

    async def pause(self, key_id: KeyId, now: int) -> bool:
        """Suspend a key. False where nothing changed: no such key, revoked, or paused already."""
        return await self._worker.write(lambda connection: keys.change(connection, "pause", key_id, now))

    async def resume(self, key_id: KeyId, now: int) -> bool:
        """Let a paused key work again. False where nothing changed: no such key, revoked, or not paused."""
        return await self._worker.write(lambda connection: keys.change(connection, "resume", key_id, now))

    # Keys, without waiting (from the event loop's thread alone)

    def generation(self) -> int | Busy:
        """Read, in microseconds, the number that every mutation of a key raises and no upload does.

        BUSY while a writer is in the middle of a commit: whatever is remembered may be stale, so ask `key`.
        """
        return self._watch.generation()

    def peek(self, key_id: KeyId) -> KeyRecord | Busy | None:
        """Read one key in microseconds. On BUSY ask `key`. Raises StoreError where the row cannot be understood."""
        return self._watch.peek(key_id)

    # Uploads

    async def foresee(self, entry: Entry, claim: Claim, *, now: int) -> Verdict | None:
        """Say what `admit` would refuse with; None where it would admit. Promises nothing, writes nothing."""
        return await self._worker.read(lambda connection: uploads.foresee(connection, self._run, entry, claim, now))

    async def admit(self, entry: Entry, claim: Claim, *, now: int) -> Verdict:
        """Decide for the last time and put it on record. `now` is unix seconds.

        Everything but Admitted leaves no trace. Asked in this order: key, file, uses, rate; so a repeated upload of a
        known file is answered as such also where it was the key's last use. If the caller is cancelled while it waits,
        the admission is completed as FAILED.
        """
        run = self._run

        def release(verdict: Verdict) -> None:
            if isinstance(verdict, Admitted):
                ended = verdict.ticket, Outcome.FAILED, None, entry.time_ms
                self._worker.hand_in(lambda connection: uploads.complete(connection, run, *ended), writes=True)

        return await self._worker.write(
            lambda connection: uploads.admit(connection, run, entry, claim, now), orphaned=release
        )

    async def complete(self, ticket: Ticket, outcome: Outcome, *, index_status: int | None, time_ms: int) -> None:
        """End an admitted upload; ending it twice changes nothing. `time_ms` is unix milliseconds.

        STORED stores the file. REFUSED and FAILED leave what was stored before and give the use back. UNKNOWN keeps
        file and use claimed: whoever asks for the file next gets FileUnsettled and settles it with the index.
        """
        await self._worker.write(
            lambda connection: uploads.complete(connection, self._run, ticket, outcome, index_status, time_ms)
        )

    async def settle(self, row: FileRow, sha256: str | None) -> bool:
        """End the claim of a FileUnsettled by what the index has: the file's hash, or None where it has no such file.

        The use is given back unless the bytes are the claim's own. False where someone else settled it before; either
        way `admit` can be asked again.
        """
        return await self._worker.write(lambda connection: uploads.settle(connection, self._run, row, sha256))

    async def record_refusal(self, entry: Entry, code: str, reason: str) -> None:
        """Put a refusal on record."""
        await self._worker.write(lambda connection: uploads.refuse(connection, entry, code, reason))

    async def record_same(self, entry: Entry) -> None:
        """Put on record that nothing had to be sent, because the index had these very bytes."""
        await self._worker.write(lambda connection: uploads.note(connection, entry, outcome=Outcome.SAME))

    # Deletes

    async def admit_removal(
        self, entry: Entry, identities: Sequence[str], *, now: int
    ) -> int | KeyDead | FileBusy | FileUnsettled | ReleaseHeld:
        """Put a delete on record and mark its files; return its number for `complete_removal`.

        Everything but a number leaves no trace: the key is dead; the release is being pushed out of this index; an
        upload of a file of it is on its way, or ended without an answer (`settle` it and ask again); or the hash of one
        of these files is not known (any more).
        """
        return await self._worker.write(
            lambda connection: removals.admit(connection, self._run, entry, identities, now)
        )

    async def complete_removal(
        self,
        number: int,
        outcome: Outcome,
        *,
        index_status: int | None,
        time_ms: int,
        removed: Removed,
    ) -> None:
        """End a delete. Of what is left the mark is taken away again."""
        await self._worker.write(
            lambda connection: removals.complete(connection, self._run, number, outcome, index_status, time_ms, removed)
        )

    async def settle_removal(self, intent: Intent, left: Collection[str] | None) -> Outcome | None:
        """End a delete by what the index still has of the release: the identities of its files, None where it is gone.

        None comes back where someone else settled it before.
        """
        return await self._worker.write(lambda connection: removals.settle(connection, self._run, intent, left))

    # The record

    async def password_uses(self) -> list[PasswordUse]:
        """Read who used a password of the index, by user and package, the latest of each first."""
        return await self._worker.read(passwords.uses)

    # Files

    async def file(self, index: str, identity: str) -> FileRow | None:
        """Find a stored file."""
        return await self._worker.read(lambda connection: files.find(connection, index, identity))

    async def adopt(self, index: str, project: str, found: Sequence[AdoptedFile]) -> None:
        """Note what the index has of a project. What is on its way there is left to its upload.

        Of a file that is known already, a hash that the index states counts, and that it is there.
        """
        await self._worker.write(lambda connection: files.adopt(connection, index, project, found))

    async def set_sha256(self, row: FileRow, sha256: str) -> bool:
        """Note the hash of a file that was read back just now. False where it is gone, or was replaced since."""
        return await self._worker.write(lambda connection: files.set_sha256(connection, row, sha256))

    async def forget(self, row: FileRow) -> bool:
        """Drop a stored file that the index no longer has. False where it is gone, or was replaced since."""
        return await self._worker.write(lambda connection: files.forget(connection, row))
