"""Row `record`: what a long record costs: asking it who put a file there, and verifying it.

Two databases that the migrations made, one with ten thousand rows and one with ten million (a quick run: one million),
written past the store in one go with hashes that fit. The large one takes minutes to make and 9 GB, so it stays under
bench/results for the next run. Whoever asks is the store, in this process on one core.
"""

import asyncio
import hashlib
import itertools
import os
import random
import resource
import shutil
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from authproxy.domain.access import Outcome
from authproxy.store import Admitted, Claim, Entry, Sound, Store, chain, migrate
from authproxy.store.chain import DECIDED, GENESIS, link_hash, row_digest
from authproxy.store.driver import sqlite3
from authproxy.store.tables import SCHEMA
from bench.run import Run
from bench.table import Line, Row, Target, median_ratio
from bench.whocan import KEYS, whocan

FEW, MANY, QUICK = 10_000, 10_000_000, 1_000_000
CACHE = Path(__file__).parent / "results"
BATCH = 10_000
SHARED_MEMORY = Path("/dev/shm")  # no disk, so that only the work is measured
QUESTIONS = 200
UPLOADS = 300
PROJECTS = 500
BEGAN_MS = 1_700_000_000_000
ASKED = Target(2, at_least=False)
COMMITTED = Target(2, at_least=False)
VERIFIED = Target(3, at_least=False)
KEPT_MIB = Target(64, at_least=False, unit=" MiB")
TITLE = "the record of {many:,} rows beside one of {few:,}; SQLite {version}, one core"


def measure(run: Run) -> list[Row]:
    """Build what is missing, then ask both by turns."""
    many = QUICK if run.quick else MANY
    paths = {size: built(run, size) for size in (FEW, many)}
    return [asyncio.run(_measured(run, paths, many))]


def built(run: Run, size: int) -> Path:
    """The database of so many rows: made here, or by an earlier run."""
    path = CACHE / f"record-{SCHEMA}-{size}.db"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        run.say(f"record: {size:,} rows are written")
        made = path.with_suffix(".part")
        made.unlink(missing_ok=True)
        asyncio.run(migrate(f"sqlite:///{made}"))
        fill(made, size)
        made.replace(path)
        made.with_name(f"{made.name}-journal").unlink(missing_ok=True)
    return path


def fill(path: Path, size: int) -> None:
    """Write rows, links and files of `size` uploads, the indexes last."""
    with sqlite3.connect(path, isolation_level=None) as opened:
        opened.execute("PRAGMA journal_mode = OFF")
        opened.execute("PRAGMA synchronous = OFF")
        opened.execute("PRAGMA cache_size = -400000")  # KiB
        indexes = opened.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name IN ('record', 'files') AND sql > ''"
        ).fetchall()
        for name, _ in indexes:
            opened.execute(f"DROP INDEX {name}")
        opened.execute("BEGIN")
        made = _made(size)
        columns = ", ".join(f'"{name}"' for name in (*DECIDED, "outcome", "index_status", "completed_ms"))
        while batch := list(itertools.islice(made, BATCH)):
            opened.executemany(
                f"INSERT INTO record ({columns}) VALUES ({', '.join('?' * 25)})",
                [(*row, "stored", 200, row[1] + 50) for row, _ in batch],
            )
            opened.executemany(
                "INSERT INTO links VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [link for _, two in batch for link in two]
            )
            opened.executemany(
                "INSERT INTO files (index_name, identity, project, version, filename, sha256, record_id) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(row[4], row[8], row[5], row[6], row[7], row[10], row[0]) for row, _ in batch],
            )
        opened.execute("COMMIT")
        for _, sql in indexes:
            opened.execute(sql)


def named(number: int) -> tuple[str, str, str, str, str]:
    """Project, version, filename, identity and hash of a file."""
    project, version = f"acme-{number % PROJECTS}", f"1.{number // PROJECTS}"
    digest = hashlib.sha256(f"{number}".encode()).hexdigest()
    return project, version, f"acme_{number % PROJECTS}-{version}.tar.gz", f"{project} {version} sdist", digest


