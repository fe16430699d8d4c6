"""A file that is under its name whole, or not at all: written beside it, synced, and only then renamed.

What a killed program leaves is a file with a name of its own, `.authproxy-*.part`, which the next one takes away: while
it is written its writer holds the lock on it.
"""

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from authproxy.store.engine import PRIVATE
from authproxy.store.errors import StoreError, StoreFull

_NAME_BYTES: Final = 8
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT}
# A file system without hard links: FAT, and some that are mounted from elsewhere.
_NO_LINKS: Final = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}
# What SQLite makes beside a database.
BESIDE: Final = ("-journal", "-wal", "-shm")


def beside(path: Path) -> tuple[Path, ...]:
    """Name the files that SQLite makes beside a database."""
    return tuple(path.with_name(path.name + suffix) for suffix in BESIDE)


def sync_folder(folder: Path) -> None:
    """Let the names in a folder outlive a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writes(path: Path) -> Iterator[None]:
    """Turn what the system says of a file into a StoreError of one sentence."""
    try:
        yield
    except OSError as exc:
        kind = StoreFull if exc.errno in _NO_ROOM else StoreError
        raise kind(f"{path} cannot be written: {(exc.strerror or 'it fails').lower()}") from exc


@contextmanager
def part_of(folder: Path) -> Iterator[Path]:
    """Give a new, empty file that only its owner reads; it is gone when the block ends, unless it was renamed."""
    with writes(folder):
        _sweep(folder)
        path, descriptor = _created(folder)
    try:
        yield path
    finally:
        for each in (path, *beside(path)):
            with suppress(OSError):
                each.unlink(missing_ok=True)
        # Last: a lock of SQLite's on the same file would end with any close of it.
        os.close(descriptor)


def publish(part: Path, target: Path, *, replace: bool) -> None:
    """Sync a part and give it its name. StoreError where that is taken and not to be replaced."""
    with writes(target):
        descriptor = os.open(part, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if replace:
            part.replace(target)
        else:
            _name(part, target)
        sync_folder(target.parent)


def refuse_taken(target: Path) -> None:
    """Raise StoreError where something is there already."""
    if os.path.lexists(target):
        raise StoreError(f"{target} exists already: name another file, or write over it with --force")


def _name(part: Path, target: Path) -> None:
    # Unlike a rename, a link replaces nothing, whoever else makes the name in this moment.
    try:
        os.link(part, target)
    except FileExistsError:
        refuse_taken(target)
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            raise
        refuse_taken(target)
        part.rename(target)


def _created(folder: Path) -> tuple[Path, int]:
    while True:
        path = folder / f".authproxy-{secrets.token_hex(_NAME_BYTES)}.part"
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, PRIVATE)
        os.fchmod(descriptor, PRIVATE)  # a umask of 0777 would leave a file that not even its owner reads
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists():
            return path, descriptor
        os.close(descriptor)  # another program's sweep was quicker than the lock


def _sweep(folder: Path) -> None:
    for path in folder.glob(".authproxy-*.part"):
        with suppress(OSError):  # another user's, or gone meanwhile
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for each in (path, *beside(path)):
                    each.unlink(missing_ok=True)
            finally:
                os.close(descriptor)
