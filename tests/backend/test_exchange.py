"""Exchanges with the index are counted by how they end, and told whose step they are."""

import asyncio
from contextlib import nullcontext

import aiohttp
import pytest

from authproxy.backend.client import Backend, Upstream
from authproxy.backend.encoding import Encoded
from authproxy.backend.exchange import Exchange, Kind, Result, nobody
from authproxy.backend.pypiserver import PYPISERVER
from authproxy.backend.spans import CURRENT, Passed
from authproxy.domain.refusal import Refused
from authproxy.domain.traces import Trace
from tests.backend.test_spans import TRACE, Told
from tests.peers.ports import reserved_port
from tests.peers.recording import Hang, RecordingIndex, Reply


class Noted:
    """What was observed."""

    def __init__(self) -> None:
        self.seen: list[tuple[Kind, Result]] = []

    def __call__(self, kind: Kind, result: Result, seconds: float) -> None:
        assert 0 <= seconds < 60
        self.seen.append((kind, result))


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, Result.ANSWERED),
        (TimeoutError(), Result.TIMEOUT),
        (aiohttp.ServerTimeoutError(), Result.TIMEOUT),
        (aiohttp.ClientPayloadError(), Result.UNREACHABLE),
        (ConnectionResetError(), Result.UNREACHABLE),
        (asyncio.CancelledError(), Result.GIVEN_UP),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, BaseException) else str(each),
)
def test_how_it_ended(error: BaseException | None, result: Result) -> None:
    """Each error is one of few words, and the step of a trace ends with it."""
    noted, span = Noted(), Told()
    token = CURRENT.set(span)
    expected = nullcontext() if error is None else pytest.raises(type(error))
    with expected, Exchange(Kind.UPLOAD, noted) as exchange:
        exchange.status = 200
        if error is not None:
            raise error
    CURRENT.reset(token)
    assert noted.seen == [(Kind.UPLOAD, result)]
    [child] = span.children
    assert (child.name, child.words, child.ended) == (
        "index upload",
        {"result": result, "status": 200},
        result is not Result.ANSWERED,
    )


def upstream(url: str) -> Upstream:
    return Upstream(url, "pypi.acme.test", "https", read_timeout=0.3, upload_timeout=0.3)


async def chunks(*, last: bool):
    assert last
    yield b"bytes"


FORM = Encoded(b"head", b"tail", 13, "multipart/form-data; boundary=b")


async def test_reads_changes_and_uploads_are_counted_apart(recording: RecordingIndex) -> None:
    """As the index sees them; an error of its own is one, and a 404 is an answer."""
    noted = Noted()
    async with Backend(upstream(recording.url), PYPISERVER, noted) as backend:
        for method, status in (("GET", 404), ("DELETE", 200), ("GET", 500)):
            recording.answer = lambda _, status=status: Reply(status)
            async with await backend.read(method, "/simple/", {}):
                pass
        recording.answer = lambda _: Reply(200)
        await backend.upload("root", FORM, chunks, "10.0.0.1")
        recording.answer = lambda _: Hang()
        with pytest.raises(Refused):
            await backend.read("GET", "/simple/", {})
    assert noted.seen == [
        (Kind.READ, Result.ANSWERED),
        (Kind.CHANGE, Result.ANSWERED),
        (Kind.READ, Result.ERROR),
        (Kind.UPLOAD, Result.ANSWERED),
        (Kind.READ, Result.TIMEOUT),
    ]


async def test_nobody_there_is_counted() -> None:
    """A connection that is refused."""
    noted = Noted()
    async with Backend(upstream(f"http://127.0.0.1:{reserved_port()}/"), PYPISERVER, noted) as backend:
        with pytest.raises(Refused):
            await backend.read("GET", "/", {})
        await backend.upload("root", FORM, chunks, "10.0.0.1")
    assert noted.seen == [(Kind.READ, Result.UNREACHABLE), (Kind.UPLOAD, Result.UNREACHABLE)]
    nobody(Kind.READ, Result.ANSWERED, 0.0)


async def test_the_index_hears_of_a_trace_and_of_none(recording: RecordingIndex) -> None:
    """One header that we write, on reads and uploads, only for a request that has a trace."""
    recording.answer = lambda _: Reply(200)
    async with Backend(upstream(recording.url), PYPISERVER) as backend:
        for span in (None, Passed(Trace(TRACE.trace_id, TRACE.span_id, sampled=False))):
            token = CURRENT.set(span)
            async with await backend.read("GET", "/simple/", {}):
                pass
            await backend.upload("root", FORM, chunks, "10.0.0.1")
            CURRENT.reset(token)
    said = [seen.header("traceparent") for seen in recording.requests]
    assert said == [None, None, *[f"00-{'a' * 32}-{'b' * 16}-00"] * 2]