def _made(size: int) -> Iterator[tuple[list[Any], list[tuple[Any, ...]]]]:
    previous, link = GENESIS, 0
    for number in range(1, size + 1):
        project, version, filename, identity, digest = named(number)
        at, key = BEGAN_MS + number * 1000, f"Key{number % 997:09}"
        row: list[Any] = [
            number,
            at,
            f"{number:016x}",
            "upload",
            "",
            project,
            version,
            filename,
            identity,
            20_480,
            digest,
        ]
        row += ["key", key, f"{key}0", f"ci-{number % 997}@acme", "packages[0] acme-*", "upload:acme-*", "10.1.2.3"]
        row += ["twine/6.2.0 CPython/3.12.3", None, None, at]
        decided = row_digest(row)
        links = []
        for at_ms, kind, outcome, status, whose in (
            (at, "decided", "pending", None, decided),
            (at + 50, "ended", "stored", 200, None),
        ):
            link += 1
            told = (link, number, at_ms, kind, outcome, status)
            previous = link_hash(previous, told, whose)
            links.append((*told, whose, previous))
        yield row, links


async def _measured(run: Run, paths: dict[int, Path], many: int) -> Row:
    asked: dict[int, list[float]] = {size: [] for size in paths}
    hashed: dict[int, list[float]] = {size: [] for size in paths}
    stores = {size: await Store.open(f"sqlite:///{path}") for size, path in paths.items()}
    chance = random.Random(7)
    for number in range(run.rounds):
        for size in run.turns(tuple(paths), number):
            numbers = [chance.randint(1, size) for _ in range(QUESTIONS)]
            by_name = [lambda n=n, s=size: stores[s].record.about_file(identity=named(n)[3]) for n in numbers]
            by_hash = [lambda n=n, s=size: stores[s].record.about_file(sha256=named(n)[4]) for n in numbers]
            asked[size].append(await _median(by_name))
            hashed[size].append(await _median(by_hash))
    who = await whocan(run, stores, paths)
    bare, verified, grown = await _walked(run, paths[many], stores[many])
    for store in stores.values():
        await store.close()
    plain, chained = await _uploads(run)
    commits = await _commits(run)
    few_ms, many_ms = (statistics.median(asked[size]) for size in paths)
    few_hash, many_hash = (statistics.median(hashed[size]) for size in paths)
    by_name = median_ratio(asked[many], asked[FEW])
    by_hash = median_ratio(hashed[many], hashed[FEW])
    by_who = median_ratio(who[many], who[FEW])
    few_who, many_who = (statistics.median(who[size]) for size in paths)
    ratio = median_ratio(verified, bare)
    return Row(
        "record",
        TITLE.format(many=many, few=FEW, version=sqlite3.sqlite_version),
        (
            Line(f"audit file NAME, {FEW:,} rows", f"{few_ms:.3f} ms", samples=tuple(asked[FEW])),
            Line(f"audit file NAME, {many:,} rows", f"{many_ms:.3f} ms", by_name, "of few", ASKED, tuple(asked[many])),
            Line(f"audit file SHA256, {FEW:,} rows", f"{few_hash:.3f} ms", samples=tuple(hashed[FEW])),
            Line(
                f"audit file SHA256, {many:,} rows",
                f"{many_hash:.3f} ms",
                by_hash,
                "of few",
                ASKED,
                tuple(hashed[many]),
            ),
            Line(f"policy who-can, {KEYS:,} keys, {FEW:,} rows", f"{few_who:.1f} ms", samples=tuple(who[FEW])),
            Line(
                f"policy who-can, {KEYS:,} keys, {many:,} rows",
                f"{many_who:.1f} ms",
                by_who,
                "of few",
                ASKED,
                tuple(who[many]),
            ),
            Line("a bare scan that hashes the rows", f"{statistics.median(bare):.1f} s", samples=tuple(bare)),
            Line(
                "audit verify", f"{statistics.median(verified):.1f} s", ratio, "of the scan", VERIFIED, tuple(verified)
            ),
            Line("memory that verify added", f"{grown:.1f} MiB", grown, "MiB", KEPT_MIB),
            Line("an upload in the store, no chain", f"{statistics.median(plain) * 1e6:.0f} us", samples=tuple(plain)),
            Line("an upload in the store", f"{statistics.median(chained) * 1e6:.0f} us", samples=tuple(chained)),
            Line("commits of an upload", f"{commits}", commits, "commits", COMMITTED),
        ),
        (
            f"the large database has {paths[many].stat().st_size >> 20:,} MiB",
            "an upload is admit and complete, and its time that of the processor",
        ),
    )


