"""`POST /-/leaks`: reports of keys that somebody found where they do not belong, in the form that code hosts send.

GitHub's secret scanning partner program and GitLab's Partner API send a JSON array of `{token, type, url, source}`, and
sign the body as it stands (ECDSA on P-256, SHA-256) under a key that a header names. Whose keys are believed stands in
the configuration; where there are none, there is no such page.

Rule 1. Nothing is said, and nothing of the store is asked, before the signature is right.
Rule 2. A key is only believed to be ours where its text proves it, so whoever signs can end no key by its id.
Rule 3. The signature has no time in it. Whoever caught a report could send it for ever: one that was answered is
        answered again, and does nothing. What it named is ended by then, or somebody decided otherwise.
"""

import json
import logging
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from aiohttp.web import BaseRequest, Response

from authproxy.audit import Origin, of_key
from authproxy.authority.possession import Possession
from authproxy.config.reporters import LeakAction, LeakReports
from authproxy.domain.access import PrincipalKind
from authproxy.domain.chain import DERIVED_LIMIT
from authproxy.domain.events import Event
from authproxy.domain.refusal import Code, quoted, refuse
from authproxy.oidc.strict import json_array
from authproxy.store import Fate, Find, Remedy
from authproxy.web.head import Address
from authproxy.web.parts import Parts
from authproxy.web.receive import bounded_body
from authproxy.web.reportsignature import signed_by

log: Final = logging.getLogger("authproxy.keys")

PATH: Final = "/-/leaks"
ACTION: Final = "leak"  # on record
# Bytes, and matches in one report: GitHub waits 30 seconds, and each live key among them takes an Argon2 and a commit.
LIMIT: Final = 1024 * 1024
MATCHES: Final = 500
# Longer names of a kind of secret are nobody's; they are repeated in the answer.
TYPE_LIMIT: Final = 100
# Characters of where a key was found, on record, in the log and in the event: a URL of a line in a repository.
SOURCE_LIMIT: Final = 300

WHY: Final = "leaked"
TRUE, FALSE = "true_positive", "false_positive"
UNKNOWN: Final = "unknown"  # of a match that is no key of ours, in the metric
_REMEDIES: Final = {LeakAction.REVOKE: Remedy.REVOKE, LeakAction.PAUSE: Remedy.PAUSE}


@dataclass(frozen=True, slots=True)
class Match:
    """One thing that was found. `source` says where, as the record may hold it."""

    token: str
    type: str
    source: str


async def report(parts: Parts, request: BaseRequest, origin: Origin, address: Address) -> Response:
    """Judge every match, end the keys among them, and say which were keys. Raises Refused and StoreError."""
    reports = parts.config.leak_reports
    if not reports.keys:
        raise refuse(Code.NO_ROUTE, "reports of leaked keys are not taken here: the configuration names nobody's")
    raw, who = await _signed(parts, request, reports, address)
    matches = _matches(raw)
    async with parts.reports.turn:
        digest = sha256(raw).digest()
        again = digest in parts.reports
        labels: dict[str, str] = {}
        for match in matches:
            if match.token not in labels:
                labels[match.token] = await _judged(parts, match, origin, address, who, again=again)
        parts.reports.add(digest)
    found = sum(label == TRUE for label in labels.values())
    told = {"reporter": who, "address": origin.address, "request_id": origin.request_id, "again": again}
    log.info("a report of leaked keys: %d keys in %d matches", found, len(matches), extra=told)
    page = [
        {"token_hash": sha256(each.token.encode()).hexdigest(), "token_type": each.type, "label": labels[each.token]}
        for each in matches
    ]
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(body=json.dumps(page).encode("ascii"), headers=headers)


async def _signed(parts: Parts, request: BaseRequest, reports: LeakReports, address: Address) -> tuple[bytes, str]:
    """Read the body, and say whose it is. Raises Refused; a bad signature counts as a failed login does."""
    now = parts.now()
    if (denial := parts.authority.turned_away(address, now)) is not None:
        raise refuse(denial.code, denial.reason, retry_after=denial.retry_after)
    raw = await bounded_body(request, LIMIT, "a report of leaked keys")
    who = signed_by(request.headers, raw, reports.keys)
    if who is None:
        parts.authority.presented_wrong(address, now)
        told = "a report of leaked keys was refused: its signature is of no key that the configuration names"
        log.warning(told, extra={"address": str(address)})
        raise refuse(Code.CREDENTIAL_INVALID, "the report is not signed with a key that is known here")
    return raw, who


def _matches(raw: bytes) -> list[Match]:
    """Read a report. What a sender says of a match besides is left alone: there may be more one day."""
    try:
        listed = json_array(raw)
    except ValueError as exc:
        raise refuse(Code.REQUEST_INVALID, f"the report cannot be read: {exc}") from None
    if len(listed) > MATCHES:
        raise refuse(Code.TOO_LARGE, f"the report names {len(listed)} matches: send {MATCHES} at most, and then more")
    return [_match(each) for each in listed]


def _match(each: object) -> Match:
    said = each if isinstance(each, dict) else {}
    token, kind, url, source = (said.get(name, "") for name in ("token", "type", "url", "source"))
    if not (isinstance(token, str) and isinstance(kind, str)) or not token or len(kind) > TYPE_LIMIT:
        raise refuse(Code.REQUEST_INVALID, 'the report has a match that is not {"token": ..., "type": ..., "url": ...}')
    where = [text for text in (url, source) if isinstance(text, str) and text]
    return Match(token, kind, " ".join(quoted(text, SOURCE_LIMIT) for text in where) or "nowhere that is named")


async def _judged(parts: Parts, match: Match, origin: Origin, address: Address, who: str, *, again: bool) -> str:
    """Say whether it is a key of ours, and do what is to be done about one."""
    found = None
    if len(match.token) <= DERIVED_LIMIT:
        found = await parts.revocations.possessions.of(match.token.strip(), address, now=parts.now(), evenly=False)
    if not again:
        fate = UNKNOWN if found is None else await _responded(parts, found, match, origin, who)
        parts.metrics.leaks.reported.labels(fate).inc()
    return FALSE if found is None else TRUE


async def _responded(parts: Parts, found: Possession, match: Match, origin: Origin, who: str) -> Fate:
    """Do what the configuration says. What opens nothing any more is news, and changes nothing."""
    idle = found.canary or found.over
    remedy = Remedy.NOTHING if idle else _REMEDIES[parts.config.leak_reports.action]
    remark = f"found in {match.source}, reported by {quoted(who)}"
    key, derived = found.record, found.derivation.name if found.derivation else None
    entry = of_key(origin, ACTION, PrincipalKind.ANONYMOUS, key, found.public_id, derived=found.written, remark=remark)
    more = {"source": match.source, "reporter": who, "public_id": found.public_id}
    find = Find(key.id, entry, remedy, WHY, found.derivation, Event.KEY_LEAKED, more)
    fate = await parts.store.leaks.respond(find, now=parts.now())
    named = {"key": key.id, "public_id": found.public_id, "derived": derived, "owner": key.owner}
    log.error(
        "a key has leaked: %s", fate, extra=named | {"source": match.source, "reporter": who, "address": origin.address}
    )
    return fate
