"""Whose trace a request belongs to: from the client's header to the log and the index."""

import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from authproxy.cli.logs import FORMATS, JsonLines
from authproxy.web.tracing import new_span_id
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.recording import RecordingIndex, Reply
from tests.peers.wire import Conversation, get, head
from tests.web.conftest import Running

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = f"00-{TRACE}-{SPAN}-01"
ONWARD = re.compile(rf"00-{TRACE}-([0-9a-f]{{16}})-01")


@pytest.fixture(params=sorted(FORMATS))
def lines(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What the server would write to stderr, in each form."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    handler.setFormatter(FORMATS[request.param]())
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


async def test_a_trace_goes_to_every_line_and_to_the_index(
    running: Running, recording: RecordingIndex, lines: io.StringIO
) -> None:
    """Of a read and of an upload; the parent that the index hears of is a step of ours."""
    key = await running.key()
    recording.answer = lambda seen: Reply(200) if seen.method == "POST" else Reply(200, b"<a></a>")
    lines.truncate(0)
    assert (await running.ask(get("/simple/acme-core/", [("Traceparent", SENT)]))).status == 200
    raw = upload(wheel("acme-core"), key).replace(b"\r\n", f"\r\ntraceparent: {SENT}\r\n".encode(), 1)
    answer = await running.ask(raw)
    assert answer.status == 200
    assert re.fullmatch("[0-9a-f]{16}", answer.header("X-Request-Id") or "")
    told = [ONWARD.fullmatch(seen.header("traceparent") or "") for seen in recording.requests]
    assert len(told) >= 2
    assert all(told), told
    assert SPAN not in {each[1] for each in told if each}
    written = [line for line in lines.getvalue().splitlines() if "upload ok" in line or "read ok" in line]
    assert len(written) == 2
    assert all(TRACE in line for line in written)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="none"),
        pytest.param([("traceparent", SENT.upper())], id="one in upper case"),
        pytest.param([("traceparent", SENT), ("traceparent", SENT)], id="two"),
        pytest.param([("traceparent", "apx_AAAAAAAAAAAAA_secret")], id="something else"),
    ],
)
async def test_what_is_no_trace_is_none(
    running: Running, recording: RecordingIndex, lines: io.StringIO, headers: list[tuple[str, str]]
) -> None:
    """Neither the log nor the index hears of it, nor of a trace state, whatever is in it."""
    headers = [*headers, ("tracestate", "vendor=secret")]
    assert (await running.ask(get("/simple/acme-core/", headers))).status == 404
    [seen] = recording.requests
    assert seen.header("traceparent") is seen.header("tracestate") is None
    assert "trace_id" not in lines.getvalue()
    assert "secret" not in lines.getvalue()


async def test_a_connection_that_goes_on_has_a_trace_for_each_request(
    running: Running, recording: RecordingIndex
) -> None:
    """The second request is no step of the first one's trace."""

    def ask() -> None:
        with Conversation(running.address) as conversation:
            for headers in ([("traceparent", SENT)], []):
                conversation.send(head("GET", "/simple/acme-core/", headers))
                assert conversation.answer().status == 404

    await asyncio.to_thread(ask)
    first, second = (seen.header("traceparent") for seen in recording.requests)
    assert ONWARD.fullmatch(first or "")
    assert second is None


def test_a_line_outside_of_a_request_has_no_trace() -> None:
    """And a step has an id that is one."""
    line = json.loads(JsonLines().format(logging.makeLogRecord({"msg": "listening", "levelname": "INFO"})))
    assert "trace_id" not in line
    assert len({new_span_id() for _ in range(100)}) == 100
    assert re.fullmatch("[0-9a-f]{16}", new_span_id())
