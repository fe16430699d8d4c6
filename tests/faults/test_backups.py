"""Backups under a load that never rests, and kill -9 of `db backup` and `db restore` before each touch of a file."""

import asyncio
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from authproxy.domain.keys import KeyId
from authproxy.store import Store, StoreError, copying, engine, migrate
from authproxy.store.backups import BackedUp, back_up, inspect
from authproxy.store.driver import sqlite3
from tests.store.samples import KEY, NOW, finish, upload
from tests.store.test_runs import server

ROUNDS, SOME = 20, 3
BEFORE = 40  # lines that the load says between two backups, about as many commits
PATIENCE = 60.0


@dataclass(slots=True)
class Load:
    """What a program that uploads as fast as it can was told; `said` grows."""

    program: "subprocess.Popen[str]"
    said: list[str] = field(default_factory=list)

    def listen(self) -> None:
        assert self.program.stdout is not None
        self.said.extend(self.program.stdout)

    def acknowledged(self) -> set[tuple[str, str]]:
        """("admitted" or "stored", version) of every commit that was acknowledged by now."""
        return {(what, version) for what, version in (line.split() for line in list(self.said) if line.endswith("\n"))}

    def more(self, lines: int) -> None:
        """Wait for so many lines more."""
        wanted, until = len(self.said) + lines, time.monotonic() + PATIENCE
        while len(self.said) < wanted:
            assert time.monotonic() < until, "the load has stopped"
            time.sleep(0.002)


@pytest.fixture(params=["truncate", "wal"])
def journal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Without WAL, where a commit makes a copy begin again, and with it."""
    mode: str = request.param
    monkeypatch.setattr(engine, "wal_is_safe", lambda _: mode == "wal")
    return mode


@pytest.fixture
def database(journal: str, tmp_path: Path) -> Path:
    """A store with one key."""
    path = tmp_path / journal / "authproxy.db"
    path.parent.mkdir()

    async def made() -> None:
        await migrate(f"sqlite:///{path}")
        store = await Store.open(f"sqlite:///{path}")
        await store.add_key(KEY)
        await store.close()

    asyncio.run(made())
    return path


@contextmanager
def loaded(database: Path, journal: str) -> Iterator[Load]:
    """Run the load until the `with` ends."""
    with server(f"sqlite:///{database}", journal, "many") as program:
        load = Load(program)
        listening = threading.Thread(target=load.listen)
        listening.start()
        try:
            yield load
        finally:
            program.kill()
            listening.join(PATIENCE)


def lacks(copy: Path, acknowledged: set[tuple[str, str]]) -> list[str]:
    """What was acknowledged and is not in a copy; or why the copy cannot be used."""
    try:
        found = inspect(copy)
        with closing(sqlite3.connect(f"file:{copy}?immutable=1", uri=True)) as database:
            there = {("admitted", version) for (version,) in database.execute("SELECT version FROM record")}
            there |= {("stored", version) for (version,) in database.execute("SELECT version FROM files")}
    except (StoreError, sqlite3.Error) as exc:
        return [str(exc)]
    flaw = [] if found.flaw is None else [found.flaw]
    return flaw + sorted(f"{what} {version}" for what, version in acknowledged - there)


@pytest.mark.parametrize(
    "rounds", [pytest.param(ROUNDS, marks=[pytest.mark.faults, pytest.mark.timeout(600)]), SOME], ids=["many", "some"]
)
def test_a_backup_under_load_holds_what_was_acknowledged_before(
    database: Path, journal: str, rounds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every commit of which the load had been told when the backup began; and the load goes on."""
    monkeypatch.setattr(copying, "PAGES", 4)  # so that commits come between the steps of a database that is small still
    made: list[BackedUp] = []
    with loaded(database, journal) as load:
        for number in range(rounds):
            load.more(BEFORE)
            before = load.acknowledged()
            made.append(back_up(f"sqlite:///{database}", tmp_path / f"{number}.db", replace=False))
            assert lacks(made[-1].path, before) == [], number
        commits = len(load.acknowledged())
    assert commits >= rounds * BEFORE
    again = [each.copied for each in made if each.copied.restarts]
    assert bool(again) == (journal != "wal"), "without WAL the load has to come between"
    held = max(each.copied.held for each in made)
    print(
        f"{journal}: {rounds} backups, {commits} commits, {len(again)} began again, writers waited {held:.3f} s at most"
    )


