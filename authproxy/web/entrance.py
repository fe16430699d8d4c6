"""How connections come in: past a PROXY protocol header and a TLS handshake, where those are wanted, to aiohttp.

The event loop's own server takes plain connections. Where something comes before HTTP, connections are taken here: the
header stands before the handshake, and not one byte of what follows it may be lost, so it is peeked at (recv(2),
MSG_PEEK). Each connection gets the certificate of its moment, so that a renewed one needs no restart.
"""

import asyncio
import errno
import logging
import select
import socket
import ssl
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol

from prometheus_client import CollectorRegistry

from authproxy.config import Config, TlsFiles
from authproxy.config.listening import expiry_of, pair_of
from authproxy.web.countings import TlsMetrics
from authproxy.web.descriptors import Room
from authproxy.web.doors import BACKLOG, CannotListen
from authproxy.web.head import Address, address_at, within
from authproxy.web.preface import Malformed, Preface

log: Final = logging.getLogger("authproxy.entrance")

# Seconds for a header, which load balancers send at once, and for a handshake over a slow line.
PREFACE: Final = 5.0
HANDSHAKE: Final = 15.0
# Bytes that are peeked at: as many as the first packet of a connection has.
PEEKED: Final = 1460
# Seconds for those who stand in the queue of a socket that is about to be closed.
QUEUE: Final = 1.0
# Seconds until the next try where this machine has no descriptors or no memory left.
EXHAUSTED: Final = 1.0
_EXHAUSTION: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# SO_LINGER with no time: close(2) sends a reset and keeps nothing.
_RESET: Final = struct.pack("ii", 1, 0)


class Tls:
    """The certificate that new connections get."""

    def __init__(self, files: TlsFiles | None) -> None:
        """Load the pair, if there is to be one. Raises CannotListen."""
        self._files = files
        self._metrics: TlsMetrics | None = None
        try:
            self.context: ssl.SSLContext | None = pair_of(files) if files else None
        except ValueError as exc:
            raise CannotListen("tls", "with TLS", 0, str(exc)) from None

    def renew(self) -> None:
        """Load the pair again; one that does not fit changes nothing and is told in the log."""
        if self._files is None:
            return
        try:
            self.context = pair_of(self._files)
        except ValueError as exc:
            log.error("the certificate stays as it is", extra={"trouble": str(exc)})  # noqa: TRY400
            self._note(well=False)
        else:
            self._note(well=True)

    def doubt(self) -> None:
        """Note whether the pair could be taken, where a configuration that names it could not. Nothing else changes.

        A pair that does not fit is a problem of the file, so that no reload of such a file comes as far as `renew`.
        """
        if self._files is not None:
            try:
                pair_of(self._files)
            except ValueError:
                self._note(well=False)

    def follow(self, registry: CollectorRegistry) -> None:
        """Show how reloads go, and until when the certificate lasts, where there is one."""
        if self._files is not None:
            self._metrics = TlsMetrics(registry)
            self._note(well=True)

    def _note(self, *, well: bool) -> None:
        if self._metrics is not None and self._files is not None:
            self._metrics.loaded(well=well, expires=expiry_of(self._files) if well else None)


class Server(Protocol):
    """What makes the protocol of a connection; `origin` is the client that a PROXY protocol header named."""

    def __call__(self, origin: Address | None = None) -> asyncio.Protocol:
        """Make one."""
        ...


class _Coming:
    """A connection before HTTP. Nothing is asked on it yet, so it makes room for others as one that waits."""

    is_waiting = True

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    def abort(self) -> None:
        """End at once."""
        self._task.cancel()


class _Cut(Exception):
    """This connection ends. The text says why."""


