"""Row 8: what a second worker adds, on small pages and on small uploads.

Two workers, the client and the index on two cores say nothing of two workers by their rate: they take each other's
core. So what is compared is the cost of a request, in seconds of a core over all processes of the proxy: workers that
have a core each serve twice what one does, times the cost with one over the cost with two. A lock that they share, or a
store that they write together, shows in the cost. The rates beside it are those of this machine, where all of it shares
two cores; with four and more, measure rates.
"""

import itertools
import json
import shutil
import statistics
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from bench import load, ours, peers, reads
from bench.run import Run
from bench.table import MISSING, Line, Row, Target, median_ratio

COUNTS = (1, 2)
UPLOADERS = 8
UPLOADS = 240
TWICE = Target(1.8, at_least=True)


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests per second, and seconds of a core per request."""

    rate: float
    cost: float


Kind = Callable[[Run, ours.Proxy, str, "itertools.count[int]"], Cost]


def measure(run: Run) -> list[Row]:
    """Pages from an nginx that serves files, uploads into an index that keeps nothing."""
    if not peers.program("nginx") or not peers.program("wrk"):
        return [Row("workers", "a second worker", (Line("nginx as the index, wrk as the client", MISSING),))]
    root = run.scratch / "static"
    reads.write_index(root)
    with ExitStack() as stack:
        static = stack.enter_context(peers.nginx_static(run.scratch, root, None))
        sink = stack.enter_context(peers.sink(run.scratch, None))
        rows = [
            _row(run, static.port, "a page of 20 links, 16 connections", _pages),
            _row(run, sink.port, f"20 KB wheels into an index that keeps nothing, {UPLOADERS} uploaders", _uploads),
        ]
    shutil.rmtree(root)
    return rows


def _row(run: Run, behind: int, what: str, kind: Kind) -> Row:
    taken: dict[int, list[Cost]] = {count: [] for count in COUNTS}
    numbers = itertools.count(1)
    with ExitStack() as stack:
        proxies = {
            count: stack.enter_context(ours.proxy(run.scratch, behind, None, f"workers: {count}\n")) for count in COUNTS
        }
        keys = {count: proxy.credential() for count, proxy in proxies.items()}
        for number in range(run.rounds + 1):  # the first warms up
            for count in run.turns(COUNTS, number):
                found = kind(run, proxies[count], keys[count], numbers)
                taken[count] += [found] if number else []
            run.say(f"workers, {what}: round {number} of {run.rounds}")
    return Row(
        f"workers-{kind.__name__[1:]}", f"{what}; nothing pinned, all of it on the same cores", tuple(_lines(taken))
    )


def _lines(taken: dict[int, list[Cost]]) -> list[Line]:
    costs = {count: [each.cost for each in many] for count, many in taken.items()}
    lines = []
    for count, many in taken.items():
        rate, cost = statistics.median(each.rate for each in many), statistics.median(costs[count])
        measured = f"{rate:,.0f}/s, {cost * 1e6:,.0f} us of a core each"
        lines.append(Line("1 worker" if count == 1 else f"{count} workers", measured, samples=tuple(costs[count])))
    carried = 2 * median_ratio(costs[1], costs[2])
    lines.append(Line("2 workers with a core each would carry", f"{carried:.2f} of one", carried, "of one", TWICE))
    return lines


def _pages(run: Run, proxy: ours.Proxy, _key: str, _numbers: "itertools.count[int]") -> Cost:
    script = run.scratch / "wrk.lua"
    script.write_text(reads.WRK_REPORT)
    url = f"http://127.0.0.1:{proxy.server.port}{reads.PAGE}"
    command = [str(peers.program("wrk")), "-s", str(script), "-t1", "-c16", f"-d{1 if run.quick else 4}s", url]
    before = proxy.server.cpu_seconds()
    out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    spent, report = proxy.server.cpu_seconds() - before, json.loads(out.rpartition("JSON ")[2])
    if report["bad"]:
        raise load.LoadError(f"{report['bad']} of {report['requests']} answers were errors")
    return Cost(report["requests"] * 1e6 / report["micros"], spent / report["requests"])


def _uploads(_run: Run, proxy: ours.Proxy, key: str, numbers: "itertools.count[int]") -> Cost:
    mine = list(itertools.islice(numbers, UPLOADS))
    before = proxy.server.cpu_seconds()
    with load.client(None) as client:
        served = client.submit(load.upload_small, proxy.server.port, key, mine, UPLOADERS).result()
    return Cost(served.rate, (proxy.server.cpu_seconds() - before) / UPLOADS)
