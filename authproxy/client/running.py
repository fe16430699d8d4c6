"""Running the client in our place, or beside us where something has to be taken away afterwards. Never by a shell."""

from __future__ import annotations

import os
import signal

from authproxy.client.errors import ClientError

TYPE_CHECKING = False  # as `typing` has it: `authproxy exec` loads this, and that takes longer than what it does
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final

# What somebody sends to us is meant for the client.
PASSED_ON: Final = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCONT,
)
# A terminal sends these to every process in its foreground, so that the client has them already.
_TYPED: Final = frozenset({signal.SIGINT, signal.SIGQUIT})
# Python ignores these, and a program that is started would go on ignoring them.
_IGNORED: Final = (signal.SIGPIPE, signal.SIGXFSZ)
KILLED: Final = 128  # and the number of the signal: what a shell says of a program that was killed


def become(argv: Sequence[str], environ: Mapping[str, str]) -> None:
    """Turn into the client: its signals and its exit status are then its own. Returns never; raises ClientError."""
    for each in _IGNORED:
        signal.signal(each, signal.SIG_DFL)
    try:
        os.execvpe(argv[0], list(argv), dict(environ))  # noqa: S606 - no shell is what is wanted
    except FileNotFoundError:
        raise ClientError(f"there is no program {argv[0]} here") from None


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the client, pass on to it what is sent to us, and return its exit status. Raises ClientError."""
    signal.signal(signal.SIGCHLD, lambda *_: None)  # a signal without a handler may never arrive, blocked or not
    awaited = {*PASSED_ON, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    try:
        child = os.posix_spawnp(argv[0], list(argv), dict(environ), setsigmask=before, setsigdef=_IGNORED)
        while True:
            arrived = signal.sigwait(awaited)
            if arrived == signal.SIGCHLD:
                ended, status = os.waitpid(child, os.WNOHANG)
                if ended:
                    code = os.waitstatus_to_exitcode(status)
                    return code if code >= 0 else KILLED - code
            elif arrived not in _TYPED or not _in_foreground():
                os.kill(child, arrived)
    except FileNotFoundError:
        raise ClientError(f"there is no program {argv[0]} here") from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_foreground() -> bool:
    """Whether a terminal would have told the client, too."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
