"""Row 2: one wheel of 1 GiB, and what it leaves in memory.

Nothing is pinned: client, proxy and index take the two cores as the system gives them, on the direct way as on ours.
pypiserver runs in gunicorn, its container's default: waitress takes no request of 1 GiB (its max_request_body_size),
and pypiserver cannot be told otherwise. A receiver is measured in front of a sink, so that no index is part of it: from
the first byte that the client sends until the upload arrives at the sink. nginx, as authproxy, forwards nothing before
it has the whole body on disk; HAProxy streams, so it has an end-to-end time only.
Every leg starts its servers anew: the same file can be uploaded again, and a peak of memory is that of one upload.
"""

import json
import os
import shutil
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from bench import load, ours, peers, wheels
from bench.run import Run
from bench.table import MISSING, Line, Row, Target, median_ratio

# the wheel, what a proxy spools, what the index buffers and what it stores, with room to spare
NEEDED_DISK = 6 * wheels.LARGE_WHEEL
MIB = 1 << 20
END_TO_END = Target(1.4, at_least=False)
MEMORY = Target(128, at_least=False, unit=" MiB")
RECEIVING = Target(0.5, at_least=True)
TITLE = "a wheel of 1 GiB into pypiserver (gunicorn), and into a sink; nothing pinned, all files on one disk"
DIRECT, THROUGH = "direct, open", "through authproxy"


@dataclass(frozen=True, slots=True)
class Taken:
    """One upload: seconds end to end; of a proxy, seconds until the sink heard of it, and its peak in bytes."""

    seconds: float
    received: float = 0.0
    peak: int = 0


@dataclass(frozen=True, slots=True)
class Front:
    """What the client talks to."""

    port: int
    credential: str | None = None
    server: peers.Server | None = None


Way = Callable[[Run, int], AbstractContextManager[Front]]


def measure(run: Run) -> list[Row]:
    """Upload the same 1 GiB by each way, round after round."""
    if shutil.disk_usage(run.scratch).free < NEEDED_DISK:
        return [Row("bodies", TITLE, (Line("not run", "under 6 GiB of disk free"),))]
    run.say("a wheel of 1 GiB: writing it")
    upload = wheels.large(1, run.scratch / wheels.filename(1))
    ways: list[tuple[str, Way, bool]] = [(DIRECT, _direct, False), (THROUGH, _ours, False), ("authproxy", _ours, True)]
    ways += [(peers.NGINX, _nginx, True)] if peers.program("nginx") else []
    ways += [(peers.HAPROXY, _haproxy, True)] if peers.program("haproxy") else []
    taken: dict[str, list[Taken]] = {}
    rounds = 1 if run.quick else 5
    for number in range(rounds):
        for name, way, into_sink in run.turns(ways, number):
            taken.setdefault(name, []).append(_upload(run, way, upload, into_sink=into_sink))
        run.say(f"a wheel of 1 GiB: round {number + 1} of {rounds}")
    return [Row("bodies", TITLE, (*_to_the_index(taken), *_to_the_sink(taken)))]


def _upload(run: Run, way: Way, upload: wheels.Upload, *, into_sink: bool) -> Taken:
    packages, file = run.scratch / "large", run.scratch / wheels.filename(1)
    if into_sink:
        index = peers.sink(run.scratch, None)
    else:
        index = peers.pypiserver(run.scratch, packages, kind="gunicorn", checks=False, cores=None)
    os.sync()  # what earlier legs left to be written is not this leg's
    try:
        with index as behind, way(run, behind.port) as front, load.client(None) as client:
            client.submit(load.upload_small, front.port, front.credential, [2], 1).result()
            start, end = client.submit(load.upload_large, front.port, front.credential, upload, file).result()
            arrived = json.loads(behind.log.read_text().splitlines()[-1])["first"] if into_sink else start
            return Taken(end - start, arrived - start, front.server.peak_memory() if front.server else 0)
    finally:
        shutil.rmtree(packages, ignore_errors=True)


@contextmanager
def _direct(_run: Run, behind: int) -> Iterator[Front]:
    yield Front(behind)


@contextmanager
def _ours(run: Run, behind: int) -> Iterator[Front]:
    with ours.proxy(run.scratch, behind, None) as proxy:
        yield Front(proxy.server.port, proxy.credential(), proxy.server)


@contextmanager
def _nginx(run: Run, behind: int) -> Iterator[Front]:
    with peers.nginx(run.scratch, behind, None) as server:
        yield Front(server.port)


@contextmanager
def _haproxy(run: Run, behind: int) -> Iterator[Front]:
    with peers.haproxy(run.scratch, behind, None) as server:
        yield Front(server.port)


def _to_the_index(taken: Mapping[str, list[Taken]]) -> Iterator[Line]:
    direct, through = ([one.seconds for one in taken[name]] for name in (DIRECT, THROUGH))
    yield Line(DIRECT, _seconds(direct), samples=tuple(direct))
    yield Line(THROUGH, _seconds(through), median_ratio(through, direct), "of direct", END_TO_END, tuple(through))
    peaks = [one.peak / MIB for name in (THROUGH, "authproxy") for one in taken[name]]
    yield Line("authproxy's peak memory", f"{max(peaks):,.0f} MiB", max(peaks), "MiB", MEMORY, tuple(peaks))


def _to_the_sink(taken: Mapping[str, list[Taken]]) -> Iterator[Line]:
    rates = {
        name: [wheels.LARGE_WHEEL / MIB / one.received for one in many if one.received] for name, many in taken.items()
    }
    for name in (peers.NGINX, "authproxy"):
        subject = f"{name} in front of a sink, receiving"
        if name not in taken:
            yield Line(subject, MISSING)
            continue
        ours_here = name == "authproxy"
        ratio = median_ratio(rates[name], rates[peers.NGINX]) if ours_here and peers.NGINX in taken else None
        measured = f"{statistics.median(rates[name]):,.0f} MiB/s"
        yield Line(subject, measured, ratio, "of nginx", RECEIVING if ours_here else None, tuple(rates[name]))
    for name in (peers.NGINX, peers.HAPROXY, "authproxy"):
        seconds = [one.seconds for one in taken.get(name, ())]
        yield Line(f"{name} in front of a sink, end to end", _seconds(seconds), samples=tuple(seconds))


def _seconds(samples: list[float]) -> str:
    return f"{statistics.median(samples):.2f} s" if samples else MISSING
