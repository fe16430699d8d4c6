"""The listening sockets: aiohttp's server with the limits and the manners of a proxy, signals, and a quiet end.

aiohttp's own error page echoes the header that it could not parse and its default keeps idle connections for an hour
(both measured); `Protocol` answers in our words. There is no router: the app judges the raw target itself.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final

import aiohttp.http_parser
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web import BaseRequest, RequestHandler, Server, ServerRunner, StreamResponse, TCPSite

from authproxy.config import Config, ConfigProblems
from authproxy.domain.refusal import Code, Denial
from authproxy.web.app import INTERNAL, App, running
from authproxy.web.errors import respond
from authproxy.web.masterkeys import tell_of_masters
from authproxy.web.parts import masters_of

log: Final = logging.getLogger("authproxy.server")

# Seconds that a connection may be idle, or take to send a head. Longer than the 60 s of most proxies in front, so that
# they close first.
IDLE: Final = 75.0
# Bytes taken from a socket before the sender has to wait; asyncio reads 256 KiB at a time.
READ_AHEAD: Final = 256 * 1024
# Bytes of a header line: an Authorization of 8 KiB fits, as CONTRACTS promise; and how many of them there may be.
LINE: Final = 9 * 1024
HEADERS: Final = 64
# Seconds a connection may go on sending after an answer that it did not want to hear.
LINGER: Final = 5.0

MALFORMED: Final = Denial(Code.REQUEST_INVALID, "this is not a well-formed HTTP/1.1 request, or its head is too long")


class Protocol(RequestHandler):
    """One connection, with error pages of our own."""

    __slots__ = ("_spoiled",)

    def __init__(self, manager: Server, *, loop: asyncio.AbstractEventLoop, **settings: Any) -> None:
        super().__init__(manager, loop=loop, **settings)
        self._spoiled = False

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

    def __call__(self) -> RequestHandler:
        """Make the protocol of one connection."""
        return Protocol(self, loop=self._loop, **self._kwargs)


@asynccontextmanager
async def listening(config: Config) -> AsyncIterator[tuple[App, str]]:
    """Run a proxy; yield it and the URL that it listens at. Leaving the block drains it."""
    _assert_c_parser()
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(running(config))
        runner = ServerRunner(ProxyServer(app), shutdown_timeout=config.limits.upload_deadline)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = TCPSite(runner, config.listen.host, config.listen.port)
        await site.start()
        if config.metrics is not None:
            shown = ServerRunner(Server(app.parts.metrics.show, access_log=None))
            await shown.setup()
            stack.push_async_callback(shown.cleanup)
            await TCPSite(shown, config.metrics.host, config.metrics.port).start()
        host = f"[{config.listen.host}]" if ":" in config.listen.host else config.listen.host
        yield app, f"http://{host}:{site.port}/"
        # aiohttp's own shutdown drops what still arrives of a body (RequestHandler.data_received), so uploads under way
        # are waited for before it begins: no new connection, then no request, then the end.
        await site.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(config.limits.upload_deadline):
                await app.drained()


async def serve(config: Config, reload: Callable[[], Config], *, ready: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT. SIGHUP calls `reload` and takes its config; a bad one changes nothing.

    `ready` is called with the proxy's URL once it listens. Raises OSError where a port is taken, StoreError where the
    store cannot be opened.
    """
    loop, stop, hangup = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    # Before the socket is open: whoever sees it open may send a signal, and without a handler that is the end.
    for number, event in ((signal.SIGTERM, stop), (signal.SIGINT, stop), (signal.SIGHUP, hangup)):
        loop.add_signal_handler(number, event.set)
    async with listening(config) as (app, url):
        reloading = asyncio.create_task(_reload_whenever(hangup, app, reload))
        ready(url)
        await tell_of_masters(app.parts.store, masters_of(app.parts.config))
        await stop.wait()
        reloading.cancel()
        log.info("draining: no new connections, requests under way are finished")


async def _reload_whenever(hangup: asyncio.Event, app: App, load: Callable[[], Config]) -> None:
    while await hangup.wait():
        hangup.clear()
        try:
            await _reload(app, load)
        except Exception:  # a defect must not make the server deaf to the next file
            log.exception("the config was not reloaded, the old one stays in force")


async def _reload(app: App, load: Callable[[], Config]) -> None:
    """Read the config in a thread, so that a large file holds up no request, and take it where it is good."""
    try:
        config = await asyncio.to_thread(load)
    except ConfigProblems as exc:
        log.error("the config was not reloaded, the old one stays in force:\n%s", exc)  # noqa: TRY400
        return
    before = app.parts.config.masters
    restart = app.reload(config)
    for each in config.warnings:
        log.warning("%s", each)
    log.info("the config was reloaded")
    if app.parts.config.masters != before:
        await tell_of_masters(app.parts.store, masters_of(app.parts.config))
    if restart:
        log.warning("restart for: %s", ", ".join(restart), extra={"needs_restart": restart})


def _assert_c_parser() -> None:
    """Refuse to run on aiohttp's pure-Python parser: it is slower by far, and more lenient."""
    if aiohttp.http_parser.HttpRequestParser is aiohttp.http_parser.HttpRequestParserPy:
        raise RuntimeError("aiohttp was installed without its C parser: install it from a wheel")
