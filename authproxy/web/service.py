"""What a service tells systemd, and what it is given: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3).

Datagrams and environment variables, so no library is needed. Without systemd there is no socket to tell anything to,
and nothing here does anything; what cannot be told ends nothing.
"""

import logging
import os
import socket
import time
from collections.abc import MutableMapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

log: Final = logging.getLogger("authproxy.service")

# Seconds for one datagram: systemd reads them at once unless the machine is in trouble, and nobody may wait for that.
PATIENCE: Final = 1.0
# The first descriptor that is handed over (SD_LISTEN_FDS_START).
FIRST: Final = 3
# A unit has a few sockets; a larger number is no number of sockets.
SOCKETS_LIMIT: Final = 64
# The name of the socket of metrics (FileDescriptorName= in its unit); sockets of any other name are for clients.
METRICS: Final = "metrics"
_STATUS_LIMIT: Final = 200


class WrongSockets(Exception):
    """What was handed over cannot be listened at. The text says why, and what to change."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The listening sockets that systemd has opened."""

    clients: tuple[socket.socket, ...] = ()
    metrics: socket.socket | None = None


NOTHING: Final = HandedOver()


class Service:
    """The line to systemd. `watchdog` is how many seconds it waits for a sign of life, None: for ever."""

    def __init__(self, address: str | None = None, watchdog: float | None = None) -> None:
        self._address = address
        self.watchdog = watchdog if address else None

    def ready(self, status: str) -> None:
        """Say that it serves: for the first time, or again after `reloading`."""
        self._tell("READY=1", f"STATUS={status[:_STATUS_LIMIT]}")

    def reloading(self) -> None:
        """Say that it takes a new configuration. The time is that of Type=notify-reload (systemd 253)."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str) -> None:
        """Say that it ends."""
        self._tell("STOPPING=1", f"STATUS={status[:_STATUS_LIMIT]}")

    def status(self, status: str) -> None:
        """Say how it is, for `systemctl status`."""
        self._tell(f"STATUS={status[:_STATUS_LIMIT]}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if self._address is None:
            return
        message = "\n".join(line.replace("\n", " ") for line in lines).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.settimeout(PATIENCE)
                line.sendto(message, self._address)
        except OSError as exc:
            log.warning("systemd was not told", extra={"what": lines[0], "trouble": exc.strerror or str(exc)})


def service(env: MutableMapping[str, str]) -> Service:
    """Find the line to systemd and take it out of the environment: no program that is started may use it."""
    address, usec, pid = (env.pop(name, "") for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"))
    if address.startswith("@"):  # abstract (unix(7)): no file, and a NUL before the name
        address = "\0" + address[1:]
    elif not address.startswith("/"):  # none, or one of another kind: sd_notify refuses those as well
        return Service()
    watched = usec.isascii() and usec.isdecimal() and int(usec) > 0 and pid in {"", str(os.getpid())}
    return Service(address, int(usec) / 1e6 if watched else None)


def handed_over(env: MutableMapping[str, str], first: int = FIRST) -> HandedOver:
    """Take the sockets that systemd hands over, and what it says of them out of the environment.

    Raises WrongSockets. `first` is the first descriptor.
    """
    pid, number, names = (env.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    if pid != str(os.getpid()):
        return HandedOver()
    if not (number.isascii() and number.isdecimal() and int(number) <= SOCKETS_LIMIT):
        raise WrongSockets(f"LISTEN_FDS is no number of sockets up to {SOCKETS_LIMIT}")
    named = [*names.split(":"), *[""] * int(number)]
    with ExitStack() as undo:
        found = [(named[at], undo.enter_context(_socket(first + at))) for at in range(int(number))]
        for _, each in found:
            _check(each)
        clients = tuple(each for name, each in found if name != METRICS)
        metrics = [each for name, each in found if name == METRICS]
        if len(metrics) > 1:
            raise WrongSockets(
                f"there are {len(metrics)} sockets of the name {METRICS}: take the others out of the unit"
            )
        if found and not clients:
            raise WrongSockets(f"systemd hands over a socket of the name {METRICS} and none for clients: add one")
        undo.pop_all()
    return HandedOver(clients, metrics[0] if metrics else None)


def _socket(descriptor: int) -> socket.socket:
    try:
        return socket.socket(fileno=descriptor)
    except OSError:
        raise WrongSockets(f"descriptor {descriptor}, which LISTEN_FDS counts, is no socket") from None


def _check(found: socket.socket) -> None:
    descriptor = found.fileno()
    if found.type != socket.SOCK_STREAM or found.family not in {socket.AF_INET, socket.AF_INET6, socket.AF_UNIX}:
        raise WrongSockets(f"descriptor {descriptor} is no stream socket: write ListenStream= in the socket unit")
    if not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise WrongSockets(f"descriptor {descriptor} does not listen: write Accept=no in the socket unit")
    found.set_inheritable(False)
    found.settimeout(0)
