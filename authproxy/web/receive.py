"""The body of an upload, from the socket into a spool and a form, each byte once; and the small bodies, read whole.

Also the way out when an upload is refused early: the rest of the body is read and thrown away, because a client that is
cut off sees a broken pipe instead of the sentence (twine then tries eleven times over TLS; measured).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import hdrs
from aiohttp.web import BaseRequest, RequestPayloadError

from authproxy.backend.form import Form, FormDecoder, FormLimits, RemovalForm
from authproxy.backend.grammar import boundary_of
from authproxy.config import Config, Limits
from authproxy.domain.refusal import Code, refuse
from authproxy.domain.sizes import exact
from authproxy.web.head import body_length, no_body
from authproxy.web.spool import Spool

# A client that sends nothing for so many seconds has gone; a slow one sends at least something.
STALL: Final = 30.0
# How long a refused client may go on sending before it is cut off, in seconds.
DRAIN: Final = 60.0

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def form_boundary(request: BaseRequest, limits: Limits) -> str:
    """Refuse what is wrong with an upload before its first byte is read; return the boundary of its form.

    Raises Refused (length-required, too-large, form-invalid).
    """
    boundary = boundary_of(request.headers.get(hdrs.CONTENT_TYPE, ""))
    if body_length(request) > FormLimits(limits.max_upload).max_body:
        raise refuse(Code.TOO_LARGE, f"the upload is larger than the {exact(limits.max_upload)} that this proxy takes")
    return boundary


@asynccontextmanager
async def received(
    request: BaseRequest,
    boundary: str,
    config: Config,
    *,
    removals: bool = False,
    tally: Callable[[int], object] = lambda _bytes: None,
) -> AsyncIterator[tuple[Form | RemovalForm, Spool]]:
    """Read the body into a form whose file lies in a spool; leaving the block forgets both.

    With `removals` it may also be a form that asks for a delete. `tally` is told of bytes that come and go.
    Raises Refused (form-invalid, too-large, digest, timeout, storage-full).
    """
    async with Spool(config.state_directory, config.limits.spool_memory, tally) as spool:
        decoder = FormDecoder(boundary, spool, FormLimits(config.limits.max_upload), removals=removals)
        await _go_on(request)
        end = asyncio.get_running_loop().time() + config.limits.upload_deadline
        while piece := await _next(request, end):
            decoder.feed(piece)
            await spool.breathe()
        if (asked := decoder.removal()) is not None:
            yield asked, spool
            return
        form = decoder.finish()
        await spool.settle()
        await _check_digests(form, spool)
        yield form, spool


async def bounded_body(request: BaseRequest, limit: int, called: str) -> bytes:
    """Read a small body whole. `limit` is in bytes, `called` names the request in a refusal.

    Raises Refused (length-required, too-large, timeout).
    """
    if body_length(request) > limit:
        raise refuse(Code.TOO_LARGE, f"{called} takes at most {exact(limit)}")
    try:
        async with asyncio.timeout(STALL):
            return await request.read()
    except TimeoutError as exc:
        raise refuse(Code.TIMEOUT, f"{called} came in too slowly, try again") from exc


def texts(body: bytes, names: Collection[str], encoding: str = "utf-8") -> dict[str, str] | None:
    """Read a JSON object that has these names, each once, and a string at each; None for whatever else it is."""
    try:
        pairs = json.loads(body.decode(encoding), object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return None
    # Of an object the pairs come as a tuple, of an array the values as a list.
    if not isinstance(pairs, tuple) or sorted(name for name, _ in pairs) != sorted(names):
        return None
    return dict(pairs) if all(isinstance(value, str) for _, value in pairs) else None


async def no_body_but(request: BaseRequest, spare: bytes) -> None:
    """Refuse a body where the method has no use for one, but for these very bytes, which are thrown away.

    Raises Refused (request-invalid, timeout).
    """
    framed = hdrs.TRANSFER_ENCODING not in request.headers and request.method == hdrs.METH_GET
    if not spare or not framed or request.headers.get(hdrs.CONTENT_LENGTH) != str(len(spare)):
        no_body(request)
    elif await bounded_body(request, len(spare), "a read") != spare:
        raise refuse(Code.REQUEST_INVALID, "a GET request has no body here, send it without one")


async def _go_on(request: BaseRequest) -> None:
    if request.headers.get(hdrs.EXPECT) is not None and request.transport is not None:
        request.transport.write(CONTINUE)


async def _next(request: BaseRequest, end: float) -> bytes:
    """The next piece of the body, empty after the last; due soon, and by `end` in the loop's time.

    The clock runs for the client alone: while our own disk is slow, nobody's timer does; nor for what is here already.
    """
    if (piece := request.content.read_nowait()) or request.content.at_eof():
        return piece
    try:
        async with asyncio.timeout_at(min(asyncio.get_running_loop().time() + STALL, end)):
            return await request.content.readany()
    except TimeoutError as exc:
        raise refuse(Code.TIMEOUT, "the upload came in too slowly, try again on a faster connection") from exc


async def _check_digests(form: Form, spool: Spool) -> None:
    wanted = form.digests()
    found = {"sha256": spool.sha256, **await spool.digests(tuple(name for name in wanted if name != "sha256"))}
    for name, digest in wanted.items():
        if found[name] != digest:
            raise refuse(Code.DIGEST, f"the file's {name} digest is not the one in the form: it changed on its way")


async def drain(request: BaseRequest, limits: Limits) -> bool:
    """Read and drop what the client still sends; False where it has to be cut off because it is too much or too slow.

    A client that waits for `100 Continue` has sent nothing, and a body over the limit is not worth waiting for.
    """
    if request.content.is_eof():
        return True
    length, limit = request.headers.get(hdrs.CONTENT_LENGTH, ""), FormLimits(limits.max_upload).max_body
    if hdrs.EXPECT in request.headers or not length.isdecimal() or int(length) > limit:
        return False
    try:
        async with asyncio.timeout(DRAIN):
            while await request.content.readany():
                pass
    except (TimeoutError, ConnectionError, RequestPayloadError):
        return False
    return True
