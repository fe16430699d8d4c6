"""The authority among many requests at once: what they share, what they must not, and what changes under them.

Every safety test runs a second time against a variant with the mistake that it is about, which it must catch.
"""

import asyncio

import pytest

from authproxy.authority import Authority
from authproxy.authority.hashing import HashingPool
from authproxy.authority.throttle import Throttle
from authproxy.authority.verified import VerifiedKeys
from authproxy.domain.access import Principal
from authproxy.domain.refusal import Code, Denial
from authproxy.store import BUSY
from authproxy.store.driver import sqlite3
from tests.authority.conftest import ELSEWHERE, HERE, NOW, PROCESS_KEY, SPEC, CountingPool
from tests.authority.test_authority import another
from tests.authority.test_records import Forgetless


class Undigested(VerifiedKeys):
    """The mistake: a secret that passed once is good for ever."""

    def holds(self, public_id, proof, digest):  # noqa: ARG002 - that is the mistake
        return self.knows(public_id, proof)


class ByIdAlone(VerifiedKeys):
    """The mistake: a public id that was verified is good with any secret."""

    def knows(self, public_id, proof):  # noqa: ARG002 - that is the mistake
        return self._checked.get(public_id) is not None

    def holds(self, public_id, proof, digest):  # noqa: ARG002 - that is the mistake
        return self.knows(public_id, proof)


class NeverAsks(Authority):
    """The mistake: a record that was read once is good for ever."""

    def __init__(self, store, **settings):
        super().__init__(store, **settings)
        self._records = Forgetless(store)


class KeepsOldSecrets(Authority):
    """The mistake of Undigested, in place."""

    def __init__(self, store, **settings):
        super().__init__(store, **settings)
        self._verified = Undigested(PROCESS_KEY)


class TrustsTheId(Authority):
    """The mistake of ByIdAlone, in place."""

    def __init__(self, store, **settings):
        super().__init__(store, **settings)
        self._verified = ByIdAlone(PROCESS_KEY)


class ChargesAfterwards(Throttle):
    """The mistake: a guess is counted when it is known to be one, while others are already under way."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.under_way = 0

    def failed_for(self, *_):
        self.under_way += 1

    def forgive(self, *_):
        self.under_way -= 1


class HeldPool(CountingPool):
    """The real pool, whose answers are held back until `release` is set."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.hashed = asyncio.Event()
        self.release = asyncio.Event()

    async def verify(self, digest, secret):
        right = await super().verify(digest, secret)
        self.hashed.set()
        await self.release.wait()
        return right


@pytest.fixture
async def held():
    pool = HeldPool(threads=1)
    yield pool
    pool.close()


def let_in(answer):
    assert isinstance(answer, Principal | Denial)
    return isinstance(answer, Principal)


@pytest.mark.parametrize(("kind", "let"), [(Authority, False), (NeverAsks, True)], ids=["ours", "naive"])
async def test_a_revoked_warm_key_is_refused_at_once(kind, let, build, shell):
    """From the first request after another program's command returned."""
    authority = build(kind)
    record, text = await authority.issue(SPEC, now=NOW)
    assert let_in(await authority.authenticate(text, HERE, now=NOW))
    await shell.revoke(record.id, NOW)
    assert let_in(await authority.authenticate(text, HERE, now=NOW)) is let


@pytest.mark.parametrize(("kind", "let"), [(Authority, False), (NeverAsks, True)], ids=["ours", "naive"])
async def test_a_key_revoked_while_it_is_hashed_is_refused(kind, let, build, held, shell):
    """The record is looked at again after Argon2."""
    authority = build(kind, hashing=held)
    record, text = await authority.issue(SPEC, now=NOW)
    asking = asyncio.ensure_future(authority.authenticate(text, HERE, now=NOW))
    await held.hashed.wait()
    await shell.revoke(record.id, NOW)
    held.release.set()
    assert let_in(await asking) is let


