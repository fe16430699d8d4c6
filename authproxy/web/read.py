"""Reads: a page or a file of the index, streamed through as it comes.

Whose credentials go out is decided here and nowhere else. The service credentials are lent to a key that may read and,
under `reads: open`, to everybody; a client's own password passes under `reads: index` alone; a key never passes.
"""

import logging
from typing import Final

import aiohttp
from aiohttp import hdrs
from aiohttp.web import BaseRequest, Response, StreamResponse
from multidict import CIMultiDict

from authproxy.backend.flavour import Asked, match
from authproxy.config import Reads
from authproxy.domain.access import Access, Principal
from authproxy.domain.policy import Admission, decide
from authproxy.domain.refusal import Code, refuse
from authproxy.web.credentials import presented, proved
from authproxy.web.head import Address, body_length, no_body
from authproxy.web.parts import Parts

log: Final = logging.getLogger("authproxy.read")

# What an index may know of a reader: devpi varies its pages by User-Agent and Accept, pip and uv ask for ranges and
# by validators (measured). Nothing else is passed on; above all no X-* header that an index would believe.
PASSED: Final = (
    hdrs.ACCEPT,
    hdrs.ACCEPT_ENCODING,
    hdrs.ACCEPT_LANGUAGE,
    hdrs.CACHE_CONTROL,
    hdrs.USER_AGENT,
    hdrs.RANGE,
    hdrs.IF_RANGE,
    hdrs.IF_MATCH,
    hdrs.IF_NONE_MATCH,
    hdrs.IF_MODIFIED_SINCE,
    hdrs.IF_UNMODIFIED_SINCE,
)

# RFC 9110, 7.6.1: these belong to one connection. The reason why Server and Date pass: they tell of the index.
HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

# A page up to this size in bytes goes out in one write; pages of a project are seldom larger.
SMALL: Final = 64 * 1024
# The body of a search request (XML-RPC) in bytes: pip's takes 300.
SEARCH_LIMIT: Final = 64 * 1024


async def read(parts: Parts, request: BaseRequest, address: Address) -> StreamResponse:
    """Answer a read. Raises Refused while nothing has been answered yet."""
    asked = match(parts.backend.flavour, request.method, request.raw_path)
    body = await _body(request)
    holder, credentials = await _credentials(parts, request, asked, address)
    passed = {str(name): value for name in PASSED if (value := request.headers.get(name)) is not None}
    headers = {**passed, **credentials, "X-Forwarded-For": str(address)}
    if body is not None:
        headers[hdrs.CONTENT_TYPE] = "text/xml"
    async with parts.backend.read(request.method, asked.target, headers, body) as answer:
        if answer.status == 401 and holder is not None:
            raise refuse(
                Code.NOT_ALLOWED,
                f"{holder.name} has no read grant and the index asks for a password: read with the index's own, or ask "
                "for a key that may read",
            )
        return await _stream(request, answer)


async def _credentials(
    parts: Parts, request: BaseRequest, asked: Asked, address: Address
) -> tuple[Principal | None, dict[str, str]]:
    """Who holds a key, and the Authorization header that goes to the index, if any."""
    credential = presented(parts, request)
    everybody = parts.config.reads is Reads.OPEN
    if credential is not None and credential.key_text is not None:
        holder = await proved(parts, credential.key_text, address)
        access = Access(asked.action, asked.index, asked.project)
        may = everybody or isinstance(decide(parts.config.policy, holder, access, now=parts.now()), Admission)
        return holder, parts.backend.credentials() if may else {}
    if everybody:
        return None, parts.backend.credentials()
    return None, {hdrs.AUTHORIZATION: credential.foreign} if credential and credential.foreign else {}


async def _body(request: BaseRequest) -> bytes | None:
    """The body of a search, the one read that has one."""
    if request.method != hdrs.METH_POST:
        no_body(request)
        return None
    if body_length(request) > SEARCH_LIMIT:
        raise refuse(Code.TOO_LARGE, f"a search takes at most {SEARCH_LIMIT} bytes")
    return await request.read()


async def _stream(request: BaseRequest, answer: aiohttp.ClientResponse) -> StreamResponse:
    headers = _headers(answer)
    if request.method == hdrs.METH_HEAD or (answer.content_length or SMALL + 1) <= SMALL:
        return Response(status=answer.status, reason=answer.reason, headers=headers, body=await answer.read())
    response = StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    try:
        while piece := await answer.content.readany():
            await response.write(piece)
    except (aiohttp.ClientError, TimeoutError):
        # Half an answer is out. Only a broken connection tells the client so; an end would look like a whole file.
        log.warning("the index broke off in the middle of a file", exc_info=True)
        if request.transport is not None:
            request.transport.abort()
    return response


def _headers(answer: aiohttp.ClientResponse) -> CIMultiDict[str]:
    named = {name.strip().lower() for name in answer.headers.get(hdrs.CONNECTION, "").split(",")}
    headers = CIMultiDict(
        (name, value)
        for name, value in answer.headers.items()
        if (lower := name.lower()) not in HOP_BY_HOP and lower not in named
    )
    headers.add(hdrs.VARY, hdrs.AUTHORIZATION)
    return headers
