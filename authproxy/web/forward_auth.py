"""Forward auth: a web server in front asks whether it may serve a read by itself. We decide; the bytes are its own.

What it was asked is taken from exactly one place, which only a proxy of `trusted_proxies` may fill in (the peer itself,
not what X-Forwarded-For says of it). Two places at once, a header that comes twice or not at all, and a target that the
index's table of reads does not have are each a no. So is every method but GET and HEAD: uploads go through us.

A no is 401 or 403, and `errors.respond` sees to it, for nginx makes a 500 of every other status. Where we could not
decide (503, 500) it is still nobody's yes. A yes is 200: Envoy takes no other.
"""

from collections.abc import Sequence
from typing import Final

from aiohttp import hdrs
from aiohttp.web import BaseRequest, Response

from authproxy.config import Reads
from authproxy.domain.access import Principal
from authproxy.domain.refusal import Code, Refused, quoted, refuse
from authproxy.web.answers import private
from authproxy.web.credentials import anonymous, holder_of, presented
from authproxy.web.head import Address, peer_of, within
from authproxy.web.parts import Parts
from authproxy.web.readers import may_read

PATH: Final = "/-/auth"
_BEHIND: Final = (f"{PATH}/", f"{PATH}?")

# The headers that name the method and the target of the read. Envoy (ext_authz over HTTP, `path_prefix`) needs neither:
# it keeps the method and appends the target to our path.
NAMED_BY: Final = (
    ("X-Original-Method", "X-Original-URI"),  # nginx, by our recipe
    ("X-Forwarded-Method", "X-Forwarded-Uri"),  # Traefik's ForwardAuth, Caddy's forward_auth
)

DECIDED: Final = (hdrs.METH_GET, hdrs.METH_HEAD)


def is_asked(raw_target: str) -> bool:
    """Whether this is a web server's question, which is answered in statuses that web servers understand."""
    return raw_target == PATH or raw_target.startswith(_BEHIND)


async def forward_auth(parts: Parts, request: BaseRequest, address: Address) -> Response:
    """Answer yes. Raises Refused for a no."""
    if not within(peer := peer_of(request), parts.config.trusted_proxies):
        raise refuse(Code.NOT_ALLOWED, f"{peer} is no web server in front of this proxy: trusted_proxies names those")
    method, target = _original(request)
    if method not in DECIDED:
        raise refuse(
            Code.NO_ROUTE, f"{quoted(method)} is not decided here, only GET and HEAD are: send it through the proxy"
        )
    asked = parts.readers.asked(method, target)
    if not asked.lends:
        raise refuse(Code.NO_ROUTE, f"{quoted(asked.target)} is not decided here: ask for it through the proxy")
    reader = await _reader(parts, request, address)
    parts.uses.read(reader, asked, request, parts.now())
    if (denial := may_read(parts.config, reader, asked, now=parts.now())) is not None:
        raise Refused(denial)
    parts.yeses.remember(parts.config, request, reader)
    return _yes(parts, reader)


def said_again(parts: Parts, request: BaseRequest) -> Response | None:
    """Answer yes where this very request got one that still stands; None says nothing."""
    now = parts.now()
    reader = parts.yeses.again(parts.config, request, now=now)
    if reader is None:
        return None
    if not parts.uses.seen(reader, now):
        parts.uses.read(reader, parts.readers.asked(*_original(request)), request, now)
    return _yes(parts, reader)


def _yes(parts: Parts, reader: Principal) -> Response:
    headers = private(parts.backend.flavour)
    if reader.public_id is not None:
        headers["X-Authproxy-Key"] = reader.public_id
    return Response(headers=headers)


async def _reader(parts: Parts, request: BaseRequest, address: Address) -> Principal:
    """Who reads. An index's own password says nothing to us, and the index is not asked here."""
    credential = presented(parts, request)
    if parts.config.reads is Reads.OPEN and (credential is None or credential.key_text is None):
        return anonymous(address)
    return await holder_of(parts, credential, address)


def _original(request: BaseRequest) -> tuple[str, str]:
    """The method and the raw target of the read that the front was asked for. Raises Refused (request-invalid)."""
    appended, headers = request.raw_path.removeprefix(PATH), request.headers
    named = [names for names in NAMED_BY if names[0] in headers or names[1] in headers]
    if len(named) + bool(appended) != 1:
        raise refuse(
            Code.REQUEST_INVALID,
            f"the read has to be named in one way: by {' or by '.join(' and '.join(names) for names in NAMED_BY)}, "
            f"or behind {PATH}",
        )
    if appended:
        return request.method, appended
    [(method, target)] = named
    return _only(method, headers.getall(method, ())), _only(target, headers.getall(target, ()))


def _only(name: str, values: Sequence[str]) -> str:
    if len(values) != 1:
        raise refuse(Code.REQUEST_INVALID, f"{name} comes {len(values)} times, once is what it takes")
    return values[0]
