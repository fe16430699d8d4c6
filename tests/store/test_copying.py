"""A copy is one moment of the database, whoever writes; it ends, and writers wait no longer than they must."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from authproxy.store import StoreBusy, copying
from authproxy.store.copying import RESTARTS, copy
from authproxy.store.driver import sqlite3
from authproxy.store.engine import connect, use_wal

ROWS = 400


@pytest.fixture
def source(path: Path, journal: str) -> Path:
    """Some two megabytes: two steps of a copy. In every commit all numbers of `t` are the same."""
    path.touch(0o600)
    with closing(connect(path)) as database:
        database.execute("CREATE TABLE t (n INTEGER, filler BLOB)")
        numbers = f"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < {ROWS})"
        database.execute(f"INSERT INTO t {numbers} SELECT 0, randomblob(5000) FROM c")
        use_wal(database)
        assert database.execute("PRAGMA journal_mode").fetchone()[0] == journal
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    made = tmp_path / "copy"
    made.touch(0o600)
    return made


def numbers(path: Path) -> list[tuple[int]]:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return database.execute("SELECT DISTINCT n FROM t").fetchall()


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[], None]], None]]:
    """Do something in each pause between two steps."""

    def give(work: Callable[[], None]) -> None:
        real = time.sleep

        def sleep(seconds: float) -> None:
            work()
            real(seconds)

        monkeypatch.setattr(copying.time, "sleep", sleep)

    return give


def test_a_copy_at_rest_is_the_database(source: Path, target: Path) -> None:
    """No restart, nobody waited, and nothing is left beside it."""
    assert copy(source, target) == copying.Copied(0, 0.0)
    assert numbers(target) == [(0,)]
    assert [each.name for each in target.parent.glob("copy*")] == ["copy"]


def test_one_commit_between_two_steps(
    source: Path, target: Path, journal: str, between: Callable[[Callable[[], None]], None]
) -> None:
    """Without WAL SQLite begins again and the commit is in the copy; in WAL the copy is of the moment it began."""
    with closing(connect(source)) as writer:
        once: list[int] = []

        def commit() -> None:
            if not once:
                once.append(1)
                writer.execute("UPDATE t SET n = 1")

        between(commit)
        copied = copy(source, target)
    assert copied == copying.Copied(0 if journal == "wal" else 1, 0.0)
    assert numbers(target) == [(0,) if journal == "wal" else (1,)]


def test_a_writer_that_never_rests_cannot_starve_a_copy(
    source: Path, target: Path, journal: str, between: Callable[[Callable[[], None]], None]
) -> None:
    """After three restarts the copy is made in one go; a commit of that time waits, and is done."""
    with closing(connect(source)) as writer:
        counted = iter(range(1, 1000))
        between(lambda: writer.execute("UPDATE t SET n = ?", (next(counted),)) and None)
        copied = copy(source, target)
        writer.execute("UPDATE t SET n = -1")
    assert len(numbers(target)) == 1
    if journal != "wal":
        assert copied.restarts == RESTARTS
        assert 0 < copied.held < 2


def test_writers_go_on_while_it_is_copied(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that writes all the time is never held up for long, and every copy is of one commit."""
    monkeypatch.setattr(copying, "PAGES", 16)
    waits: list[float] = []
    over = threading.Event()

    def write() -> None:
        with closing(connect(source)) as writer:
            while not over.is_set():
                begun = time.monotonic()
                writer.execute("UPDATE t SET n = n + 1 WHERE rowid IN (SELECT rowid FROM t)")
                waits.append(time.monotonic() - begun)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for _ in range(3):
            copy(source, target)
            assert len(numbers(target)) == 1
            target.write_bytes(b"")
    finally:
        over.set()
        writing.join(20)
    assert max(waits) < 3


def test_a_database_that_somebody_keeps_locked_is_busy(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch, journal: str
) -> None:
    """A sentence after the patience, not a wait for ever. In WAL nobody can keep a reader out."""
    monkeypatch.setattr(copying, "PATIENCE", 0.1)
    with closing(connect(source)) as other:
        other.execute("BEGIN EXCLUSIVE")
        if journal == "wal":
            assert copy(source, target).held == 0
        else:
            with pytest.raises((StoreBusy, sqlite3.OperationalError)) as caught:
                copy(source, target)
            assert "held by another" in str(caught.value) or "locked" in str(caught.value)


def test_control_a_copy_of_the_bytes_is_torn(source: Path, target: Path) -> None:
    """What the checks above say of `cp`, with a commit in its middle."""
    with closing(connect(source)) as writer, source.open("rb") as file:
        first = file.read(source.stat().st_size // 2)
        writer.execute("UPDATE t SET n = 1")
        if writer.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        target.write_bytes(first + file.read())
    with closing(sqlite3.connect(target)) as database:
        assert len(database.execute("SELECT DISTINCT n FROM t").fetchall()) > 1
