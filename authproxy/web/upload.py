"""One upload, from the socket to the index, each step once and in this order.

1. The head: exact target, one framing, a form. (`head`, `receive.form_boundary`)
2. Who asks: 401 and most 403 end here, before the body costs more than being thrown away. (`credentials`)
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
from dataclasses import dataclass
from typing import Final

from aiohttp.web import BaseRequest

from authproxy import audit
from authproxy.audit import Origin
from authproxy.backend.answer import UploadAnswer
from authproxy.backend.archive import metadata_of
from authproxy.backend.encoding import encode
from authproxy.backend.form import Form
from authproxy.domain.access import Access, Outcome, Principal
from authproxy.domain.policy import Admission, MetadataCheck, admit_uploader, decide
from authproxy.domain.refusal import Code, Denial, Refused
from authproxy.store import Ticket
from authproxy.web.credentials import key_holder
from authproxy.web.head import Address
from authproxy.web.ledger import SameFile
from authproxy.web.parts import Parts
from authproxy.web.reading import access_of
from authproxy.web.receive import form_boundary, received
from authproxy.web.spool import Spool

log: Final = logging.getLogger("authproxy.upload")

# Our boundary: 128 random bits, so that no sender can have put it into a field.
BOUNDARY_BYTES: Final = 16


async def upload(parts: Parts, request: BaseRequest, origin: Origin, address: Address) -> str:
    """Take one upload through all steps; return the sentence for the client. Raises Refused."""
    target = request.raw_path
    index = parts.backend.flavour.uploads[target]
    boundary = form_boundary(request, parts.config.limits)
    principal = await key_holder(parts, request, address)
    denial = admit_uploader(parts.config.policy, principal, index, now=parts.now())
    if denial is not None:
        raise Refused(denial)
    async with received(request, boundary, parts.config) as (form, spool):
        access = access_of(form, spool.sha256, parts.backend.flavour, index)
        passage = _Passage(parts, origin, principal, access, form, spool)
        claimed = await passage.claim()
        if isinstance(claimed, SameFile):
            return f"the index has these bytes already, as {claimed.filename}"
        return await passage.forward(target, claimed)


@dataclass(frozen=True, slots=True)
class _Passage:
    """One upload whose form has been understood."""

    parts: Parts
    origin: Origin
    principal: Principal
    access: Access
    form: Form
    spool: Spool

    async def claim(self) -> Ticket | SameFile:
        """Decide and put the decision on record, be it yes or no."""
        decision = decide(self.parts.config.policy, self.principal, self.access, now=self.parts.now())
        if isinstance(decision, Admission):
            if decision.metadata is MetadataCheck.VERIFY and self.access.artifact is not None:
                await asyncio.to_thread(metadata_of, self.spool.reader(), self.access.artifact)
            entry = audit.entry(self.origin, self.principal, self.access, decision)
            claimed = await self.parts.ledger.claim(entry, self.access, decision, now=self.parts.now())
            if not isinstance(claimed, Denial):
                return claimed
            decision = claimed
        await audit.record_refusal(self.parts.store, self.origin, self.principal, self.access, decision)
        raise Refused(decision)

    async def forward(self, target: str, ticket: Ticket) -> str:
        """Send the form on and complete the record with what became of it."""
        answer = UploadAnswer(Outcome.UNKNOWN, None)
        try:
            encoded = encode(self.form, secrets.token_hex(BOUNDARY_BYTES))
            answer = await self.parts.backend.upload(target, encoded, self.spool.chunks, self.origin.address)
            if answer.outcome is Outcome.UNKNOWN and await self.parts.ledger.arrived(self.access):
                answer = UploadAnswer(Outcome.STORED, answer.status)
        finally:
            # Whatever happens above, a claim is never left open: an unknown one is settled with the index later.
            await asyncio.shield(
                self.parts.store.complete(
                    ticket, answer.outcome, index_status=answer.status, time_ms=int(self.parts.clock() * 1000)
                )
            )
        self._tell(answer)
        if answer.denial is not None:
            raise Refused(answer.denial)
        return "uploaded"

    def _tell(self, answer: UploadAnswer) -> None:
        misconfigured = answer.denial is not None and answer.denial.code is Code.MISCONFIGURED
        self.parts.metrics.misconfigured.set(misconfigured)
        if misconfigured:
            log.error("the index takes no upload from this proxy", extra={"index_status": answer.status})
