"""Reads: a page or a file of the index, streamed through as it comes.

Whose credentials go out is decided here and nowhere else. The service credentials are lent to a key that may read
(`web.readers`) and, under `reads: open`, to everybody; a client's own password passes under `reads: index` alone; a key
never passes. Under `reads: key` nobody reads without one.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs
from aiohttp.web import BaseRequest, Response, StreamResponse
from multidict import CIMultiDict

from authproxy.backend.answer import MISCONFIGURED
from authproxy.backend.client import AGENT, PAGE_LIMIT, REFUSALS, whole
from authproxy.backend.flavour import Asked
from authproxy.backend.pool import Answer
from authproxy.config import Reads
from authproxy.domain.access import Principal
from authproxy.domain.names import ProjectName
from authproxy.domain.policy import reaches
from authproxy.domain.refusal import Code, Refused, refuse
from authproxy.web.credentials import key_holder, presented, recalled
from authproxy.web.head import Address, written
from authproxy.web.listing import JSON_TYPE, UNREADABLE, narrowed
from authproxy.web.parts import Parts
from authproxy.web.readers import may_read
from authproxy.web.receive import STALL, bounded_body, no_body_but

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

# What indexes say of a connection, which names no header but those above.
_NAMES_NONE: Final = frozenset({"", "close", "keep-alive"})

# A page up to this size in bytes goes out in one write; pages of a project are seldom larger.
SMALL: Final = 64 * 1024
# The body of a search request (XML-RPC) in bytes: pip's takes 300.
SEARCH_LIMIT: Final = 64 * 1024


async def read(parts: Parts, request: BaseRequest, address: Address) -> StreamResponse:
    """Answer a read. Raises Refused while nothing has been answered yet."""
    asked = parts.readers.asked(request.method, request.raw_path)
    reader = await _reader(parts, request, asked, address)
    body = await _body(request, asked)
    passed = {str(name): value for name in PASSED if (value := request.headers.get(name)) is not None}
    headers = {**passed, **reader.own, "X-Forwarded-For": written(address)}
    if body is not None:
        headers[hdrs.CONTENT_TYPE] = "text/xml"
    if reader.part:
        return await _part_of_a_listing(parts, request, asked, reader)
    ask = parts.backend.lent if reader.lent else parts.backend.read
    async with await ask(request.method, asked.target, headers, body) as answer:
        if reader.lent and answer.status in REFUSALS:
            raise refuse(Code.MISCONFIGURED, MISCONFIGURED)
        if answer.status == HTTPStatus.UNAUTHORIZED and reader.holder is not None:
            raise refuse(
                Code.NOT_ALLOWED,
                f"{reader.holder.name} has no read grant and the index asks for a password: read with the index's own, "
                "or ask for a key that may read",
            )
        return await _stream(request, answer, parts.backend.flavour.varies)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Who holds a key, if anybody, and by whose credentials the index is asked."""

    holder: Principal | None
    lent: bool  # by ours
    own: Mapping[str, str] = field(default_factory=dict, repr=False)  # by the reader's own, as a header
    part: bool = False  # of a list of all projects, only those that the holder may read


async def _reader(parts: Parts, request: BaseRequest, asked: Asked, address: Address) -> _Reader:
    holder, reads = recalled(parts, request, address), parts.config.reads
    if holder is None:
        credential = presented(parts, request)
        if reads is not Reads.KEY and (credential is None or credential.key_text is None):
            if reads is Reads.OPEN:
                return _Reader(None, lent=asked.lends)
            foreign = {str(hdrs.AUTHORIZATION): credential.foreign} if credential and credential.foreign else {}
            return _Reader(None, lent=False, own=foreign)
        holder = await key_holder(parts, request, address)
    now = parts.now()
    parts.uses.read(holder, asked, request, now)
    denial = parts.readers.may_read(parts.config, holder, asked, now=now)
    if denial is not None and reads is Reads.KEY:
        if asked.listing and reaches(parts.config.policy, holder, asked.action, asked.index, now=now):
            return _Reader(holder, lent=asked.lends, part=True)
        raise Refused(denial)
    return _Reader(holder, lent=denial is None and asked.lends)


async def _part_of_a_listing(parts: Parts, request: BaseRequest, asked: Asked, reader: _Reader) -> Response:
    """The list of all projects as the index has it, less what the holder may not read.

    It is asked for with a final slash, without which indexes redirect, and in one of the two forms that we can read.
    """
    wanted = JSON_TYPE if JSON_TYPE in request.headers.get(hdrs.ACCEPT, "") else "text/html"
    headers = {str(hdrs.ACCEPT): wanted, str(hdrs.USER_AGENT): request.headers.get(hdrs.USER_AGENT, AGENT)}
    async with await parts.backend.lent(hdrs.METH_GET, f"{asked.target.rstrip('/')}/", headers) as answer:
        if answer.status in REFUSALS:
            raise refuse(Code.MISCONFIGURED, MISCONFIGURED)
        if answer.status in parts.backend.flavour.absent:
            raise refuse(Code.NOT_ALLOWED, f"the index behind the proxy has no {asked.index}")
        page = await whole(answer, PAGE_LIMIT) if answer.status == HTTPStatus.OK else None
        media = answer.headers.get(hdrs.CONTENT_TYPE, "")
        if page is None:
            raise refuse(Code.INDEX_UNREACHABLE, UNREADABLE)

    config, holder, now = parts.config, reader.holder, parts.now()

    def shown(project: ProjectName) -> bool:
        return holder is not None and may_read(config, holder, replace(asked, project=project), now=now) is None

    body = await asyncio.to_thread(narrowed, page, media, shown)
    return Response(body=body, headers={hdrs.CONTENT_TYPE: media, hdrs.VARY: f"{parts.backend.flavour.varies}, Accept"})


async def _body(request: BaseRequest, asked: Asked) -> bytes | None:
    """The body of a search, the one read that has one."""
    if request.method != hdrs.METH_POST:
        await no_body_but(request, asked.spare)
        return None
    return await bounded_body(request, SEARCH_LIMIT, "a search")


async def _stream(request: BaseRequest, answer: Answer, varies: str) -> StreamResponse:
    headers = _headers(answer, varies)
    if request.method == hdrs.METH_HEAD or (answer.content_length or SMALL + 1) <= SMALL:
        try:
            body = await answer.read()
        except OSError as exc:
            raise refuse(Code.INDEX_UNREACHABLE, "the index broke off in the middle of an answer, try again") from exc
        return Response(status=answer.status, reason=answer.reason, headers=headers, body=body)
    response = StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    try:
        while piece := await answer.piece():
            async with asyncio.timeout(STALL):
                await response.write(piece)
    except OSError as exc:
        # Half an answer is out. Only a broken connection tells the client so; an end would look like a whole file.
        log.info("an answer broke off in the middle of a file", extra={"trouble": type(exc).__name__})
        if request.transport is not None:
            request.transport.abort()
    return response


def _headers(answer: Answer, varies: str) -> CIMultiDict[str]:
    named = answer.headers.get(hdrs.CONNECTION, "").lower()
    own = HOP_BY_HOP if named in _NAMES_NONE else HOP_BY_HOP.union(name.strip() for name in named.split(","))
    headers = CIMultiDict([(name, value) for name, value in answer.headers.items() if name.lower() not in own])
    headers.add(hdrs.VARY, varies)
    return headers
