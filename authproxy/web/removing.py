"""A delete: one release of one project, with all its files, by a key with a `delete` grant.

The request names a project and a version and nothing else; how the index spells them, its own listing says, and what
goes to it is written by us (`backend.removal`). Before it does, the delete is on record and the hashes of the files are
known: their names stay theirs, so that nobody who has one in a lock file gets other bytes.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs
from aiohttp.web import BaseRequest

from authproxy import audit
from authproxy.audit import Origin
from authproxy.backend.flavour import Flavour, Removal
from authproxy.backend.removal import RemovalAnswer, carry_out, plan
from authproxy.domain.access import Access, Outcome, Principal
from authproxy.domain.grants import Action
from authproxy.domain.keys import shows_secret
from authproxy.domain.names import ProjectName, project_name, version_text
from authproxy.domain.policy import Admission, decide
from authproxy.domain.refusal import Code, Denial, Refused, refuse
from authproxy.store import Removed, StoreError
from authproxy.web.about import told_of
from authproxy.web.answers import listed
from authproxy.web.credentials import key_holder
from authproxy.web.head import Address, no_body
from authproxy.web.parts import Parts

log: Final = logging.getLogger("authproxy.removing")


def is_removal(flavour: Flavour, request: BaseRequest) -> bool:
    """Whether this is the DELETE of a release, by its exact target, in one of the indexes behind us."""
    target = flavour.removals.target
    if request.method != hdrs.METH_DELETE or target is None:
        return False
    found = target.fullmatch(request.raw_path)
    return found is not None and found["index"] in flavour.indexes


async def remove_at(parts: Parts, request: BaseRequest, origin: Origin, address: Address) -> str:
    """Take a delete that its target names; return the sentence for the client.

    Raises Refused (no-route, request-invalid, credential-missing, credential-invalid, ...) and StoreError, as `remove`.
    """
    pattern = parts.backend.flavour.removals.target
    found = pattern.fullmatch(request.raw_path) if pattern is not None else None
    if found is None:
        raise refuse(Code.NO_ROUTE, "this deletes nothing")
    no_body(request)
    principal = await key_holder(parts, request, address)
    version = found["version"].replace("%2B", "+").replace("%2b", "+").replace("%21", "!")
    return await remove(parts, request, origin, principal, found["index"], (found["project"], version))


async def remove(
    parts: Parts, request: BaseRequest, origin: Origin, principal: Principal, index: str, release: tuple[str, str]
) -> str:
    """Take one delete through all steps; return the sentence for the client.

    `release` is the name and the version as the client wrote them. Raises Refused (name-invalid; what `policy.decide`
    denies; not-there, mismatch, busy; index-unreachable, index-timeout, index-refused, misconfigured), and StoreError
    as long as the index was not asked to delete anything.
    """
    if any(shows_secret(text, parts.config.keys.prefix) for text in release):
        raise refuse(Code.NAME_INVALID, "the name or the version holds a key: keep it out of names, and replace it")
    project, version = project_name(release[0]), version_text(release[1])
    access = Access(Action.DELETE, index, project, version=version)
    told_of(request, principal, access)
    parts.uses.note(principal, Action.DELETE, project, origin.address, origin.client, parts.now())
    going = _Going(parts, origin, principal, project, access, version)
    removal, number = await going.admitted()
    answer = await going.carried_out(removal, number)
    if answer.denial is not None:
        raise Refused(answer.denial)
    names = [file.filename for file in removal.files]
    return f"deleted {project} {version}: {listed(names) or 'no package files'}"


@dataclass(frozen=True, slots=True)
class _Going:
    """One release on its way out."""

    parts: Parts
    origin: Origin
    principal: Principal
    project: ProjectName
    access: Access
    version: str

    def _decided(self) -> Admission:
        decision = decide(self.parts.policy, self.principal, self.access, now=self.parts.now())
        if isinstance(decision, Denial):
            raise Refused(decision)
        return decision

    async def admitted(self) -> tuple[Removal, int]:
        """Decide, find the release, and put the delete on record, be it yes or no. Raises Refused, StoreError."""
        async with audit.refusals(self.parts.store, self.origin, self.principal, self.access):
            self._decided()
            removal = await plan(self.parts.backend, self.access.index, self.project, self.version)
            await self.parts.ledger.remember(self.access.index, self.project, removal.files)
            # The rules may have changed while the index was asked.
            entry = audit.entry(self.origin, self.principal, self.access, self._decided())
            number = await self.parts.ledger.claim_removal(entry, removal.files, now=self.parts.now())
            if isinstance(number, Denial):
                raise Refused(number)
        return removal, number

    async def carried_out(self, removal: Removal, number: int) -> RemovalAnswer:
        """Delete, and complete the record with what became of it."""
        answer = RemovalAnswer(Outcome.UNKNOWN, None, frozenset())
        index, backend, address = self.access.index, self.parts.backend, self.origin.address
        try:
            answer = await carry_out(backend, index, self.project, self.version, removal, address)
        finally:
            self.parts.ledger.doubt(index, self.project)
            await asyncio.shield(self._complete(removal, number, answer))
        return answer

    async def _complete(self, removal: Removal, number: int, answer: RemovalAnswer) -> None:
        """End the delete whatever happened. Where nobody saw its end, its files keep their marks."""
        seen = frozenset() if answer.outcome is Outcome.UNKNOWN else answer.left
        left = {file.artifact.identity for file in removal.files if file.filename in seen}
        gone = {file.artifact.identity for file in removal.files} - left
        removed = Removed(self.access.index, sorted(gone), sorted(left))
        status, now_ms = answer.status, int(self.parts.clock() * 1000)
        try:
            await self.parts.store.removals.complete(
                number, answer.outcome, index_status=status, time_ms=now_ms, removed=removed
            )
        except StoreError as exc:
            # The index has answered, and its answer is the client's; the marks of the files stand since `admitted`.
            log.error("a delete was not completed in the store", extra={"trouble": str(exc)})  # noqa: TRY400
