"""When a backup is not put in the store's place: nothing has changed then, and a sentence says why."""

import errno
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from authproxy.store import Store, StoreBusy, StoreError, restoring
from authproxy.store.backups import back_up, stamp
from authproxy.store.driver import sqlite3
from authproxy.store.runs import FileRun
from tests.store.restores import asked, backed_up, put_back
from tests.store.samples import NOW, finish

pytestmark = pytest.mark.sqlite("a store that is a file")


async def test_an_open_store_is_not_replaced(store: Store, url: str, backup: Path) -> None:
    """An idle server too, which holds no lock of SQLite's."""
    await finish(store)
    back_up(url, backup, replace=False)
    with pytest.raises(StoreBusy, match="is in use: stop the server"):
        put_back(url, backup)
    await store.close()
    put_back(url, backup)


async def test_a_store_that_is_being_written_by_another_program_is_not_replaced(
    store: Store, url: str, path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that holds no run: `db migrate`, the sqlite3 shell."""
    await backed_up(store, url, backup)
    monkeypatch.setattr("authproxy.store.engine.BUSY_SECONDS", 0.1)
    real = restoring.connect
    monkeypatch.setattr(restoring, "connect", lambda where: real(where, busy_seconds=0.1))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match=r"held by another program|in WAL mode and open elsewhere"):
            put_back(url, backup)
    put_back(url, backup)


async def test_who_opened_the_store_while_the_backup_was_copied_keeps_it(
    store: Store, url: str, path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copying takes minutes; what counts is who has it open when names change."""
    await backed_up(store, url, backup)
    late, real = FileRun(path), restoring.bring_up

    def opened_meanwhile(part: Path) -> bool:
        late.hold()
        return real(part)

    monkeypatch.setattr(restoring, "bring_up", opened_meanwhile)
    with pytest.raises(StoreBusy, match="is in use"):
        put_back(url, backup)
    late.close()
    assert asked(path, "SELECT count(*) FROM record") == [(2,)]


async def test_what_cannot_be_restored_changes_nothing(store: Store, url: str, path: Path, backup: Path) -> None:
    """A damaged backup, the store itself, a name aside that is taken."""
    await backed_up(store, url, backup)
    before = path.read_bytes()
    good = backup.read_bytes()
    backup.write_bytes(good[: len(good) // 2])
    with pytest.raises(StoreError, match="is damaged"):
        put_back(url, backup)
    backup.write_bytes(good)
    with pytest.raises(StoreError, match="is the store itself"):
        put_back(url, path)
    taken = path.with_name(f"authproxy.db.before-restore-{stamp(NOW)}")
    taken.touch()
    with pytest.raises(StoreError, match="exists already: try again in a second"):
        put_back(url, backup)
    assert asked(path, "SELECT count(*) FROM record") == [(2,)]
    assert len(path.read_bytes()) == len(before)


async def test_a_store_of_another_user_is_left_alone(
    store: Store, url: str, path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it cannot be given back: a sentence, and nothing changed."""
    await backed_up(store, url, backup)

    def not_ours(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    real = Path.stat

    def anothers(self: Path, **how: Any) -> os.stat_result:
        found = real(self, **how)
        return os.stat_result((*found[:4], 12345, *found[5:])) if self == path else found

    monkeypatch.setattr(os, "chown", not_ours)
    monkeypatch.setattr(Path, "stat", anothers)
    with pytest.raises(StoreError, match="run this as the user who runs the server"):
        put_back(url, backup)
    monkeypatch.undo()
    assert asked(path, "SELECT count(*) FROM record") == [(2,)]
