"""TLS before a server: every byte passes both ways, nobody without the CA is served, and it ends with its block."""

import gc
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import trustme

from authproxy.cli.demo.front import tls_before
from authproxy.cli.demo.issuer import tls_context
from tests.peers.recording import RecordingIndex, Reply

BODY = bytes(range(256)) * 4096


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """What a client has that trusts it."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def ask(port: int, context: ssl.SSLContext, body: bytes) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
    ):
        secured.sendall(b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        found = b""
        while piece := secured.recv(65536):
            found += piece
        return found


def test_many_pass_at_once_and_one_that_leaves_takes_nobody_along(
    recording: RecordingIndex, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    """Each gets its own bytes; who goes in the middle of an answer is forgotten."""
    recording.answer = lambda seen: Reply(200, seen.body)

    def talk(number: int) -> bool:
        if number % 5 == 0:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
                secured = trusting.wrap_socket(plain, server_hostname="127.0.0.1")
                secured.sendall(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
                secured.close()
                return True
        body = bytes([number]) * 100_000
        return ask(port, trusting, body).endswith(b"\r\n\r\n" + body)

    with tls_before(recording.address, tls_context(authority)) as port, ThreadPoolExecutor(16) as pool:
        assert all(pool.map(talk, range(200)))


def test_every_byte_passes(recording: RecordingIndex, authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    """A megabyte there and back."""
    recording.answer = lambda seen: Reply(200, seen.body)
    with tls_before(recording.address, tls_context(authority)) as port:
        assert ask(port, trusting, BODY).endswith(b"\r\n\r\n" + BODY)
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(port, ssl.create_default_context(), BODY)
        assert len(recording.requests) == 1
    with pytest.raises(ConnectionRefusedError):
        ask(port, trusting, BODY)


async def test_its_end_leaves_nothing_open(
    recording: RecordingIndex, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    """Also where a client has its connection still, and where who ends it runs an event loop of their own."""
    recording.answer = lambda seen: Reply(200, seen.body)
    with tls_before(recording.address, tls_context(authority)) as port:
        plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        secured = trusting.wrap_socket(plain, server_hostname="127.0.0.1")
        secured.sendall(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
        assert secured.recv(65536).startswith(b"HTTP/1.1 200")
    with secured, suppress(OSError):  # an end of TLS, or a reset
        assert secured.recv(1) == b""
    gc.collect()  # what is left open is a warning, and that an error
