"""Row 6: the decision that nginx asks for before each download, beside a bare aiohttp server on the same core.

Both get the same request, with the headers that the nginx recipe sends and a key that has been used before. The server
has core 0, wrk core 1; no index and no web server is in the way.
"""

import json
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from sys import executable

from bench import load, ours, peers, wheels
from bench.reads import WRK_REPORT
from bench.run import Run
from bench.table import MISSING, Line, Row, Target, median_ratio

SERVER, REST = (0,), (1,)
CONNECTIONS = 16
TARGET = Target(0.5, at_least=True)
BARE, KEYED, OPEN = "bare aiohttp, an empty 200", "forward auth, reads: key, a warm key", "forward auth, reads: open"
TITLE = f"/-/auth as nginx asks it, {CONNECTIONS} connections (wrk); server on core 0, client on core 1"


@dataclass(frozen=True, slots=True)
class Way:
    """One server that is asked, and by whom."""

    name: str
    port: int
    credential: str | None = None


def measure(run: Run) -> list[Row]:
    """Rounds of the three, by turns."""
    if not peers.program("wrk"):
        return [Row("forward-auth", TITLE, (Line("wrk as the client", MISSING),))]
    taken: dict[str, list[float]] = {}
    with ExitStack() as stack:
        bare = peers.free_port()
        stack.enter_context(
            peers.started("bare", [executable, "-m", "bench.bare", str(bare)], bare, run.scratch, SERVER)
        )
        keyed, opened = (stack.enter_context(ours.serving(_installed(run, reads), SERVER)) for reads in ("key", "open"))
        ways = (
            Way(BARE, bare, f"__token__:{'x' * 66}"),
            Way(KEYED, keyed.server.port, keyed.credential()),
            Way(OPEN, opened.server.port),
        )
        for number in range(run.rounds):
            for way in run.turns(ways, number):
                taken.setdefault(way.name, []).append(_rate(run, way))
            run.say(f"forward auth: round {number + 1} of {run.rounds}")
    return [Row("forward-auth", TITLE, tuple(_line(name, rates, taken[BARE]) for name, rates in taken.items()))]


def _installed(run: Run, reads: str) -> ours.Installation:
    made = ours.install(run.scratch, peers.free_port())
    text = made.config.read_text().replace("reads: index\n", f"reads: {reads}\ntrusted_proxies: [127.0.0.1]\n")
    made.config.write_text(text)
    return made


def _line(name: str, rates: Sequence[float], bare: Sequence[float]) -> Line:
    measured = f"{sorted(rates)[len(rates) // 2]:,.0f} requests/s"
    if name == BARE:
        return Line(name, measured, samples=tuple(rates))
    return Line(name, measured, median_ratio(rates, bare), "of bare", TARGET if name == KEYED else None, tuple(rates))


def _rate(run: Run, way: Way) -> float:
    script = run.scratch / "wrk.lua"
    script.write_text(WRK_REPORT)
    headers = [
        f"X-Original-URI: /packages/{wheels.filename(1)}",
        "X-Original-Method: GET",
        "X-Forwarded-For: 192.0.2.7",
        "User-Agent: pip/26.3",
        *([wheels.authorization(way.credential).strip()] if way.credential else []),
    ]
    command = ["taskset", "--cpu-list", str(REST[0]), str(peers.program("wrk")), "-s", str(script)]
    command += [
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{1 if run.quick else 4}s",
        *(word for one in headers for word in ("-H", one)),
    ]
    out = subprocess.run(
        [*command, f"http://127.0.0.1:{way.port}/-/auth"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    report = json.loads(out.rpartition("JSON ")[2])
    if report["bad"]:
        raise load.LoadError(f"{way.name}: {report['bad']} of {report['requests']} answers were no yes")
    return float(report["requests"] / (report["micros"] / 1e6))
