"""TLS before a server that speaks none: decrypts, passes every byte on, keeps nothing.

uv and pdm speak trusted publishing over https:// alone. A web server does this for a real installation.

One thread for each connection and never two, since no two may use one TLS connection: CPython 3.11 dies of it (seen).
"""

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from authproxy.cli.demo.children import LOOPBACK

PATIENCE: Final = 60.0  # seconds that a connection may say nothing
FAREWELL: Final = 1.0  # and seconds for its last word: without ours some clients take what they have for a part
PIECE: Final = 65536


@contextmanager
def tls_before(address: tuple[str, int], context: ssl.SSLContext, *, port: int = 0) -> Iterator[int]:
    """Run until the block ends; return the port."""
    listening = socket.create_server((LOOPBACK, port), backlog=128)
    front = _Front(address, context)
    accepting = threading.Thread(target=front.accept, args=(listening,), daemon=True)
    accepting.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join(PATIENCE)
        front.end()


class _Front:
    """The connections of a front; each is a thread and its socket to the server."""

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext) -> None:
        self._address = address
        self._context = context
        self._open: dict[threading.Thread, socket.socket] = {}

    def accept(self, listening: socket.socket) -> None:
        """Serve whoever comes, until the socket is closed."""
        with suppress(OSError):
            while True:
                plain, _ = listening.accept()
                threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def end(self) -> None:
        """End all connections, from the server's side: the other one is its thread's."""
        for thread, inside in tuple(self._open.items()):
            with suppress(OSError):
                inside.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)

    def _serve(self, plain: socket.socket) -> None:
        plain.settimeout(PATIENCE)
        with (
            plain,  # where the handshake fails
            suppress(OSError),
            self._context.wrap_socket(plain, server_side=True) as outside,
            socket.create_connection(self._address, timeout=PATIENCE) as inside,
        ):
            self._open[threading.current_thread()] = inside
            try:
                while _passed_on(outside, inside):
                    pass
                outside.settimeout(FAREWELL)
                outside.unwrap()
            finally:
                del self._open[threading.current_thread()]


def _passed_on(outside: ssl.SSLSocket, inside: socket.socket) -> bool:
    """Pass on what is here; False once either side has ended, or said nothing for too long."""
    if outside.pending():
        ready: list[socket.socket] = [outside]
    else:
        ready, _, _ = select.select([outside, inside], [], [], PATIENCE)
    for one in ready:
        piece = one.recv(PIECE)
        if not piece:
            return False
        (inside if one is outside else outside).sendall(piece)
    return bool(ready)
