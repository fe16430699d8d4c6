"""A push: one release from one index of devpi into another, by a key with a `push` grant in both.

devpi's own `devpi push` asks by a method PUSH, which aiohttp's parser refuses before anybody could look at it; so there
is a path of ours, `POST /-/push`, and `authproxy push` asks there. The request names a release and two indexes of the
config, each letter by letter, and nothing else; what goes to devpi is written by us (`backend.push`). Before it does,
every file of the release is judged by the target's rules and claimed there, as if it were uploaded: the record has a
row for each, and no other bytes can take a name that the target has.

devpi copies what its source has by then, so the release is held there from before it is listed until it is copied
(`holding`). Who goes to devpi past us can still change it: what comes to the target that way is an alarm, no success.
"""

import asyncio
import json
import logging
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import hdrs
from aiohttp.web import BaseRequest, Response

from authproxy import audit
from authproxy.audit import Origin
from authproxy.backend.flavour import IndexFile
from authproxy.backend.push import Arrival, Push, PushAnswer, carry_out, plan
from authproxy.domain.access import Access, Outcome, Principal
from authproxy.domain.grants import ANY, Action
from authproxy.domain.keys import shows_secret
from authproxy.domain.names import ProjectName, project_name, version_text
from authproxy.domain.policy import Admission, Overwrite, decide, reaches
from authproxy.domain.refusal import Code, Denial, Refused, quoted, refuse
from authproxy.store import Passing, StoreError, Ticket
from authproxy.web import trials
from authproxy.web.about import told_of
from authproxy.web.answers import NAMED, listed, private
from authproxy.web.credentials import key_holder
from authproxy.web.head import Address
from authproxy.web.holding import held
from authproxy.web.ledger import SameFile
from authproxy.web.parts import Parts
from authproxy.web.receive import bounded_body, texts

log: Final = logging.getLogger("authproxy.push")

