"""The hashing pool: the profile, the verdicts, and how much work it takes on."""

import asyncio
import os
import threading

import pytest

from authproxy.authority.hashing import HashingPool, sha256_digest, spare_threads
from authproxy.domain.refusal import Code, Refused

SECRET = "s" * 43


@pytest.fixture
def pool():
    pool = HashingPool(threads=1, queue=1)
    yield pool
    pool.close()


@pytest.fixture
def gate():
    """Keep threads waiting until it is opened."""
    gate = threading.Event()
    yield gate
    gate.set()


async def test_a_secret_verifies_against_its_own_digest_only(pool):
    """The profile stands in the digest, two digests of one secret differ, and each takes that secret alone."""
    first, second = await pool.hash(SECRET), await pool.hash(SECRET)
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second
    assert await pool.verify(first, SECRET) is True
    assert await pool.verify(second, SECRET) is True
    assert await pool.verify(first, SECRET[:-1] + "t") is False


async def test_a_digest_of_an_older_profile_still_verifies(pool):
    """The parameters are read from the digest, so a later profile does not end the keys of today."""
    digest = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$7Ym9oRF9y0g40WqU3Zc9eQ"
    assert await pool.verify(digest, SECRET) is False


@pytest.mark.parametrize(
    "digest", ["", "plain", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$!", "$2b$10$" + "a" * 53]
)
async def test_a_broken_digest_is_said_to_be_broken(pool, digest):
    """A row that is no Argon2 digest is an internal error, never a yes and never a wrong key."""
    with pytest.raises(Refused) as caught:
        await pool.verify(digest, SECRET)
    assert caught.value.denial.code is Code.INTERNAL


async def test_no_memory_for_a_hash_passes(pool):
    """Where the system has no memory for a hash, the client is told to come back."""
    digest = "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$7Ym9oRF9y0g40WqU3Zc9eQ"
    with pytest.raises(Refused) as caught:
        await pool.verify(digest, SECRET)
    assert (caught.value.denial.code, caught.value.denial.retry_after) == (Code.BUSY, 1)


async def full(pool, gate):
    """Fill a pool of one thread and a queue of one."""
    running = asyncio.ensure_future(pool._run(gate.wait))
    queued = asyncio.ensure_future(pool._run(gate.wait))
    await asyncio.sleep(0.05)
    return running, queued


async def test_a_full_queue_says_when_to_come_back(pool, gate):
    """What is over the bound is refused at once, with a number of seconds, and the rest is served."""
    running, queued = await full(pool, gate)
    with pytest.raises(Refused) as caught:
        await pool.hash(SECRET)
    assert (caught.value.denial.code, caught.value.denial.retry_after) == (Code.BUSY, 1)
    gate.set()
    assert await running is True
    assert await queued is True
    assert await pool.verify(await pool.hash(SECRET), SECRET)


@pytest.mark.parametrize(("threads", "queue", "seconds"), [(1, 64, 2), (2, 64, 1), (1, 199, 5)])
async def test_the_wait_grows_with_the_queue(threads, queue, seconds):
    """The seconds that a client is told are those that a full queue takes."""
    pool = HashingPool(threads=threads, queue=queue)
    assert pool._retry_after == seconds
    pool.close()


class FreedByTheWaiter(HashingPool):
    """The mistake: a place is given back by whoever waits, who may stop waiting while the thread goes on."""

    async def _run(self, work):
        if not self._places.acquire(blocking=False):
            return await super()._run(work)
        try:
            return await asyncio.wrap_future(self._executor.submit(work))
        finally:
            self._places.release()


@pytest.mark.parametrize(("kind", "held"), [(HashingPool, True), (FreedByTheWaiter, False)], ids=["ours", "naive"])
async def test_a_client_that_hangs_up_frees_no_running_thread(kind, held, gate):
    """Clients that connect, guess and hang up cannot pile up work; the naive pool lets them, by the same check."""
    pool = kind(threads=1, queue=1)
    running, queued = await full(pool, gate)
    running.cancel()
    await asyncio.wait([running])
    third = asyncio.ensure_future(pool._run(gate.wait))
    await asyncio.wait([third], timeout=0.1)
    assert third.done() is held
    gate.set()
    assert await queued is True
    assert isinstance((await asyncio.gather(third, return_exceptions=True))[0], Refused) is held
    pool.close()


async def test_who_stops_waiting_in_the_queue_frees_a_place(pool, gate):
    """Work that never started is dropped with its client."""
    running, queued = await full(pool, gate)
    queued.cancel()
    await asyncio.wait([queued])
    again = asyncio.ensure_future(pool._run(gate.wait))
    gate.set()
    assert await again is True
    assert await running is True


async def test_a_closed_pool_takes_nothing_more(pool):
    """During a stop a new key is asked to come back; closing twice is fine."""
    pool.close()
    pool.close()
    with pytest.raises(Refused) as caught:
        await pool.hash(SECRET)
    assert caught.value.denial.code is Code.BUSY


def test_one_core_is_left_to_the_event_loop(monkeypatch):
    """Never all cores where there are two, at least one thread, at most two; also where affinity is unknown."""
    counts = []
    for cores in (1, 2, 3, 64):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)), raising=False)
        counts.append(spare_threads())
    assert counts == [1, 1, 2, 2]
    monkeypatch.delattr(os, "sched_getaffinity")
    assert 1 <= spare_threads() <= 2


async def test_the_event_loop_goes_on_while_threads_hash(pool):
    """Hashing lets go of the interpreter: the loop turns many times during one hash."""
    hashing, turns = asyncio.ensure_future(pool.hash(SECRET)), 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 20


async def test_a_minted_secret_needs_no_place_in_the_pool():
    """256 random bits: SHA-256, even by a pool that is closed; and nothing but the digest of that very secret passes."""
    pool = HashingPool(threads=1)
    pool.close()
    digest = sha256_digest("a" * 43)
    assert await pool.verify(digest, "a" * 43)
    assert not await pool.verify(digest, "b" * 43)
    assert not await pool.verify(digest[:-1], "a" * 43)
    assert not await pool.verify("$sha256$", "")
    with pytest.raises(Refused):  # an Argon2id digest still wants the pool
        await pool.verify("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA", "a" * 43)
