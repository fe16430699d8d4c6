"""TLS before a server that speaks none: decrypts, passes every byte on, keeps nothing.

uv and pdm speak trusted publishing over https:// alone. A web server does this for a real installation.

One event loop, because no two threads may use one TLS connection: CPython 3.11 dies of it (seen).
"""

import asyncio
import socket
import ssl
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

from authproxy.cli.demo.children import LOOPBACK

PATIENCE: Final = 60.0  # seconds that its beginning and its end may take
PIECE: Final = 65536


@contextmanager
def tls_before(address: tuple[str, int], context: ssl.SSLContext, *, port: int = 0) -> Iterator[int]:
    """Run until the block ends; return the port."""
    listening = socket.create_server((LOOPBACK, port), backlog=128)
    begun: Future[Callable[[], object]] = Future()
    work = partial(_run, listening, context, address, begun)
    thread = threading.Thread(target=lambda: asyncio.run(work()), daemon=True)
    thread.start()
    end = begun.result(PATIENCE)
    try:
        yield int(listening.getsockname()[1])
    finally:
        end()
        thread.join(PATIENCE)


async def _run(
    listening: socket.socket, context: ssl.SSLContext, address: tuple[str, int], begun: Future[Callable[[], object]]
) -> None:
    """Serve until somebody, in whatever thread, calls what `begun` gives them."""
    ended, serving = asyncio.Event(), set[asyncio.Task[None]]()

    def serve(reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.create_task(_serve(reader, writer, address))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(serve, sock=listening, ssl=context)
    begun.set_result(partial(asyncio.get_running_loop().call_soon_threadsafe, ended.set))
    await ended.wait()
    server.close()
    for task in tuple(serving):
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)


async def _serve(reader: StreamReader, writer: StreamWriter, address: tuple[str, int]) -> None:
    writers = [writer]
    try:
        with suppress(OSError):
            server_reader, server_writer = await asyncio.open_connection(*address)
            writers.append(server_writer)
            await asyncio.gather(_pass_on(reader, server_writer), _pass_on(server_reader, writer))
    finally:
        for each in writers:
            each.transport.abort()
            with suppress(OSError):
                await each.wait_closed()


async def _pass_on(one: StreamReader, other: StreamWriter) -> None:
    while piece := await one.read(PIECE):
        other.write(piece)
        await other.drain()
    if other.can_write_eof():
        other.write_eof()
    else:  # of TLS, where the end of one direction is that of both
        other.close()
