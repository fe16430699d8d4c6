"""File descriptors: as many as the system gives, some of them kept for the work, and quiet where there are none left.

A connection takes one; an upload on it takes another towards the index, and a third for its spool. Were connections
alone to use them up, nobody would be served. So there is room for so many connections; past that, whoever has been
waiting longest without asking anything makes room, as in nginx, and the newcomer where nobody waits.

This room knows nothing of HTTP.
"""

import asyncio
import itertools
import logging
import resource
import time
from typing import Any, Final, Protocol

log: Final = logging.getLogger("authproxy.descriptors")

# Kept for the store, the log, the index and spools: a quarter of all, and no less than serves a dozen uploads at once.
KEPT_SHARE: Final = 4
KEPT_LEAST: Final = 64
# Room for connections, however few descriptors there are.
ROOM_LEAST: Final = 16
# How many of the oldest connections are looked at for one that waits: a look may not cost more than a request.
LOOKED_AT: Final = 200
# Seconds between two lines about the same.
APART: Final = 60.0

# What asyncio's accept loop says up to a hundred times a second, each with a traceback (measured; uvloop is quiet).
_OUT: Final = "socket.accept() out of system resource"


class Connection(Protocol):
    """One connection, as far as room is concerned."""

    @property
    def is_waiting(self) -> bool:
        """Whether nothing is being asked on it."""
        ...


class Abortable(Protocol):
    """A transport."""

    def abort(self) -> None:
        """End at once."""
        ...


def raise_limit() -> int:
    """Take as many descriptors as the system lets this process have; return how many.

    The usual soft limit of 1,024 is for programs that use select(2), whose sets end there.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # a filter of system calls: no reason not to serve with what there is
            return soft
    return hard


def room_of(descriptors: int) -> int:
    """For how many connections so many descriptors are enough."""
    return max(descriptors - max(descriptors // KEPT_SHARE, KEPT_LEAST), ROOM_LEAST)


class Room:
    """Room for `most` connections, the oldest first."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._inside: dict[Connection, Abortable] = {}
        self._told = -APART

    def take(self, newcomer: Connection, transport: Abortable) -> None:
        """Let one in; where there is no room, somebody leaves."""
        self._inside[newcomer] = transport
        if len(self._inside) <= self.most:
            return
        oldest = itertools.islice(self._inside, LOOKED_AT)
        leaving = next((each for each in oldest if each.is_waiting), newcomer)
        self._inside.pop(leaving).abort()
        if time.monotonic() - self._told >= APART:
            self._told = time.monotonic()
            log.warning("there is no room for more connections, idle ones are ended", extra={"most": self.most})

    def leave(self, connection: Connection) -> None:
        """Forget one that has ended."""
        self._inside.pop(connection, None)


def keep_quiet(loop: asyncio.AbstractEventLoop) -> None:
    """Have the event loop tell once a minute, and in one line, that it can take no connection."""
    told = -APART

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal told
        if context.get("message") != _OUT:
            loop.default_exception_handler(context)
        elif time.monotonic() - told >= APART:
            told = time.monotonic()
            log.error("no connection can be taken, there are no descriptors left: raise LimitNOFILE")

    loop.set_exception_handler(handle)
