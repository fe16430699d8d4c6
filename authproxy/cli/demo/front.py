"""TLS before a server that speaks none: decrypts, passes every byte on, keeps nothing.

uv and pdm speak trusted publishing over https:// alone. A web server does this for a real installation.

One event loop, because no two threads may use one TLS connection: CPython 3.11 dies of it (seen).
"""

import asyncio
import socket
import ssl
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Final

from authproxy.cli.demo.children import LOOPBACK

PATIENCE: Final = 60.0  # seconds that a connection may say nothing


@contextmanager
def tls_before(address: tuple[str, int], context: ssl.SSLContext, *, port: int = 0) -> Iterator[int]:
    """Run until the block ends; return the port."""
    listening = socket.create_server((LOOPBACK, port), backlog=128)
    ended = asyncio.Event()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(OSError), closing(writer):
            server_reader, server_writer = await asyncio.open_connection(*address)
            with closing(server_writer):
                await asyncio.gather(_pass_on(reader, server_writer), _pass_on(server_reader, writer))

    async def run() -> None:
        server = await asyncio.start_server(serve, sock=listening, ssl=context)
        await ended.wait()
        server.close()

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        running = threading.Thread(target=runner.run, args=(run(),), daemon=True)
        running.start()
        try:
            yield int(listening.getsockname()[1])
        finally:
            loop.call_soon_threadsafe(ended.set)
            running.join(PATIENCE)


async def _pass_on(one: StreamReader, other: StreamWriter) -> None:
    with suppress(OSError):  # a timeout is one
        while piece := await _next(one):
            other.write(piece)
            await other.drain()
        if other.can_write_eof():
            other.write_eof()
        else:  # of TLS, where the end of one direction is that of both
            other.close()


async def _next(one: StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return await one.read(65536)