@pytest.mark.parametrize(("kind", "let"), [(Authority, False), (KeepsOldSecrets, True)], ids=["ours", "naive"])
async def test_a_replaced_secret_is_refused(kind, let, build, pool, change):
    """What was verified against a digest ends with that digest."""
    authority = build(kind)
    _, text = await authority.issue(SPEC, now=NOW)
    assert let_in(await authority.authenticate(text, HERE, now=NOW))
    change("UPDATE secrets SET digest = ?", await pool.hash("another"))
    assert let_in(await authority.authenticate(text, HERE, now=NOW)) is let


async def test_a_secret_replaced_while_it_is_hashed_is_refused(build, held, change):
    """Two looks at the record: what was right against the old digest is hashed anew against the new one."""
    authority = build(hashing=held)
    _, text = await authority.issue(SPEC, now=NOW)
    asking = asyncio.ensure_future(authority.authenticate(text, HERE, now=NOW))
    await held.hashed.wait()
    change("UPDATE secrets SET digest = ?", await held.hash("another"))
    held.release.set()
    assert not let_in(await asking)
    assert held.verified == 2


async def test_a_replaced_secret_comes_to_the_throttle_as_a_stranger(build, pool, change):
    """A holder of the old secret is not excused from waiting."""
    authority = build(failures=1)
    _, text = await authority.issue(SPEC, now=NOW)
    await authority.authenticate(text, HERE, now=NOW)
    await authority.authenticate("malformed", HERE, now=NOW)
    change("UPDATE secrets SET digest = ?", await pool.hash("another"))
    assert (await authority.authenticate(text, HERE, now=NOW)).code is Code.THROTTLED
    assert pool.verified == 1


async def test_first_uses_at_once_share_one_hash(build, pool):
    """Fifty jobs that start together with one key cost one Argon2."""
    authority = build()
    record, text = await authority.issue(SPEC, now=NOW)
    answers = await asyncio.gather(*(authority.authenticate(text, HERE, now=NOW) for _ in range(50)))
    assert [answer.key for answer in answers] == [record] * 50
    assert pool.verified == 1


@pytest.mark.parametrize(("kind", "caught"), [(Authority, False), (TrustsTheId, True)], ids=["ours", "naive"])
async def test_other_secrets_do_not_join_the_right_one(kind, caught, build, pool):
    """Right and wrong secrets of one key, mixed at once: every right one is let in and no wrong one, cold and warm."""
    authority = build(kind)
    _, text = await authority.issue(SPEC, now=NOW)
    guesses = [another(text, fill) for fill in range(4)]
    wrong = []
    for _ in ("cold", "warm"):
        asked = [guesses[0], text, *guesses, text, *guesses, text]
        answers = await asyncio.gather(*(authority.authenticate(each, HERE, now=NOW) for each in asked))
        assert all(let_in(answer) for each, answer in zip(asked, answers, strict=True) if each == text)
        wrong += [let_in(answer) for each, answer in zip(asked, answers, strict=True) if each != text]
    assert any(wrong) is caught
    assert caught or pool.verified == 1 + 2 * len(guesses)


@pytest.mark.parametrize(("kind", "most"), [(Throttle, 3), (ChargesAfterwards, 40)], ids=["ours", "naive"])
async def test_guesses_at_once_cost_no_more_hashes_than_the_throttle_lets_through(kind, most, build, pool):
    """Forty guesses at one key that arrive together are not forty hashes."""
    authority = build(throttle=kind(failures=3, window=60))
    _, text = await authority.issue(SPEC, now=NOW)
    answers = await asyncio.gather(
        *(authority.authenticate(another(text, fill), HERE, now=NOW) for fill in range(40)),
    )
    assert pool.verified == most
    assert sum(answer.code is Code.CREDENTIAL_INVALID for answer in answers) == most


