"""Row 4: whether a store of a million keys is slower than one of ten.

Two proxies on core 0, one at work at a time; the client and a sink as the index on core 1. Both stores hold the same
ten keys that work; the million are copies of one of them under random ids. Warm: the key has been used before. Cold:
its first use since the proxy started, so that its row is read and Argon2 runs.
"""

import itertools
import shutil
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

from authproxy.store.driver import sqlite3
from bench import load, ours, peers, wheels
from bench.run import Run
from bench.table import Line, Row, Target, median_ratio

PROXIES, REST = (0,), (1,)
FEW, MANY = 10, 1_000_000
PAGE = f"/simple/{wheels.PROJECT}/"
READS, UPLOADS = 500, 100  # of a warm key, per round
BLOCKS = 5  # so many turns in which the two proxies serve them
WARM = Target(1.1, at_least=False)  # "the same", and a tenth for noise
COLD = Target(1.2, at_least=False)
TITLE = f"{MANY:,} keys in the store beside {FEW}; proxies on core 0, client and a sink as the index on core 1"
READ, UPLOAD, FIRST = "warm key, read of a page", "warm key, upload of 20 KB", "cold key, first use (a read)"

Taken = dict[tuple[str, int], list[float]]


def measure(run: Run) -> list[Row]:
    """Rounds of a restart, nine cold keys each, warm reads and uploads, the two proxies by turns."""
    taken: Taken = {}
    numbers = itertools.count(1)
    with ExitStack() as stack:
        index = stack.enter_context(peers.sink(run.scratch, REST))
        client = stack.enter_context(load.client(REST))
        few, many = (ours.install(run.scratch, index.port) for _ in range(2))
        keys = [f"__token__:{few.key()}" for _ in range(FEW)]
        shutil.copyfile(few.database, many.database)
        multiply(many.database, MANY - FEW)
        run.say(f"a store of {MANY:,} keys is written, {many.database.stat().st_size >> 20} MiB")
        for number in range(run.rounds):
            with ours.serving(few, PROXIES) as one, ours.serving(many, PROXIES) as other:
                ports = run.turns(((FEW, one.server.port), (MANY, other.server.port)), number)
                for measured, seconds in _round(client, ports, keys, numbers).items():
                    taken.setdefault(measured, []).append(statistics.median(seconds) * 1000)
            run.say(f"keys: round {number + 1} of {run.rounds}")
    return [Row("keys", TITLE, tuple(_lines(taken)))]


def multiply(database: Path, times: int) -> None:
    """Copy the first key so many times under random ids: a key that nobody holds costs a store as much as any."""
    with closing(sqlite3.connect(database)) as opened, opened:
        opened.execute("PRAGMA cache_size = -500000")  # KiB: random ids touch the whole of an index
        opened.execute("CREATE TEMP TABLE made (id TEXT)")
        opened.execute(
            "INSERT INTO made WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < ?) "
            "SELECT hex(randomblob(6)) FROM counted",
            (times,),
        )
        for table, of_key in (("keys", "id"), ("secrets", "key_id")):
            columns = [name for _, name, *_ in opened.execute(f"PRAGMA table_info({table})") if name != of_key]
            copied = ", ".join(f"first.{name}" for name in columns)
            opened.execute(
                f"INSERT INTO {table} ({of_key}, {', '.join(columns)}) "
                f"SELECT made.id, {copied} FROM made, (SELECT * FROM {table} LIMIT 1) AS first"
            )


def _round(
    client: ProcessPoolExecutor, ports: Sequence[tuple[int, int]], keys: Sequence[str], numbers: Iterator[int]
) -> Taken:
    """Seconds of every request, by what it was and how many keys the store holds."""
    taken: Taken = {}

    def serve(kind: str, size: int, port: int, requests: Sequence[bytes]) -> None:
        taken.setdefault((kind, size), []).extend(client.submit(load.read, port, requests).result().latencies)

    for _, port in ports:  # the first request of all pays for what every proxy sets up once
        client.submit(load.read, port, [load.get(PAGE, keys[0])] * 20).result()
        client.submit(load.upload_small, port, keys[0], list(itertools.islice(numbers, 5)), 1).result()
    for cold in keys[1:]:
        for size, port in ports:
            serve(FIRST, size, port, [load.get(PAGE, cold)])
    for _ in range(BLOCKS):
        for size, port in ports:
            serve(READ, size, port, [load.get(PAGE, keys[0])] * (READS // BLOCKS))
            uploads = [wheels.small(next(numbers)).request(keys[0]) for _ in range(UPLOADS // BLOCKS)]
            serve(UPLOAD, size, port, uploads)
    return taken


def _lines(taken: Taken) -> Iterator[Line]:
    for kind, target in ((READ, WARM), (UPLOAD, WARM), (FIRST, COLD)):
        few, many = taken[kind, FEW], taken[kind, MANY]
        yield Line(f"{kind}, {FEW} keys", f"{statistics.median(few):.3f} ms", samples=tuple(few))
        measured = f"{statistics.median(many):.3f} ms"
        yield Line(f"{kind}, {MANY:,} keys", measured, median_ratio(many, few), f"of {FEW}", target, tuple(many))
