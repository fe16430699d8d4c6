"""Uploads on connections of their own: what goes out, when an answer counts, and how a connection ends."""

import asyncio
import select
import socket
import struct
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any

import pytest
import uvloop

from authproxy.backend.pool import Answer, Pool, Unreached
from tests.peers.ports import LOOPBACK, reserved_port
from tests.peers.recording import RecordingIndex

PIECE = bytes(100_000)
YES = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@asynccontextmanager
async def opened(url: str, read: float = 2) -> AsyncIterator[Pool]:
    """A pool that is closed behind the test."""
    pool = Pool(url, 2, read)
    yield pool
    await pool.close()


async def pieces(count: int, taken: list[int] | None = None) -> AsyncGenerator[bytes, None]:
    """A body, and how much of it was asked for."""
    for number in range(count):
        if taken is not None:
            taken.append(number)
        yield PIECE


async def sent(pool: Pool, count: int, taken: list[int] | None = None) -> tuple[Answer, bool]:
    """Post so many pieces."""
    framing = {"Host": "index.test", "Content-Length": str(count * len(PIECE))}
    async with aclosing(pieces(count, taken)) as body:
        return await pool.send("/", framing, body)


@contextmanager
def an_index(serve: Callable[[socket.socket], None]):
    """An index of one connection, in a thread; its URL, and the task to wait for."""
    with socket.create_server((LOOPBACK, 0)) as listener:

        def run() -> None:
            taken, _ = listener.accept()
            with taken:
                serve(taken)

        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}/", asyncio.create_task(asyncio.to_thread(run))


async def test_all_of_it_arrives_and_counts(recording: RecordingIndex) -> None:
    """Each on a connection of its own, which says that it is the last request on it."""
    async with opened(recording.url) as pool:
        for _ in range(2):
            answer, complete = await sent(pool, 30)
            async with answer:
                assert (answer.status, complete, await answer.within(100)) == (200, True, b"")
    assert [(seen.connection, len(seen.body)) for seen in recording.requests] == [(1, 3_000_000), (2, 3_000_000)]
    assert {seen.header("Connection") for seen in recording.requests} == {"close"}


async def test_an_index_that_takes_its_time_is_waited_for() -> None:
    """What it has not taken is not held here: the body is asked for as the index takes it."""

    def slow(taken: socket.socket) -> None:
        seen = 0
        while seen < 20_000_000:
            seen += len(taken.recv(1 << 20))
            if seen < 2_000_000:
                asked.append(len(given))
        taken.sendall(YES)

    asked: list[int] = []
    given: list[int] = []
    with an_index(slow) as (url, done):
        async with opened(url) as pool:
            answer, complete = await sent(pool, 200, given)
            async with answer:
                assert complete
        await done
    assert max(asked) * len(PIECE) < 15_000_000  # what two kernels' buffers hold, and not the whole


@pytest.mark.parametrize("count", [10, 500], ids=["all of it in the kernel", "half of it here"])
async def test_an_answer_before_the_end_is_known_as_one_and_the_index_hears_the_end(count: int) -> None:
    """Nothing more is sent then. An index that has begun to read would wait for the rest, and with it everybody else."""

    def early(taken: socket.socket) -> None:
        taken.recv(4096)
        taken.sendall(YES)
        ended = select.poll()
        ended.register(taken, select.POLLHUP | select.POLLERR | select.POLLRDHUP)
        heard.append(bool(ended.poll(2000)))

    heard: list[bool] = []
    given: list[int] = []
    with an_index(early) as (url, done):
        async with opened(url) as pool:
            answer, complete = await sent(pool, count, given)
            async with answer:
                assert answer.status == 200
            await done
    assert heard == [True]
    if count == 500:
        assert not complete
        assert len(given) < 500


def answers_and_goes(answer: bytes, *, resets: bool) -> Callable[[socket.socket], None]:
    """An index that takes a part at its pace, answers whole, and is gone while the rest is still being fetched."""

    def serve(taken: socket.socket) -> None:
        seen = 0
        while seen < 350_000:
            seen += len(taken.recv(65536))
        taken.sendall(answer)
        if resets:
            time.sleep(0.05)  # else the answer goes with it
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            taken.shutdown(socket.SHUT_WR)
            time.sleep(0.3)

    return serve


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("resets", [False, True], ids=["ends", "resets"])
@pytest.mark.parametrize("status", [200, 413])
def test_an_index_that_answers_and_goes_has_not_had_all(loop: Any, resets: bool, status: int) -> None:
    """Whatever a transport does with what is written to it after its end: asyncio drops it, uvloop raises."""

    async def slowly() -> AsyncGenerator[bytes, None]:
        for _ in range(15):
            await asyncio.sleep(0.02)
            yield PIECE

    async def run() -> tuple[int, bool]:
        answer = f"HTTP/1.1 {status} Said\r\nContent-Length: 2\r\n\r\nok".encode()
        with an_index(answers_and_goes(answer, resets=resets)) as (url, done):
            async with opened(url) as pool, aclosing(slowly()) as body:
                answered, complete = await pool.send("/", {"Host": "x", "Content-Length": "1500000"}, body)
                async with answered:
                    assert await answered.within(100) == b"ok"
            await done
        return answered.status, complete

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(run()) == (status, False)


async def test_an_index_that_takes_nothing_is_given_up() -> None:
    """After the time that it has between two answers."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def deaf(taken: socket.socket) -> None:
        asyncio.run_coroutine_threadsafe(ended.wait(), loop).result(20)
        taken.close()

    with an_index(deaf) as (url, done):
        async with opened(url, read=0.2) as pool:
            with pytest.raises(TimeoutError, match="silent"):
                await sent(pool, 500)
        ended.set()
        await done


async def test_an_index_that_breaks_off_while_it_is_sent_to() -> None:
    """It is an error, and not an endless wait for room."""

    def breaks(taken: socket.socket) -> None:
        taken.recv(4096)

    with an_index(breaks) as (url, done):
        async with opened(url) as pool:
            with pytest.raises(ConnectionError):
                await sent(pool, 500)
        await done


async def test_a_body_that_cannot_be_read_ends_the_connection() -> None:
    """The index must not take what it has for the whole; who sends hears the error."""

    async def broken() -> AsyncGenerator[bytes, None]:
        yield PIECE
        raise OSError(5, "Input/output error")

    def whole(taken: socket.socket) -> None:
        while True:
            try:
                got = taken.recv(1 << 20)
            except ConnectionResetError:
                return
            assert got, "an end in order"

    with an_index(whole) as (url, done):
        async with opened(url) as pool:
            async with aclosing(broken()) as body:
                with pytest.raises(OSError, match="Input/output"):
                    await pool.send("/", {"Host": "index.test", "Content-Length": "200000"}, body)
            await done


async def test_nobody_there_has_heard_nothing() -> None:
    """Told apart from all that may have arrived."""
    async with opened(f"http://{LOOPBACK}:{reserved_port()}/") as pool:
        with pytest.raises(Unreached):
            await sent(pool, 1)
