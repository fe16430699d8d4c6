"""Which connection is asked, what is kept, and what is asked twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from authproxy.backend import pool as room
from authproxy.backend.http1 import Broken
from authproxy.backend.pool import Pool, written
from tests.peers.ports import reserved_port
from tests.peers.script import scripted

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
HEADERS = {"Host": "index.test"}


@asynccontextmanager
async def opened(url: str, *, connect: float = 2, read: float = 2) -> AsyncIterator[Pool]:
    """A pool that is closed behind the test."""
    pool = Pool(url, connect, read)
    yield pool
    await pool.close()


async def get(pool: Pool, method: str = "GET", body: bytes | None = None) -> bytes:
    """One answer, read to its end."""
    async with await pool.ask(method, "/simple/", HEADERS, body) as answer:
        return await answer.read()


async def test_reads_share_a_connection_and_changes_never_do() -> None:
    """A change that went out on a connection that is over might have been heard, so it goes out on a new one."""
    async with scripted([PLAIN]) as script, opened(script.url) as pool:
        for method in ("GET", "HEAD", "GET", "POST", "DELETE", "PUSH", "GET"):
            await get(pool, method, b"x" if method == "POST" else None)
        # What a HEAD was asked on is not kept.
        assert [number for number, _ in script.requests] == [1, 1, 2, 3, 4, 5, 5]


async def test_those_who_ask_at_once_wait_for_nobody() -> None:
    """Each has a connection of its own, and all are kept."""
    async with scripted([0.05, PLAIN]) as script, opened(script.url) as pool:
        for _ in range(2):
            assert await asyncio.gather(*(get(pool) for _ in range(5))) == [b"hello"] * 5
        assert script.connections == 5


async def test_what_is_not_read_to_its_end_is_not_kept() -> None:
    """The rest of it would be the next answer."""
    async with scripted([PLAIN]) as script, opened(script.url) as pool:
        async with await pool.ask("GET", "/", HEADERS):
            pass  # the body came with the head, so this one is whole
        async with scripted([PLAIN[:-2], 5.0]) as slow, opened(slow.url) as other:
            async with await other.ask("GET", "/", HEADERS):
                pass
            async with await other.ask("GET", "/", HEADERS):
                pass
            assert slow.connections == 2
        await get(pool)
        assert script.connections == 1


async def test_a_kept_connection_that_ended_is_no_failure() -> None:
    """An index closes idle connections when it likes; a read is asked again, on a new one."""
    async with scripted([PLAIN], [None], [PLAIN]) as script, opened(script.url) as pool:
        assert await get(pool) == b"hello"
        assert await get(pool) == b"hello"  # the second request is met by an end, and asked again
        assert [number for number, _ in script.requests] == [1, 1, 2]


async def test_what_was_answered_by_a_byte_is_not_asked_again() -> None:
    """Half an answer is a failure of the index, and not a race."""
    async with scripted([PLAIN], [b"HTTP/1.1 2", None]) as script, opened(script.url) as pool:
        await get(pool)
        with pytest.raises(Broken):
            await get(pool)
        assert len(script.requests) == 2


async def test_a_change_is_asked_once() -> None:
    """However it ends."""
    async with scripted([PLAIN], [None]) as script, opened(script.url) as pool:
        await get(pool)
        with pytest.raises(Broken):
            await get(pool, "DELETE")
        assert len(script.requests) == 2


async def test_silence_ends() -> None:
    """Between two bytes as before the first."""
    for steps in ([30.0], [PLAIN[:-2], 30.0]):
        async with scripted(steps) as script, opened(script.url, read=0.2) as pool:
            with pytest.raises(TimeoutError):
                await get(pool)


async def test_idle_connections_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """And then nothing is looked for any more."""
    monkeypatch.setattr(room, "KEPT", 0.1)
    async with scripted([PLAIN]) as script, opened(script.url, read=0.2) as pool:
        await get(pool)
        assert len(pool._all) == 1
        await asyncio.sleep(0.4)
        assert (len(pool._all), len(pool._idle), pool._look) == (0, 0, None)
        await get(pool)
        assert script.connections == 2


async def test_nobody_there_is_an_error_of_the_system() -> None:
    """Refused is at once, and a connect that takes too long has its own timeout."""
    async with opened(f"http://127.0.0.1:{reserved_port()}/") as pool:
        with pytest.raises(OSError, match=r"[Cc]onnect"):
            await get(pool)


async def test_what_stands_before_every_target() -> None:
    """An index below a path keeps it, and nothing is rewritten on the way."""
    async with scripted([PLAIN]) as script, opened(f"{script.url}index/") as pool:
        async with await pool.ask("GET", "/a/%2Bf/../b", HEADERS | {"X-Two": "ü"}) as answer:
            assert answer.content_length == 5
        assert (
            script.requests[0][1] == "GET /index/a/%2Bf/../b HTTP/1.1\r\nHost: index.test\r\nX-Two: ü\r\n\r\n".encode()
        )


@pytest.mark.parametrize("bad", ["a\r\nX-Outside-URL: b", "a\nb", "a\rb", "a\0b"])
def test_a_request_cannot_become_two(bad: str) -> None:
    """Wherever a line break would come from."""
    assert written("POST", "/", {"A": "b"}, b"x\r\n\r\ny").endswith(b"A: b\r\nContent-Length: 6\r\n\r\nx\r\n\r\ny")
    for method, target, headers in (("GET", bad, HEADERS), ("GET", "/", {"A": bad}), ("GET", "/", {bad: "a"})):
        with pytest.raises(ValueError, match="line break"):
            written(method, target, headers, None)


async def test_closing_ends_all() -> None:
    """Also what is under way."""
    async with scripted([30.0]) as script:
        pool = Pool(script.url, 2, 30)
        asking = asyncio.ensure_future(get(pool))
        await asyncio.sleep(0.1)
        await pool.close()
        with pytest.raises(Broken):
            await asking
