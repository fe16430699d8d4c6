"""Row 3: reading through authproxy beside reading through HAProxy, each alone on one core.

The proxy has core 0; core 1 holds the client and the index, which is nginx serving files: no real index is fast enough
to show what a proxy costs. HAProxy leaves a part of its core unused on small pages, because core 1 is full first; so
the share of its core stands beside each rate, and a note compares the cost of a request.
"""

import json
import shutil
import statistics
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import load, ours, peers, wheels
from bench.run import Run
from bench.table import MISSING, Line, Row, Target, median_ratio

PROXY, REST = (0,), (1,)
PAGE = f"/simple/{wheels.PROJECT}/"
PAGE_LINKS = 20
FILE = f"/packages/{wheels.filename(1)}"
FILE_SIZE = 256 << 20
MIB = 1 << 20
CONNECTIONS = 16
SMALL = Target(0.25, at_least=True)
LARGE = Target(0.8, at_least=True)
NONE, OURS, KEYED, THEIRS = "no proxy", "through authproxy", "through authproxy, with a key", f"through {peers.HAPROXY}"
NAMES = (NONE, f"through {peers.NGINX}", THEIRS, OURS, KEYED)
WRK_REPORT = (
    'done = function(s) io.write(string.format(\'JSON {"requests": %d, "micros": %d, "bad": %d}\\n\', '
    "s.requests, s.duration, s.errors.status + s.errors.read + s.errors.connect + s.errors.timeout)) end\n"
)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the file."""

    name: str
    server: peers.Server
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """A rate, and the share of a core that the proxy spent on it."""

    rate: float
    share: float


@dataclass(frozen=True, slots=True)
class Kind:
    """What is read, and how it is measured."""

    name: str
    what: str
    unit: str
    target: Target
    measure: Callable[[Run, Way], Measured]


def measure(run: Run) -> list[Row]:
    """Small pages with wrk, then a large file with a client that copies nothing."""
    kinds = (
        Kind("small", f"a page of {PAGE_LINKS} links, {CONNECTIONS} connections (wrk)", "requests/s", SMALL, _small),
        Kind("large", f"a file of {FILE_SIZE // MIB} MiB, one connection", "MiB/s", LARGE, _large),
    )
    if not peers.program("nginx") or not peers.program("wrk"):
        return [Row("reads", kind.what, (Line("nginx as the index, wrk as the client", MISSING),)) for kind in kinds]
    root = run.scratch / "static"
    write_index(root)
    with ExitStack() as stack:
        index = stack.enter_context(peers.nginx_static(run.scratch, root, REST))
        proxy = stack.enter_context(ours.proxy(run.scratch, index.port, PROXY))
        others = stack.enter_context(peers.proxies(run.scratch, index.port, PROXY, keep=True))
        ways = [Way(NONE, index), *(Way(f"through {name}", server) for name, server in others.items())]
        ways += [Way(OURS, proxy.server), Way(KEYED, proxy.server, proxy.credential())]
        rows = [_row(run, ways, kind) for kind in kinds]
    shutil.rmtree(root)
    return rows


def write_index(root: Path) -> None:
    """Write the page and the file that are read, as nginx serves them."""
    names = [wheels.filename(number) for number in range(PAGE_LINKS)]
    links = "".join(f'<a href="/packages/{name}#sha256={"0" * 64}">{name}</a><br>\n' for name in names)
    page, file = root / PAGE.strip("/") / "index.html", root / FILE.strip("/")
    page.parent.mkdir(parents=True)
    page.write_text(f"<!DOCTYPE html>\n<html><body>\n{links}</body></html>\n")
    file.parent.mkdir()
    with file.open("wb") as raw:
        wheels.write(raw, wheels.version(1), FILE_SIZE)


def _row(run: Run, ways: Sequence[Way], kind: Kind) -> Row:
    taken: dict[str, list[Measured]] = {}
    for number in range(run.rounds):
        for way in run.turns(ways, number):
            taken.setdefault(way.name, []).append(kind.measure(run, way))
        run.say(f"{kind.name} reads: round {number + 1} of {run.rounds}")
    title = f"{kind.what}; proxy on core 0, client and nginx as the index on core 1"
    return Row(f"reads-{kind.name}", title, tuple(_lines(taken, kind)), tuple(_cost_note(taken)))


def _lines(taken: dict[str, list[Measured]], kind: Kind) -> Iterator[Line]:
    rates = {name: tuple(one.rate for one in many) for name, many in taken.items()}
    for name in NAMES:
        if name not in rates:
            yield Line(name, MISSING)
            continue
        share = statistics.median(one.share for one in taken[name])
        measured = f"{statistics.median(rates[name]):,.0f} {kind.unit}"
        measured += "" if name == NONE else f", {share:.0%} of its core"
        ratio = median_ratio(rates[name], rates[THEIRS]) if name in (OURS, KEYED) and THEIRS in rates else None
        yield Line(name, measured, ratio, "of HAProxy", kind.target if name == OURS else None, rates[name])


def _cost_note(taken: dict[str, list[Measured]]) -> Iterator[str]:
    if THEIRS in taken:
        whole = {name: [one.rate / one.share for one in taken[name]] for name in (OURS, THEIRS)}
        yield f"if both had used all of their core: {median_ratio(whole[OURS], whole[THEIRS]):.2f} of HAProxy"


def _small(run: Run, way: Way) -> Measured:
    script = run.scratch / "wrk.lua"
    script.write_text(WRK_REPORT)
    command = ["taskset", "--cpu-list", str(REST[0]), str(peers.program("wrk")), "-s", str(script)]
    command += ["-t1", f"-c{CONNECTIONS}", f"-d{1 if run.quick else 4}s"]
    command += ["-H", wheels.authorization(way.credential).strip()] if way.credential else []
    before = way.server.cpu_seconds()
    url = f"http://127.0.0.1:{way.server.port}{PAGE}"
    out = subprocess.run([*command, url], capture_output=True, text=True, check=True, timeout=60).stdout
    spent = way.server.cpu_seconds() - before
    report = json.loads(out.rpartition("JSON ")[2])
    if report["bad"]:
        raise load.LoadError(f"{way.name}: {report['bad']} of {report['requests']} answers were errors")
    seconds = report["micros"] / 1e6
    return Measured(report["requests"] / seconds, spent / seconds)


def _large(run: Run, way: Way) -> Measured:
    request = load.get(FILE, way.credential)
    with load.client(REST) as client:
        client.submit(load.read_large, way.server.port, request, 1).result()
        before = way.server.cpu_seconds()
        size, seconds = client.submit(load.read_large, way.server.port, request, 2 if run.quick else 6).result()
    return Measured(size / MIB / seconds, (way.server.cpu_seconds() - before) / seconds)
