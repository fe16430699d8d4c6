"""Who answers where the proxy listens."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from authproxy.cli.checkup.listener import check_listener
from authproxy.config import Address, UnixAddress
from tests.cli.checkup.conftest import Configured
from tests.peers.ports import LOOPBACK, reserved_port

OURS = b"HTTP/1.1 200 OK\r\nServer: authproxy\r\nContent-Length: 3\r\n\r\nok\n"
ANOTHER = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 3\r\n\r\nhi\n"


@contextmanager
def answering(raw: bytes) -> Iterator[int]:
    """A server that answers one request with this; its port."""
    with closing(socket.create_server((LOOPBACK, 0))) as listener:

        def serve() -> None:
            with closing(listener.accept()[0]) as connection:
                connection.recv(4096)
                connection.sendall(raw)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(20)


@pytest.mark.parametrize(
    ("raw", "verdict", "said"),
    [
        (OURS, "ok", "authproxy answers at"),
        (ANOTHER, "warning", "is no authproxy that is well: its page is none of ours"),
        (b"SSH-2.0-x\r\n", "warning", "is no authproxy that is well: what it says is not HTTP"),
    ],
    ids=["ours", "another server", "no web server"],
)
def test_somebody_answers(configured: Configured, raw: bytes, verdict: str, said: str) -> None:
    """A server that has the port keeps ours from starting: that is to be seen before the start."""
    with answering(raw) as port:
        [found] = check_listener(replace(configured(), listen=Address(LOOPBACK, port)))
    assert (found.verdict, said in found.sentence) == (verdict, True), found.sentence


def test_nobody_answers(configured: Configured) -> None:
    """Before the start that is as it should be."""
    [found] = check_listener(replace(configured(), listen=Address(LOOPBACK, reserved_port())))
    assert (found.verdict, "nobody listens" in found.sentence) == ("ok", True)


def test_where_there_is_nothing_to_ask(configured: Configured) -> None:
    """A socket of the file system, a port that is not known, and a listener that only balancers may speak to."""
    config = configured()
    for each in (
        replace(config, listen=UnixAddress("/run/a.sock")),
        replace(config, listen=Address(LOOPBACK, 0)),
        replace(config, proxy_protocol=True),
    ):
        assert list(check_listener(each)) == []
