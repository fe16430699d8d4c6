"""A backup in the store's place: whose it is, what becomes of the old one, and when it is refused."""

import os
import stat
from pathlib import Path

import pytest

from authproxy.store import Store, restoring
from authproxy.store.backups import back_up, stamp
from authproxy.store.carrying import Carried
from authproxy.store.driver import sqlite3
from authproxy.store.restoring import Keys, KeysUnknownError
from tests.store.earlier import at_schema
from tests.store.restores import asked, backed_up, put_back
from tests.store.samples import ID, NOW, finish, upload

pytestmark = pytest.mark.sqlite("a store that is a file")


async def test_the_backup_is_in_place_and_the_old_store_aside(store: Store, url: str, path: Path, backup: Path) -> None:
    """Both whole, both private; the backup is untouched, and nothing else is left."""
    content = await backed_up(store, url, backup)
    done = put_back(url, backup)
    aside = path.with_name(f"authproxy.db.before-restore-{stamp(NOW)}")
    assert (done.path, done.aside, done.carried, done.paused, done.migrated) == (path, aside, Carried(), 0, False)
    assert asked(path, "SELECT count(*) FROM record") == [(1,)]
    assert asked(aside, "SELECT count(*) FROM record") == [(2,)]
    assert {each.name for each in path.parent.iterdir()} - {"authproxy.db-journal"} == {
        path.name,
        aside.name,
        "backups",
    }
    assert {stat.S_IMODE(each.stat().st_mode) for each in (path, aside)} == {0o600}
    assert backup.read_bytes() == content
    opened = await Store.open(url)
    await finish(opened, upload("3.0"))
    await opened.close()


async def test_the_journal_is_the_one_that_this_sqlite_wants(
    store: Store, url: str, path: Path, backup: Path, journal: str
) -> None:
    """WAL where that is safe, as `db migrate` leaves it."""
    await backed_up(store, url, backup)
    put_back(url, backup)
    assert asked(path, "PRAGMA journal_mode")[0][0] == ("wal" if journal == "wal" else "delete")


async def test_a_revocation_does_not_come_back(store: Store, url: str, backup: Path) -> None:
    """What the old store knows holds; the generation rises above both."""
    await finish(store)
    back_up(url, backup, replace=False)
    await store.revoke(ID, NOW)
    await store.close()
    done = put_back(url, backup)
    assert done.carried == Carried(revoked=[ID])
    opened = await Store.open(url)
    record = await opened.key(ID)
    assert record is not None
    assert record.revoked == NOW
    await opened.close()


async def test_with_no_old_store_somebody_has_to_say_what_becomes_of_the_keys(
    store: Store, url: str, path: Path, backup: Path
) -> None:
    """Refused without an answer, and nothing changed; paused with one, or as they were with the other."""
    await backed_up(store, url, backup)
    path.unlink()
    with pytest.raises(KeysUnknownError, match="add --pause-all, or --keep-keys"):
        put_back(url, backup)
    assert not path.exists()
    assert not list(path.parent.glob(".authproxy-*"))
    done = put_back(url, backup, Keys.PAUSED)
    assert (done.aside, done.carried, done.paused) == (None, None, 1)
    assert asked(path, "SELECT paused, paused_why FROM keys") == [(NOW, "restored")]
    path.unlink()
    assert put_back(url, backup, Keys.AS_THEY_WERE).paused == 0
    assert asked(path, "SELECT paused FROM keys") == [(None,)]


async def test_a_damaged_store_is_kept_and_cannot_say(store: Store, url: str, path: Path, backup: Path) -> None:
    """As it is, byte by byte: somebody may be able to read more of it."""
    await backed_up(store, url, backup)
    path.write_bytes(b"rubbish " * 4000)
    with pytest.raises(KeysUnknownError):
        put_back(url, backup)
    done = put_back(url, backup, Keys.PAUSED)
    assert done.aside is not None
    assert done.aside.read_bytes() == b"rubbish " * 4000
    assert asked(path, "SELECT count(*) FROM record") == [(1,)]


async def test_what_lies_beside_a_store_that_cannot_be_opened_goes_aside_with_it(
    store: Store, url: str, path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite would apply a journal or a WAL to the new store, by the name alone."""
    await backed_up(store, url, backup)
    real = restoring.connect

    def broken(where: Path) -> sqlite3.Connection:
        if where == path:
            raise sqlite3.OperationalError("disk I/O error")
        return real(where)

    monkeypatch.setattr(restoring, "connect", broken)
    for suffix in ("-journal", "-wal"):
        path.with_name(path.name + suffix).write_bytes(b"hot")
    done = put_back(url, backup, Keys.PAUSED)
    assert done.aside is not None
    for suffix in ("-journal", "-wal"):
        assert done.aside.with_name(done.aside.name + suffix).read_bytes() == b"hot"
        assert not path.with_name(path.name + suffix).exists()
    assert asked(path, "SELECT count(*) FROM record") == [(1,)]


def at_an_older_schema(path: Path) -> None:
    """A database as an older authproxy left it."""
    row = (
        "INSERT INTO keys (id, owner, note, policy, grants, networks, used, created)"
        f" VALUES ('{ID}', 'ci', '', 'release', '[]', '[]', 0, {NOW})"
    )
    at_schema(path, "0001", lambda connection: connection.exec_driver_sql(row))


async def test_a_backup_of_an_older_schema_is_brought_up_to_date(url: str, path: Path, backup: Path) -> None:
    """In the copy: the backup can still be used by the older authproxy that made it, and so can the store it replaces."""
    for each in (backup, path):
        each.unlink(missing_ok=True)
        each.touch(0o600)
        at_an_older_schema(each)
    content = backup.read_bytes()
    done = put_back(url, backup)
    assert (done.migrated, done.carried) == (True, Carried())
    assert backup.read_bytes() == content
    opened = await Store.open(url)
    assert await opened.key(ID) is not None
    await opened.close()


async def test_the_second_name_of_a_restore_that_was_killed_is_taken_away(
    store: Store, url: str, path: Path, backup: Path
) -> None:
    """A database with two names is in danger: SQLite finds its journal by the name."""
    await backed_up(store, url, backup)
    second, old = (path.with_name(f"authproxy.db.before-restore-{when}") for when in ("killed", "older"))
    second.hardlink_to(path)
    old.touch()
    put_back(url, backup)
    assert not second.exists()
    assert old.exists()


async def test_behind_a_link_the_file_is_replaced(store: Store, url: str, path: Path, backup: Path) -> None:
    """And the link still leads to the store."""
    await backed_up(store, url, backup)
    link = path.with_name("link.db")
    link.symlink_to(path)
    done = put_back(f"sqlite:///{link}", backup)
    assert done.path == path
    assert link.is_symlink()
    assert asked(link, "SELECT count(*) FROM record") == [(1,)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_root_leaves_the_store_to_its_owner(store: Store, url: str, path: Path, backup: Path) -> None:
    """Or the server could not open it. Without an old store it is the folder's owner."""
    await backed_up(store, url, backup)
    os.chown(path, 65534, 65534)
    put_back(url, backup)
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)
    path.unlink()
    put_back(url, backup, Keys.PAUSED)
    assert path.stat().st_uid == path.parent.stat().st_uid
