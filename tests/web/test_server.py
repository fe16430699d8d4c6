"""Sockets, signals and manners: over a real socket, in this process."""

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import aiohttp.http_parser
import pytest
from aiohttp.web import RequestHandler

from authproxy.config import Config, load
from authproxy.web import protocol as room
from authproxy.web import server
from authproxy.web.doors import CannotListen
from tests.peers.forms import body_of, parts_of, post, upload
from tests.peers.packages import wheel
from tests.peers.ports import reserved_port
from tests.peers.recording import RecordingIndex
from tests.peers.wire import Conversation, exchange, get
from tests.web.conftest import Running

MALFORMED = {
    "no HTTP at all": b"apx_secret what is this\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: a\r\napx_secret\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: apx_secret\x00\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX: apx\r\n _secret\r\n\r\n",
    "a method of its own": b"PUSH / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a header line of 20 KiB": b"GET / HTTP/1.1\r\nHost: a\r\nX: apx_secret" + b"x" * 20_000 + b"\r\n\r\n",
    "a thousand headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: apx_secret\r\n" * 1000 + b"\r\n",
    "a length and chunks": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
}


async def test_nothing_is_kept_of_what_comes_behind_nonsense(running: Running) -> None:
    """aiohttp keeps an error, with a copy of the piece, for each piece behind the first that it cannot parse."""
    kept = {}
    for kind in (room.Protocol, RequestHandler):
        protocol = kind(room.ProxyServer(running.app), loop=asyncio.get_running_loop(), max_headers=room.HEADERS)
        for _ in range(20):
            protocol.data_received(b"x" * 100_000)
        kept[kind] = len(protocol._messages)
    assert kept == {room.Protocol: 1, RequestHandler: 20}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_http_is_not_echoed(
    running: Running, recording: RecordingIndex, caplog: pytest.LogCaptureFixture, raw: bytes
) -> None:
    """aiohttp's own page and log quote the header that they could not parse; ours do not."""
    answer = await running.ask(raw)
    assert 400 <= answer.status < 500
    assert "secret" not in answer.text + answer.reason + caplog.text
    recording.assert_saw_nothing()


async def test_what_the_handler_did_not_catch_is_a_500_without_details(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The last fence: a fault outside of the app's own."""

    def broken(*_: object) -> None:
        raise RuntimeError("details")

    monkeypatch.setattr("authproxy.web.head.address_of", broken)
    answer = await running.ask(get("/simple/"))
    assert answer.status == 500
    assert "details" not in answer.text
    assert "details" in caplog.text


async def test_a_refused_client_may_finish_and_then_hears_why(running: Running, recording: RecordingIndex) -> None:
    """A client that is cut off in the middle of its body reports a broken pipe and not the sentence."""
    raw = upload(wheel("acme-core", payload=os.urandom(3_000_000)), key=None)

    def slowly() -> tuple[int, str]:
        with Conversation(running.address) as conversation:
            for at in range(0, len(raw), 500_000):
                conversation.send(raw[at : at + 500_000])
            answer = conversation.answer()
            return answer.status, answer.reason

    status, reason = await asyncio.to_thread(slowly)
    assert status == 401
    assert "API key" in reason
    recording.assert_saw_nothing()


async def test_a_client_that_waits_for_100_is_refused_before_it_sends(
    running: Running, recording: RecordingIndex
) -> None:
    """curl asks first; a refusal saves it the body."""
    body = body_of(parts_of(wheel("acme-core")))
    raw = post(body, key=None, more=[("Expect", "100-continue")]).removesuffix(body)

    def asking() -> tuple[int, list[int], bool]:
        with Conversation(running.address) as conversation:
            conversation.send(raw)
            return conversation.answer().status, conversation.interim, conversation.is_closed()

    assert await asyncio.to_thread(asking) == (401, [], True)
    recording.assert_saw_nothing()


async def test_an_upload_over_the_limit_is_refused_at_its_head(running: Running, recording: RecordingIndex) -> None:
    """Nobody should send three gigabytes to learn that two are the limit."""
    raw = (
        get("/")
        .replace(b"GET", b"POST")
        .replace(
            b"\r\n\r\n", b"\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 3000000000\r\n\r\n"
        )
    )
    answer = await running.ask(raw)
    assert (answer.status, "larger" in answer.reason) == (413, True)
    recording.assert_saw_nothing()


@pytest.mark.parametrize("running", [{"metrics": "127.0.0.1:0"}], indirect=True)
async def test_metrics_are_not_shown_to_clients(running: Running) -> None:
    """They have a listener of their own."""
    assert (await running.ask(get("/metrics"))).text.startswith("authproxy_") is False


async def test_the_metrics_listener(running: Running, tmp_path: Path) -> None:
    """A scrape works, every other path says where the metrics are."""
    port = reserved_port()
    running.write(metrics=f"127.0.0.1:{port}", store=f"sqlite:///{tmp_path}/authproxy.db")
    async with server.listening(load(running.file)):
        page = await asyncio.to_thread(exchange, ("127.0.0.1", port), get("/metrics"))
        other = await asyncio.to_thread(exchange, ("127.0.0.1", port), get("/"))
    assert "authproxy_misconfigured 0.0" in page.text
    assert other.status == 404


async def test_signals(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """SIGHUP reloads, a bad file is told in the log and changes nothing, SIGTERM ends it."""
    configs: list[Config] = []
    listening = asyncio.Event()

    def reload() -> Config:
        configs.append(load(running.file))
        return configs[-1]

    config = load(running.file)
    task = asyncio.create_task(server.serve(config, reload, ready=lambda _: listening.set()))
    await listening.wait()
    with caplog.at_level(logging.INFO):
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.05)
        assert len(configs) == 1
        running.write(nonsense=True)
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.05)
        assert len(configs) == 1
        assert "not reloaded" in caplog.text
        assert "nonsense" in caplog.text
        assert not [each for each in caplog.records if each.levelno == logging.WARNING]
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(task, 5)