class Entrance:
    """The listening sockets of one process, from `open` to `close`."""

    def __init__(self, server: Server, config: Callable[[], Config], tls: Tls, room: Room) -> None:
        self._server = server
        self._room = room
        self._config = config
        self._tls = tls
        self._servers: list[tuple[socket.socket, asyncio.Server]] = []
        self._doors: list[socket.socket] = []
        self._coming: set[asyncio.Task[None]] = set()

    async def open(self, doors: Iterable[socket.socket]) -> None:
        """Begin to take connections."""
        loop = asyncio.get_running_loop()
        first = self._tls.context is not None or self._config().proxy_protocol
        for door in doors:
            # The event loops' own ways with unix sockets differ: some take the file away at their end.
            if first or door.family == socket.AF_UNIX:
                door.listen(BACKLOG)
                self._doors.append(door)
                loop.add_reader(door, self._take, door)
            else:
                server = await loop.create_server(self._server, sock=door, backlog=BACKLOG)
                self._servers.append((door, server))

    async def close(self) -> None:
        """Take those who stand in the queue, and no more. They are waited for as long as they may take to come in."""
        loop = asyncio.get_running_loop()
        end = loop.time() + QUEUE
        for door, server in self._servers:
            # uvloop takes one in each of its rounds (measured), and what is closed before its turn is reset.
            while _is_asked(door) and loop.time() < end:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
            server.close()
        for door in self._doors:
            loop.remove_reader(door)
            self._take(door)
            loop.remove_reader(door)
            door.close()
        self._doors = []
        if self._coming:
            await asyncio.wait(self._coming)

    def _take(self, door: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(BACKLOG):
            try:
                connection, peer = door.accept()
            except BlockingIOError:
                return
            except OSError as exc:
                if exc.errno in _EXHAUSTION:
                    log.error("no connection can be taken", extra={"trouble": exc.strerror})  # noqa: TRY400
                    loop.remove_reader(door)
                    loop.call_later(EXHAUSTED, self._try_again, door)
                    return
                continue  # of a client that has gone already (accept(2))
            connection.settimeout(0)
            task = loop.create_task(self._let_in(connection, peer))
            self._coming.add(task)
            coming = _Coming(task)
            self._room.take(coming, coming)
            task.add_done_callback(partial(self._is_in, coming, connection))

    def _is_in(self, coming: _Coming, connection: socket.socket, task: asyncio.Task[None]) -> None:
        self._coming.discard(task)
        self._room.leave(coming)
        if task.cancelled():  # it made room for another, perhaps before its first step
            cut(connection)

    def _try_again(self, door: socket.socket) -> None:
        if door in self._doors:
            asyncio.get_running_loop().add_reader(door, self._take, door)

    async def _let_in(self, connection: socket.socket, peer: Any) -> None:
        address = address_at(peer)
        try:
            origin = await self._origin(connection, address) if self._config().proxy_protocol else None
        except (_Cut, Malformed, TimeoutError, OSError) as exc:
            why = "no whole PROXY protocol header came in time" if isinstance(exc, TimeoutError) else str(exc)
            log.info("a connection was cut off", extra={"address": str(address), "trouble": why})
            cut(connection)
            return
        context = self._tls.context
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._server(origin),
                connection,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE if context else None,
            )
        except (OSError, TimeoutError) as exc:  # TLS as well: ssl.SSLError is an OSError
            extra = {"address": str(origin or address), "trouble": getattr(exc, "reason", None) or type(exc).__name__}
            log.debug("a TLS handshake failed", extra=extra)
            connection.close()

    async def _origin(self, connection: socket.socket, address: Address) -> Address | None:
        """Read the header. Raises _Cut, Malformed, TimeoutError, OSError."""
        if not within(address, self._config().trusted_proxies):
            raise _Cut("it is not in trusted_proxies, and proxy_protocol believes nobody else")
        preface = Preface()
        async with asyncio.timeout(PREFACE):
            while not preface.whole:
                seen = await _peek(connection)
                if not seen:
                    raise _Cut("it ended before its PROXY protocol header did")
                connection.recv(preface.feed(seen))
        return preface.source


def cut(connection: socket.socket) -> None:
    """End a connection at once."""
    if connection.family != socket.AF_UNIX:
        with suppress(OSError):  # whoever had it has closed it
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()


def _is_asked(door: socket.socket) -> bool:
    """Whether somebody stands in the queue."""
    poll = select.poll()
    poll.register(door, select.POLLIN)
    return bool(poll.poll(0))


async def _peek(connection: socket.socket) -> bytes:
    """Wait for bytes and look at them; they stay where they are. Nothing: the other end has closed."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return connection.recv(PEEKED, socket.MSG_PEEK)
        except BlockingIOError:
            readable = loop.create_future()
            loop.add_reader(connection, _note, readable)
            try:
                await readable
            finally:
                loop.remove_reader(connection)


def _note(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)
