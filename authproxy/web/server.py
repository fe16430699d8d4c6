"""The listening sockets: aiohttp's server with the limits and the manners of a proxy, signals, and a quiet end.

aiohttp's own error page echoes the header that it could not parse and its default keeps idle connections for an hour
(both measured); `Protocol` answers in our words. There is no router: the app judges the raw target itself.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any, Final

import aiohttp.http_parser
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web import BaseRequest, RequestHandler, Server, ServerRunner, SockSite, StreamResponse

from authproxy.config import Config, ConfigProblems
from authproxy.domain.refusal import Code, Denial
from authproxy.web.app import INTERNAL, App, running
from authproxy.web.descriptors import Room, keep_quiet, raise_limit, room_of
from authproxy.web.doors import Doors
from authproxy.web.entrance import Entrance, Tls
from authproxy.web.errors import respond
from authproxy.web.head import Address
from authproxy.web.seat import Seat
from authproxy.web.service import Service

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
        response.force_close()
        return response


class ProxyServer(Server):
    """aiohttp's server, with `Protocol` for its connections."""

    def __init__(self, app: App) -> None:
        super().__init__(
            app.handle,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=IDLE,
            lingering_time=LINGER,
            max_field_size=LINE,
            max_headers=HEADERS,
            max_line_size=LINE,
            read_bufsize=READ_AHEAD,
        )
        self._room = Room(room_of(raise_limit()))

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Let a connection in; past what there are descriptors for, an idle one leaves."""
        super().connection_made(handler, transport)
        if isinstance(handler, Protocol):
            self._room.take(handler, transport)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a connection."""
        super().connection_lost(handler, exc)
        if isinstance(handler, Protocol):
            self._room.leave(handler)

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


@asynccontextmanager
async def listening(
    config: Config,
    doors: Callable[[], Doors] | None = None,
    seat: Seat | None = None,
    tls: Tls | None = None,
) -> AsyncIterator[tuple[App, str]]:
    """Run a proxy; yield it and the URL that it listens at. Leaving the block drains it.

    `doors` gives the sockets where they are not to be opened here, `seat` is that of a worker. Raises CannotListen,
    StoreError.
    """
    _assert_c_parser()
    number = 0 if seat is None else seat.number
    tls = tls or Tls(config.tls)
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(running(config, first=number == 0))
        server = ProxyServer(app)
        runner = ServerRunner(server, shutdown_timeout=config.limits.upload_deadline)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        opened = doors() if doors is not None else Doors.open(config)
        stack.callback(opened.close, clear=seat is None)
        entrance = Entrance(server, lambda: app.parts.config, tls)
        await entrance.open(opened.share(number))
        await _show_metrics(stack, opened, app, seat)
        yield app, opened.url
        # aiohttp's own shutdown drops what still arrives of a body (RequestHandler.data_received), so uploads under way
        # are waited for before it begins: no new connection, then no request, then the end.
        with suppress(TimeoutError):
            async with asyncio.timeout(config.limits.upload_deadline):
                await entrance.close()
                await asyncio.gather(app.drained(), server.greeted())
                await app.drained()
                await server.parted()


async def _show_metrics(stack: AsyncExitStack, doors: Doors, app: App, seat: Seat | None) -> None:
    if not doors.metrics:
        return
    if seat is not None:
        seat.registry = app.parts.metrics.registry
    shown = ServerRunner(Server(seat.show if seat is not None else app.parts.metrics.show, access_log=None))
    await shown.setup()
    stack.push_async_callback(shown.cleanup)
    for each in doors.metrics:
        await SockSite(shown, each).start()


async def serve(
    config: Config,
    reload: Callable[[], Config],
    *,
    ready: Callable[[str], None],
    doors: Callable[[], Doors] | None = None,
    teller: Service | Seat | None = None,
) -> None:
    """Run until SIGTERM or SIGINT. SIGHUP calls `reload` and takes its config; a bad one changes nothing.

    `ready` is called with the proxy's URL once it listens; `teller` is who is told how it goes. Raises CannotListen,
    StoreError where the store cannot be opened.
    """
    loop, stop, hangup = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    # Before the socket is open: whoever sees it open may send a signal, and without a handler that is the end.
    for number, event in ((signal.SIGTERM, stop), (signal.SIGINT, stop), (signal.SIGHUP, hangup)):
        loop.add_signal_handler(number, event.set)
    keep_quiet(loop)
    told, tls = teller or Service(), Tls(config.tls)
    seat = told if isinstance(told, Seat) else None
    async with AsyncExitStack() as stack:
        if seat is not None:
            await seat.take(stop.set)
            stack.push_async_callback(seat.leave)
        living = asyncio.create_task(_give_signs(told))
        stack.callback(living.cancel)
        async with listening(config, doors, seat, tls) as (app, url):
            again = partial(_reload, app, reload, tls, tells=seat is None)
            reloading = asyncio.create_task(_reload_whenever(hangup, again, told, url))
            ready(url)
            told.ready(url)
            await stop.wait()
            reloading.cancel()
            told.stopping("draining")
            if seat is None:
                log.info("draining: no new connections, requests under way are finished")


async def _give_signs(told: Service | Seat) -> None:
    """Show for as long as it runs that the event loop does."""
    while told.watchdog is not None:
        told.alive()
        await asyncio.sleep(told.watchdog / 2)


async def _reload_whenever(
    hangup: asyncio.Event, reload: Callable[[], Awaitable[None]], told: Service | Seat, url: str
) -> None:
    while await hangup.wait():
        hangup.clear()
        told.reloading()
        try:
            await reload()
        except Exception:  # a defect must not make the server deaf to the next file
            log.exception("the config was not reloaded, the old one stays in force")
        told.ready(url)


async def _reload(app: App, load: Callable[[], Config], tls: Tls | None = None, *, tells: bool = True) -> None:
    """Read the config in a thread, so that a large file holds up no request, and take it where it is good.

    Of workers, their supervisor `tells` of it once.
    """
    try:
        config = await asyncio.to_thread(load)
    except ConfigProblems as exc:
        log.error("the config was not reloaded, the old one stays in force:\n%s", exc)  # noqa: TRY400
        return
    restart = app.reload(config)
    if tls is not None:
        tls.renew()
    if tells:
        tell_reloaded(config, restart)


def tell_reloaded(config: Config, restart: list[str]) -> None:
    """Say that a new config is in force, what in it ought to be mended, and what waits for a restart."""
    for each in config.warnings:
        log.warning("%s", each)
    log.info("the config was reloaded")
    if restart:
        log.warning("restart for: %s", ", ".join(restart), extra={"needs_restart": restart})


def _assert_c_parser() -> None:
    """Refuse to run on aiohttp's pure-Python parser: it is slower by far, and more lenient."""
    if aiohttp.http_parser.HttpRequestParser is aiohttp.http_parser.HttpRequestParserPy:
        raise RuntimeError("aiohttp was installed without its C parser: install it from a wheel")
