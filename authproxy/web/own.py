"""Our own paths, all under `/-/`, which no project can be called, but for those that clients fix."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp.web import BaseRequest, Response

from authproxy.domain.grants import format_grant
from authproxy.domain.policy import held
from authproxy.domain.refusal import Code, refuse
from authproxy.domain.rules import followed
from authproxy.web import revoking
from authproxy.web.about import told_missing
from authproxy.web.answers import private
from authproxy.web.credentials import in_force, key_holder
from authproxy.web.forward_auth import PATH, forward_auth, is_asked
from authproxy.web.head import Address, client_of, no_body
from authproxy.web.parts import Parts
from authproxy.web.publishing import AUDIENCE, DISCOVERY, audience, discovery

# How a last use names it: it is no action that a grant could say.
WHOAMI: Final = "whoami"

Handler = Callable[[Parts, BaseRequest, Address], Awaitable[Response]]


async def healthz(_parts: Parts, request: BaseRequest, _address: Address) -> Response:
    """Say that the process answers. It says nothing of the store or the index: a restart would not mend those."""
    return _said(request, 200, "ok\n", {"well": True})


async def readyz(parts: Parts, request: BaseRequest, _address: Address) -> Response:
    """Say whether an upload could pass now, and if not, what is missing; and what ought to be mended all the same."""
    troubles = await parts.readiness.troubles(parts.config)
    missing = [each for each in troubles if not each.remark]
    remarks = [each for each in troubles if each.remark]
    told_missing(request, [each.what for each in missing])
    lines = [*map(str, missing), *(() if missing else ("ready",)), *(f"remark: {each}" for each in remarks)]
    page = {
        "ready": not missing,
        "missing": [{"what": each.what, "why": each.why} for each in missing],
        "remarks": [{"what": each.what, "why": each.why} for each in remarks],
    }
    return _said(request, 503 if missing else 200, "".join(f"{each}\n" for each in lines), page)


def _said(request: BaseRequest, status: int, text: str, page: Mapping[str, object]) -> Response:
    """As text, or as JSON to whoever accepts that; kept by nobody."""
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    if "application/json" in request.headers.get("Accept", ""):
        body = json.dumps(page).encode() + b"\n"
        return Response(status=status, body=body, headers=headers | {"Content-Type": "application/json"})
    return Response(status=status, text=text, headers=headers)


async def whoami(parts: Parts, request: BaseRequest, address: Address) -> Response:
    """Tell the holder of a key what it is and what it may do."""
    holder = await key_holder(parts, request, address)
    key = holder.key
    if key is None:
        raise refuse(Code.CREDENTIAL_INVALID, "this is for the holder of a key")
    in_force(holder, parts.now())
    # A use as any other: whoever asks from a job still has the key there, and it is not to be paused under him.
    parts.uses.note(holder, WHOAMI, None, address, client_of(request), parts.now())
    policy = followed(parts.config.policy, key)
    page = {
        "id": key.id,
        "owner": key.owner,
        "policy": key.policy,
        "allow": [format_grant(grant) for grant in (held(key, policy) if policy else ())],
        "expires": key.expires,
        "derive_only": key.derive_only,
        "derived": None if holder.derivation is None else json.loads(holder.derivation),
        "publisher": key.publisher,
    }
    headers = private(parts.backend.flavour) | {"Content-Type": "application/json"}
    return Response(body=json.dumps(page).encode() + b"\n", headers=headers)


HEALTH: Final = ("/-/healthz", "/-/readyz")
OWN: Final[dict[str, Handler]] = {
    **dict(zip(HEALTH, (healthz, readyz), strict=True)),
    "/-/whoami": whoami,
    PATH: forward_auth,
    AUDIENCE: audience,
    DISCOVERY: discovery,
}
# What is sent there and not asked for.
SENT: Final = {revoking.PATH: f"it ends the key that you POST to it: {revoking.SHAPE}"}
# Those that are asked something, in a query string.
ASKED: Final = frozenset({DISCOVERY})


async def own(parts: Parts, request: BaseRequest, address: Address) -> Response:
    """Answer a request for one of our own paths. Raises Refused."""
    path = request.raw_path
    plain, mark, _ = path.partition("?")
    if plain in SENT:
        raise refuse(Code.NO_ROUTE, f"{plain} takes POST alone, {SENT[plain]}")
    handler = forward_auth if is_asked(path) else OWN.get(plain) if not mark or plain in ASKED else None
    if handler is None or request.method not in ("GET", "HEAD"):
        raise refuse(Code.NO_ROUTE, f"this is no page of the proxy's own, GET one of {', '.join(OWN)}")
    no_body(request)
    return await handler(parts, request, address)
