"""OpenTelemetry: on where the environment says so, and a collector gets what it should and nothing else."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from authproxy.config import load
from authproxy.web import telemetry as room
from authproxy.web.server import listening
from authproxy.web.telemetry import telemetry, wanted
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.ports import reserved_port
from tests.peers.recording import Hang, RecordingIndex, Reply
from tests.peers.wire import exchange, get
from tests.web.collector import Collector, collector, words
from tests.web.conftest import Running
from tests.web.test_tracing import SENT, SPAN, TRACE

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture(autouse=True)
def ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is sent, and nothing is logged of it, into the test that comes next."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    yield
    for each in threading.enumerate():
        if each.name == "telemetry":
            each.join(20)
            assert not each.is_alive()


@pytest.mark.parametrize(
    ("env", "on"),
    [
        ({}, False),
        ({ENDPOINT: " "}, False),
        ({ENDPOINT: "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({ENDPOINT: "http://c:4318", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({ENDPOINT: "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({ENDPOINT: "http://c:4318", "OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_when_it_is_on(env: dict[str, str], on: bool) -> None:
    """By OpenTelemetry's own variables, and only where there is a collector."""
    assert wanted(env) is on


async def test_off_loads_nothing() -> None:
    """Not one module of it, in a process of its own."""
    code = (
        "import asyncio, sys; from authproxy.web import server, telemetry\n"
        "async def main():\n"
        "    async with telemetry.telemetry({}) as begin: assert begin is None\n"
        "asyncio.run(main()); sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    ran = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], timeout=60, check=False)
    assert ran.returncode == 0


async def test_without_the_extra_it_is_said_and_the_server_runs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An environment is often not the operator's own: a proxy that does not start would be worse than no traces."""
    monkeypatch.setitem(sys.modules, "authproxy.web.recording", None)
    async with telemetry({ENDPOINT: "http://127.0.0.1:1"}) as begin:
        assert begin is None
    assert [record.getMessage() for record in caplog.records] == [room.NOT_INSTALLED]


@pytest.fixture
async def collected() -> AsyncIterator[Collector]:
    async with collector() as made:
        yield made


async def recorded(running: Running, collected: Collector, monkeypatch: pytest.MonkeyPatch, *raw: bytes) -> None:
    """Ask a proxy that sends traces these, and end it."""
    monkeypatch.setenv(ENDPOINT, collected.url)
    async with listening(load(running.file)) as (_, url):
        where = urlsplit(url)
        for each in raw:
            await asyncio.to_thread(exchange, (where.hostname, where.port), each)


async def test_a_collector_gets_the_steps_of_requests(
    running: Running, recording: RecordingIndex, collected: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's trace goes on; request, store and index are steps in it; the index is told of the step that asks it."""
    key = await running.key()
    recording.answer = lambda seen: Reply(200) if seen.method == "POST" else Reply(404)
    raw = upload(wheel("acme-core"), key).replace(b"\r\n", f"\r\ntraceparent: {SENT}\r\n".encode(), 1)
    await recorded(running, collected, monkeypatch, raw, get("/simple/acme-core/"))
    ours = [span for span in collected.spans if span.trace_id.hex() == TRACE]
    names = [span.name for span in ours]
    assert sorted(set(names)) == ["index read", "index upload", "request upload", "store admit"]
    [request] = [span for span in ours if span.name == "request upload"]
    assert request.parent_span_id.hex() == SPAN
    assert {span.parent_span_id for span in ours if span is not request} == {request.span_id}
    assert words(request) == {
        "authproxy.action": "upload",
        "authproxy.answer": "ok",
        "http.response.status_code": 200,
    }
    [posted] = recording.uploads
    [sent] = [span for span in ours if span.name == "index upload"]
    assert posted.header("traceparent") == f"00-{TRACE}-{sent.span_id.hex()}-01"
    others = [span for span in collected.spans if span.trace_id.hex() != TRACE]
    assert sorted(span.name for span in others) == ["index read", "request read"]
    resource = {
        each.key: each.value.string_value for each in collected.requests[0].resource_spans[0].resource.attributes
    }
    assert resource["service.name"] == "authproxy"


async def test_no_project_path_or_key_is_in_what_is_sent(
    running: Running, collected: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in a name, not in an attribute, not anywhere in the bytes; of what fails neither."""
    key = await running.key()
    asked = [
        upload(wheel("acme-verysecretproject"), key),
        get("/simple/verysecretproject/", [("Authorization", f"Bearer {key}"), ("User-Agent", "verysecretproject")]),
        get("/verysecretproject/%2e%2e/", [("traceparent", "verysecretproject")]),
    ]
    await recorded(running, collected, monkeypatch, *asked)
    assert len(collected.spans) >= 4
    assert all(b"verysecretproject" not in body and key.encode() not in body for body in collected.bodies)
    assert all(key.split("_")[1].encode() not in body for body in collected.bodies)
    assert all(b"request upload" in b"".join(collected.bodies) for _ in (1,)), "the control: names are in the bytes"


async def test_what_fails_is_marked(
    running: Running, recording: RecordingIndex, collected: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the index, and the answer that follows from it."""
    recording.answer = lambda _: Hang()
    running.write(backend=running_backend(running) | {"timeouts": {"read": "1s"}})
    await recorded(running, collected, monkeypatch, get("/simple/acme-core/"))
    status = {span.name: span.status.code for span in collected.spans}
    assert status == {"index read": 2, "request read": 2}
    assert words(collected.spans[0]) == {"authproxy.result": "timeout", "http.response.status_code": 0}


def running_backend(running: Running) -> dict[str, object]:
    import json

    found: dict[str, object] = json.loads(running.file.read_text())["backend"]
    return found


async def test_a_collector_that_is_away_holds_up_nobody(
    running: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests are answered, and the end does not wait for ever."""
    monkeypatch.setattr(room, "PATIENCE", 0.5)
    away = Collector(f"http://127.0.0.1:{reserved_port()}")
    started = time.monotonic()
    await recorded(running, away, monkeypatch, get("/simple/acme-core/"))
    assert time.monotonic() - started < 10
    assert len(recording.requests) == 1
    assert Path(running.file).exists()