def test_control_a_copy_of_the_file_under_load_lacks_commits(database: Path, journal: str, tmp_path: Path) -> None:
    """What the check above says of `cp` by a slow disk: torn, or without what was acknowledged before it began."""
    seen: list[str] = []
    with loaded(database, journal) as load:
        for number in range(5):
            load.more(BEFORE)
            before = load.acknowledged()
            with database.open("rb") as source, (tmp_path / f"{number}.db").open("wb") as target:
                target.write(source.read(40_000))
                load.more(BEFORE)
                target.write(source.read())
            seen += lacks(tmp_path / f"{number}.db", before)
    assert seen


@dataclass(slots=True)
class Interrupted:
    """Runs a backup or a restore to its n-th touch of a file."""

    program: "subprocess.Popen[str]"

    def __call__(self, number: int, command: str) -> bool:
        """Whether it came to its end."""
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        self.program.stdin.write(f"{number} {command}\n")
        self.program.stdin.flush()
        status = int(self.program.stdout.readline())
        assert status in {0, -9}
        return status == 0


@pytest.fixture
def interrupted(tmp_path: Path) -> Iterator[Callable[[int, str], bool]]:
    """A store with one key, or two after its backup; the program that is killed."""
    url = f"sqlite:///{tmp_path / 'authproxy.db'}"

    async def made() -> None:
        await migrate(url)
        store = await Store.open(url)
        await store.add_key(KEY)
        await finish(store)
        back_up(url, tmp_path / "b.db", replace=False)
        await finish(store, upload("2.0"))
        await store.revoke(KeyId(KEY.id), NOW)
        await store.close()

    asyncio.run(made())
    argv = [sys.executable, "-m", "tests.faults.interrupted", url, str(tmp_path / "b.db")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        yield Interrupted(program)
        assert program.stdin is not None
        program.stdin.close()


def standing(path: Path) -> tuple[int, bool]:
    """How many rows a store has on record, and whether its key is revoked; it must be whole."""
    found = inspect(path)
    assert found.flaw is None
    with closing(sqlite3.connect(path)) as database:
        return found.rows, database.execute("SELECT revoked IS NOT NULL FROM keys").fetchone() == (1,)


OLD, RESTORED, BACKUP = (2, True), (1, True), (1, False)


def test_a_backup_that_is_killed_leaves_the_old_one(interrupted: Callable[[int, str], bool], tmp_path: Path) -> None:
    """Written over with --force, before each touch of a file: the file is the old backup or the new one."""
    backup = tmp_path / "b.db"
    seen = set()
    for number in range(1000):
        ended = interrupted(number, "backup")
        seen.add(standing(backup))
        assert standing(tmp_path / "authproxy.db") == OLD
        if ended:
            break
    assert seen == {BACKUP, OLD}
    assert number > 10
    assert not list(tmp_path.glob(".authproxy-*")), "the last one has taken away what the others left"
    print(f"{number} kills of a backup")


def test_a_restore_that_is_killed_leaves_the_old_store_or_the_new_one(
    interrupted: Callable[[int, str], bool], tmp_path: Path
) -> None:
    """Never neither: a service that finds no store would make an empty one. And no revocation comes back."""
    path, kept = tmp_path / "authproxy.db", tmp_path / "kept"
    shutil.copy(path, kept)
    seen = set()
    for number in range(1000):
        ended = interrupted(number, "restore")
        seen.add(standing(path))
        assert standing(tmp_path / "b.db") == BACKUP
        asides = list(tmp_path.glob("*.before-restore-*"))
        assert all(standing(each) == OLD for each in asides if not each.name.endswith("-journal"))
        if ended:
            break
        if standing(path) == RESTORED:
            for each in asides:
                each.unlink()
            shutil.copy(kept, tmp_path / "again")
            (tmp_path / "again").replace(path)
    assert seen == {OLD, RESTORED}
    assert number > 15
    assert not list(tmp_path.glob(".authproxy-*"))
    print(f"{number} kills of a restore")


def test_control_a_restore_by_copying_over_is_caught(tmp_path: Path) -> None:
    """What the check above says of `cp backup store`, killed in the middle."""
    url = f"sqlite:///{tmp_path / 'authproxy.db'}"
    asyncio.run(migrate(url))
    content = (tmp_path / "authproxy.db").read_bytes()
    (tmp_path / "authproxy.db").write_bytes(content[: len(content) // 2])
    with pytest.raises(StoreError):
        standing(tmp_path / "authproxy.db")