@pytest.fixture
def deadly() -> Iterator[list[int]]:
    """What signals reached nobody's handler, and would have ended the process."""
    reached: list[int] = []
    numbers = signal.SIGHUP, signal.SIGTERM
    before = [signal.signal(number, lambda found, _: reached.append(found)) for number in numbers]
    yield reached
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


async def test_signals_before_it_listens(running: Running, deadly: list[int]) -> None:
    """They wait until there is something to reload or to end. A reload that fails by a defect is not the last one."""
    loop, reloaded = asyncio.get_running_loop(), asyncio.Event()
    answers = iter([RuntimeError("a defect"), load(running.file)])

    def reload() -> Config:
        loop.call_soon_threadsafe(reloaded.set)
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    task = asyncio.create_task(server.serve(load(running.file), reload, ready=lambda _: None))
    await asyncio.sleep(0)
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.wait_for(reloaded.wait(), 5)
        reloaded.clear()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 5)
    assert (deadly, list(answers)) == ([], [])


async def test_what_a_reload_cannot_change_is_a_warning(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Which settings wait for a restart, and what the file itself is warned of: seen at `log.level: warning` too."""
    running.write(public_url="https://other.test/", reads="key", key_policies={})
    with caplog.at_level(logging.WARNING):
        await server._reload(running.app, lambda: load(running.file))
    nobody, restart = caplog.records
    assert "nobody can install" in nobody.getMessage()
    assert (restart.levelname, restart.getMessage()) == ("WARNING", "restart for: public_url")


@pytest.mark.parametrize("where", ["read", "taken"])
async def test_a_reload_that_fails_by_a_defect_is_counted_as_failed(
    running: Running, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Wherever it fails; and the next one that goes well is counted as such."""

    def fail(*_: object) -> Config:
        raise RuntimeError("a defect")

    def told() -> float | None:
        return running.app.parts.metrics.registry.get_sample_value("authproxy_config_last_reload_successful")

    def read() -> Config:
        return load(running.file)

    with monkeypatch.context() as broken:
        if where == "taken":
            broken.setattr(running.app, "reload", fail)
        with pytest.raises(RuntimeError):
            await server._reload(running.app, fail if where == "read" else read)
    assert told() == 0
    await server._reload(running.app, read)
    assert told() == 1


async def test_a_taken_port_is_an_error_of_the_system(running: Running) -> None:
    """`serve` says it in one sentence; here it is the system's word."""
    running.write(listen=f"127.0.0.1:{running.address[1]}")
    with pytest.raises(CannotListen, match="address already in use"):
        async with server.listening(load(running.file)):
            pass


def test_the_c_parser_is_asserted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, aiohttp takes heads that the checks were not measured with."""
    parser = aiohttp.http_parser.HttpRequestParserPy
    monkeypatch.setattr(aiohttp.http_parser, "HttpRequestParser", parser)
    with pytest.raises(RuntimeError, match="C parser"):
        server._assert_c_parser()
