"""Looking at a database: everything is seen, and not a byte of it, or beside it, is another afterwards."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from authproxy.domain.keys import KeyId, PublicId
from authproxy.store import SchemaError, SealedKey, Store, StoreError
from authproxy.store.driver import sqlite3
from authproxy.store.examination import NAMED, Examination, StoreInterrupted, StoreMissing, examine, sqlite_version
from authproxy.store.tables import SCHEMA
from tests.store.samples import ENTRY, KEY, NOW

SOON = NOW + 1_000


def seen(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Every file with its bytes, its mode and when it was changed."""
    found = {path.name: (path, path.stat()) for path in folder.iterdir() if path.is_file()}
    return {name: (path.read_bytes(), status.st_mode, status.st_mtime_ns) for name, (path, status) in found.items()}


def look(path: Path) -> Examination:
    """Examine, and hold it to its word."""
    before = seen(path.parent)
    try:
        return examined(path)
    finally:
        assert seen(path.parent) == before


def examined(path: Path) -> Examination:
    """Examine; a function with a name, so that another process can be told to call it."""
    return examine(f"sqlite:///{path}", now=NOW, horizon=SOON)


def look_from_outside(path: Path) -> Examination:
    """Look from a process of its own, as doctor does while the server runs: in one process SQLite shares its files."""
    before = seen(path.parent)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(examined, (path,))
    assert seen(path.parent) == before
    return found


async def test_a_store_that_nobody_has_open(url: str, path: Path, journal: str) -> None:
    """Its mode, its journal and its schema are said, and it is as it was."""
    found = look(path)
    assert (found.private, found.current, found.newer, found.revision) == (True, True, False, SCHEMA)
    assert found.wal is (journal == "wal")
    assert found.census is not None
    assert found.census.live == 0


async def test_a_store_that_a_server_has_open(store: Store, path: Path) -> None:
    """What it has committed is seen, also where that stands in the WAL alone."""
    await store.add_key(replace(KEY, id=KeyId("Abc123XYZ780"), policy="other"))
    found = look_from_outside(path)
    assert found.census is not None
    assert found.census.policies == {"other": 1, "release": 1}


async def test_which_keys_end_soon_and_which_never(store: Store, path: Path) -> None:
    """Revoked and expired keys are no news; of the others the soonest are named, and all of them counted."""
    changes: dict[str, dict[str, int | None]] = {
        "revoked": {"revoked": NOW - 1, "expires": SOON},
        "expired": {"expires": NOW},
        "endless": {"expires": None},
        **{f"soon-{number}": {"expires": SOON - number} for number in range(NAMED + 2)},
    }
    for number, (owner, change) in enumerate(changes.items()):
        await store.add_key(replace(KEY, id=KeyId(f"Abc123XYZ{number:03}"), owner=owner, **change))
    census = look_from_outside(path).census
    assert census is not None
    assert census.live == 1 + 1 + NAMED + 2
    assert census.ending.count == NAMED + 2
    assert [key.owner for key in census.ending.first] == [f"soon-{number}" for number in range(NAMED + 1, 1, -1)]
    assert [(key.owner, key.expires) for key in census.endless.first] == [("endless", None)]
    assert census.endless.count == 1


@pytest.mark.parametrize(
    ("revision", "newer"),
    [pytest.param("0000", False, id="an older one"), pytest.param("9999", True, id="a newer one")],
)
async def test_another_schema(url: str, path: Path, revision: str, newer: bool) -> None:
    """It is named, and the keys of a schema that this program does not know are not guessed at."""
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.commit()
    connection.close()
    found = look(path)
    assert (found.revision, found.current, found.newer, found.census) == (revision, False, newer, None)


async def test_what_others_may_read_is_said(url: str, path: Path) -> None:
    """The server would not open it; this does, and says the mode."""
    path.chmod(0o644)
    path.parent.chmod(0o777)
    found = look(path)
    assert (found.private, found.mode, found.folder_mode) == (False, 0o644, 0o777)


