"""The store as the rooms above see it: every question and every change is one method here, and one transaction."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Self, TypeVar

from sqlalchemy import and_, text

from authproxy.config.databases import is_postgres
from authproxy.domain.access import Outcome
from authproxy.domain.keys import KeyId, KeyKind, KeyRecord
from authproxy.domain.narrowing import Nonce
from authproxy.store import files, holders, keyring, keys, last_uses, outcomes, passwords, removals, uploads
from authproxy.store.changes import Watch
from authproxy.store.derivations import Derivations
from authproxy.store.engine import database_path
from authproxy.store.holds import Holds
from authproxy.store.keyring import Ending, KeyLife, Paused
from authproxy.store.last_uses import LastUse
from authproxy.store.leaks import Leaks
from authproxy.store.lives import Step, Unchanged
from authproxy.store.minting import Minting
from authproxy.store.opening import opened_file
from authproxy.store.outbox import NOBODY, Outbox, Wanted
from authproxy.store.passwords import PasswordUse
from authproxy.store.record import Record
from authproxy.store.refusals import Refusal, Refusals
from authproxy.store.reserve import Reserve
from authproxy.store.runs import Run
from authproxy.store.settling import Unfinished
from authproxy.store.verdicts import (
    Admitted,
    Adopted,
    AdoptedFile,
    Busy,
    Claim,
    Entry,
    FileRow,
    KeyState,
    Ticket,
    Verdict,
)
from authproxy.store.webhooks import Webhooks
from authproxy.store.worker import Worker

T = TypeVar("T")


class Store:
    """One open database. Its coroutines raise StoreError (StoreBusy, StoreFull), and nothing foreign.

    A change that a coroutine has returned from is on disk. Work that was handed in is done, also where the caller is
    cancelled while it waits.
    """

    def __init__(self, worker: Worker, watch: Watch, run: Run, reserve: Reserve, outbox: Outbox) -> None:
        self._worker = worker
        self._watch = watch
        self._run = run
        self.holds = Holds(worker, run)
        self.removals = removals.Removals(worker, run)
        self.minting = Minting(worker)
        self._reserve = reserve
        self._outbox = outbox
        self._refusals = Refusals()
        self.record = Record(worker)
        self.unfinished = Unfinished(worker, run, reserve)
        self.webhooks = Webhooks(worker, run, outbox)
        self.derivations = Derivations(worker, watch, reserve)
        self.leaks = Leaks(reserve, outbox)

    @classmethod
    async def open(cls, url: str, wanted: Wanted = NOBODY, *, password: str | None = None, grace: float = 0) -> Self:
        """Open an existing database at this program's schema, else raise SchemaError. Creates nothing.

        `password` and `grace` (seconds, `within_grace`) are for a server.
        """
        outbox = Outbox(wanted)
        if is_postgres(url):
            from authproxy.store.postgres.opening import opened_there  # noqa: PLC0415 - an extra

            there, sentinel = await opened_there(url, password, outbox.watched, grace)
            return cls(there, sentinel, sentinel, Reserve(None, there), outbox)
        path = database_path(url)
        worker, watch, run = await opened_file(path, outbox.watched)
        return cls(worker, watch, run, Reserve(path, worker), outbox)

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
        await self._worker.write(self._outbox.adding(record))

    async def key(self, key_id: KeyId) -> KeyRecord | None:
        """Read one key, a dead one too."""
        return await self._worker.read(lambda connection: keys.find(connection, key_id))

    async def keys(
        self,
        *,
        policy: str | None = None,
        owner: str | None = None,
        state: KeyState | None = None,
        idle_since: int | None = None,
        kinds: Collection[KeyKind] = (),
        now: int = 0,
    ) -> AsyncIterator[KeyRecord]:
        """Read keys in the order of their creation, a page per transaction. `state` is judged at `now`."""
        where = keys.matching(policy, owner, state, now, kinds)
        if idle_since is not None:
            where = and_(where, keyring.idle(idle_since))
        async for record in self._paged(partial(keys.page, where=where)):
            yield record

    async def endings(
        self, *, policy: str | None = None, owner: str | None = None, until: int | None = None, now: int
    ) -> AsyncIterator[Ending]:
        """Read the keys that expire by `until`, or those whose old secret works (None); the nearest end first."""
        where = keys.matching(policy, owner, None, now)
        asked = keyring.rotating(where, now) if until is None else keyring.expiring(where, now, until)
        async for ending in self._paged(partial(keyring.page, asked=asked)):
            yield ending

    def holders(self, policy: str, project: str | None, *, every: bool, now: int) -> AsyncIterator[list[KeyRecord]]:
        """Read the keys of a policy that may be about a project, live or `every` one that is not revoked, by pages."""
        return holders.of_policy(self._worker, policy, project, every=every, now=now)

    async def _paged(self, page: Callable[..., list[T]]) -> AsyncIterator[T]:
        last: T | None = None
        while True:
            found = await self._worker.read(partial(page, after=last))
            for each in found:
                yield each
            if len(found) < keys.PAGE:
                return
            last = found[-1]

    async def life(self, key_id: KeyId) -> KeyLife | None:
        """Read all that is known of one key: who used which secret last, and why it is paused."""
        return await self._worker.read(lambda connection: keyring.life(connection, key_id))

    async def change_key(self, key_id: KeyId, step: Step, *, now: int) -> KeyRecord | Unchanged:
        """Rotate, finish, take back or extend a key, and return it as it is then; or say why not (`store.lives`)."""
        return await self._reserve.write(self._outbox.stepping(key_id, step, now))

    async def revoke(self, key_id: KeyId, now: int) -> bool:
        """End a key for good. False where nothing changed: no such key, or revoked before (the first time stays)."""
        return await self._reserve.write(self._outbox.changing("revoke", key_id, now))

    async def pause(self, key_id: KeyId, now: int) -> bool:
        """Suspend a key. False where nothing changed: no such key, revoked, or paused already."""
        return await self._reserve.write(self._outbox.changing("pause", key_id, now))

    async def resume(self, key_id: KeyId, now: int) -> bool:
        """Let a paused key work again. False where nothing changed: no such key, revoked, or not paused."""
        return await self._worker.write(self._outbox.changing("resume", key_id, now))

    # Their uses and ends
    async def note_uses(self, uses: Sequence[LastUse]) -> None:
        """Write down the last use of some secrets."""
        await self._worker.write(lambda connection: last_uses.note(connection, uses))

    async def last_uses(self, key_ids: Sequence[KeyId]) -> dict[str, tuple[LastUse, ...]]:
        """Read the last use of each secret of some keys, the latest first."""
        return await self._worker.read(lambda connection: last_uses.of(connection, key_ids))

    async def ends(self, days: tuple[int, ...], *, now: int) -> tuple[int, dict[int, int]]:
        """Count the keys that have expired, and those that will within so many days."""
        return await self._worker.read(lambda connection: keyring.ends(connection, now, days))

    async def pause_idle(self, allowed: Mapping[str, int], *, now: int) -> list[Paused]:
        """Pause, of each policy named, the keys that nobody used for so many seconds; return some: ask until none."""
        return await self._worker.write(self._outbox.pausing(allowed, now))

    # Without waiting, from the event loop's thread alone

    def generation(self) -> int | Busy:
        """Read, in microseconds, the number that every mutation of a key raises and no upload does.

        BUSY while a writer is in the middle of a commit: whatever is remembered may be stale, so ask `key`.
        """
        return self._watch.generation()

    def peek(self, key_id: KeyId) -> KeyRecord | Busy | None:
        """Read one key in microseconds. On BUSY ask `key`. Raises StoreError where the row cannot be understood."""
        return self._watch.peek(key_id)

    def within_grace(self) -> bool:
        """Say whether a server that is away answered in the last `grace` seconds: then keys may still read."""
        return self._watch.within_grace()

    def lost_for(self) -> float | None:
        """Say for how many seconds a server has not answered; None: a file cannot be lost."""
        return self._watch.lost_for()

    # Uploads

    async def foresee(self, entry: Entry, claim: Claim, *, now: int) -> Verdict | None:
        """Say what `admit` would refuse with; None where it would admit. Promises nothing, writes nothing."""
        return await self._worker.read(lambda connection: uploads.foresee(connection, self._run, entry, claim, now))

    async def admit(self, entry: Entry, claim: Claim, *, now: int) -> Verdict:
        """Decide for the last time and put it on record. `now` is unix seconds.

        Everything but Admitted leaves no trace. Asked in this order: key, nonce, file, uses, rate; so a repeated
        upload of a known file is answered as such also where it was the key's last use. If the caller is cancelled
        while it waits, the admission is completed as FAILED.
        """

        def release(verdict: Verdict) -> None:
            if isinstance(verdict, Admitted):
                self._complete(verdict.ticket, Outcome.FAILED, None, entry.time_ms)

        return await self._worker.write(
            lambda connection: uploads.admit(connection, self._run, entry, claim, now), orphaned=release
        )

    async def complete(self, ticket: Ticket, outcome: Outcome, *, index_status: int | None, time_ms: int) -> None:
        """End an admitted upload; ending it twice changes nothing. `time_ms` is unix milliseconds.

        STORED stores the file. REFUSED and FAILED leave what was stored before and give the use back. UNKNOWN keeps
        file and use claimed: whoever asks for the file next gets FileUnsettled and settles it with the index. So it is
        where this fails, also before it could begin.
        """
        await self._complete(ticket, outcome, index_status, time_ms)

    def _complete(
        self, ticket: Ticket, outcome: Outcome, index_status: int | None, time_ms: int
    ) -> asyncio.Future[None]:
        return self._worker.hand_in(
            lambda connection: outcomes.complete(connection, self._run, ticket, outcome, index_status, time_ms),
            writes=True,
            afterwards=lambda: self._run.in_flight.discard(ticket.claim_id),
        )

    async def settle(self, row: FileRow, sha256: str | None, *, now: int) -> Outcome | None:
        """End the claim of a FileUnsettled by what the index has: the file's hash, or None where it has no such file.

        The use is given back unless the bytes are the claim's own. DIFFERENT is an alarm (`settling`). None where
        someone else settled it before; either way `admit` can be asked again.
        """
        return await self._worker.write(lambda connection: outcomes.settle(connection, self._run, row, sha256, now))

    async def record_refusal(self, entry: Entry, code: str, reason: str) -> None:
        """Put a refusal on record, but for those of one holder that are too many in a minute (`refusals`)."""
        await self._write_refusals(self._refusals.take(Refusal(entry, code, reason)))

    async def finish_refusals(self, now_ms: int | None = None) -> None:
        """Put on record how many more refusals there were in the minutes that are over by then; None: in all."""
        await self._write_refusals(self._refusals.over(now_ms))

    async def _write_refusals(self, due: Sequence[Refusal]) -> None:
        for each in due:
            await self._worker.write(partial(uploads.refuse, entry=each.entry, code=each.code, reason=each.reason))

    async def record_same(self, entry: Entry, once: Sequence[Nonce] = (), *, now: int = 0) -> Verdict | None:
        """Put on record that nothing had to be sent, because the index had these very bytes.

        Nonces are spent on it; a verdict where they cannot be, and then nothing is on record.
        """
        return await self._worker.write(lambda connection: uploads.same(connection, self._run, entry, once, now))

    # The record

    async def password_uses(self) -> list[PasswordUse]:
        """Read who used a password of the index, by user and package, the latest of each first."""
        return await self._worker.read(passwords.uses)

    # Files

    async def file(self, index: str, identity: str) -> FileRow | None:
        """Find a stored file."""
        return await self._worker.read(lambda connection: files.find(connection, index, identity))

    async def adopt(self, index: str, project: str, found: Sequence[AdoptedFile], *, whole: bool = False) -> Adopted:
        """Note what the index has of a project, `whole`: all of it.

        What is on its way there is left to its upload. Of a file that is known from the index, a hash that it states
        counts, and that it is there; a file that came through us and is not listed as it was sent is doubted.
        """
        return await self._worker.write(lambda connection: files.adopt(connection, index, project, found, whole=whole))

    async def set_sha256(self, row: FileRow, sha256: str) -> bool:
        """Note the hash of a file that was read back just now. False where it is gone, or was replaced since."""
        return await self._worker.write(lambda connection: files.set_sha256(connection, row, sha256))

    async def forget(self, row: FileRow) -> bool:
        """Drop a stored file that the index no longer has. False where it is gone, or was replaced since."""
        return await self._worker.write(lambda connection: files.forget(connection, row))
