"""The listening sockets: aiohttp's server with the limits and the manners of a proxy, signals, and a quiet end.

aiohttp's own error page echoes the header that it could not parse and its default keeps idle connections for an hour
(both measured); `Protocol` answers in our words. There is no router: the app judges the raw target itself.
"""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Final

import aiohttp.http_parser
from aiohttp.web import ServerRunner, SockSite

from authproxy.config import Config, ConfigProblems
from authproxy.web.app import App, running
from authproxy.web.descriptors import keep_quiet
from authproxy.web.doors import Doors
from authproxy.web.entrance import Entrance, Tls
from authproxy.web.masterkeys import tell_of_masters
from authproxy.web.measured import show_also
from authproxy.web.parts import masters_of
from authproxy.web.protocol import MetricsServer, ProxyServer
from authproxy.web.seat import Seat
from authproxy.web.service import Service
from authproxy.web.telemetry import telemetry
from authproxy.web.watching import watched

log: Final = logging.getLogger("authproxy.server")


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
        server = ProxyServer(app, await stack.enter_async_context(telemetry(os.environ)))
        runner = ServerRunner(server, shutdown_timeout=config.limits.upload_deadline)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        opened = doors() if doors is not None else Doors.open(config)
        stack.callback(opened.close, clear=seat is None)
        entrance = Entrance(server, lambda: app.parts.config, tls, server.room)
        await entrance.open(opened.share(number))
        tls.follow(app.parts.metrics.registry)
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
    show_also(app.parts.metrics.registry, lambda: app.parts, lambda: app.under_way)
    await stack.enter_async_context(watched(lambda: app.parts))
    if seat is not None:
        seat.registry = app.parts.metrics.registry
    shown = ServerRunner(MetricsServer(seat.show if seat is not None else app.parts.metrics.show, access_log=None))
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
    first = seat is None or seat.number == 0
    async with AsyncExitStack() as stack:
        if seat is not None:
            await seat.take(stop.set)
            stack.push_async_callback(seat.leave)
        living = asyncio.create_task(_give_signs(told))
        stack.callback(living.cancel)
        async with listening(config, doors, seat, tls) as (app, url):
            again = partial(_reload, app, reload, tls, tells=seat is None, first=first)
            reloading = asyncio.create_task(_reload_whenever(hangup, again, told, url))
            ready(url)
            told.ready(url)
            if first:
                await tell_of_masters(app.parts.store, masters_of(app.parts.config))
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


async def _reload(
    app: App, load: Callable[[], Config], tls: Tls | None = None, *, tells: bool = True, first: bool = True
) -> None:
    """Read the config in a thread, so that a large file holds up no request, and take it where it is good.

    Of workers, their supervisor `tells` of it once, and the `first` looks into the store.
    """
    before = app.parts.config.masters
    try:
        config = await asyncio.to_thread(load)
        restart = app.reload(config)
    except ConfigProblems as exc:
        log.error("the config was not reloaded, the old one stays in force:\n%s", exc)  # noqa: TRY400
        app.parts.metrics.config.reloaded(well=False)
        if tls is not None:
            tls.doubt()
        return
    except Exception:
        app.parts.metrics.config.reloaded(well=False)
        raise
    app.parts.metrics.config.reloaded(well=True)
    if tls is not None:
        tls.renew()
    if tells:
        tell_reloaded(config, restart)
    if first and app.parts.config.masters != before:
        await tell_of_masters(app.parts.store, masters_of(app.parts.config))


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
