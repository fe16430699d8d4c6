"""Argon2id in a bounded pool of threads: the one expensive step, and how much of it there may be at a time.

This room hashes what it is given and knows neither keys nor who asks. argon2-cffi lets go of the interpreter lock while
it hashes, so the event loop goes on beside it.
"""

import asyncio
import hashlib
import hmac
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from math import ceil
from typing import Any, Final, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError, VerifyMismatchError
from argon2.low_level import error_to_str

from authproxy.domain.refusal import Code, refuse

# OWASP's least profile for Argon2id (Password Storage Cheat Sheet). It is meant for passwords; our secrets are 256
# random bits, which nobody guesses from any hash, so more would only slow down first uses. 20 to 25 ms of one core.
MEMORY_KIB: Final = 19_456
PASSES: Final = 2
LANES: Final = 1
# RFC 9106, section 4: 128 bits of salt are enough for every application; a tag as long as the secret loses nothing.
HASH_LENGTH: Final = 32  # bytes
SALT_LENGTH: Final = 16  # bytes

HASH_SECONDS: Final = 0.025  # of one core, measured with the profile above; only to say when to come back

# Each holds 19 MiB while it hashes, and one core is left to the event loop where there are two. Two threads hash some
# 80 keys a second, and each key only once per start of the server.
THREADS_LIMIT: Final = 2

# A pipeline that starts this many jobs with new keys at once is served; the last of them waits under 2 seconds in one
# thread, where every upload client waits at least 10.
QUEUE_LIMIT: Final = 64

# How the digest of a minted key's secret begins: 256 random bits that live for hours need no slow hash (`minting`).
FAST: Final = "$sha256$"
# Argon2id of nothing that anybody has, with the profile below: salt and tag are these bytes, and no hash.
DECOY: Final = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

_NO_MEMORY: Final = error_to_str(-22)  # ARGON2_MEMORY_ALLOCATION_ERROR in argon2.h

T = TypeVar("T")


def spare_threads() -> int:
    """Return how many threads a pool should have on this machine: never all of its cores, and not more than two."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(THREADS_LIMIT, cores - 1))


def sha256_digest(secret: str) -> str:
    """Digest a secret of 256 random bits, and no other, without the pool."""
    return FAST + hashlib.sha256(secret.encode()).hexdigest()


def matches_fast(digest: str, secret: str) -> bool:
    """Say whether this is the digest that `sha256_digest` makes of the secret; never of any other kind."""
    return hmac.compare_digest(digest.encode(), sha256_digest(secret).encode())


class HashingPool:
    """Hashes and verifies in threads of its own. `queue` is how many may wait beyond those that are being hashed.

    `observe` is told of each that was done how many seconds it took, its turn in the queue included.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        queue: int = QUEUE_LIMIT,
        observe: Callable[[float], object] = lambda _seconds: None,
    ) -> None:
        count = spare_threads() if threads is None else threads
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="argon2")
        # Given back by the future itself, not by who waits for it: a client that hangs up frees no running thread.
        self._places = threading.BoundedSemaphore(count + queue)
        self.places = count + queue
        self.turned_away = 0  # for whom there was no place
        self._under_way: set[Future[Any]] = set()  # added to and taken from by single steps, which threads may do
        self._observe = observe
        self._retry_after = max(1, ceil((count + queue) * HASH_SECONDS / count))
        self._closed = False
        self._hasher = PasswordHasher(PASSES, MEMORY_KIB, LANES, HASH_LENGTH, SALT_LENGTH, type=Type.ID)

    async def hash(self, secret: str) -> str:
        """Return the PHC string of a secret under a new salt. Raises Refused(BUSY)."""
        return await self._run(lambda: self._hasher.hash(secret))

    async def verify(self, digest: str, secret: str) -> bool:
        """Say whether `digest` was made of `secret`, with whatever parameters it names.

        Raises Refused: BUSY, with the seconds after which to come back, where too many wait; INTERNAL where the digest
        cannot be read. What `sha256_digest` made takes a microsecond and no place in the pool.
        """
        if digest.startswith(FAST):
            return matches_fast(digest, secret)
        return await self._run(lambda: self._matches(digest, secret))

    @property
    def taken(self) -> int:
        """How many places are taken, by who is hashed or waits."""
        return len(self._under_way)

    def close(self) -> None:
        """Finish what was handed in (2 seconds at most), then take no more. Closing twice is fine."""
        self._closed = True
        self._executor.shutdown()

    def _done(self, started: float, future: Future[Any]) -> None:
        self._under_way.discard(future)
        self._places.release()
        self._observe(time.perf_counter() - started)

    def _matches(self, digest: str, secret: str) -> bool:
        try:
            return self._hasher.verify(digest, secret)
        except VerifyMismatchError:
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._closed or not self._places.acquire(blocking=False):
            self.turned_away += 1
            raise refuse(Code.BUSY, "too many keys are being verified: try again later", retry_after=self._retry_after)
        future = self._executor.submit(work)
        self._under_way.add(future)
        future.add_done_callback(partial(self._done, time.perf_counter()))
        try:
            return await asyncio.wrap_future(future)
        except (Argon2Error, InvalidHashError) as exc:
            if str(exc) == _NO_MEMORY:  # argon2-cffi has one exception for all that can go wrong
                raise refuse(Code.BUSY, "there is no memory to verify a key: try again later", retry_after=1) from exc
            raise refuse(Code.INTERNAL, "the digest that is stored for this key cannot be read") from exc
