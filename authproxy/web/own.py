"""Our own paths, all under `/-/`, which no project can be called, but for those that clients fix."""

import json
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp.web import BaseRequest, Response

from authproxy.domain.grants import format_grant
from authproxy.domain.policy import held
from authproxy.domain.refusal import Code, refuse
from authproxy.domain.rules import followed
from authproxy.web import revoking
from authproxy.web.answers import private
from authproxy.web.credentials import in_force, key_holder
from authproxy.web.forward_auth import PATH, forward_auth, is_asked
from authproxy.web.head import Address, client_of, no_body
from authproxy.web.parts import Parts
from authproxy.web.publishing import AUDIENCE, DISCOVERY, audience, discovery

# How a last use names it: it is no action that a grant could say.
WHOAMI: Final = "whoami"

Handler = Callable[[Parts, BaseRequest, Address], Awaitable[Response]]


async def healthz(_parts: Parts, _request: BaseRequest, _address: Address) -> Response:
    """Say that the process answers. It says nothing of the store or the index: a restart would not mend those."""
    return Response(text="ok\n")


async def readyz(parts: Parts, _request: BaseRequest, _address: Address) -> Response:
    """Say whether an upload could pass now, and if not, what is missing."""
    missing = await parts.readiness.missing()
    return Response(status=503 if missing else 200, text="".join(f"{each}\n" for each in missing) or "ready\n")


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


OWN: Final[dict[str, Handler]] = {
    "/-/healthz": healthz,
    "/-/readyz": readyz,
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
