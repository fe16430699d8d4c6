"""One answer on one connection, by servers that say byte for byte what they are told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from authproxy.backend.http1 import BEHIND_LIMIT, BUFFER, HEAD_LIMIT, Broken, Connection
from tests.peers.script import Script, Step, scripted

GET = b"GET / HTTP/1.1\r\nHost: index.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
PLAIN = OK + b"Content-Length: 5\r\n\r\nhello"


@asynccontextmanager
async def connected(*steps: Step) -> AsyncIterator[tuple[Connection, list[Connection], Script]]:
    """A connection to a server that answers so, and those that have told us that they are over."""
    over: list[Connection] = []
    async with scripted(steps) as script:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(over.append), "127.0.0.1", script.port)
        yield connection, over, script
        connection.abort()


async def whole(connection: Connection) -> bytes:
    """The body."""
    found = b""
    while piece := await connection.piece():
        found += piece
    return found


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\nX-Trailer: t\r\n\r\n"
ENDS = {
    "by its length": (PLAIN, True),
    "by its last chunk": (CHUNKED, True),
    "with a length and a wish to close": (OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello", False),
    "by HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", False),
    "after provisional answers": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + PLAIN, True),
    "with another answer behind it": (PLAIN + PLAIN, False),
    "with rubbish behind it": (PLAIN + b"rubbish", False),
}


@pytest.mark.parametrize(("answer", "again"), ENDS.values(), ids=ENDS.keys())
async def test_an_answer_ends_where_its_framing_says(answer: bytes, again: bool) -> None:
    """And the connection can be asked again only where nothing is left in doubt."""
    async with connected(answer) as (connection, _, _):
        headers = await connection.ask("GET", GET)
        assert (connection.status, connection.reason, await whole(connection)) == (200, "OK", b"hello")
        assert "X-Trailer" not in headers
        assert connection.ended() is again


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED], ids=["length", "chunks"])
async def test_every_split_of_an_answer_reads_the_same(answer: bytes) -> None:
    """The parser is fed at every boundary that a network can choose."""
    for at in range(1, len(answer)):
        connection = Connection(lambda _: None)
        transport = _Silent()
        connection.connection_made(transport)
        asking = asyncio.ensure_future(connection.ask("GET", GET))
        await asyncio.sleep(0)
        connection.data_received(answer[:at])
        connection.data_received(answer[at:])
        headers = await asking
        assert (connection.status, connection.reason, await whole(connection)) == (200, "OK", b"hello")
        assert len(headers) == 1
        assert connection.ended()


class _Silent(asyncio.Transport):
    """A transport to nowhere."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take it."""

    def is_closing(self) -> bool:
        """Never."""
        return False

    def abort(self) -> None:
        """Nothing to end."""


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    """RFC 9112, section 6.3, rule 8."""
    async with connected(OK + b"\r\nhel", 0.01, b"lo", None) as (connection, over, _):
        await connection.ask("GET", GET)
        assert await whole(connection) == b"hello"
        assert not connection.ended()
        assert over == [connection]


NO_BODY = {
    "to HEAD": ("HEAD", OK + b"Content-Length: 5\r\n\r\n"),
    "204": ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
    "304, which states the length of what it does not send": (
        "GET",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    ),
}


@pytest.mark.parametrize(("method", "answer"), NO_BODY.values(), ids=NO_BODY.keys())
async def test_an_answer_without_a_body(method: str, answer: bytes) -> None:
    """Nothing is waited for. Behind an answer to HEAD a body may still come."""
    async with connected(answer) as (connection, _, _):
        await connection.ask(method, GET)
        assert await whole(connection) == b""
        assert connection.ended() is (method == "GET")


