"""Room on the disk for what must be written even where there is none: a file beside the database that can be let go.

To revoke a key SQLite writes a page of it and the old page into the journal; on a full disk it could do neither, and
whoever filled the disk would have kept the key alive.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection

from authproxy.store.engine import PRIVATE
from authproxy.store.errors import StoreFull
from authproxy.store.worker import Worker

T = TypeVar("T")

# Bytes. A revocation takes some ten pages of 4 KiB and as many in the journal, with what it puts on record.
RESERVE: Final = 1024 * 1024
# The reserve is not taken from a disk that would have less than this left: whoever made room may need it for himself.
LEFT: Final = 4 * RESERVE
# Others take what the reserve gave free, and give it back when their uploads fail for want of more: so many times, so
# many seconds apart, a write is tried.
TRIES: Final = 50
APART: Final = 0.1


class Reserve:
    """The reserve of one database. Every program that has the database open may let it go.

    A database server, None here, has its own disk, on which nothing of ours can be put aside.
    """

    def __init__(self, database: Path | None, worker: Worker) -> None:
        self._path: Final = database and database.with_name(f"{database.name}.reserve")
        self._worker: Final = worker

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Write what a full disk must not prevent, if need be in the room that was put aside. Raises StoreError."""
        for _ in range(TRIES if self._path else 0):
            try:
                return await self._worker.write(work)
            except StoreFull:
                await asyncio.to_thread(self.let_go)
                await asyncio.sleep(APART)
        return await self._worker.write(work)

    def keep(self) -> bool:
        """Take the room if there is plenty; say whether the reserve is there."""
        if self._path is None:
            return False
        try:
            if self._path.exists() and self._path.stat().st_size == RESERVE:
                return True
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize < RESERVE + LEFT:
                return False
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, PRIVATE)
            try:
                os.posix_fallocate(descriptor, 0, RESERVE)
            finally:
                os.close(descriptor)
        except OSError:
            self.let_go()  # part of it is no reserve
            return False
        return True

    def let_go(self) -> bool:
        """Give the room back; say whether there was any."""
        if self._path is None:
            return False
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
