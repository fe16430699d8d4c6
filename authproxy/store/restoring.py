"""Put a backup in the store's place, so that a kill at any moment leaves the old store or the new one.

Rule 1. Everything that can fail is done on a copy beside the store; then two names change, and the old file keeps one.
Rule 2. Nobody may have the store open. Its runs say who has (`runs`), and while names change this program has the old
        file locked: whoever opens it meanwhile waits, and then sees that it was replaced (`Store.open`).
Rule 3. A backup knows nothing of what was revoked after it. What the old store knows of that is carried over
        (`carrying`). Where it cannot be asked, the caller has to say what becomes of the keys.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

from authproxy.store.backups import Inspected, inspect, stamp
from authproxy.store.carrying import Carried, carry, pause_all, raise_generation
from authproxy.store.driver import sqlite3
from authproxy.store.engine import PRIVATE, border, connect, database_path, use_wal
from authproxy.store.errors import StoreBusy, StoreError
from authproxy.store.runs import in_use
from authproxy.store.schema import bring_up
from authproxy.store.whole import beside, part_of, publish, sync_folder, writes

ASIDE: Final = ".before-restore-"


class Keys(Enum):
    """What becomes of the keys that live in the backup."""

    AS_KNOWN = "as known"  # what the old store knows was ended since is ended again
    PAUSED = "paused"  # that, and all of them are paused
    AS_THEY_WERE = "as they were"  # that, where there is an old store that knows; else nothing


class KeysUnknownError(StoreError):
    """There is no old store that knows what was revoked since the backup."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done. `aside` is where the old store lies now; None: there was none."""

    path: Path
    aside: Path | None
    found: Inspected
    carried: Carried | None  # None: nobody could say
    paused: int
    migrated: bool


@dataclass(slots=True)
class _Old:
    """The store that is there now. `reader` has it locked; None: it cannot be read, or there is none."""

    path: Path
    reader: sqlite3.Connection | None = field(default=None)


def restore(url: str, backup: Path, *, keys: Keys, now: int) -> Restored:
    """Put a copy of `backup` where the store is. Raises StoreError, and then has changed nothing.

    KeysUnknownError where `keys` is AS_KNOWN and nobody can say what was ended since the backup.
    """
    path = database_path(url).resolve()  # behind a link the file is replaced, not the link
    with writes(path):
        if backup.exists() and path.exists() and backup.samefile(path):
            raise StoreError(f"{backup} is the store itself: name a backup")
    _refuse_in_use(path)
    with part_of(path.parent) as part:
        generation = inspect(backup).generation
        with border(backup), writes(part):
            _copied(backup, part)
        migrated = bring_up(part)
        found = inspect(part)
        with _locked(path) as old:
            _refuse_in_use(path)
            carried, paused = _keys(old, part, (backup, generation), keys, now)
            _give(part, path)
            aside = _swap(path, part, now)
    return Restored(path, aside, found, carried, paused, migrated)


def _refuse_in_use(path: Path) -> None:
    if in_use(path):
        raise StoreBusy(f"{path} is in use: stop the server, and whatever else has it open")


def _copied(backup: Path, part: Path) -> None:
    # The bytes, and not through SQLite: a backup that is being read must not change, nor get a journal beside it.
    with backup.open("rb") as source, part.open("r+b") as target:
        while piece := source.read(1024 * 1024):
            target.write(piece)


def _keys(old: _Old, part: Path, backup: tuple[Path, int], keys: Keys, now: int) -> tuple[Carried | None, int]:
    name, generation = backup
    with border(part), closing(connect(part)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        carried = None
        if old.reader is not None:
            with suppress(sqlite3.Error):  # damaged, or another program's: it cannot say
                carried = carry(old.reader, connection, generation, now)
        if carried is None and keys is Keys.AS_KNOWN:
            raise KeysUnknownError(
                f"keys that were revoked after {name} was made would work again, and {old.path} cannot say which:"
                " add --pause-all, or --keep-keys if you know that there are none"
            )
        paused = pause_all(connection, now) if keys is Keys.PAUSED else 0
        raise_generation(connection, old.reader)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=DELETE")  # nothing may be left beside a file that is about to move
        use_wal(connection)  # nor is it, in WAL, after the close
        return carried, paused


def _give(part: Path, path: Path) -> None:
    """Give the new store to whom the old one belongs: root may restore, and the server must be able to read it."""
    whose, mine = (path if path.exists() else path.parent).stat(), part.stat()
    if (whose.st_uid, whose.st_gid) == (mine.st_uid, mine.st_gid):
        return
    try:
        os.chown(part, whose.st_uid, whose.st_gid)
    except OSError as exc:
        if whose.st_uid != mine.st_uid and path.exists():
            raise StoreError(f"{path} belongs to another user: run this as the user who runs the server") from exc


@contextmanager
def _locked(path: Path) -> Iterator[_Old]:
    """Lock the old store for oneself, if it can be opened at all. StoreBusy where another program is at it."""
    if not path.exists():
        yield _Old(path)
        return
    try:
        with border(path):
            reader = connect(path)
            try:
                # Taking back what a crash left, and leaving WAL, which would have files beside it.
                reader.execute("PRAGMA journal_mode=TRUNCATE")
                reader.execute("BEGIN EXCLUSIVE")
            except BaseException:
                reader.close()
                raise
    except StoreBusy:
        raise
    except StoreError:
        yield _Old(path)  # damaged: that is what one restores for
        return
    try:
        yield _Old(path, reader)
    finally:
        reader.close()


def _swap(path: Path, part: Path, now: int) -> Path | None:
    """Give the old file its name aside and the new one its own."""
    aside = None
    with writes(path):
        if path.exists():
            _forget_half_done(path)
            aside = path.with_name(f"{path.name}{ASIDE}{stamp(now)}")
            if aside.exists():
                raise StoreBusy(f"{aside} exists already: try again in a second")
            aside.hardlink_to(path)
            aside.chmod(PRIVATE)
            left = list(zip(beside(path), beside(aside), strict=True))
            for each, new in left:
                if each.exists() and each.stat().st_size:
                    new.hardlink_to(each)
            sync_folder(path.parent)
            # What is beside a store that could not be read belongs to that one; to the new one SQLite would apply it.
            for each, _ in left:
                each.unlink(missing_ok=True)
            sync_folder(path.parent)
    publish(part, path, replace=True)
    return aside


def _forget_half_done(path: Path) -> None:
    """Take away the second name of the store that a restore left which was killed."""
    for each in path.parent.glob(f"{path.name}{ASIDE}*"):
        if each.samefile(path):
            each.unlink()
