"""Where the bytes of an uploaded file wait until they are allowed on: memory first, then a file without a name.

The file never has a name (`O_TMPFILE`), so no crash, not even `kill -9`, leaves one behind. Hashing and writing happen
together in a worker thread while the event loop receives the next piece. This room knows neither forms nor HTTP.
"""

import asyncio
import errno
import fcntl
import hashlib
import io
import os
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from authproxy.domain.refusal import Code, Refused, refuse

# Hand-over size from the event loop to the worker thread, in bytes: a hop costs about 0.1 ms, hashing and writing
# 1 MiB about 1 ms, so the hop is noise and an upload holds at most three such batches in memory.
BATCH = 1 << 20

# What one writev(2) takes (IOV_MAX).
PIECES = 1024

# What is given back to the disk at once: each time costs a few microseconds and a hop.
GIVE_BACK = 16 * BATCH

# Linux gives back part of a file by FS_IOC_UNRESVSP64 of linux/falloc.h, _IOW('X', 43, struct space_resv), where the
# file system has holes. Python has no fallocate(2) with a mode, and ctypes wants memory that is both written and run.
_UNRESERVE = 0x4030582B
_SPACE = struct.Struct("=hh4xqqiI16x")

# Hashed where it lies: 64 KiB take 0.1 ms, and a hop to a thread and back takes longer.
SMALL = 64 * 1024

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Spool:
    """The bytes of one file: `write` them, `settle`, then read them as often as needed.

    `memory` is the size in bytes up to which nothing touches the disk; `folder` is where the nameless file is made;
    `tally` is told by how many bytes what lies here grows and shrinks. Leaving the `async with` block forgets
    everything.
    """

    def __init__(self, folder: Path, memory: int, tally: Callable[[int], object] = lambda _bytes: None) -> None:
        self._tally = tally
        self._folder = folder
        self._memory = memory
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._kept = b""
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._writing: asyncio.Future[None] | None = None
        self._freeing: asyncio.Future[None] | None = None
        self.size = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The worker may still be writing when a refusal or a closed connection ends the upload: closing its
        # descriptor under it could hand the number to another file.
        busy = [each for each in (self._writing, self._freeing) if each is not None]
        if busy:
            done, _ = await asyncio.wait(busy)
            for each in done:
                each.exception()  # nobody else asks, and asyncio would tell of it
        if self._file is not None:
            self._file.close()
        self._pieces, self._kept = [], b""
        self._tally(-self.size)

    def write(self, piece: bytes) -> None:
        """Take the next piece of the file, to keep."""
        self._pieces.append(piece)
        self._waiting += len(piece)
        self.size += len(piece)
        self._tally(len(piece))

    async def breathe(self) -> None:
        """Hand a full batch to the worker thread, once it is done with the batch before."""
        if self._waiting >= BATCH:
            await self._hand_over()

    async def settle(self) -> None:
        """Wait until every byte is hashed and stored.

        Raises Refused (storage-full) where the disk has no room.
        """
        if self._file is None and self._writing is None and self.size <= self._memory:
            self._kept = b"".join(self._pieces)
            self._pieces, self._waiting = [], 0
            self._hash.update(self._kept)
            return
        await self._hand_over()
        await self._worker_done()

    async def _hand_over(self) -> None:
        await self._worker_done()
        batch, self._pieces, self._waiting = self._pieces, [], 0
        self._writing = asyncio.get_running_loop().run_in_executor(None, self._store, batch)

    async def _worker_done(self) -> None:
        if self._writing is None:
            return
        try:
            await asyncio.shield(self._writing)
        except OSError as exc:
            raise _no_room(exc) from exc
        self._writing = None

    def _store(self, batch: list[bytes]) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - __aexit__ closes it
        for piece in batch:
            self._hash.update(piece)
        # Gathered by the kernel: to join them here would copy them while nothing else runs (measured).
        left = [memoryview(piece) for piece in batch if piece]
        while left:
            taken = os.writev(self._file.fileno(), left[:PIECES])
            while left and taken >= len(left[0]):
                taken -= len(left.pop(0))
            if taken:
                left[0] = left[0][taken:]

    @property
    def at_hand(self) -> bool:
        """Whether all of it lies in memory and is small, once `settle` has returned."""
        return self._file is None and self.size <= SMALL

    @property
    def sha256(self) -> str:
        """Lower-case hex digest of all bytes, once `settle` has returned."""
        return self._hash.hexdigest()

    async def digests(self, names: tuple[str, ...]) -> dict[str, str]:
        """Lower-case hex digests of all bytes by hashlib's names, one thread each: hashlib frees the GIL.

        `blake2b` is the 256-bit form that upload forms carry (`blake2_256_digest`).
        """
        if self.at_hand:
            return {name: self._digest(name) for name in names}
        found = await asyncio.gather(*(asyncio.to_thread(self._digest, name) for name in names))
        return dict(zip(names, found, strict=True))

    def _digest(self, name: str) -> str:
        running = hashlib.blake2b(digest_size=32) if name == "blake2b" else hashlib.new(name, usedforsecurity=False)
        for piece in self._batches():
            running.update(piece)
        return running.hexdigest()

    def _batches(self) -> Iterator[bytes]:
        if self._file is None:
            yield self._kept
            return
        for at in range(0, self.size, BATCH):
            yield os.pread(self._file.fileno(), BATCH, at)

    async def chunks(self, *, last: bool = False) -> AsyncIterator[bytes]:
        """Yield the bytes again, in order; a file is read in a thread, so that a slow disk stops nobody else.

        `last`: they will not be asked for again, and the disk has its room back as they go. What the index writes then
        takes the place of what was read, and the kernel need not write a mebibyte of the spool to the disk itself:
        without it an index took a fifth longer for a wheel of 1 GiB (measured).
        """
        if self._file is None:
            yield self._kept
            return
        loop, number = asyncio.get_running_loop(), self._file.fileno()
        for at in range(0, self.size, BATCH):
            yield await loop.run_in_executor(None, os.pread, number, BATCH, at)
            if last and at % GIVE_BACK == GIVE_BACK - BATCH:
                self._freeing = loop.run_in_executor(None, _let_go, number, at + BATCH - GIVE_BACK)
                await asyncio.shield(self._freeing)

    def reader(self) -> BinaryIO:
        """Open the bytes as a seekable binary file, for one reader at a time; closing it leaves the spool as it is."""
        if self._file is None:
            return io.BytesIO(self._kept)
        copy = os.fdopen(os.dup(self._file.fileno()), "rb")
        copy.seek(0)
        return copy


def _let_go(number: int, at: int) -> None:
    """Give back GIVE_BACK bytes of a file; where the file system has no holes they stay until the file is closed."""
    with suppress(OSError):
        fcntl.ioctl(number, _UNRESERVE, _SPACE.pack(0, os.SEEK_SET, at, GIVE_BACK, 0, 0))


def _no_room(exc: OSError) -> Refused:
    reason = (
        "the proxy's disk is full: nothing was uploaded, try again when there is room"
        if exc.errno in FULL
        else "the proxy cannot write to its state directory: its operator must mend that"
    )
    return refuse(Code.STORAGE_FULL, reason)
