"""TLS before a server that speaks none: decrypts, passes every byte on, keeps nothing.

uv and pdm speak trusted publishing over https:// alone. A web server does this for a real installation.
"""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from authproxy.cli.demo.children import LOOPBACK

PATIENCE: Final = 60.0  # seconds that a connection may say nothing


@contextmanager
def tls_before(address: tuple[str, int], context: ssl.SSLContext, *, port: int = 0) -> Iterator[int]:
    """Run until the block ends; return the port."""
    listening = socket.create_server((LOOPBACK, port), backlog=128)

    def accept() -> None:
        with suppress(OSError):  # it is closed
            while True:
                plain, _ = listening.accept()
                threading.Thread(target=_serve, args=(plain, context, address), daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join(PATIENCE)


def _serve(plain: socket.socket, context: ssl.SSLContext, address: tuple[str, int]) -> None:
    plain.settimeout(PATIENCE)
    with (
        suppress(OSError),
        context.wrap_socket(plain, server_side=True) as outside,
        socket.create_connection(address, timeout=PATIENCE) as inside,
    ):
        back = threading.Thread(target=_pass_on, args=(inside, outside), daemon=True)
        back.start()
        _pass_on(outside, inside)
        back.join(PATIENCE)


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while piece := one.recv(65536):
            other.sendall(piece)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR) if not isinstance(other, ssl.SSLSocket) else other.unwrap()