async def test_the_end_of_chunks_that_head_has_not() -> None:
    """devpi sends it behind the answer to a HEAD (measured): a whole answer, and the end of the connection."""
    async with connected(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n") as (connection, _, _):
        await connection.ask("HEAD", GET)
        assert (connection.status, await whole(connection)) == (200, b"")
        assert not connection.ended()


async def test_a_body_in_answer_to_head_spoils_the_connection() -> None:
    """What is left on it would be the next answer."""
    async with connected(OK + b"Content-Length: 5\r\n\r\nhello") as (connection, _, _):
        await connection.ask("HEAD", GET)
        assert await whole(connection) == b""
        assert not connection.ended()


BROKEN = {
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n",),
    "nothing at all": (None,),
    "half a head": (OK, None),
    "two framings": (OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",),
    "two lengths": (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",),
    "another protocol": (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",),
    "a head without an end": (OK, *((b"X-Long: " + b"x" * 1000 + b"\r\n") for _ in range(HEAD_LIMIT // 1000 + 2))),
}


@pytest.mark.parametrize("steps", BROKEN.values(), ids=BROKEN.keys())
async def test_what_is_no_answer_is_broken(steps: tuple[Step, ...]) -> None:
    """It is not waited for, and not taken for an answer."""
    async with connected(*steps) as (connection, _, _):
        with pytest.raises(Broken):
            async with asyncio.timeout(5):
                await connection.ask("GET", GET)
        assert not connection.ended()


async def test_a_trailer_without_an_end_is_broken() -> None:
    """The parser would hold every byte of its line; a long body in small pieces is no trailer."""
    chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    small = b"".join(b"1\r\nx\r\n" for _ in range(40_000))
    async with connected(chunked, small, b"0\r\n\r\n") as (connection, _, _):
        await connection.ask("GET", GET)
        assert len(b"".join([piece async for piece in pieces_of(connection)])) == 40_000
    endless = (b"x" * 50_000 for _ in range(BEHIND_LIMIT // 50_000 + 8))  # and one read more
    async with connected(chunked + b"1\r\nx\r\n0\r\nX-Long: ", *endless) as (connection, _, _):
        await connection.ask("GET", GET)
        with pytest.raises(Broken, match="trailer"):
            async with asyncio.timeout(5):
                [piece async for piece in pieces_of(connection)]


async def pieces_of(connection: Connection) -> AsyncIterator[bytes]:
    """Read a body to its end."""
    while piece := await connection.piece():
        yield piece


CUT = {
    "in its length": (OK + b"Content-Length: 50\r\n\r\nhello", None),
    "in its chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", None),
    "by a chunk that is none": (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 0.01, b"zz\r\n"),
}


@pytest.mark.parametrize("steps", CUT.values(), ids=CUT.keys())
async def test_half_a_body_never_looks_whole(steps: tuple[Step, ...]) -> None:
    """What came is handed out, and then it is said that it broke off; the negative control of the ends above."""
    async with connected(*steps) as (connection, _, _):
        await connection.ask("GET", GET)
        assert await connection.piece() == b"hello"
        with pytest.raises(Broken):
            await connection.piece()
        assert not connection.ended()


async def test_bytes_that_nobody_asked_for_end_it() -> None:
    """A kept connection is silent, or over."""
    async with connected(PLAIN, 0.01, PLAIN) as (connection, over, _):
        await connection.ask("GET", GET)
        await whole(connection)
        assert connection.ended()
        async with asyncio.timeout(5):
            while not over:
                await asyncio.sleep(0.01)


async def test_a_fast_index_waits_for_a_slow_reader() -> None:
    """Memory holds BUFFER bytes and what one look at the socket gives, however large the answer is."""
    size = 20 * BUFFER
    async with connected(OK + b"Content-Length: %d\r\n\r\n" % size, b"x" * size) as (connection, _, _):
        await connection.ask("GET", GET)
        await asyncio.sleep(0.3)
        held = len(await connection.piece())
        assert held <= 3 * BUFFER
        assert held + len(await whole(connection)) == size
        assert connection.ended()


async def test_silence_is_noticed_by_who_looks() -> None:
    """While somebody waits for the index; not while nobody reads, and not before its time."""
    async with connected(OK + b"Content-Length: 50\r\n\r\nhello", 30.0) as (connection, _, _):
        await connection.ask("GET", GET)
        loop = asyncio.get_running_loop()
        connection.overdue(10, 60, loop.time() + 11)  # nobody waits
        assert await connection.piece() == b"hello"
        waiting = asyncio.ensure_future(connection.piece())
        await asyncio.sleep(0)
        connection.overdue(10, 60, loop.time() + 9)
        assert not waiting.done()
        connection.overdue(10, 60, loop.time() + 11)
        with pytest.raises(TimeoutError):
            await waiting


async def test_who_gives_up_ends_it() -> None:
    """An answer to a request that was cancelled must not become the next one's."""
    async with connected(30.0) as (connection, over, _):
        asking = asyncio.ensure_future(connection.ask("GET", GET))
        await asyncio.sleep(0.05)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.sleep(0.05)
        assert over == [connection]
        assert connection.closing
