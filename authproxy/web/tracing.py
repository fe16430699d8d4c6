"""The trace of each request: the client's goes on, and where OpenTelemetry is on one without begins its own.

Where it is off and the client sent none, there is no trace at all, and the index is told of none: an id that nobody
collects is noise in its log and costs every read. The request id is ours and stays, trace or not.
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp.web import BaseRequest, StreamResponse

from authproxy.backend.spans import CURRENT, HEADER, Passed, Span
from authproxy.domain.traces import Trace, read_trace
from authproxy.web.telemetry import Begin

Handler = Callable[[BaseRequest], Awaitable[StreamResponse]]

_SERVER_ERROR: Final = 500


def traced(handle: Handler, begin: Begin | None) -> Handler:
    """Answer requests as `handle` does, each as a step of its trace; `begin` records it."""

    async def answer(request: BaseRequest) -> StreamResponse:
        before = sent(request)
        if begin is not None:
            span: Span = begin(before)
        elif before is not None:
            span = Passed(Trace(before.trace_id, new_span_id(), before.sampled))
        else:
            return await handle(request)
        token, failed = CURRENT.set(span), True
        try:
            response = await handle(request)
            span.tell(status=response.status)
            failed = response.status >= _SERVER_ERROR
        finally:
            # aiohttp answers each request in a task of its own; that the next is another step must not hang on it.
            CURRENT.reset(token)
            span.end(failed=failed)
        return response

    return answer


def sent(request: BaseRequest) -> Trace | None:
    """The place in a trace that the client names; none where it names two, or none that can be read."""
    values = request.headers.getall(HEADER, ())
    return read_trace(values[0]) if len(values) == 1 else None


def new_span_id() -> str:
    """Draw the id of a step: 64 random bits, and never zero, which is no id."""
    return f"{secrets.randbits(64) or 1:016x}"
