"""A SIGHUP that comes before the server can take it: kept for later, where the system would end the program for it.

The configuration is read early and the loop that reloads it runs late, seconds apart. Before the configuration is read
a SIGHUP asks for nothing that does not happen anyway, and `authproxy.__main__` ignores it.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Hangups:
    """Whether one came."""

    def __init__(self) -> None:
        self.came = False

    def note(self, *_: object) -> None:
        """Remember it: this is the handler."""
        self.came = True

    def repeat(self) -> None:
        """Send it again, to whoever takes it by now."""
        if self.came:
            self.came = False
            os.kill(os.getpid(), signal.SIGHUP)


@contextmanager
def kept_for_later() -> Iterator[Hangups]:
    """Remember SIGHUP until somebody else takes it."""
    hangups = Hangups()
    before = signal.signal(signal.SIGHUP, hangups.note)
    try:
        yield hangups
    finally:
        signal.signal(signal.SIGHUP, before)
