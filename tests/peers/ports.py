"""Ports of 127.0.0.1 that nobody else will be given in the next minute."""

import socket
import time
from collections.abc import Callable
from contextlib import closing

Address = tuple[str, int]

LOOPBACK = "127.0.0.1"
STARTED_WITHIN = 30.0  # seconds; two cores with a full test run on them start a Python server in about three
POLL = 0.02  # seconds


def reserved_port() -> int:
    """A free port, kept from others until a server with SO_REUSEADDR binds it.

    The kernel gives a port in TIME_WAIT to nobody who asks for just any port, and to everybody who names it and sets
    SO_REUSEADDR, as all servers here do: so a connection is opened and closed on it once.
    """
    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, 0))
        listener.listen(1)
        with closing(socket.create_connection(listener.getsockname())):
            accepted, _ = listener.accept()
            accepted.close()
        return listener.getsockname()[1]


def wait_until_open(address: Address, is_alive: Callable[[], bool]) -> None:
    """Wait until someone listens; raises RuntimeError where the process ended or the time is over."""
    deadline = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < deadline:
        if not is_alive():
            raise RuntimeError(f"the server for {address} ended before it listened")
        try:
            socket.create_connection(address, timeout=1.0).close()
        except OSError:
            time.sleep(POLL)
        else:
            return
    raise RuntimeError(f"nobody listens on {address} after {STARTED_WITHIN} seconds")
