"""HTTP/1.1 on one connection, as aiohttp reads it, with limits and error pages of our own.

aiohttp's own pages quote what a client sent and name the versions of aiohttp and Python; its parser goes on behind what
it could not parse. What is asked is the application's business, and which connections come in is `entrance`'s.
"""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any, Final

from aiohttp import hdrs
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web import BaseRequest, RequestHandler, Server, StreamResponse

from authproxy.domain.refusal import Code, Denial
from authproxy.web.app import INTERNAL, App
from authproxy.web.descriptors import Room, raise_limit, room_of
from authproxy.web.errors import respond
from authproxy.web.head import Address
from authproxy.web.telemetry import Begin
from authproxy.web.tracing import traced

log: Final = logging.getLogger("authproxy.server")

# Seconds that a connection may be idle, or take to send a head. Longer than the 60 s of most proxies in front, so that
# they close first.
IDLE: Final = 75.0
# Bytes taken from a socket before the sender has to wait; asyncio reads 256 KiB at a time.
READ_AHEAD: Final = 256 * 1024
# Bytes of a header line: an Authorization of 8 KiB fits, as CONTRACTS promise; and how many of them there may be.
LINE: Final = 9 * 1024
HEADERS: Final = 64
# Seconds for which a server that ends waits for the first request of a connection that it has taken: it is on its way.
GREETING: Final = 2.0
# Seconds for which a server that ends leaves kept connections open: a balancer sends the next request on one as soon as
# it has the answer to the last, and one that was told `Connection: close` is not used again. Where they were closed at
# once, such a request was lost at one restart in forty, behind HAProxy (measured).
FAREWELL: Final = 1.0
# Seconds a connection may go on sending after an answer that it did not want to hear.
LINGER: Final = 5.0

MALFORMED: Final = Denial(Code.REQUEST_INVALID, "this is not a well-formed HTTP/1.1 request, or its head is too long")


class Protocol(RequestHandler):
    """One connection, with error pages of our own. `origin` is the client that a PROXY protocol header named."""

    __slots__ = ("_begun", "_spoiled", "origin")

    def __init__(
        self, manager: Server, *, loop: asyncio.AbstractEventLoop, origin: Address | None = None, **settings: Any
    ) -> None:
        super().__init__(manager, loop=loop, **settings)
        self._spoiled = False
        self._begun = loop.time()
        self.origin = origin

    @property
    def is_new(self) -> bool:
        """Whether it was taken a moment ago and nothing has come yet."""
        return not self._request_count and self._loop.time() - self._begun < GREETING

    @property
    def is_waiting(self) -> bool:
        """Whether nothing is being asked on it."""
        return self._current_request is None and not self._messages

    def data_received(self, data: bytes) -> None:
        """Parse what came; nothing more after what could not be parsed.

        aiohttp would go on to parse each piece behind it, and keep an error with a copy of the piece for each: 20 MB of
        memory for 14 MB of nonsense (measured).
        """
        if self._spoiled:
            return
        super().data_received(data)
        self._spoiled = bool(self._messages) and not isinstance(self._messages[-1][0], RawRequestMessage)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes what the client sent
    ) -> StreamResponse:
        """Answer what could not be parsed (400), or what our own handler did not catch (500)."""
        if status != 400:
            log.error("a request failed outside of its handler", exc_info=exc)
        response = respond(MALFORMED if status == 400 else INTERNAL, request)
        response.headers[hdrs.SERVER] = "authproxy"  # aiohttp would tell its version and Python's
        response.force_close()
        return response


class MetricsServer(Server):
    """aiohttp's server for the metrics, with `Protocol` for its connections: it quotes nothing either."""

    def __call__(self) -> RequestHandler:
        """Make the protocol of one connection."""
        return Protocol(self, loop=self._loop, **self._kwargs)


class ProxyServer(Server):
    """aiohttp's server, with `Protocol` for its connections."""

    def __init__(self, app: App, begin: Begin | None = None) -> None:
        super().__init__(
            traced(app.handle, begin),
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=IDLE,
            lingering_time=LINGER,
            max_field_size=LINE,
            max_headers=HEADERS,
            max_line_size=LINE,
            read_bufsize=READ_AHEAD,
        )
        self.room = Room(room_of(raise_limit()))

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Let a connection in; past what there are descriptors for, an idle one leaves."""
        super().connection_made(handler, transport)
        if isinstance(handler, Protocol):
            self.room.take(handler, transport)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a connection."""
        super().connection_lost(handler, exc)
        if isinstance(handler, Protocol):
            self.room.leave(handler)

    def __call__(self, origin: Address | None = None) -> RequestHandler:
        """Make the protocol of one connection."""
        return Protocol(self, loop=self._loop, origin=origin, **self._kwargs)

    async def greeted(self) -> None:
        """Wait until every connection has begun its first request, or its next, or has had the time to."""
        until = self._loop.time() + FAREWELL
        while any(each.is_new or (each.is_waiting and self._loop.time() < until) for each in self._ours()):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(GREETING / 40)

    async def parted(self) -> None:
        """End what is idle, and wait for what has begun at this very moment: aiohttp's end would drop its body."""
        for each in tuple(self._ours()):
            if each.is_waiting:
                each.close()
        while not all(each.is_waiting for each in self._ours()):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(GREETING / 40)

    def _ours(self) -> Iterator[Protocol]:
        return (each for each in self.connections if isinstance(each, Protocol))
