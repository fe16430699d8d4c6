"""What the connections of uploads are like, over real sockets."""

import asyncio
import select
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from authproxy.backend import connections
from authproxy.backend.connections import bounded
from tests.peers.ports import reserved_port
from tests.peers.recording import Early, Hang, RecordingIndex, Reply


async def test_uploads_share_no_connection(recording: RecordingIndex) -> None:
    """Three, and one each, closed behind them."""
    async with connections.writing(1, 1) as session:
        for _ in range(3):
            async with session.get(recording.url) as response:
                await response.read()
    assert [seen.connection for seen in recording.requests] == [1, 2, 3]


async def test_the_environment_is_not_asked(recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy setting, or a .netrc, would send the service credentials somewhere else, or others in their place."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{reserved_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{reserved_port()}")
    async with connections.writing(1, 1) as session, session.get(recording.url):
        pass
    assert len(recording.requests) == 1


async def test_nothing_is_added_and_nothing_undone(recording: RecordingIndex) -> None:
    """No header of aiohttp's own but that the connection ends, no cookie given back, no body decompressed: what comes is what was sent."""
    packed = b"\x1f\x8b not really gzip"
    recording.answer = lambda _: Reply(200, packed, (("Content-Encoding", "gzip"), ("Set-Cookie", "a=b")))
    async with connections.writing(1, 1) as session:
        for _ in range(2):
            async with session.get(recording.url) as response:
                assert await response.read() == packed
    for seen in recording.requests:
        assert {name for name, _ in seen.headers} == {"Connection", "Host"}


async def test_silence_ends(recording: RecordingIndex) -> None:
    """There is a timeout between two pieces."""
    recording.answer = lambda _: Hang()
    async with connections.writing(1, 0.1) as session:
        with pytest.raises(aiohttp.SocketTimeoutError):
            await session.get(recording.url)


async def test_a_connection_for_writing_gives_up_by_itself(recording: RecordingIndex) -> None:
    """The kernel ends it when an index that has answered takes no more bytes: nobody else would."""
    recording.early = Early(Reply(200, headers=(("Content-Length", "5"),)))  # of an answer that has not ended
    async with connections.writing(1, 7) as session, session.post(recording.url, data=b"x") as response:
        assert response.connection is not None
        made = response.connection.transport.get_extra_info("socket")
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7000


def answers_and_stops_reading(listener: socket.socket, heard: list[bool]) -> None:
    """An index that has begun to read a body, and notes whether its connection ends within two seconds."""
    taken, _ = listener.accept()
    with taken:
        taken.recv(4096)
        taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        ended = select.poll()
        ended.register(taken, select.POLLHUP | select.POLLERR | select.POLLRDHUP)
        heard.append(bool(ended.poll(2000)))


@pytest.mark.parametrize("size", [1_000_000, 50_000_000], ids=["all of it in the kernel", "half of it here"])
@pytest.mark.parametrize("cut", [True, False], ids=["for one upload", "control: closed in order"])
async def test_an_index_that_stops_reading_hears_the_end(cut: bool, size: int) -> None:
    """It would wait for the rest of the body, and with it everybody who comes after: a reset tells it."""
    heard: list[bool] = []

    async def body() -> AsyncIterator[bytes]:
        for _ in range(size // 100_000):
            yield bytes(100_000)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        index = asyncio.create_task(asyncio.to_thread(answers_and_stops_reading, listener, heard))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        opening = connections.for_one(1, 1) if cut else connections.writing(1, 1)
        framing = {"Content-Length": str(size)}
        async with opening as session, session.post(url, data=body(), headers=framing) as response:
            await response.read()
        await index
    assert heard == [cut]


@pytest.mark.parametrize(("size", "whole"), [(0, True), (1000, True), (1001, False), (1_000_000, False)])
async def test_an_answer_is_bounded(recording: RecordingIndex, size: int, whole: bool) -> None:
    """At the limit it is whole, past it there is none."""
    recording.answer = lambda _: Reply(200, b"x" * size)
    async with connections.writing(1, 1) as session, session.get(recording.url) as response:
        assert await bounded(response, 1000) == (b"x" * size if whole else None)
