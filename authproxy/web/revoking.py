"""`POST /-/revoke`: whoever has a key may end it, without a login: to have it is proof enough.

Rule 1. A key ends for good; a derived one ends itself and what was made of it, so that a captured one cannot end the
        key that it was made of. A canary stays, and raises its alarm.
Rule 2. The answer is the same, and comes after the same time, whatever the text was: no key at all, one that nobody
        knows, a dead one, a live one (`authority.possession` says what is spent on that). What tells them apart is on
        record and in the log.
Rule 3. Every request counts against its address, a good one too: one that did not would tell itself from the others.
        A front server that is not named as a trusted proxy makes all clients one address, as for failed logins.
"""

import asyncio
import logging
import re
from typing import Final
from urllib.parse import parse_qsl

from aiohttp.web import BaseRequest, Response

from authproxy.audit import Origin, of_key
from authproxy.authority.possession import Possession
from authproxy.domain.access import PrincipalKind
from authproxy.domain.refusal import Code, refuse
from authproxy.oidc.strict import json_object
from authproxy.store import Fate, Find, Remedy
from authproxy.web.head import Address
from authproxy.web.parts import Parts
from authproxy.web.receive import bounded_body

log: Final = logging.getLogger("authproxy.keys")

PATH: Final = "/-/revoke"
ACTION: Final = "revoke"  # on record
# Bytes: a derived key has 6,000 characters at most, and none that JSON or a form would escape.
LIMIT: Final = 8 * 1024
# Seconds until anything is answered. An Argon2 and a commit on a slow disk fit in it.
ANSWER: Final = 0.25
SAID: Final = "taken: if this was a key, it works no more\n"
SHAPE: Final = 'send the key alone as text/plain, {"token": KEY} as application/json, or the form token=KEY'
WHY: Final = "given up"

# No character of a key is escaped in any of the three, so that a text of these alone has one reading in all of them.
_BARE: Final = re.compile(r"[0-9A-Za-z_.-]*", re.ASCII)


async def revoke(parts: Parts, request: BaseRequest, origin: Origin, address: Address) -> Response:
    """End what was sent. Raises Refused and StoreError."""
    loop = asyncio.get_running_loop()
    due, now = loop.time() + ANSWER, parts.now()
    parts.revocations.count(address, now)
    text = _asked(await bounded_body(request, LIMIT, "a request to revoke a key"), request.content_type)
    found = await parts.revocations.possessions.of(text, address, now=now)
    if found is not None and not found.canary and not found.over:
        await _end(parts, found, origin, address, now)
    await asyncio.sleep(due - loop.time())
    return Response(text=SAID, headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})


async def _end(parts: Parts, found: Possession, origin: Origin, address: Address, now: int) -> None:
    if found.derivation is not None:
        parts.revocations.count_derived(found, address, now)
    entry = of_key(origin, ACTION, PrincipalKind.KEY, found.record, found.public_id, derived=found.written)
    fate = await parts.store.leaks.respond(
        Find(found.record.id, entry, Remedy.REVOKE, WHY, found.derivation), now=parts.now()
    )
    if fate is not Fate.KNOWN:
        derived = found.derivation.name if found.derivation else None
        told = {"public_id": found.public_id, "derived": derived, "owner": found.record.owner}
        told |= {"key": found.record.id, "address": origin.address, "request_id": origin.request_id}
        log.warning("whoever has a key gave it up: %s", fate, extra=told)


def _asked(raw: bytes, kind: str) -> str:
    """Read the text that was sent, in one of three forms. Raises Refused (request-invalid)."""
    try:
        text = raw.decode("utf-8").strip()
        if _BARE.fullmatch(text) or kind in {"text/plain", "application/octet-stream"}:
            return text
        if kind == "application/json":
            pairs = list(json_object(raw).items())
        else:
            pairs = list(parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=1))
        [(name, token)] = pairs
    except ValueError:
        raise refuse(Code.REQUEST_INVALID, f"this cannot be read: {SHAPE}") from None
    if name != "token" or not isinstance(token, str):
        raise refuse(Code.REQUEST_INVALID, f"this is not what is taken here: {SHAPE}")
    return token.strip()
