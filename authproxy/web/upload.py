"""One upload, from the socket to the index, each step once and in this order.

1. The head: exact target, one framing, a form. (`head`, `receive.form_boundary`)
2. Who asks: 401 and most 403 end here, before the body costs more than being thrown away. (`credentials`, `passwords`)
3. The body, into a spool and a strict form. (`receive`)
4. The form becomes an `Access`: its fields, the filename by the packaging standards and the index's own reading of that
   filename say the same project and version. (`reading`)
5. The decision, and what the archive says of itself. (`domain.policy`, `backend.archive`)
6. The claim: the decision is on record, and the key has been looked at once more. (`ledger`)
7. Our own form and credentials on a connection of its own; what became of it completes the record. (`backend.client`)

A refusal leaves as `Refused`; before step 7 the index has not seen a byte of the upload.
"""

import asyncio
import logging
import secrets
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from aiohttp.web import BaseRequest

from authproxy import audit
from authproxy.audit import Origin
from authproxy.backend.answer import UploadAnswer
from authproxy.backend.archive import metadata_of
from authproxy.backend.encoding import encode
from authproxy.backend.form import Form, RemovalForm
from authproxy.backend.members import Heavy
from authproxy.domain.access import Access, Outcome, PrincipalKind
from authproxy.domain.grants import Action
from authproxy.domain.keys import shows_secret
from authproxy.domain.names import Artifact
from authproxy.domain.narrowing import Nonce, nonces
from authproxy.domain.policy import Admission, MetadataCheck, admit_uploader, decide
from authproxy.domain.refusal import Code, Denial, Refused, refuse
from authproxy.store import StoreError, Ticket
from authproxy.web import trials
from authproxy.web.about import told_of
from authproxy.web.credentials import presented, recalled, remembered
from authproxy.web.head import Address
from authproxy.web.ledger import SameFile
from authproxy.web.parts import Parts
from authproxy.web.passwords import Sender
from authproxy.web.reading import access_of
from authproxy.web.receive import form_boundary, received
from authproxy.web.removing import remove
from authproxy.web.spool import Spool

log: Final = logging.getLogger("authproxy.upload")

# Our boundary: 128 random bits, so that no sender can have put it into a field.
BOUNDARY_BYTES: Final = 16

# Seconds without the database, on a server, after which an upload is broken off: a little later the other replicas take
# this one for dead, and give its file and what was good once to whoever asks next (`store.postgres.sentinel`).
FENCE: Final = 7.0
# Seconds between two looks for that.
LOOK: Final = 0.5