async def _median(questions: list[Callable[[], Awaitable[Any]]]) -> float:
    """The median of the milliseconds that each took; every one must know its file."""
    taken = []
    for question in questions:
        start = time.perf_counter()
        found = await question()
        taken.append((time.perf_counter() - start) * 1000)
        assert found.files
        assert found.rows
    return statistics.median(taken)


async def _walked(run: Run, path: Path, store: Store) -> tuple[list[float], list[float], float]:
    """Seconds of the scan and of verify, by turns, and the MiB that verify added to the peak of this process."""
    bare, verified, grown = [], [], 0.0
    for number in range(min(run.rounds, 3)):
        start = time.perf_counter()
        scan(path)
        bare.append(time.perf_counter() - start)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        found = await store.record.verify()
        verified.append(time.perf_counter() - start)
        assert isinstance(found, Sound), found
        grown = max(grown, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
        run.say(f"record: walked {number + 1} of {min(run.rounds, 3)}")
    return bare, verified, grown


def scan(path: Path) -> str:
    """Read every row and every link once and hash what stands in them: less than that no verification can do."""
    total = hashlib.sha256()
    with sqlite3.connect(path) as opened:
        for table in ("record", "links"):
            for row in opened.execute(f"SELECT * FROM {table}"):
                total.update(repr(row).encode())
    return total.hexdigest()


async def _uploads(run: Run) -> tuple[list[float], list[float]]:
    """Seconds of CPU of an upload in an empty store in memory, with the chain and without it."""
    real = chain.append
    taken: dict[bool, list[float]] = {False: [], True: []}
    for number in range(run.rounds):
        for chained in run.turns((False, True), number):
            chain.append = real if chained else _nothing
            try:
                taken[chained].append(await _upload_cost(SHARED_MEMORY if SHARED_MEMORY.is_dir() else run.scratch))
            finally:
                chain.append = real
    return taken[False], taken[True]


def _nothing(*_: Any) -> None:
    """No link: what the chain costs shows beside this."""


async def _upload_cost(folder: Path) -> float:
    home = folder / f"authproxy-bench-{os.getpid()}"
    home.mkdir(mode=0o700)
    try:
        url = f"sqlite:///{home}/authproxy.db"
        await migrate(url)
        store = await Store.open(url)
        start = time.process_time()
        for number in range(UPLOADS):
            await _one(store, number)
        taken = (time.process_time() - start) / UPLOADS
        await store.close()
        return taken
    finally:
        shutil.rmtree(home)


async def _commits(run: Run) -> int:
    """How often an upload waits for the disk."""
    url = f"sqlite:///{run.scratch}/commits.db"
    await migrate(url)
    store = await Store.open(url)
    seen: list[object] = []
    note = seen.append
    event.listen(Engine, "commit", note)
    await _one(store, 1)
    event.remove(Engine, "commit", note)
    await store.close()
    return len(seen)


async def _one(store: Store, number: int) -> None:
    project, version, filename, identity, digest = named(number)
    what = ("upload", "", project, version, filename, identity, 20_480, digest)
    who = ("password", None, None, "alice", "packages[0] *", "passwords: allow", "10.1.2.3", "twine/6.2.0")
    verdict = await store.admit(Entry(BEGAN_MS, "r", *what, *who), Claim(), now=BEGAN_MS // 1000)
    assert isinstance(verdict, Admitted)
    await store.complete(verdict.ticket, Outcome.STORED, index_status=200, time_ms=BEGAN_MS)
