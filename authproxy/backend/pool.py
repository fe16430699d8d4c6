"""Which connection is asked, how a request is written, and what is kept for the next.

Rule 1. A connection is kept only after an answer that ended where its framing says, with nothing behind it.
Rule 2. A kept connection may end at any moment. A GET or HEAD that it did not answer with a single byte is asked once
        more, on a new connection; whatever may change the index goes out on a new connection, and once.
Rule 3. An upload has a connection of its own, which ends by a reset. Closed in order, it would go on sending until the
        kernel gives it up in silence, and an index with one thread (wsgiref; gunicorn, as pypiserver starts it) that
        has begun to read waits for the rest for ever (measured). A reset ends that, and nobody takes it for the end of
        a body; to an index that had the whole request by then, it is an end like others.
Rule 4. One look a second at all connections finds the silent and the idle ones; a timer for each read would cost as
        much as its parsing.

No cookie is kept, no proxy setting of the environment obeyed.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Final, Self

from multidict import CIMultiDict
from yarl import URL

from authproxy.backend.http1 import Broken, Connection

# How long an idle connection is kept, in seconds.
KEPT: Final = 30.0
# Seconds between two looks for silent and idle connections.
LOOK: Final = 1.0
# What may be asked twice, and on a kept connection (RFC 9110, section 9.2.1).
SAFE: Final = frozenset({"GET", "HEAD"})


class Answer:
    """An answer whose head is here. Leaving it as an async context gives its connection back."""

    __slots__ = ("_connection", "_released", "headers", "reason", "status")

    def __init__(
        self, connection: Connection, headers: CIMultiDict[str], released: Callable[[Connection], None]
    ) -> None:
        self._connection = connection
        self._released = released
        self.status = connection.status
        self.reason = connection.reason
        self.headers = headers

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released(self._connection)

    @property
    def content_length(self) -> int | None:
        """The size of the body in bytes, where the index says so."""
        length = self.headers.get("Content-Length")
        return int(length) if length is not None and length.isdecimal() else None

    async def piece(self) -> bytes:
        """Return the next piece of the body, empty after its end. Raises Broken, TimeoutError."""
        return await self._connection.piece()

    async def read(self) -> bytes:
        """Return the rest of the body. Raises Broken, TimeoutError."""
        found = []
        while piece := await self._connection.piece():
            found.append(piece)
        return b"".join(found)

    async def within(self, limit: int) -> bytes | None:
        """Return the rest of the body, or None where it is longer than `limit` bytes. Raises Broken, TimeoutError."""
        found = bytearray()
        while len(found) <= limit and (piece := await self._connection.piece()):
            found += piece
        return bytes(found) if len(found) <= limit else None


class Unreached(ConnectionError):
    """There was no connection, so the index has heard nothing."""


class Pool:
    """The connections to one server, `url` in writing, with what stands before every target. Timeouts in seconds."""

    def __init__(self, url: str, connect: float, read: float) -> None:
        server = URL(url, encoded=True)
        self._host, self._port, self._before = server.host or "", server.port or 0, server.raw_path.rstrip("/")
        self._tls = ssl.create_default_context() if server.scheme == "https" else None
        self._connect = connect
        self._read = read
        self._apart = min(LOOK, read / 4)
        self._all: set[Connection] = set()
        self._idle: list[Connection] = []
        self._look: asyncio.TimerHandle | None = None

    async def ask(self, method: str, raw_target: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Send one request; return when the head of its answer is here.

        Raises TimeoutError, and OSError (Broken among them) where there is no connection or it breaks off.
        """
        request = written(method, self._before + raw_target, headers, body)
        kept = self._kept() if method in SAFE else None
        if kept is not None:
            try:
                return await self._answered(kept, method, request)
            except Broken:
                if kept.heard:
                    raise
        return await self._answered(await self._opened(), method, request)

    async def send(
        self, raw_target: str, headers: Mapping[str, str], body: AsyncIterator[bytes]
    ) -> tuple[Answer, bool]:
        """Post a body whose length `headers` say; return when the head of its answer is here.

        Also says whether all of the body was out before the answer came. Raises Unreached, TimeoutError, and OSError
        (Broken among them) where the connection breaks off.
        """
        request = written("POST", self._before + raw_target, {**headers, "Connection": "close"}, None)
        try:
            connection = await self._opened(ends_by_reset=True)
        except OSError as exc:  # TimeoutError is one
            raise Unreached("the index cannot be reached") from exc
        found, complete = await connection.send(request, body)
        return Answer(connection, found, Connection.abort), complete

    async def _answered(self, connection: Connection, method: str, request: bytes) -> Answer:
        return Answer(connection, await connection.ask(method, request), self._released)

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closing:
                return connection
        return None

    async def _opened(self, *, ends_by_reset: bool = False) -> Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._connect):
            transport, connection = await loop.create_connection(
                lambda: Connection(self._lost), self._host, self._port, ssl=self._tls
            )
        self._all.add(connection)
        if self._look is None:
            self._look = loop.call_later(self._apart, self._look_round)
        if ends_by_reset:
            try:
                _end_by_reset(transport.get_extra_info("socket"))
            except (OSError, ValueError) as exc:  # its descriptor may be gone already
                connection.abort()
                raise ConnectionError("the connection ended as it began") from exc
        return connection

    def _released(self, connection: Connection) -> None:
        if connection.ended():
            self._idle.append(connection)
        else:
            connection.abort()

    def _lost(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _look_round(self) -> None:
        loop = asyncio.get_running_loop()
        for connection in tuple(self._all):
            connection.overdue(self._read, KEPT, loop.time())
        self._look = loop.call_later(self._apart, self._look_round) if self._all else None

    async def close(self) -> None:
        """End all connections."""
        if self._look is not None:
            self._look.cancel()
        for connection in tuple(self._all):
            connection.abort()
        await asyncio.sleep(0)  # the loop tells each that it is over


def _end_by_reset(its: socket.socket) -> None:
    """Let the end of a connection be a reset, whatever is on its way then (SO_LINGER without a time)."""
    # An object of our own for the same descriptor: the loop's takes no options (uvloop).
    same = socket.socket(its.family, its.type, its.proto, its.fileno())
    try:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    finally:
        same.detach()  # or it would close what is the loop's


def written(method: str, raw_target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """Write a request. Raises ValueError for what would be read as another one."""
    lines = [f"{method} {raw_target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1 or "\0" in text:
        raise ValueError("a request to the index holds a line break that is not its own")
    return text.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + (body or b"")
