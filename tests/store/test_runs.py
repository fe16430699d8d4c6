"""What a program leaves when it is killed, and how the next one tells that from a program that still works."""

import asyncio
import errno
import fcntl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from authproxy.store import FileBusy, FileUnsettled, Store, StoreError
from authproxy.store.driver import sqlite3
from authproxy.store.runs import FileRun, in_use
from tests.store.samples import ANY, ENTRY, NOW, admitted, upload

Rows = Callable[..., list[Any]]

# Another server: uploads as fast as it can, and says what was acknowledged.
SERVER = """
import asyncio, itertools, sys
from authproxy.domain.access import Outcome
from authproxy.store import Claim, Store, engine
engine.wal_is_safe = lambda _: sys.argv[2] == "wal"
from tests.store.samples import NOW, admitted, upload
async def one(store, version, end):
    given = await admitted(store, upload(version))
    print("admitted", version, flush=True)
    if end:
        await store.complete(given, Outcome.STORED, index_status=200, time_ms=NOW * 1000)
        print("stored", version, flush=True)
async def main():
    store = await Store.open(sys.argv[1])
    if sys.argv[3] == "one":
        await one(store, "1.0", False)
        await asyncio.sleep(60)
    for n in itertools.count():
        await asyncio.gather(*(one(store, f"{n}.{m}", m != 3) for m in range(4)))
asyncio.run(main())
"""


@contextmanager
def server(url: str, journal: str, what: str) -> Iterator[subprocess.Popen[str]]:
    """FileRun the other server until it is killed."""
    command = [sys.executable, "-c", SERVER, url, journal, what]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


async def test_an_upload_of_a_living_program_is_busy_and_of_a_dead_one_unsettled(
    store: Store, url: str, journal: str
) -> None:
    """From the moment of the kill, not after a deadline; and never before."""
    with server(url, journal, "one") as running:
        assert running.stdout is not None
        assert await asyncio.to_thread(running.stdout.readline) == "admitted 1.0\n"
        assert isinstance(await store.admit(upload("1.0"), ANY, now=NOW), FileBusy)
        running.kill()
        running.wait(10)
        verdict = await store.admit(upload("1.0"), ANY, now=NOW)
        assert isinstance(verdict, FileUnsettled)
        assert await store.settle(verdict.row, None, now=NOW)
        await admitted(store, upload("1.0"))


@pytest.mark.parametrize("lines", [3, 40, 150])
async def test_a_kill_leaves_no_half_row(
    store: Store, url: str, path: Path, journal: str, rows: Rows, lines: int
) -> None:
    """Kill -9 at some moment of many uploads: what was acknowledged is there, and every row has its counterparts."""
    with server(url, journal, "many") as running:
        assert running.stdout is not None
        said = [await asyncio.to_thread(running.stdout.readline) for _ in range(lines)]
        running.kill()
        said += [line for line in running.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    admitted_versions = {line.split()[1] for line in said if line.startswith("admitted")}
    stored_versions = {line.split()[1] for line in said if line.startswith("stored")}
    await store.ping()
    assert rows("PRAGMA integrity_check") == [("ok",)]
    assert admitted_versions <= {version for (version,) in rows("SELECT version FROM record")}
    assert stored_versions <= {version for (version,) in rows("SELECT version FROM files")}
    pending = rows("SELECT id FROM record WHERE outcome = 'pending' ORDER BY id")
    assert pending == rows("SELECT record_id FROM claims ORDER BY record_id")
    stored = rows("SELECT id FROM record WHERE outcome = 'stored' ORDER BY id")
    assert stored == rows("SELECT record_id FROM files ORDER BY record_id")
    assert rows("SELECT used FROM keys") == [(len(pending) + len(stored),)]
    assert len(list(path.parent.glob("*.run-*"))) == 2, "our own lock file, and that of the dead run"
    await admitted(store, upload("999.0"))
    next_one = await Store.open(url)
    assert len(list(path.parent.glob("*.run-*"))) == 2, "our own and its own: whoever opens the store sweeps"
    await next_one.close()


async def test_a_closed_store_leaves_nothing_beside_the_database(store: Store, path: Path) -> None:
    """One lock file while it is open, before the first upload too, so that no backup is restored; and none after."""
    assert in_use(path)
    assert len(list(path.parent.glob("*.run-*"))) == 1
    await store.close()
    assert list(path.parent.glob("*.run-*")) == []
    assert not in_use(path)
    await store.close()


async def test_two_stores_in_one_program_are_two_runs(store: Store, url: str) -> None:
    """An upload through one is busy to the other, until that one is closed."""
    other = await Store.open(url)
    await admitted(other)
    assert isinstance(await store.admit(ENTRY, ANY, now=NOW), FileBusy)
    await other.close()
    assert isinstance(await store.admit(ENTRY, ANY, now=NOW), FileUnsettled)


def test_a_sweep_spares_the_living(tmp_path: Path) -> None:
    """Whoever starts next removes what the dead left and nothing else."""
    database = tmp_path / "a.db"
    living, dead, next_one = FileRun(database), FileRun(database), FileRun(database)
    living.hold()
    (tmp_path / f"a.db.run-{dead.name}").touch()
    next_one.hold()
    next_one.hold()
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        f"a.db.run-{run.name}" for run in (living, next_one)
    )
    assert next_one.alive(living.name)
    assert not next_one.alive(dead.name)
    living.close()
    assert not next_one.alive(living.name)
    next_one.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_program_left_is_no_use_and_what_cannot_be_asked_is(tmp_path: Path) -> None:
    """Nobody is kept from restoring by a crash; whoever might be there counts."""
    database = tmp_path / "a[1].db"
    (tmp_path / "a[1].db.run-dead").touch()
    assert not in_use(database)
    living = FileRun(database)
    living.hold()
    assert in_use(database)
    living.close()
    (tmp_path / "a[1].db.run-loop").symlink_to("a[1].db.run-loop")
    assert in_use(database)


