"""The clients. Each runs in a process of its own, on its own core, and knows nothing of who answers.

Closed loops (the next request when the last is answered) measure rates and times; the flood is an open loop, since an
attacker does not wait for the victim to catch up.
"""

import itertools
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from bench import wheels
from bench.wire import Answer, Wire, WireError

OK = 200
# An attacker with many addresses: each bogus key comes from the next one of these, all of them loopback on Linux.
SOURCES = tuple(f"127.1.{high}.{low}" for high in range(1, 251) for low in range(1, 251))


class LoadError(Exception):
    """A server answered what it must not: the run is worth nothing."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a client saw: seconds from the first request to the last answer, and the seconds of every request."""

    seconds: float
    latencies: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a client goes on, and how long it rests between an answer and its next request (both in seconds)."""

    seconds: float = 300.0
    pause: float = 0.0


FULL_SPEED = Pace()


@contextmanager
def client(cores: Sequence[int] | None) -> Iterator[ProcessPoolExecutor]:
    """A process that runs the functions below, pinned to `cores`."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_pin, initargs=(cores,)) as pool:
        yield pool


def _pin(cores: Sequence[int] | None) -> None:
    if cores is not None:
        os.sched_setaffinity(0, cores)


def upload_small(
    port: int, credential: str | None, numbers: Sequence[int], connections: int, target: str = "/"
) -> Served:
    """Upload the small wheels of these numbers over kept-alive connections; they are made before the clock starts."""
    return _closed_loop(port, [wheels.small(number).request(credential, target) for number in numbers], connections)


def read(port: int, requests: Sequence[bytes]) -> Served:
    """Send each request once, over one connection."""
    return _closed_loop(port, requests, 1)


def upload_and_read(port: int, credential: str, numbers: Sequence[int], path: str, pace: Pace) -> Served:
    """Upload a wheel, read a page, upload the next: even latencies are uploads, odd ones reads."""
    page = get(path, credential)
    pairs = ((wheels.small(number).request(credential), page) for number in numbers)
    return _closed_loop(port, list(itertools.chain.from_iterable(pairs)), 1, pace)


def _closed_loop(port: int, requests: Sequence[bytes], connections: int, pace: Pace = FULL_SPEED) -> Served:
    waiting = iter(requests)  # next() on it is atomic, so that the threads can share it
    start = time.monotonic()

    def work() -> list[float]:
        wire, taken = Wire(port), []
        for request in waiting:
            begun = time.monotonic()
            if begun - start > pace.seconds:
                break
            expect(wire.exchange(request))
            taken.append(time.monotonic() - begun)
            if pace.pause:
                time.sleep(pace.pause)
        wire.close()
        return taken

    with ThreadPoolExecutor(connections) as threads:
        taken = [future.result() for future in [threads.submit(work) for _ in range(connections)]]
    return Served(time.monotonic() - start, tuple(itertools.chain(*taken)))


def upload_large(port: int, credential: str | None, upload: wheels.Upload, file: Path) -> tuple[float, float]:
    """Upload one file by sendfile(2); the monotonic times of the first byte sent and of the end of the answer."""
    wire = Wire(port)
    start = time.monotonic()
    opened = wire.connect()
    opened.sendall(upload.request_head(credential) + upload.head)
    with file.open("rb") as raw:
        opened.sendfile(raw)
    opened.sendall(upload.tail)
    expect(wire.answer())
    end = time.monotonic()
    wire.close()
    return start, end


def read_large(port: int, request: bytes, times: int) -> tuple[int, float]:
    """Read a large answer so many times, dropping its bytes in the kernel: bytes and seconds."""
    wire, total, start = Wire(port), 0, time.monotonic()
    for _ in range(times):
        wire.connect().sendall(request)
        answer = wire.answer(drop=True)
        expect(answer)
        total += answer.size
    wire.close()
    return total, time.monotonic() - start


def flood(port: int, requests: Sequence[bytes], rate: float, senders: int) -> Counter[int]:
    """Send `rate` requests per second, each from an address of its own; count the statuses (0: no answer)."""
    start = time.monotonic()
    waiting = iter(list(enumerate(zip(requests, itertools.cycle(SOURCES), strict=False))))

    def work() -> Counter[int]:
        seen: Counter[int] = Counter()
        for number, (request, source) in waiting:
            time.sleep(max(0.0, start + number / rate - time.monotonic()))
            wire = Wire(port, source)
            try:
                seen[wire.exchange(request).status] += 1
            except (WireError, OSError):
                seen[0] += 1
            wire.close()
        return seen

    with ThreadPoolExecutor(senders) as threads:
        return sum((future.result() for future in [threads.submit(work) for _ in range(senders)]), Counter())


def expect(answer: Answer) -> None:
    """Stop the run at the first answer that is not 200: a refusal is fast, and would look like speed."""
    if answer.status != OK:
        raise LoadError(f"{answer.status} {answer.reason}: {answer.body[:300]!r}")


def get(path: str, credential: str | None = None) -> bytes:
    """A GET as pip sends it, kept alive; `credential` is user:password."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: pip/26.3\r\nAccept: */*\r\nConnection: keep-alive\r\n"
        f"{wheels.authorization(credential)}\r\n"
    ).encode()