async def test_the_right_secret_is_heard_between_guesses_under_way(build, held):
    """Guesses that are being hashed leave the key's holder the rest of the meter, and a right secret uses none of it."""
    authority = build(hashing=held, failures=3)
    record, text = await authority.issue(SPEC, now=NOW)
    asked = [another(text, 1), another(text, 2), text, text, another(text, 3)]
    asking = [asyncio.ensure_future(authority.authenticate(each, HERE, now=NOW)) for each in asked]
    held.release.set()
    first, second, third, fourth, fifth = await asyncio.gather(*asking)
    assert (first.code, second.code) == (Code.CREDENTIAL_INVALID,) * 2
    assert (third.key, fourth.key) == (record, record)
    assert fifth.code is Code.THROTTLED
    again = await authority.authenticate(another(text, 3), ELSEWHERE, now=NOW)
    assert again.code is Code.CREDENTIAL_INVALID


async def test_who_joins_a_hash_about_an_old_digest_looks_again(build, held, change):
    """A secret that becomes right while it is hashed against another digest: who came after the change is let in."""
    authority = build(hashing=held)
    record, text = await authority.issue(SPEC, now=NOW)
    change("UPDATE secrets SET digest = ?", await held.hash("another"))
    first = asyncio.ensure_future(authority.authenticate(text, HERE, now=NOW))
    await held.hashed.wait()
    change("UPDATE secrets SET digest = ?", record.secrets[0].digest)
    second = asyncio.ensure_future(authority.authenticate(text, HERE, now=NOW))
    await asyncio.sleep(0.01)
    held.release.set()
    assert not let_in(await first)
    assert (await second).key == record
    assert held.verified == 2


async def test_failures_while_the_record_was_read_slowly_count(build, store, pool, database):
    """Guesses that wait for a busy database together are counted one by one before they are hashed."""
    authority = build(failures=3)
    _, text = await authority.issue(SPEC, now=NOW)
    writer = sqlite3.connect(database, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    assert (store.generation() is BUSY) is (writer.execute("PRAGMA journal_mode").fetchone()[0] != "wal")
    asking = [asyncio.ensure_future(authority.authenticate(another(text, fill), HERE, now=NOW)) for fill in range(9)]
    await asyncio.sleep(0.05)
    writer.execute("ROLLBACK")
    writer.close()
    codes = [(await each).code for each in asking]
    assert sorted(codes) == [Code.CREDENTIAL_INVALID] * 3 + [Code.THROTTLED] * 6
    assert pool.verified == 3


async def test_a_client_that_hangs_up_takes_nothing_from_the_others(build, held):
    """The first of three that wait for one hash goes away; the others get their answer from it."""
    authority = build(hashing=held)
    record, text = await authority.issue(SPEC, now=NOW)
    first, second, third = (asyncio.ensure_future(authority.authenticate(text, HERE, now=NOW)) for _ in range(3))
    await held.hashed.wait()
    first.cancel()
    await asyncio.wait([first])
    held.release.set()
    assert first.cancelled()
    assert ((await second).key, (await third).key) == (record, record)
    assert held.verified == 1


async def test_nobody_waits_for_the_last_hash_and_nothing_is_left_of_it(build, held):
    """All that waited are gone: the hash ends on its own, and the key is warm."""
    authority = build(hashing=held)
    record, text = await authority.issue(SPEC, now=NOW)
    only = asyncio.ensure_future(authority.authenticate(text, HERE, now=NOW))
    await held.hashed.wait()
    only.cancel()
    await asyncio.wait([only])
    held.release.set()
    assert (await authority.authenticate(text, HERE, now=NOW)).key == record
    assert held.verified == 1
    assert not authority._flights


async def test_a_full_pool_says_when_to_come_back_and_counts_nothing(build):
    """More cold keys than the pool takes: the rest gets 503 with the seconds, no failure is counted, warm ones pass."""
    pool = HashingPool(threads=1, queue=2)
    authority = build(hashing=pool, failures=1)
    made = [await authority.issue(SPEC, now=NOW) for _ in range(8)]
    answers = await asyncio.gather(*(authority.authenticate(text, HERE, now=NOW) for _, text in made))
    refused = [answer for answer in answers if isinstance(answer, Denial)]
    assert [(each.code, each.retry_after) for each in refused] == [(Code.BUSY, 1)] * 5
    assert all([let_in(await authority.authenticate(text, HERE, now=NOW)) for _, text in made])