def test_a_lock_that_was_swept_away_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run's sweep between making the file and locking it, played out once."""
    from authproxy.store import runs

    run, lock, swept = FileRun(tmp_path / "a.db"), runs._lock, []

    def sweep_first(descriptor: int, *, wait: bool) -> bool:
        if not swept:
            swept.append(1)
            run._path(run.name).unlink()
        return lock(descriptor, wait=wait)

    monkeypatch.setattr(runs, "_lock", sweep_first)
    run.hold()
    monkeypatch.undo()
    assert FileRun(tmp_path / "a.db").alive(run.name)
    run.close()


def test_a_sweep_passes_over_what_it_cannot_open(tmp_path: Path) -> None:
    """A folder by such a name, and a link that leads nowhere, make no upload fail; a run there counts as alive."""
    database = tmp_path / "a[1].db"
    (tmp_path / "a[1].db.run-folder").mkdir()
    (tmp_path / "a[1].db.run-loop").symlink_to("a[1].db.run-loop")
    (tmp_path / "a[1].db.run-dead").touch()
    (tmp_path / "a1.db.run-anothers").touch()
    run = FileRun(database)
    run.hold()
    assert run.alive("folder")
    assert run.alive("loop")
    assert not run.alive("dead")
    run.close()
    assert {each.name for each in tmp_path.iterdir()} == {
        "a[1].db.run-folder",
        "a[1].db.run-loop",
        "a1.db.run-anothers",
    }


def test_what_cannot_be_locked_or_removed_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network disk without locks: no OSError leaves this room, and the lock goes all the same."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    run, other = FileRun(tmp_path / "a.db"), FileRun(tmp_path / "a.db")
    run.hold()
    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", no_locks)
        with pytest.raises(StoreError, match="cannot be locked: No locks available"):
            other.alive(run.name)
        with pytest.raises(StoreError, match="cannot be created: No locks available"):
            other.hold()
    run._path(run.name).unlink()
    run._path(run.name).mkdir()
    with pytest.raises(StoreError, match="cannot be removed: Is a directory"):
        run.close()
    run.close()


async def test_a_folder_that_takes_no_file_says_so(url: str, tmp_path: Path) -> None:
    """One sentence with the path."""
    run = FileRun(tmp_path / "gone" / "a.db")
    with pytest.raises(StoreError, match=r"a\.db\.run-[0-9a-f]{16} cannot be created: No such file"):
        run.hold()


async def test_a_name_that_leads_elsewhere_is_the_same_database(store: Store, path: Path, tmp_path: Path) -> None:
    """Two programs that reach one file by different names see each other's uploads."""
    link = tmp_path / "link" / "other.db"
    link.parent.mkdir()
    link.symlink_to(path)
    other = await Store.open(f"sqlite:///{link}")
    await admitted(store)
    assert isinstance(await other.admit(ENTRY, ANY, now=NOW), FileBusy)
    await other.close()


def test_sqlite_sees_what_python_waits_for() -> None:
    """The extended result codes that `border` reads are there (Python 3.11)."""
    assert hasattr(sqlite3, "SQLITE_BUSY")