def test_an_empty_file_is_a_database_without_a_schema(tmp_path: Path) -> None:
    """As SQLite sees it, and as `db migrate` leaves it where it is interrupted."""
    (tmp_path / "authproxy.db").touch(mode=0o600)
    assert look(tmp_path / "authproxy.db").revision is None


def _garbage(path: Path) -> None:
    path.write_bytes(b"this is a text file and no database" * 100)


def _foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name)")
    connection.close()


@pytest.mark.parametrize(
    ("prepare", "error", "words"),
    [
        pytest.param(lambda _path: None, StoreMissing, "does not exist", id="nothing"),
        pytest.param(lambda path: path.mkdir(), StoreError, "is no file", id="a folder"),
        pytest.param(_garbage, SchemaError, "is not an authproxy database", id="a text file"),
        pytest.param(_foreign, SchemaError, "tables of another program", id="somebody else's database"),
    ],
)
def test_what_cannot_be_looked_at(
    tmp_path: Path, prepare: Callable[[Path], None], error: type[StoreError], words: str
) -> None:
    """One sentence, and nothing is made where nothing was."""
    path = tmp_path / "authproxy.db"
    prepare(path)
    with pytest.raises(error, match=words):
        look(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_that_may_not_be_read(url: str, path: Path) -> None:
    """A sentence with what the system says."""
    path.chmod(0)
    with pytest.raises(StoreError, match="permission denied"):
        examined(path)


KILLED = """\
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode=truncate")
connection.execute("PRAGMA cache_size=1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("CREATE TABLE filler (x)")
for _ in range(2000):
    connection.execute("INSERT INTO filler VALUES (randomblob(500))")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("journal", ["truncate"], indirect=True)
async def test_a_commit_that_was_cut_off_is_left_for_who_may_mend_it(url: str, path: Path) -> None:
    """A hot journal is named and left; the control: opening the store, as the server does, takes it back."""
    subprocess.run([sys.executable, "-c", KILLED, path], timeout=60, check=False)
    assert path.with_name(f"{path.name}-journal").stat().st_size > 0
    with pytest.raises(StoreInterrupted, match="in the middle of a commit"):
        look(path)
    before = path.read_bytes()
    await (await Store.open(url)).close()
    assert path.read_bytes() != before
    assert look(path).current


KILLED_IN_WAL = """\
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode=wal")
connection.execute("UPDATE meta SET generation = 41")
connection.execute("UPDATE alembic_version SET version_num = '0000'")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("journal", ["wal"], indirect=True)
async def test_what_a_killed_server_left_in_its_wal_is_seen(url: str, path: Path) -> None:
    """It had committed that; nobody has yet copied it into the database itself, and this does not either."""
    subprocess.run([sys.executable, "-c", KILLED_IN_WAL, path], timeout=60, check=False)
    assert path.with_name(f"{path.name}-wal").stat().st_size > 0
    assert look(path).revision == "0000"


def test_the_version_of_sqlite() -> None:
    """It is that of the library in this program."""
    assert sqlite_version()[0] == sqlite3.sqlite_version


async def test_a_record_that_was_changed_is_seen(store: Store, path: Path) -> None:
    """Of the youngest rows; the control is the same record before."""
    await store.record_refusal(ENTRY, "no-rule", "no")
    assert look_from_outside(path).flaw is None
    connection = sqlite3.connect(path)
    connection.execute("UPDATE record SET owner = 'mallory'")
    connection.commit()
    connection.close()
    assert look_from_outside(path).flaw == "row 1 was changed"


async def test_what_is_sealed_is_counted_by_its_beginning(store: Store, path: Path) -> None:
    """Of keys that work, or could again: those that were revoked need no master key."""
    await store.derivations.seal(SealedKey(PublicId(KEY.id + "0"), b"under one" + b"nonce and so on"))
    bare = replace(KEY, id=KeyId("B" * 12))
    gone = replace(KEY, id=KeyId("C" * 12), revoked=NOW)
    for each in (bare, gone):
        await store.add_key(each)
    await store.close()
    found = look(path)
    assert found.census is not None
    assert found.census.sealed == {b"under one": 1, None: 1}
