"""Where the database is, how it commits, and what its failures are called."""

import re
from pathlib import Path

import pytest

from authproxy.store import SchemaError, StoreBusy, StoreError, StoreFull, engine
from authproxy.store.engine import border, connect, database_path, wal_is_safe

URLS = {
    "sqlite:////var/lib/authproxy/a.db": "/var/lib/authproxy/a.db",
    "sqlite:///state/a.db": "state/a.db",
    "sqlite:////with space/and%20percent.db": "/with space/and%20percent.db",
}


@pytest.mark.parametrize(("url", "path"), URLS.items(), ids=URLS.keys())
def test_urls(url: str, path: str) -> None:
    """Three slashes are relative, four absolute, as everywhere with SQLAlchemy; nothing in a path is decoded."""
    assert database_path(url) == Path(path)


NO_URLS = [
    "",
    "a.db",
    "/var/a.db",
    "sqlite://",
    "sqlite:///",
    "sqlite:///:memory:",
    "sqlite://host/a.db",
    "sqlite:///a.db?mode=memory",
    "sqlite+aiosqlite:///a.db",
    "::::",
]


@pytest.mark.parametrize("url", NO_URLS)
def test_what_is_no_url_of_ours(url: str) -> None:
    """One sentence that says what to write, and never the URL itself: it may hold a password."""
    with pytest.raises(StoreError, match="write sqlite:///PATH") as caught:
        database_path(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://user:hunter2@db/a", "postgresql+asyncpg://user:hunter2@db/a"])
def test_what_is_for_files_says_what_is_for_a_server(url: str) -> None:
    """Backups and restores of PostgreSQL are its own; and the URL is not repeated."""
    with pytest.raises(StoreError, match=r"pg_dump and pg_restore do that, see docs/postgresql\.md") as caught:
        database_path(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 9), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((4, 0, 0), True),
    ],
    ids=str,
)
def test_where_wal_is_safe(version: tuple[int, int, int], safe: bool) -> None:
    """Only where the WAL-reset bug is mended: two programs write this database."""
    assert wal_is_safe(version) is safe


def test_commits_reach_the_disk(url: str, path: Path, journal: str) -> None:
    """The settings that lost nothing in a power cut, and no others."""
    connection = connect(path)
    mode, full, extra = "PRAGMA journal_mode", 2, 3
    assert connection.execute(mode).fetchone() == (journal,)
    assert connection.execute("PRAGMA synchronous").fetchone() == (full if journal == "wal" else extra,)
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    connection.close()


def test_a_wal_database_is_turned_back_for_an_old_sqlite(url: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a move to a machine with an older SQLite: turned back where it is safe to, refused where it is open."""
    monkeypatch.setattr(engine, "wal_is_safe", lambda _: True)
    first = connect(path)
    engine.use_wal(first)
    first.execute("SELECT * FROM meta").fetchall()
    monkeypatch.setattr(engine, "wal_is_safe", lambda _: False)
    with pytest.raises(StoreBusy, match="in WAL mode and open elsewhere"):
        connect(path, busy_seconds=0.05)
    first.close()
    second = connect(path)
    assert second.execute("PRAGMA journal_mode").fetchone() == ("truncate",)
    second.close()


def provoke(path: Path, sql: str) -> None:
    """Run statements inside the border."""
    connection = connect(path, busy_seconds=0)
    try:
        with border(path):
            for statement in sql.split(";"):
                connection.execute(statement)
    finally:
        connection.close()


def test_a_full_disk_is_called_so(url: str, path: Path) -> None:
    """SQLite's own limit of pages stands for the disk: it fails with the same code."""
    with pytest.raises(StoreFull, match="the disk is full"):
        provoke(path, "PRAGMA max_page_count=1; CREATE TABLE big AS SELECT randomblob(1000000)")


def test_a_held_database_is_called_so(url: str, path: Path) -> None:
    """Another program writes."""
    other = connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="held by another program: try again"):
        provoke(path, "BEGIN IMMEDIATE")
    other.close()


def test_a_foreign_file_is_called_so(tmp_path: Path) -> None:
    """Not a database at all."""
    path = tmp_path / "x.db"
    path.write_bytes(b"x" * 4096)
    with pytest.raises(SchemaError, match="not an authproxy database"), border(path):
        connect(path)


def test_a_read_only_file_is_called_so(url: str, path: Path) -> None:
    """As where the file or its folder belongs to somebody else."""
    with pytest.raises(StoreError, match="cannot be written: check the owner"):
        provoke(path, "PRAGMA query_only=ON; DELETE FROM meta")


def test_the_sentence_holds_no_statement(url: str, path: Path) -> None:
    """What was asked may hold what somebody sent: only the path and the cause are said."""
    with pytest.raises(StoreError) as caught:
        provoke(path, "SELECT hunter2 FROM nothing")
    assert re.fullmatch(rf"{path} failed: SQLITE_ERROR", str(caught.value))
