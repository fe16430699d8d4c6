"""After a power cut at any moment everything that was acknowledged is there, and nothing is half there."""

import asyncio
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from authproxy.store import Sound, Store, engine, migrate
from authproxy.store.driver import sqlite3
from tests.faults.powercut import Disk, Event, compiled, recorded
from tests.faults.workload import CARELESS
from tests.peers.programs import clean_environment

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="the recorder of system calls is compiled with gcc")

DATABASE, ACKNOWLEDGED = "authproxy.db", "acknowledged"
VARIANTS = (0.0, 0.5, 1.0, 0.2, 0.8)  # how likely a change survives: none, all, and between
Recording = tuple[dict[str, bytes], list[Event]]  # the files before, and what was done to them

SMALL, LARGE = 120, 1250  # points


@pytest.fixture(scope="session")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("recorder"))


@pytest.fixture
def recording(tmp_path: Path, recorder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Recording]:
    """Run the workload in a mode; the database before it, and what was done to it."""

    def run(mode: str) -> Recording:
        wal = mode.startswith("wal")
        monkeypatch.setattr(engine, "wal_is_safe", lambda _: wal)
        folder = tmp_path / "recorded"
        folder.mkdir()
        url = f"sqlite:///{folder / DATABASE}"
        asyncio.run(migrate(url))
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        argv = [sys.executable, "-m", "tests.faults.workload", url, mode, folder / ACKNOWLEDGED]
        root = str(Path(__file__).parents[2])
        return before, recorded(recorder, folder, argv, clean_environment(tmp_path, PYTHONPATH=root))

    return run


def cuts(before: dict[str, bytes], events: list[Event], points: int) -> Iterator[tuple[dict[str, bytes], list[str]]]:
    """So many states after a cut, spread over all moments, each with what had been acknowledged by then."""
    dice = random.Random(4)
    at_risk = _moments_at_risk(before, events)
    chosen = sorted(dice.choices(at_risk, k=points)) if len(at_risk) * len(VARIANTS) > points else at_risk
    each = max(1, points // len(chosen))
    disk, said, moments = Disk(before), b"", iter([*chosen, -1])
    moment = next(moments)
    for number, event in enumerate(events):
        if event.path == ACKNOWLEDGED:
            said += event.data
        else:
            disk.do(event)
        while number == moment:
            for variant in range(each):
                survives = VARIANTS[(number + variant) % len(VARIANTS)]
                yield disk.cut(dice, survives), said.decode().splitlines()
            moment = next(moments)


def _moments_at_risk(before: dict[str, bytes], events: list[Event]) -> list[int]:
    disk, found = Disk(before), []
    for number, event in enumerate(events):
        if event.path != ACKNOWLEDGED:
            disk.do(event)
        if disk.at_risk:
            found.append(number)
    return found


def lost(folder: Path, left: dict[str, bytes], acknowledged: list[str]) -> list[str]:
    """Lay the files out, open them with the store, and name whatever was acknowledged and is not there."""
    for path in folder.iterdir():
        path.unlink()
    for name, content in left.items():
        if name.startswith(DATABASE) and not name.endswith("-shm") and ".run-" not in name:
            (folder / name).touch(mode=0o600)
            (folder / name).write_bytes(content)
    try:
        asyncio.run(_opened(f"sqlite:///{folder / DATABASE}"))
    except Exception as exc:  # noqa: BLE001 - a store that cannot be opened, or whose chain is broken, has lost everything
        return [f"all: {exc}"]
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        try:
            return [*_damage(database), *_missing(database, acknowledged)]
        except sqlite3.DatabaseError as exc:
            return [f"all: {exc}"]


async def _opened(url: str) -> None:
    store = await Store.open(url)
    chain = await store.record.verify()
    await store.close()
    assert isinstance(chain, Sound), chain


HOLDS = {
    "key": "SELECT 1 FROM keys JOIN secrets ON key_id = id WHERE id = ?",
    "revoked": "SELECT 1 FROM keys WHERE id = ? AND revoked IS NOT NULL",
    "paused": "SELECT 1 FROM keys WHERE id = ? AND paused IS NOT NULL",
    "admitted": "SELECT 1 FROM record WHERE version = ? AND action = 'upload'",
    "stored": "SELECT 1 FROM record JOIN files ON record_id = record.id WHERE record.version = ? AND outcome = 'stored'",
    "unknown": "SELECT 1 FROM record JOIN claims ON record_id = record.id WHERE version = ? AND outcome = 'unknown'",
    "refused": "SELECT 1 FROM record WHERE reason = ?",
    "removed": "SELECT 1 FROM files WHERE version = ? AND removed IS NOT NULL",
}
NEVER = {
    "a key without a secret": "SELECT 1 FROM keys WHERE id NOT IN (SELECT key_id FROM secrets)",
    "a claim without a decision": "SELECT 1 FROM claims WHERE record_id NOT IN (SELECT id FROM record)",
    "a file without its upload": "SELECT 1 FROM files WHERE record_id NOT IN (SELECT id FROM record WHERE outcome = 'stored')",
    "a stored upload without its file": "SELECT 1 FROM record WHERE outcome = 'stored' AND id NOT IN (SELECT record_id FROM files)",
    "a pending decision without a claim": "SELECT 1 FROM record WHERE outcome = 'pending' AND id NOT IN (SELECT record_id FROM claims)",
}


def _damage(database: sqlite3.Connection) -> Iterator[str]:
    (found,) = database.execute("PRAGMA integrity_check").fetchone()
    if found != "ok":
        yield f"damaged: {found}"
    yield from (what for what, sql in NEVER.items() if database.execute(sql).fetchone())


def _missing(database: sqlite3.Connection, acknowledged: list[str]) -> Iterator[str]:
    for line in acknowledged:
        what, _, which = line.partition(" ")
        if database.execute(HOLDS[what], (which,)).fetchone() is None:
            yield line


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: what the model decides about is the only disk here."""
    memory = Path("/dev/shm")
    made = (memory if memory.is_dir() else tmp_path) / f"authproxy-cut-{tmp_path.parent.name}-{tmp_path.name}"
    made.mkdir()
    yield made
    shutil.rmtree(made)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("points", [pytest.param(LARGE, marks=pytest.mark.faults), SMALL], ids=["many", "some"])
@pytest.mark.parametrize("mode", ["truncate", "wal"])
def test_nothing_acknowledged_is_lost(recording, empty: Path, mode: str, points: int) -> None:
    """Both ways in which the store commits, cut at moments all over a run."""
    before, events = recording(mode)
    tried = 0
    for left, acknowledged in cuts(before, events, points):
        tried += 1
        assert lost(empty, left, acknowledged) == [], (tried, acknowledged[-3:])
    print(f"{mode}: {tried} power cuts, {len(events)} system calls")
    assert tried >= points


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", CARELESS)
def test_control_a_careless_store_is_caught(recording, empty: Path, mode: str) -> None:
    """The same cuts find what is lost by no sync, by WAL with NORMAL, and by Python's default."""
    before, events = recording(mode)
    found = [each for left, acknowledged in cuts(before, events, SMALL) for each in lost(empty, left, acknowledged)]
    assert found != []
    print(f"{mode}: {len(found)} losses, such as {found[0]}")
