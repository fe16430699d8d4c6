"""HTTP/1.1 on one connection to the index: ask, parse one answer, hand its body out piece by piece.

The parser is llhttp (`httptools`); this room is the little around it that a request takes. aiohttp's client does more
than that: with it a small read through the barest of proxies costs 91 us of a core, and 35 with this (measured). Which
connection is asked, and what is kept, is for `pool` to say.

Nothing is decompressed, no redirect followed, no trailer heard.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from multidict import CIMultiDict

# Bytes of an answer that wait for their reader before the index has to; a socket gives 256 KiB at once.
BUFFER: Final = 512 * 1024
# Bytes of an answer's head. The largest in use, with a policy for browsers in them, have 4 KiB.
HEAD_LIMIT: Final = 64 * 1024
# Bytes behind a piece of a body, of framing or of a trailer, whose lines the parser holds; a socket gives 256 KiB.
BEHIND_LIMIT: Final = HEAD_LIMIT + 256 * 1024
# Bytes of a request that wait for more of it: each write costs the index a read, and a small upload goes out in one.
TOGETHER: Final = 64 * 1024


class Broken(ConnectionError):
    """The index broke off, or answered in something that is not HTTP/1.1."""


class Connection(asyncio.Protocol):
    """One connection. An answer has to be read, or given up, before the next is asked for.

    `lost` is told when it is over.
    """

    __slots__ = (
        "_behind",
        "_bodiless",
        "_choked",
        "_early",
        "_error",
        "_given",
        "_headers",
        "_keep",
        "_loop",
        "_lost",
        "_pairs",
        "_parser",
        "_paused",
        "_pieces",
        "_reason",
        "_size",
        "_transport",
        "_waiter",
        "_whole",
        "heard",
        "since",
        "status",
    )

    def __init__(self, lost: Callable[["Connection"], None]) -> None:
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._parser: HttpResponseParser | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._choked = False  # whether the index has yet to take what was written
        self.since = self._loop.time()  # when it last had something, or began to wait

    def _begin(self, *, bodiless: bool) -> None:
        self._bodiless = bodiless
        self._pairs: list[tuple[str, str]] = []
        self._reason = b""
        self._pieces: list[bytes] = []
        self._size = 0  # of the pieces; of the head, while it comes
        self._behind = 0  # bytes since the last piece
        self._paused = self._whole = self._keep = False
        self._given = True  # whether all of the body was written; `send` says no until it was
        self._early = False
        self._error: Exception | None = None
        self.heard = False
        self.status = 0
        self._headers: CIMultiDict[str] | None = None

    @property
    def reason(self) -> str:
        """The reason phrase."""
        return self._reason.decode("utf-8", "surrogateescape")

    @property
    def closing(self) -> bool:
        """Whether it is over, or about to be."""
        return self._transport.is_closing()

    async def ask(self, method: str, request: bytes) -> CIMultiDict[str]:
        """Send a request; return the headers of its answer when they are here. Raises Broken, TimeoutError."""
        self._begin(bodiless=method == "HEAD")
        self._parser = HttpResponseParser(self)
        try:
            self._transport.write(request)
            while self._headers is None:
                await self._more()
        except BaseException:
            self.abort()
            raise
        return self._headers

    async def send(self, request: bytes, body: AsyncIterator[bytes]) -> tuple[CIMultiDict[str], bool]:
        """Send a request and its body; return the answer's headers, and whether all was out before. As `ask` raises."""
        self._begin(bodiless=False)
        self._parser = HttpResponseParser(self)
        try:
            complete = await self._out(request, body)
            while self._headers is None:
                await self._more()
        except BaseException:
            self.abort()
            raise
        return self._headers, complete

    async def _out(self, head: bytes, body: AsyncIterator[bytes]) -> bool:
        self._given = False
        waiting = [head]
        async for piece in body:
            if self._headers is not None:  # came while the piece was fetched; the transport may be closed by now
                return False
            if self._error is not None:
                raise self._error
            waiting.append(piece)
            if sum(map(len, waiting)) >= TOGETHER:
                self._transport.write(b"".join(waiting))
                waiting.clear()
                if not await self._taken():
                    return False
        if self._error is not None:
            raise self._error
        self._transport.write(b"".join(waiting))
        self._given = True
        self._transport.set_write_buffer_limits(0)  # from here on choked means that something is left
        return await self._taken()

    async def _taken(self) -> bool:
        """Wait until the kernel has room for more; say whether it has, and no answer was first."""
        while self._headers is None and (self._choked or self._error is not None):
            await self._more()
        return not self._early

    async def piece(self) -> bytes:
        """Return what is here of the body, empty after its end. Raises Broken, TimeoutError."""
        while not self._pieces and not self._whole:
            await self._more()
        found, self._pieces, self._size = b"".join(self._pieces), [], 0
        if self._paused and not self._transport.is_closing():
            self._transport.resume_reading()
        self._paused = False
        return found

    async def _more(self) -> None:
        if self._error is not None:
            raise self._error
        self.since = self._loop.time()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def ended(self) -> bool:
        """End what was asked: say whether the next can be. Only after a whole answer, and nothing behind it."""
        self._parser = None
        return self._whole and self._keep and not self.closing

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    def overdue(self, limit: float, kept: float, now: float) -> None:
        """End where the index has been silent for longer than `limit` seconds, or nobody asked for `kept` seconds."""
        if self._waiter is not None and now - self.since > limit:
            self._fail(TimeoutError("the index was silent for too long"))
        elif self._parser is None and now - self.since > kept:
            self.abort()

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._wake()
        self.abort()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # of TCP; uvloop's has no such base

    def data_received(self, data: bytes) -> None:
        """Parse what came. Nobody asked: then it is over."""
        if self._parser is None:
            self.abort()
            return
        self.heard, self.since = True, self._loop.time()
        if self._headers is None:
            self._size += len(data)
        self._behind += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._keep = False
            if not self._whole:
                self._fail(Broken("the index answered in something that is not HTTP/1.1"))
        if self._headers is None and self._size > HEAD_LIMIT:
            self._fail(Broken("the index sent a head without an end"))
        if self._behind > BEHIND_LIMIT and not self._whole:
            self._fail(Broken("the index sent a trailer without an end"))
        if self._size > BUFFER and not self._whole and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def pause_writing(self) -> None:
        """Enough is waiting to go out."""
        self._choked = True

    def resume_writing(self) -> None:
        """The kernel has taken it."""
        self._choked = False
        self._wake()

    def eof_received(self) -> bool:
        """The index sends no more; `connection_lost` says what that means."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End an answer that has no other end (RFC 9112, section 6.3, rule 8), and any other as broken."""
        self._lost(self)
        self._keep = False
        if self._parser is None or self._whole:
            return
        headers = self._headers
        framed = headers is None or "Content-Length" in headers or "Transfer-Encoding" in headers
        if exc is None and not framed and self._error is None:
            self._whole = True
        else:
            self._error = self._error or Broken("the index broke off in the middle of an answer")
        self._wake()

    # httptools.HttpProtocol

    def on_message_begin(self) -> None:
        """Another answer, which nobody asked for."""
        if self._whole:
            raise Broken("the index answered twice")

    def on_status(self, status: bytes) -> None:
        """Take a part of the reason phrase."""
        self._reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer is nobody's to know."""
        if self._headers is None:
            self._pairs.append((name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")))

    def on_headers_complete(self) -> None:
        """Read the head; a provisional one (1xx) is passed over."""
        assert self._parser is not None, "it is parsing"
        self.status = self._parser.get_status_code()
        if self.status < 200:
            self._pairs, self._reason = [], b""
            return
        self._headers = CIMultiDict(self._pairs)
        self._early = not self._given or self._choked
        self._size = 0
        if self._bodiless:
            self._end()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if self._bodiless:
            raise Broken("the index sent a body in answer to HEAD")
        self._pieces.append(body)
        self._size += len(body)
        self._behind = 0

    def on_message_complete(self) -> None:
        """The end, but for a provisional answer."""
        if self._headers is not None and not self._bodiless:
            self._end()

    def _end(self) -> None:
        assert self._parser is not None, "it is parsing"
        self._whole = True
        # Indexes send a body after the answer to a HEAD (devpi an empty chunk, measured), and it may come later.
        self._keep = self._parser.should_keep_alive() and not self._bodiless