PATH: Final = "/-/push"
# A name and a version of 100 characters each and two indexes; with every one escaped it is still less.
BODY_LIMIT: Final = 4 * 1024
FIELDS: Final = ("name", "version", "source", "target")
BAD_FORM: Final = "a push is a JSON object with four strings, each once: " + ", ".join(FIELDS)
# Of names that are new to us, up to 80 characters each.
SHOWN: Final = 2


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a request asks for, read but not judged."""

    project: ProjectName
    version: str
    source: str
    target: str


def is_push(request: BaseRequest) -> bool:
    """Whether this asks for a push."""
    return request.method == hdrs.METH_POST and request.raw_path == PATH


async def push(parts: Parts, request: BaseRequest, origin: Origin, address: Address) -> Response:
    """Take one push through all steps. Raises Refused."""
    principal = await key_holder(parts, request, address)
    if request.content_type != "application/json":
        raise refuse(Code.REQUEST_INVALID, BAD_FORM)
    fields = texts(await bounded_body(request, BODY_LIMIT, "a push"), FIELDS, encoding="ascii")
    if fields is None:
        raise refuse(Code.REQUEST_INVALID, BAD_FORM)
    if any(shows_secret(text, parts.config.keys.prefix) for text in fields.values()):
        raise refuse(Code.REQUEST_INVALID, "the push holds a key: keep it out of names, and replace it")
    async with audit.refusals(parts.store, origin, principal, Access(Action.PUSH, ANY, None)):
        wanted = _wanted(parts, principal, fields)
    parts.uses.note(principal, Action.PUSH, wanted.project, origin.address, origin.client, parts.now())
    access = Access(Action.PUSH, wanted.target, wanted.project, version=wanted.version, source=wanted.source)
    told_of(request, principal, access)
    passage = _Passage(parts, origin, principal, access, wanted)
    found, moved = await passage.gone()
    return _told(parts, request, wanted, found, moved=moved)


def _wanted(parts: Parts, principal: Principal, fields: dict[str, str]) -> _Wanted:
    flavour = parts.backend.flavour
    if not flavour.pushes:
        raise refuse(Code.REQUEST_INVALID, f"a {flavour.name} has one index, so that there is nowhere to push to")
    source, target = fields["source"], fields["target"]
    for index in (source, target):
        if index not in flavour.indexes:
            raise _unknown(parts, principal, index)
    if source == target:
        raise refuse(Code.REQUEST_INVALID, f"{source} is both source and target: a push takes two indexes")
    return _Wanted(project_name(fields["name"]), version_text(fields["version"]), source, target)


def _unknown(parts: Parts, principal: Principal, index: str) -> Refused:
    """Name the indexes that the key may push from or into, and to a key that may push nothing none."""
    now, policy = parts.now(), parts.policy
    known = [each for each in parts.backend.flavour.indexes if reaches(policy, principal, Action.PUSH, each, now=now)]
    if not known:
        return refuse(Code.NOT_ALLOWED, f"{principal.name} may not push: no grant of its says push")
    return refuse(
        Code.REQUEST_INVALID,
        f"{quoted(index)} is no index behind this proxy: it takes one of {', '.join(known[:NAMED])}, as written",
    )


@dataclass(frozen=True, slots=True)
class _Passage:
    """One release on its way into another index."""

    parts: Parts
    origin: Origin
    principal: Principal
    access: Access
    wanted: _Wanted

    def _decided(self, access: Access) -> Admission:
        decision = decide(self.parts.policy, self.principal, access, now=self.parts.now())
        if isinstance(decision, Denial):
            raise Refused(decision)
        return decision

    async def gone(self) -> tuple[Push, bool]:
        """Decide, and push; say what the release was, and whether anything was missing. Raises Refused, StoreError."""
        way = self.wanted
        async with audit.refusals(self.parts.store, self.origin, self.principal, self.access):
            self._decided(self.access)
        async with held(self.parts, Passing(way.source, way.target, way.project, way.version)) as hold:
            async with audit.refusals(self.parts.store, self.origin, self.principal, self.access):
                found, tickets = await self.admitted()
            if tickets:
                hold.surely = False
                answer = await self.carried_out(found, tickets)
                hold.surely = answer.over
                await self._alarmed(answer)
                if answer.denial is not None:
                    raise Refused(answer.denial)
        return found, bool(tickets)

    async def admitted(self) -> tuple[Push, dict[str, Ticket]]:
        """Find the release, and claim its files in the target; none are claimed that the target has.

        A ticket is under the identity of its file. Raises Refused; then nothing is claimed.
        """
        way = self.wanted
        found = await plan(self.parts.backend, way.source, way.target, way.project, way.version)
        known = [file.artifact for file in found.files]
        files = [replace(self.access, artifact=each, sha256=found.sha256(each.identity)) for each in known]
        for file in files:
            self._decided(file)
        tickets: dict[str, Ticket] = {}
        try:
            for file in files:
                claimed = await self._claim(file)
                if isinstance(claimed, Denial):
                    raise Refused(claimed)
                if isinstance(claimed, Ticket) and file.artifact is not None:
                    tickets[file.artifact.identity] = claimed
        except BaseException:
            await self._complete(tickets, PushAnswer(dict.fromkeys(tickets, Outcome.FAILED), None))
            raise
        return found, tickets

    async def _claim(self, file: Access) -> Ticket | SameFile | Denial:
        # The rules may have changed while the index was asked.
        admission = self._decided(file)
        entry = audit.entry(self.origin, self.principal, file, admission)
        claimed = await self.parts.ledger.claim(entry, file, admission, now=self.parts.now())
        if not isinstance(claimed, Denial):
            trials.note(self.parts.metrics, self.origin, admission)
        return claimed

    async def carried_out(self, found: Push, tickets: dict[str, Ticket]) -> PushAnswer:
        """Push, and complete the record with what became of it."""
        answer = PushAnswer(dict.fromkeys(tickets, Outcome.UNKNOWN), None)
        try:
            replaceable = frozenset(each for each in tickets if self._replaceable(found, each))
            answer = await carry_out(self.parts.backend, found, frozenset(tickets), self.origin.address, replaceable)
            if answer.denial is not None:
                self.parts.ledger.doubt(self.wanted.target, self.wanted.project)
        finally:
            await asyncio.shield(self._complete(tickets, answer))
        return answer

    def _replaceable(self, found: Push, identity: str) -> bool:
        file = next(file for file in found.files if file.artifact.identity == identity)
        return self._decided(_of(self.access, file)).overwrite is Overwrite.ALLOW

    async def _alarmed(self, answer: PushAnswer) -> None:
        """Tell everybody of files that came to the target and that nobody judged. Raises Refused, StoreError."""
        strange = [each for each in answer.arrivals if not await self._judged(each)]
        if not strange:
            return
        way = self.wanted
        names = ", ".join(quoted(each.name) for each in strange[:SHOWN])
        more = " and more" if len(strange) > SHOWN else ""
        reason = (
            f"{way.target} now has {names}{more} in {way.project} {way.version}, and nobody judged that: it came past "
            f"the proxy while the release was pushed, look at {way.source} too"
        )
        log.error("a push brought files that nobody judged", extra={"reason": reason, "files": len(strange)})
        denial = Denial(Code.INDEX_REFUSED, reason)
        for each in strange:
            access = self.access if each.file is None else _of(self.access, each.file)
            await audit.record_refusal(self.parts.store, self.origin, self.principal, access, denial)
        files = tuple(each.file for each in strange if each.file is not None)
        await self.parts.ledger.note(way.target, way.project, files)
        raise Refused(denial)

    async def _judged(self, arrival: Arrival) -> bool:
        """Whether it came there in another way that was judged: by an upload of that moment."""
        file = arrival.file
        if file is None or file.digest is None or file.artifact.project != self.wanted.project:
            return False
        return await self.parts.store.holds.judged(self.wanted.target, file.artifact.identity, file.digest[1])

    async def _complete(self, tickets: dict[str, Ticket], answer: PushAnswer) -> None:
        """End every claim; an unknown outcome is settled with the index by whoever asks next."""
        now_ms = int(self.parts.clock() * 1000)
        for identity, ticket in tickets.items():
            outcome = answer.outcomes[identity]
            try:
                await self.parts.store.complete(ticket, outcome, index_status=answer.status, time_ms=now_ms)
            except StoreError as exc:
                # The index has answered, and its answer is the client's.
                log.error("a push was not completed in the store", extra={"trouble": str(exc)})  # noqa: TRY400


def _of(access: Access, file: IndexFile) -> Access:
    return replace(access, artifact=file.artifact, sha256=file.digest[1] if file.digest else None)


def _told(parts: Parts, request: BaseRequest, wanted: _Wanted, found: Push, *, moved: bool) -> Response:
    names = [file.filename for file in found.files]
    release = f"{wanted.project} {wanted.version}"
    sentence = f"pushed {release} from {wanted.source} to {wanted.target}: {listed(names)}"
    if not moved:
        sentence = f"already there: {wanted.target} has {release} with these very files, {listed(names)}"
    headers = private(parts.backend.flavour)
    if "application/json" not in request.headers.get(hdrs.ACCEPT, ""):
        return Response(text=f"{sentence}\n", headers=headers)
    page = {
        "message": sentence,
        "pushed": moved,
        "name": wanted.project,
        "version": wanted.version,
        "source": wanted.source,
        "target": wanted.target,
        "files": names,
    }
    return Response(body=json.dumps(page).encode(), headers=headers | {"Content-Type": "application/json"})
