"""A database is made, brought up to date, or refused; never half."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from authproxy.store import SchemaError, Store, StoreError, current, migrate
from authproxy.store.driver import sqlite3
from tests.peers.sqlite import dumped
from tests.store.earlier import at_schema
from tests.store.samples import KEY, admitted

Rows = Callable[..., list[Any]]


async def test_migrating_again_changes_nothing(url: str, path: Path) -> None:
    """Idempotent: rows and schema stay."""
    store = await Store.open(url)
    await store.add_key(KEY)
    await store.close()

    def dump() -> list[str]:
        connection = sqlite3.connect(path)
        try:
            return dumped(connection)
        finally:
            connection.close()

    before = dump()
    await migrate(url)
    assert dump() == before
    assert await current(url)


async def test_two_programs_may_migrate_at_once(tmp_path: Path) -> None:
    """Two starts of the same installation: both end well, and the tables are made once."""
    url = f"sqlite:///{tmp_path / 'new.db'}"
    await asyncio.gather(*(migrate(url) for _ in range(4)))
    assert await current(url)


async def test_a_database_of_tomorrow_is_refused(url: str, rows: Rows, database: str) -> None:
    """An older program neither opens nor migrates it, and says what to do."""
    rows("UPDATE alembic_version SET version_num = '9999'")
    if database == "postgres":  # where the newer program would have said that older ones may go on
        rows("COMMENT ON TABLE alembic_version IS 'authproxy works on this from schema 9999'")
    for attempt in (migrate, Store.open):
        with pytest.raises(SchemaError, match=r"schema 9999 .* install a newer authproxy"):
            await attempt(url)
    assert not await current(url)


async def test_a_database_of_yesterday_says_what_to_run(url: str, rows: Rows) -> None:
    """Opening never migrates by itself."""
    rows("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(SchemaError, match="run `authproxy db migrate`"):
        await Store.open(url)
    with pytest.raises(SchemaError, match="is at schema 0000, which this authproxy does not know"):
        await migrate(url)


async def test_opening_creates_nothing(tmp_path: Path) -> None:
    """A mistyped path is an error, not a new and empty store in which no key is known."""
    url = f"sqlite:///{tmp_path / 'none.db'}"
    with pytest.raises(SchemaError, match=r"none\.db does not exist: run `authproxy db migrate`"):
        await Store.open(url)
    assert not await current(url)
    assert list(tmp_path.iterdir()) == []


async def test_an_empty_file_is_not_current(tmp_path: Path) -> None:
    """As a crash between creating and migrating leaves it; migrating it works."""
    path = tmp_path / "empty.db"
    path.touch(0o600)
    url = f"sqlite:///{path}"
    with pytest.raises(SchemaError, match="run `authproxy db migrate`"):
        await Store.open(url)
    await migrate(url)
    assert await current(url)


async def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    """Tables of somebody else are neither opened nor added to."""
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE keys (id)")
    connection.commit()
    connection.close()
    path.chmod(0o600)
    for attempt in (migrate, Store.open, current):
        with pytest.raises(SchemaError, match="not an authproxy database"):
            await attempt(f"sqlite:///{path}")


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    """A config file given by mistake, say."""
    path = tmp_path / "config.yaml"
    path.write_text("listen: 127.0.0.1:8080\n" * 100)
    path.chmod(0o600)
    for attempt in (migrate, Store.open, current):
        with pytest.raises(SchemaError, match="is not an authproxy database"):
            await attempt(f"sqlite:///{path}")
    assert path.read_text().startswith("listen")


async def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """The sentence names the path and the cause."""
    with pytest.raises(StoreError, match=r"gone/a\.db cannot be created, there is no folder .*: mkdir -p -m 700 "):
        await migrate(f"sqlite:///{tmp_path}/gone/a.db")


async def test_a_folder_is_no_database(tmp_path: Path) -> None:
    """A path that stops too early is said to be that, by all three."""
    for attempt in (migrate, Store.open, current):
        with pytest.raises(StoreError, match="is no file"):
            await attempt(f"sqlite:///{tmp_path}")


async def test_a_path_through_a_file_is_a_sentence(tmp_path: Path) -> None:
    """What the system says of a path reaches the operator without a traceback."""
    (tmp_path / "file").touch()
    for attempt, verb in ((migrate, "created"), (Store.open, "opened"), (current, "opened")):
        with pytest.raises(StoreError, match=f"cannot be {verb}: Not a directory"):
            await attempt(f"sqlite:///{tmp_path}/file/a.db")


async def test_every_file_is_its_owners_alone(url: str, path: Path) -> None:
    """The database and whatever SQLite and we put beside it are 0600, whatever the umask."""
    old = os.umask(0)
    try:
        store = await Store.open(url)
        await store.add_key(KEY)
        await admitted(store)
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
        await store.close()
    finally:
        os.umask(old)
    assert len(modes) >= 3
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
async def test_a_database_that_others_can_read_is_refused(url: str, path: Path, mode: int) -> None:
    """After a restore with a loose umask, say; the sentence says what to do."""
    path.chmod(mode)
    for attempt in (migrate, Store.open):
        with pytest.raises(StoreError, match=f"mode {mode:04o} .* chmod 600"):
            await attempt(url)


KILLED = """
import asyncio, os, sys
from alembic import op
from authproxy.store import migrate
make, made = op.create_table, []
def create_table(*args, **kwargs):
    made.append(args[0])
    if len(made) == 4:
        os.kill(os.getpid(), 9)
    return make(*args, **kwargs)
op.create_table = create_table
asyncio.run(migrate(sys.argv[1]))
"""


async def test_a_migration_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    """All tables or none: kill -9 after the third; the next run starts from nothing and ends."""
    path = tmp_path / "killed.db"
    url = f"sqlite:///{path}"
    ended = subprocess.run([sys.executable, "-c", KILLED, url], check=False, timeout=60, capture_output=True)
    assert ended.returncode == -9, ended.stderr
    with pytest.raises(SchemaError):
        await Store.open(url)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()
    await migrate(url)
    assert await current(url)


async def test_a_database_of_the_first_schema_is_brought_up(url: str, path: Path, rows: Rows) -> None:
    """What an older version wrote stays, and what is new about it is empty."""
    path.unlink()
    row = "INSERT INTO files VALUES (7, '', 'acme 1 sdist', 'acme', '1', 'acme-1.zip', 'f', NULL)"
    at_schema(path, "0001", lambda connection: connection.exec_driver_sql(row))
    with pytest.raises(SchemaError, match="run `authproxy db migrate`"):
        await Store.open(url)
    await migrate(url)
    store = await Store.open(url)
    row = await store.file("", "acme 1 sdist")
    assert row is not None
    assert (row.id, row.filename, row.removed) == (7, "acme-1.zip", False)
    await store.close()
    assert rows("SELECT version_num FROM alembic_version") != [("0001",)]
