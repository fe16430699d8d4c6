"""Whether the program that claimed a file is still there: a run is alive while it holds the lock on its own file.

The lock goes with the process, however it ends, so what a crash left behind is known at once and an upload of another
program on the same database is never taken for it.
"""

import fcntl
import glob
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from authproxy.store.engine import PRIVATE
from authproxy.store.errors import StoreError

_NAME_BYTES: Final = 8


def _lock(descriptor: int, *, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def in_use(database: Path) -> bool:
    """Say whether any program has the database open: each holds a run. One that cannot be asked counts."""
    database = database.resolve()
    for path in database.parent.glob(f"{glob.escape(database.name)}.run-*"):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        except OSError:
            return True
        try:
            if not _lock(descriptor, wait=False):
                return True
        finally:
            os.close(descriptor)
    return False


class Run(Protocol):
    """One open store, as others see it, and the claims it has in flight. To be asked within the worker's work."""

    @property
    def name(self) -> str:
        """What claims call it; no other run ever has it."""
        ...

    @property
    def in_flight(self) -> set[int]:
        """Ids of its claims that somebody here will end."""
        ...

    @property
    def deletes(self) -> dict[int, int]:
        """Which of these is of a delete, by the number of its row in the record."""
        ...

    def hold(self) -> None:
        """Show this run as alive: from its opening on, or from its first claim where that failed. Raises StoreError."""
        ...

    def sweep(self) -> None:
        """Remove what dead runs have left."""
        ...

    def alive(self, name: str) -> bool:
        """Say whether another run is there. One that cannot be asked counts as alive. Raises StoreError."""
        ...

    def close(self) -> None:
        """Leave nothing behind. Raises StoreError."""
        ...


class FileRun:
    """A run of a SQLite file. From its opening on the worker's thread's."""

    def __init__(self, database: Path) -> None:
        self.name: Final = secrets.token_hex(_NAME_BYTES)
        self.in_flight: Final[set[int]] = set()  # ids of claims
        self.deletes: Final[dict[int, int]] = {}  # which of these is of a delete, by its row
        self._database: Final = database.resolve()  # one file has one name
        self._held: int | None = None

    def _path(self, name: str) -> Path:
        return self._database.with_name(f"{self._database.name}.run-{name}")

    def hold(self) -> None:
        """Show this run as alive: from its opening on, or from its first claim where that failed. Raises StoreError."""
        if self._held is not None:
            return
        try:
            self.sweep()
            self._held = self._locked(self._path(self.name))
        except OSError as exc:
            raise StoreError(f"{self._path(self.name)} cannot be created: {exc.strerror}") from exc

    @staticmethod
    def _locked(path: Path) -> int:
        while True:
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, PRIVATE)
            _lock(descriptor, wait=True)
            # Another run's sweep may have removed the file between its making and its locking.
            if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
            os.close(descriptor)

    def sweep(self) -> None:
        """Remove what dead runs have left."""
        for path in self._database.parent.glob(f"{glob.escape(self._database.name)}.run-*"):
            # It may be gone meanwhile, a folder, another user's: what we cannot take away is in nobody's way.
            with suppress(OSError):
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                try:
                    if _lock(descriptor, wait=False):
                        path.unlink(missing_ok=True)
                finally:
                    os.close(descriptor)

    def alive(self, name: str) -> bool:
        """Say whether another run still holds its lock. One that cannot be asked counts as alive. Raises StoreError."""
        path = self._path(name)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        try:
            return not _lock(descriptor, wait=False)
        except OSError as exc:
            raise StoreError(f"{path} cannot be locked: {exc.strerror}") from exc
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Leave nothing behind. Raises StoreError."""
        if self._held is None:
            return
        path = self._path(self.name)
        try:
            path.unlink(missing_ok=True)
        except OSError as exc:
            raise StoreError(f"{path} cannot be removed: {exc.strerror}") from exc
        finally:
            os.close(self._held)
            self._held = None
