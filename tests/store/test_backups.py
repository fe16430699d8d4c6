"""What is in a backup, when it appears, and what the look at a file says of it."""

import shutil
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from authproxy.store import SchemaError, Store, StoreError, backups
from authproxy.store.backups import back_up, inspect, stamp
from authproxy.store.driver import sqlite3
from tests.store.samples import KEY, NOW, finish, upload

pytestmark = pytest.mark.sqlite("a store that is a file")


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for each in statements:
            database.execute(each)


async def test_a_backup_of_an_open_store_can_be_opened(store: Store, url: str, tmp_path: Path) -> None:
    """It holds the keys and the record, is private, and says what is in it; the store goes on."""
    await finish(store)
    made = back_up(url, tmp_path / "b.db", replace=False)
    await finish(store, upload("2.0"))
    assert (made.found.keys, made.found.rows, made.found.last_ms, made.found.flaw) == (1, 1, NOW * 1000, None)
    assert made.size == made.path.stat().st_size
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert made.found.current
    copied = await Store.open(f"sqlite:///{made.path}")
    assert await copied.key(KEY.id) is not None
    await copied.close()


async def test_in_a_folder_it_gets_a_name_with_the_time(store: Store, url: str, tmp_path: Path) -> None:
    """So a schedule needs no shell; the name sorts as the time does."""
    await store.ping()
    (tmp_path / "folder").mkdir()
    made = back_up(url, tmp_path / "folder", replace=False)
    assert made.path.name == f"authproxy-{stamp(made.begun)}.db"
    assert stamp(NOW) == "20270115T080000Z"


async def test_what_is_there_is_kept_unless_it_is_forced(store: Store, url: str, path: Path, tmp_path: Path) -> None:
    """And the store itself is never written over, by whatever name."""
    await store.ping()
    target = tmp_path / "b.db"
    target.write_text("mine")
    with pytest.raises(StoreError, match="exists already"):
        back_up(url, target, replace=False)
    assert target.read_text() == "mine"
    back_up(url, target, replace=True)
    assert inspect(target).keys == 1
    (tmp_path / "link").symlink_to(path)
    for name in (path, tmp_path / "link"):
        with pytest.raises(StoreError, match="is the store itself"):
            back_up(url, name, replace=True)


async def test_a_copy_that_is_damaged_never_gets_its_name(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look at what was written is not for show."""
    await store.ping()
    real = backups.copy

    def bad(source: Path, target: Path) -> object:
        copied = real(source, target)
        content = bytearray(target.read_bytes())
        content[4096 * 6 : 4096 * 7] = bytes(4096)
        target.write_bytes(content)
        return copied

    monkeypatch.setattr(backups, "copy", bad)
    with pytest.raises(StoreError, match="was copied, and the copy cannot be used"):
        back_up(url, tmp_path / "b.db", replace=False)
    assert not list(tmp_path.glob("b.db*")) + list(tmp_path.glob(".authproxy-*"))


async def test_a_record_that_does_not_fit_is_backed_up_and_told(store: Store, url: str, tmp_path: Path) -> None:
    """The keys in it are needed all the same, and what happened to the record is evidence."""
    await finish(store)
    await store.close()
    change(tmp_path / "authproxy.db", "UPDATE record SET owner = 'mallory'")
    made = back_up(url, tmp_path / "b.db", replace=False)
    assert made.found.flaw == "row 1 was changed"


def _older(path: Path) -> None:
    change(path, "UPDATE alembic_version SET version_num = '0002'")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _orphan(path: Path) -> None:
    change(path, "PRAGMA foreign_keys=OFF", "INSERT INTO secrets (key_id, slot, digest, created) VALUES ('x','0','',0)")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (Path.unlink, "does not exist"),
        (lambda path: (path.unlink(), path.mkdir()), "is no file"),
        (_empty, "is an empty database"),
        (lambda path: path.write_bytes(b"not a database at all " * 500), "is not an authproxy database"),
        (_torn, "is damaged"),
        (_orphan, "is damaged: a row of secrets belongs to nothing"),
        (lambda path: change(path, "UPDATE alembic_version SET version_num = '9999'"), "install a newer one"),
        (lambda path: path.with_name(f"{path.name}-wal").write_bytes(b"x"), "b.db-wal is beside it"),
        (lambda path: path.with_name(f"{path.name}-journal").write_bytes(b"x"), "b.db-journal is beside it"),
    ],
    ids=["gone", "a folder", "empty", "text", "torn", "an orphan", "newer", "a WAL beside it", "a journal beside it"],
)
def test_what_cannot_be_restored_is_told(
    url: str, path: Path, tmp_path: Path, spoil: Callable[[Path], object], says: str
) -> None:
    """One sentence that says what it is; the control is the look before it was spoiled."""
    target = tmp_path / "b.db"
    shutil.copy(path, target)
    assert inspect(target).keys == 0, url
    spoil(target)
    with pytest.raises(StoreError, match=says):
        inspect(target)


def test_an_older_schema_can_be_looked_at_and_a_look_changes_nothing(url: str, path: Path, tmp_path: Path) -> None:
    """A backup from before an update is what an update may need; another program's file is not."""
    target = tmp_path / "folder" / "b.db"
    target.parent.mkdir()
    shutil.copy(path, target)
    _older(target)
    before = target.read_bytes()
    assert not inspect(target).current, url
    assert target.read_bytes() == before
    assert [each.name for each in target.parent.iterdir()] == ["b.db"]
    other = tmp_path / "other.db"
    change(other, "CREATE TABLE t (a)")
    with pytest.raises(SchemaError, match="tables of another program"):
        inspect(other)


def test_a_store_that_is_not_there_has_no_backup(tmp_path: Path) -> None:
    """As every command says it."""
    with pytest.raises(SchemaError, match="does not exist"):
        back_up(f"sqlite:///{tmp_path / 'gone.db'}", tmp_path / "b.db", replace=False)
