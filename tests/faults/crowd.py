"""Thousands of connections that send a byte now and then: `python -m tests.faults.crowd HOST PORT COUNT SECONDS KEY`.

Half of them are in the middle of a head, half in the middle of the body of an upload that its key allows; without a key
(an empty text) all are heads. Each sends its next byte after so many seconds; one that the server ends is opened anew.
It says how many are open, twice a second, and ends when stdin does.
"""

import random
import resource
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

from tests.peers.forms import body_of, parts_of, post
from tests.peers.packages import wheel
from tests.peers.ports import Address

AT_ONCE = 200  # connections that are opened between two looks at the others


def begun(key: str, number: int) -> bytes:
    """A request that goes on for a while: a byte may follow as often as anybody likes."""
    if number % 2 and key:
        package = wheel("acme-slow", f"1.{number}", payload=random.Random(number).randbytes(20_000))
        whole = post(body_of(parts_of(package)), key=key)
        assert len(whole) > 20_000, "what is whole would be answered, and is no slow body"
        return whole[:2_500]
    return b"GET /simple/ HTTP/1.1\r\nHost: a\r\nX-Slow: "


def crowd(address: Address, count: int, seconds: float, key: str) -> None:
    """Run until stdin ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    heads = [begun(key, 0), begun(key, 1)]
    waiting: deque[tuple[float, int, socket.socket]] = deque()
    missing, reopened, said = deque(range(count)), 0, 0.0
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        for _ in range(min(AT_ONCE, len(missing))):
            number = missing.popleft()
            try:
                made = socket.create_connection(address, timeout=5)
                made.sendall(heads[number % 2])
            except OSError:
                missing.append(number)
                break
            waiting.append((time.monotonic() + seconds, number, made))
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, number, made = waiting.popleft()
            with suppress(OSError):
                made.setblocking(False)
                if made.send(b"a") == 1 and not _ended(made):
                    waiting.append((now + seconds, number, made))
                    continue
            made.close()
            missing.append(number)
            reopened += 1
        if now - said > 0.5:
            said = now
            print(len(waiting), reopened, flush=True)


def _ended(made: socket.socket) -> bool:
    try:
        return made.recv(1, socket.MSG_PEEK) is not None  # an answer, or the end
    except BlockingIOError:
        return False


@dataclass
class Crowd:
    """The running program, seen from a test."""

    program: "subprocess.Popen[str]"
    reopened: int = 0

    def open(self) -> int:
        """How many are open now."""
        assert self.program.stdout is not None
        count, reopened = self.program.stdout.readline().split()
        self.reopened = int(reopened)
        return int(count)

    def gathered(self, count: int, within: float) -> int:
        """Wait until so many are open, or the time is over; how many there are."""
        deadline = time.monotonic() + within
        while (there := self.open()) < count and time.monotonic() < deadline:
            pass
        return there


@contextmanager
def gathering(address: Address, count: int, key: str, env: dict[str, str], seconds: float = 10) -> Iterator[Crowd]:
    """Run it until the `with` ends."""
    argv: Sequence[str] = [
        sys.executable,
        "-m",
        "tests.faults.crowd",
        address[0],
        str(address[1]),
        str(count),
        str(seconds),
        key,
    ]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as program:
        try:
            yield Crowd(program)
        finally:
            assert program.stdin is not None
            assert program.stdout is not None
            with closing(program.stdin):
                pass
            program.kill()


if __name__ == "__main__":
    crowd((sys.argv[1], int(sys.argv[2])), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5])
