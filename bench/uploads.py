"""Row 1: uploads per second of a 20 KB wheel into a real pypiserver.

The index runs alone on core 1; the client and whatever stands in front of the index share core 0. So a proxy is never
given a core that a direct upload would not have had. pypiserver walks its directory on every upload and slows down with
what it holds (430 uploads/s with nothing in it, 150 with 300 files), so every leg of every round starts with the same
files, and the shapes below say how many.
"""

import itertools
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import load, ours, peers
from bench.run import Run
from bench.table import MISSING, Line, Row, Target, median_ratio

FRONT, INDEX = (0,), (1,)
OPEN_COUNT = 120  # uploads of one leg: about a second, and the directory stays small
CHECKED_COUNT = 20  # bcrypt holds it to some 15 uploads a second
WARM_COUNT = 8
FSYNCS = 50
AGAINST_OPEN = Target(0.7, at_least=True)
AGAINST_HTPASSWD = Target(5, at_least=True)
OPEN, CHECKED, OURS = "direct, open", "direct, htpasswd", "through authproxy, warm key"


@dataclass(frozen=True, slots=True)
class Shape:
    """What is varied: the server that pypiserver runs in, how many files it holds, how many upload at once."""

    kind: str
    held: int
    connections: int


# An empty index is the hardest case for a proxy and nobody's index; 200 files are a small team's.
SHAPES = (Shape("auto", 200, 4), Shape("auto", 200, 1), Shape("auto", 0, 4), Shape("gunicorn", 200, 4))
SERVERS = {"auto": "waitress, its default", "gunicorn": "gunicorn, its container's default"}


@dataclass(frozen=True, slots=True)
class Leg:
    """One way to the index."""

    name: str
    server: peers.Server
    credential: str | None
    packages: Path
    count: int


def measure(run: Run) -> list[Row]:
    """Every shape, one after another; a quick run takes the two of four uploaders on the default server."""
    return [_row(run, shape) for shape in SHAPES if not run.quick or (shape.kind, shape.connections) == ("auto", 4)]


def _row(run: Run, shape: Shape) -> Row:
    numbers = itertools.count(1)
    rates: dict[str, list[float]] = {}
    cpu = []
    with _legs(run.scratch, shape) as legs, load.client(FRONT) as client:
        for number in range(run.rounds + 1):  # the first warms up: keys, connections, byte code
            for leg in run.turns(legs, number):
                mine = list(itertools.islice(numbers, leg.count if number else WARM_COUNT))
                _drop_uploads(leg.packages)
                before = leg.server.cpu_seconds()
                served = client.submit(
                    load.upload_small, leg.server.port, leg.credential, mine, shape.connections
                ).result()
                if number:
                    rates.setdefault(leg.name, []).append(served.rate)
                    cpu += [(leg.server.cpu_seconds() - before) / len(mine)] if leg.name == OURS else []
            run.say(f"uploads, {shape}: round {number} of {run.rounds}")
    uploaders = "1 uploader" if shape.connections == 1 else f"{shape.connections} uploaders at once"
    return Row(
        f"uploads-{shape.kind}-{shape.held}-{shape.connections}",
        f"20 KB wheels into pypiserver ({SERVERS[shape.kind]}) that holds {shape.held} files, {uploaders}; "
        "index on core 1, all else on core 0",
        tuple(_lines(rates)),
        (
            f"authproxy takes {statistics.median(cpu) * 1000:.2f} ms of its core per upload",
            f"htpasswd is bcrypt at cost {peers.BCRYPT_COST}; {fsync(run.scratch)}",
        ),
    )


@contextmanager
def _legs(scratch: Path, shape: Shape) -> Iterator[list[Leg]]:
    opened, checked = (
        scratch / f"{name}-{shape.kind}-{shape.held}-{shape.connections}" for name in ("open", "checked")
    )
    for packages in (opened, checked):
        packages.mkdir()
        for number in range(shape.held):
            (packages / f"held{number % 20}-1.{number}-py3-none-any.whl").touch()
    with ExitStack() as stack:
        index = stack.enter_context(peers.pypiserver(scratch, opened, kind=shape.kind, checks=False, cores=INDEX))
        checking = stack.enter_context(peers.pypiserver(scratch, checked, kind=shape.kind, checks=True, cores=INDEX))
        proxy = stack.enter_context(ours.proxy(scratch, index.port, FRONT))
        others = stack.enter_context(peers.proxies(scratch, index.port, FRONT))
        yield [
            Leg(OPEN, index, None, opened, OPEN_COUNT),
            Leg(CHECKED, checking, f"bench:{peers.PASSWORD}", checked, CHECKED_COUNT),
            Leg(OURS, proxy.server, proxy.credential(), opened, OPEN_COUNT),
            *(Leg(f"through {name}", server, None, opened, OPEN_COUNT) for name, server in others.items()),
        ]


def fsync(scratch: Path) -> str:
    """What a commit waits for: authproxy has each upload on record, on disk, twice; the others promise nothing."""
    taken = []
    with (scratch / "fsync").open("wb", buffering=0) as file:
        for _ in range(FSYNCS):
            start = time.perf_counter()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - start)
    return f"one fsync takes {statistics.median(taken) * 1000:.2f} ms here"


def _drop_uploads(packages: Path) -> None:
    for uploaded in packages.glob("bench_wheel-*"):
        uploaded.unlink()


def _lines(rates: dict[str, list[float]]) -> Iterator[Line]:
    for name in (OPEN, CHECKED, OURS, f"through {peers.NGINX}", f"through {peers.HAPROXY}"):
        if name not in rates:
            yield Line(name, MISSING)
            continue
        measured = f"{statistics.median(rates[name]):,.1f} uploads/s"
        ratio = None if name == OPEN else median_ratio(rates[name], rates[OPEN])
        against, target = "" if name == OPEN else "of open", AGAINST_OPEN if name == OURS else None
        yield Line(name, measured, ratio, against, target, tuple(rates[name]))
        if name == OURS:
            yield Line("", "", median_ratio(rates[name], rates[CHECKED]), "of htpasswd", AGAINST_HTPASSWD)
