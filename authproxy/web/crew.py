"""The supervisor's side of one worker: forking it, hearing it, and what it counted. When to do so is `supervisor`'s.

A fork, and no new program: a worker begins with the modules and the configuration that are here, in a fraction of the
time and of the memory, and one that is restarted after a bad edit of the file gets the configuration that is in force.
It is safe because nothing runs here: no thread, no event loop, no open store.
"""

import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from authproxy.web.adding import Sample
from authproxy.web.seat import ALIVE, LINE_LIMIT, TOTAL

# Bytes that are read from a line at once.
_PIECE: Final = 256 * 1024
# Seconds in which a worker that has asked for the total takes it; it waits for nothing else.
_ANSWERED: Final = 1.0
# What a worker is told by, and what the supervisor is.
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

Work = Callable[[int, socket.socket], int]  # its number from 0 and its line; returns the exit status


@dataclass(slots=True)
class Worker:
    """A process that serves. Times are those of the monotonic clock, in seconds."""

    number: int
    pid: int
    line: socket.socket
    started: float
    heard: float
    ready: bool = False
    stale: bool = False  # it began with a config that is not in force any more
    deaf: bool = False  # its end of the line is closed
    counts: bytes | None = None
    _unread: list[bytes] = field(default_factory=list, repr=False)

    def words(self) -> list[str]:
        """Read what it has said since."""
        while not self.deaf:
            try:
                piece = self.line.recv(_PIECE)
            except BlockingIOError:
                break
            except OSError:
                piece = b""
            self.deaf = not piece or sum(map(len, self._unread)) > LINE_LIMIT
            self._unread.append(piece)
        *lines, rest = b"".join(self._unread).split(b"\n")
        self._unread = [rest]
        if lines:
            self.heard = time.monotonic()
        return [self._word(line) for line in lines]

    def _word(self, line: bytes) -> str:
        # Whole lines alone: what a worker that is killed has begun to say is left unread.
        word: str = json.loads(line)[0]
        if word in {ALIVE, TOTAL}:
            self.counts = line
        return word

    def counted(self) -> Sample:
        """How far it was when it last said so."""
        counts: Sample = json.loads(self.counts)[1] if self.counts else []
        return counts

    def answer(self, total: Sample) -> None:
        """Tell it the counts of all. One that does not listen any more has no need of them."""
        self.line.settimeout(_ANSWERED)
        try:
            self.line.sendall(json.dumps(total).encode() + b"\n")
        except OSError:
            return
        finally:
            self.line.settimeout(0)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal. It has not been waited for, so the number is nobody else's."""
        os.kill(self.pid, number)

    def ended(self) -> int | None:
        """Return its exit status, negative for a signal, once it has ended."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None


def started(number: int, work: Work, foreign: Iterable[Any]) -> Worker:
    """Fork a worker. `foreign` are sockets and selectors of the supervisor that it has no part in.

    Raises OSError where the system has no room for one.
    """
    here, there = socket.socketpair()
    _flush()
    # A signal between the fork and the worker's own handlers would run the supervisor's in it.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        pid = os.fork()
        if pid == 0:
            here.close()
            _become(number, there, work, foreign)
    except OSError:
        here.close()
        there.close()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    there.close()
    here.settimeout(0)
    now = time.monotonic()
    return Worker(number, pid, here, now, now)


def _become(number: int, line: socket.socket, work: Work, foreign: Iterable[Any]) -> None:
    """Be a worker until the end of the process: nothing of the supervisor's may run on in it."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for each in SIGNALS:
            # A reload that comes too early is repeated by the supervisor; to end for it would be a restart.
            signal.signal(each, signal.SIG_IGN if each == signal.SIGHUP else signal.SIG_DFL)
        for each in foreign:
            each.close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        status = work(number, line)
    except BaseException:  # noqa: BLE001 - whatever it is, it ends this process and is told
        traceback.print_exc()
    finally:
        _flush()
        os._exit(status)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


class Wakeup:
    """Signals as bytes in a socket, so that one wait is for them and for workers (signal(7), the self-pipe)."""

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        for each in (self._read, self._write):
            each.settimeout(0)
        self._before = {each: signal.signal(each, lambda *_: None) for each in SIGNALS}
        self._before_fd = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)

    def wait(self, workers: Iterable[Worker], seconds: float) -> tuple[set[int], list[Worker]]:
        """Wait for something to happen: which signals came, and which workers have spoken."""
        by_number = {each.line.fileno(): each for each in workers if not each.deaf}
        poll = select.poll()
        for number in (self._read.fileno(), *by_number):
            poll.register(number, select.POLLIN)
        spoke = [number for number, _ in poll.poll(max(0.0, seconds) * 1000)]
        came: set[int] = set()
        if self._read.fileno() in spoke:
            came.update(self._read.recv(4096))
        return came, [by_number[number] for number in spoke if number in by_number]

    def close(self) -> None:
        """Close the sockets, in a worker as well: its signals are its own."""
        self._read.close()
        self._write.close()

    def restore(self) -> None:
        """Give the signals back to whom they were before."""
        signal.set_wakeup_fd(self._before_fd)
        for each, handler in self._before.items():
            signal.signal(each, handler)
        self.close()
