"""Whether an upload could pass now, asked at most every few seconds however many ask.

Anybody may ask, and an answer costs the index a request with our account; so askers share one, and a recent one serves.

The index counts: without it no upload passes, and a new version with a wrong URL or password must not take the place of
one that works. Where it is away for all replicas, clients hear the balancer's 503 instead of our 502, and come back for
either. What lets uploads pass and ought to be mended all the same is a remark.
"""

import asyncio
import errno
import logging
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from authproxy.backend.client import Backend
from authproxy.backend.standing import trouble_of
from authproxy.config import Config
from authproxy.domain.sizes import exact
from authproxy.store import Store, StoreError, StoreLost

log: Final = logging.getLogger("authproxy.readiness")

# Seconds an answer is good for: a load balancer asks every five or ten.
FRESH: Final = 3.0
# Seconds for the questions, which are asked at once. An index may be slow under load; one that hangs is no index.
PATIENCE: Final = 10.0
# Bytes that are tried: what the smallest upload may write to the disk.
TRIED: Final = 64 * 1024
MIB: Final = 1 << 20

STORE, SPOOL, INDEX, MASTER_KEY = ("store", "spool", "index", "master-key")

NO_ANSWER: Final = "it does not answer, the log says why"
LOST: Final = "the database cannot be reached, the log says why"
NO_ROOM: Final = "nothing can be written to the state directory, the log says why"
NO_MASTER: Final = "there is none and keys are sealed under one: what is derived from them is refused"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with what, in a sentence. A `remark` keeps no upload from passing."""

    what: str
    why: str
    remark: bool = False

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


class Readiness:
    """What is missing, in sentences for whoever asks; details that name paths go to the log alone."""

    def __init__(self, store: Store, backend: Backend) -> None:
        self._store = store
        self._backend = backend
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._found: tuple[Trouble, ...] = ()
        # Its own thread: a disk that hangs, and uploads that keep the others busy, must not keep it from being told.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="readiness")
        self._sealed: bool | None = None  # whether keys are sealed under a master key

    def close(self) -> None:
        """Ask nothing more."""
        self._disk.shutdown(wait=False, cancel_futures=True)

    async def troubles(self, config: Config) -> tuple[Trouble, ...]:
        """Return all that is wrong, remarks among it. `config` is the one in force."""
        async with self._asking:
            if time.monotonic() - self._asked_at >= FRESH:
                looks = self._at_store(), self._at_spool(config), self._at_index(), self._at_master_key(config)
                self._found = tuple(each for each in await asyncio.gather(*looks) if each is not None)
                self._asked_at = time.monotonic()
            return self._found

    async def _at_store(self) -> Trouble | None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._store.ping()
        except (StoreError, TimeoutError) as exc:
            log.warning("not ready: the store", extra={"trouble": str(exc) or "it does not answer in time"})
            return Trouble(STORE, LOST if isinstance(exc, StoreLost) else NO_ANSWER)
        return None

    async def _at_index(self) -> Trouble | None:
        try:
            async with asyncio.timeout(PATIENCE):
                trouble = await trouble_of(self._backend)
        except TimeoutError:
            trouble = f"it has not answered for {PATIENCE:.0f} seconds"
        if trouble is None:
            return None
        log.warning("not ready: the index", extra={"trouble": trouble})
        return Trouble(INDEX, trouble)

    async def _at_spool(self, config: Config) -> Trouble | None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE):
                free = await loop.run_in_executor(self._disk, _tried, config.state_directory)
        except OSError as exc:  # TimeoutError as well
            log.warning("not ready: the spool", extra={"trouble": exc.strerror or "the disk does not answer"})
            return Trouble(SPOOL, NO_ROOM)
        largest = config.limits.max_upload
        if free < largest:
            return Trouble(SPOOL, f"{free // MIB} MiB are left, and one upload may have {exact(largest)}", remark=True)
        return None

    async def _at_master_key(self, config: Config) -> Trouble | None:
        if config.masters.current is not None:
            return None
        if self._sealed is None:  # asked once: without a master key nothing more is sealed, and keys may be a million
            try:
                async with asyncio.timeout(PATIENCE):
                    self._sealed = await self._store.derivations.any_sealed()
            except (StoreError, TimeoutError):  # the store's own trouble, which is told
                return None
        return Trouble(MASTER_KEY, NO_MASTER, remark=True) if self._sealed else None


def _tried(folder: Path) -> int:
    """Write where uploads are spooled; return how many bytes are left there. Raises OSError."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        if file.write(bytes(TRIED)) < TRIED:  # as much as there was room for
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