UPLOADED: Final = "uploaded"
LOST: Final = Denial(
    Code.BUSY, "the proxy lost its database while it sent the file on, and broke off: try again", retry_after=5
)
NOT_THERE: Final = Denial(
    Code.INDEX_UNREACHABLE, "the index said yes and does not return the file: try again, and tell its operator"
)


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A success, in a sentence for the client, and what it is told besides."""

    sentence: str
    warning: str | None = None


async def upload(parts: Parts, request: BaseRequest, origin: Origin, address: Address) -> Uploaded:
    """Take one upload through all steps. Raises Refused."""
    index = parts.backend.flavour.uploads[request.raw_path]
    boundary = form_boundary(request, parts.config.limits)
    sender = await _sender(parts, request, origin, index, address)
    by_form = parts.backend.flavour.removals.by_form
    tally = parts.metrics.spooled.inc
    async with received(request, boundary, parts.config, removals=by_form, tally=tally) as (form, spool):
        if isinstance(form, RemovalForm):
            return Uploaded(await remove(parts, request, origin, sender.principal, index, (form.name, form.version)))
        async with audit.refusals(parts.store, origin, sender.principal, Access(Action.UPLOAD, index, None)):
            _holds_no_key(form, parts.config.keys.prefix)
            access = await _attested(parts, form, access_of(form, spool.sha256, parts.backend.flavour, index))
        told_of(request, sender.principal, access)
        passage = _Passage(parts, origin, sender, access, form, spool)
        async with audit.refusals(parts.store, origin, sender.principal, access):
            claimed, warning = await passage.claim()
        if isinstance(claimed, SameFile):
            return Uploaded(_known(claimed), warning)
        return Uploaded(await passage.forward(claimed), warning)


def _known(file: SameFile) -> str:
    return f"the index has these bytes already, as {file.filename}"


async def _sender(parts: Parts, request: BaseRequest, origin: Origin, index: str, address: Address) -> Sender:
    """Prove who asks, and refuse whoever may upload nothing here."""
    policy, principal = parts.config.policy, recalled(parts, request, address)
    if principal is None:
        credential = presented(parts, request)
        if credential is not None and credential.key_text is None:
            sender = await parts.passwords.proved(credential, policy, index, address, now=parts.now())
            told_of(request, sender.principal)
            return sender
        principal = await remembered(parts, request, credential, address)
    told_of(request, principal)
    parts.uses.note(principal, Action.UPLOAD, None, origin.address, origin.client, parts.now())
    removals = parts.backend.flavour.removals.by_form
    denial = admit_uploader(policy, principal, index, now=parts.now(), removals=removals)
    if denial is not None:
        await audit.record_refusal(parts.store, origin, principal, Access(Action.UPLOAD, index, None), denial)
        raise Refused(denial)
    return Sender(principal)


async def _attested(parts: Parts, form: Form, access: Access) -> Access:
    """Add what the upload carries of attestations. They go on to the index as they came."""
    field = form.one("attestations")
    if field is None or access.artifact is None:
        return access
    trusted = parts.config.trusted_publishing
    attested = await parts.attesting.read(field, access.artifact, access.sha256 or "", trusted)
    pins = {label: pin.claims for label, pin in (await parts.store.minting.pins()).items() if pin.claims}
    return replace(access, attested=replace(attested, pins=pins))


def _holds_no_key(form: Form, prefix: str) -> None:
    """Refuse a key that stands where a name should: it would go on record, and to the index."""
    if any(shows_secret(text, prefix) for text in (form.content.filename, form.one("name") or "")):
        raise refuse(Code.NAME_INVALID, "the file or its name holds a key: keep it out of names, and replace it")


@dataclass(frozen=True, slots=True)
class _Passage:
    """One upload whose form has been understood."""

    parts: Parts
    origin: Origin
    sender: Sender
    access: Access
    form: Form
    spool: Spool

    async def claim(self) -> tuple[Ticket | SameFile, str | None]:
        """Decide, and put a yes on record; it may come with a warning. Raises Refused for a no."""
        principal = self.sender.principal
        origin, now = self.origin, self.parts.now()
        self.parts.uses.note(principal, Action.UPLOAD, self.access.project, origin.address, origin.client, now)
        decision = decide(self.parts.policy, principal, self.access, now=now)
        if isinstance(decision, Admission):
            if decision.metadata is MetadataCheck.VERIFY and self.access.artifact is not None:
                await self._inspected(self.access.artifact)
            entry = audit.entry(self.origin, principal, self.access, decision)
            now = self.parts.now()
            claimed = await self.parts.ledger.claim(entry, self.access, decision, now=now, once=self._once())
            if isinstance(claimed, SameFile) and principal.kind is PrincipalKind.PASSWORD:
                await self.parts.store.record_same(entry)
            if not isinstance(claimed, Denial):
                trials.note(self.parts.metrics, origin, decision)
                return claimed, decision.warning
            decision = claimed
        raise Refused(decision)

    def _once(self) -> tuple[Nonce, ...]:
        key, caveats = self.sender.principal.key, self.sender.principal.caveats
        return () if key is None or caveats is None else nonces(key.id, caveats, self.access)

    async def _inspected(self, artifact: Artifact) -> None:
        """Hear what the archive says of itself: at once where that takes no time, else in a thread. Raises Refused."""
        if self.spool.at_hand:
            with suppress(Heavy):
                self._inspect(artifact, at_once=True)
                return
        principal = self.sender.principal
        async with self.parts.archives.turn(principal.key.id if principal.key else principal.name):
            await asyncio.to_thread(self._inspect, artifact)

    def _inspect(self, artifact: Artifact, *, at_once: bool = False) -> None:
        with self.spool.reader() as file:
            metadata_of(file, artifact, at_once=at_once)

    async def forward(self, ticket: Ticket) -> str:
        """Send the form on, complete the record with what became of it, and say so. Raises Refused."""
        answer = UploadAnswer(Outcome.UNKNOWN, None)
        try:
            encoded = encode(self.form, secrets.token_hex(BOUNDARY_BYTES))
            index, address = self.access.index, self.origin.address
            sending = self.parts.backend.upload(index, encoded, self.spool.chunks, address, self.sender.own)
            answer = await self._seen(await self._while_it_is_ours(sending))
        finally:
            await self._complete(ticket, answer)
        if answer.denial is None:
            if self.sender.own is None:
                self.parts.metrics.misconfigured.set(0)  # our own credentials have just been good for an upload
            return UPLOADED
        if answer.denial.code is not Code.FILE_EXISTS:
            raise Refused(answer.denial)
        # It came to the index past us. The same bytes are a success all the same, and now we know of it.
        found = await self.parts.ledger.already_there(self.access)
        if isinstance(found, Denial):
            raise Refused(found)
        await self._spend()
        return _known(found)

    async def _while_it_is_ours(self, sending: Coroutine[Any, Any, UploadAnswer]) -> UploadAnswer:
        """Send it, and break it off where the others will soon take its claim for nobody's."""
        if self.parts.store.lost_for() is None:
            return await sending
        task = asyncio.ensure_future(sending)
        try:
            while not (await asyncio.wait({task}, timeout=LOOK))[0]:
                if (self.parts.store.lost_for() or 0) > FENCE:
                    return UploadAnswer(Outcome.UNKNOWN, None, LOST)
            return task.result()
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _seen(self, answer: UploadAnswer) -> UploadAnswer:
        """Look at what the index has where it gave no clear answer, and with `read_back` whatever it said."""
        said = answer.outcome is Outcome.STORED
        if not (answer.outcome is Outcome.UNKNOWN or (said and self.parts.config.backend.read_back)):
            return answer
        if await self.parts.ledger.arrived(self.access):
            return UploadAnswer(Outcome.STORED, answer.status)
        return UploadAnswer(Outcome.UNKNOWN, answer.status, NOT_THERE) if said else answer

    async def _spend(self) -> None:
        """Use up what is good once on a file that the index had. Raises Refused where somebody else has used it."""
        once, artifact = self._once(), self.access.artifact
        if once and artifact is not None:
            entry = audit.entry(self.origin, self.sender.principal, self.access, None)
            denial = await self.parts.ledger.spend(entry, artifact, once, now=self.parts.now())
            if denial is not None:
                raise Refused(denial)

    async def _complete(self, ticket: Ticket, answer: UploadAnswer) -> None:
        """End the claim whatever happened; an unknown outcome is settled with the index by whoever asks next."""
        now_ms = int(self.parts.clock() * 1000)
        try:
            await self.parts.store.complete(ticket, answer.outcome, index_status=answer.status, time_ms=now_ms)
        except StoreError as exc:
            # The index has answered, and its answer is the client's: to say otherwise would have the file sent again.
            log.error("an upload was not completed in the store", extra={"trouble": str(exc)})  # noqa: TRY400
