"""A connection of its own for every upload, and how much of an answer to one is read.

An index that answers early leaves body bytes on its connection, and they would become the next request (measured with
aiohttp's client). No redirect is followed (`client` says so with each request), no cookie kept, nothing decompressed,
no proxy setting of the environment obeyed. Reads are small and many; they go by `pool`.

This room knows sockets and seconds. What is asked and what an answer means is `client`'s business.
"""

import functools
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiohttp

# Bytes per read of an answer; asyncio reads at most 256 KiB from a socket at once.
PIECE: Final = 256 * 1024
# SO_LINGER with no time: close(2) drops what is unsent and sends a reset.
_RESET: Final = struct.pack("ii", 1, 0)


@asynccontextmanager
async def for_one(connect: float, read: float) -> AsyncIterator[aiohttp.ClientSession]:
    """Open what sends one upload; timeouts as for `writing`. Leaving the block cuts off what is still on its way.

    Closed in order, a connection goes on sending until the kernel gives it up in silence, and an index with one thread
    (wsgiref; gunicorn, as pypiserver starts it) that has begun to read waits for the rest for ever (measured). A reset
    ends that, and nobody takes it for the end of a body. It comes with every end, since aiohttp closes a connection as
    soon as it has an answer: to an index that had the whole request by then, it is an end like others.
    """
    made: list[socket.socket] = []
    async with writing(connect, read, made) as session:
        try:
            yield session
        finally:
            for each in made:
                with suppress(OSError):  # it is closed already
                    each.shutdown(socket.SHUT_RDWR)


def writing(connect: float, read: float, cut: list[socket.socket] | None = None) -> aiohttp.ClientSession:
    """Open what gives every upload a connection of its own; both timeouts in seconds.

    Connections that are listed in `cut` end by a reset.
    """
    impatient = functools.partial(_impatient, milliseconds=int(read * 1000), cut=cut)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True, socket_factory=impatient),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=read),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=PIECE,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )


def _impatient(address: aiohttp.AddrInfoType, milliseconds: int, cut: list[socket.socket] | None) -> socket.socket:
    # After an early answer asyncio goes on trying to send what is left; an index that no longer reads would keep that
    # connection for ever. tcp(7): the kernel ends it when nothing was taken for so long.
    made = socket.socket(*address[:3])
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    if cut is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        cut.append(made)
    return made


async def bounded(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """Read an answer whole, or return None where it is longer than `limit` bytes."""
    found = bytearray()
    async for piece in response.content.iter_chunked(PIECE):
        found += piece
        if len(found) > limit:
            return None
    return bytes(found)
