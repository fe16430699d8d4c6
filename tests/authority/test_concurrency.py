"""The authority among many requests at once: what they share, what they must not, and what changes under them.

Every safety test runs a second time against a variant with the mistake that it is about, which it must catch.
"""

import asyncio
import hmac

import pytest

from authproxy.authority import Authority
from authproxy.authority.hashing import HashingPool
from authproxy.authority.verified import VerifiedKeys
from authproxy.domain.access import Principal
from authproxy.domain.refusal import Code, Denial
from tests.authority.conftest import HERE, NOW, PROCESS_KEY, SPEC, CountingPool
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


class HashesSideBySide(Authority):
    """The mistake: everybody hashes at once, so that guesses are under way before the first is counted."""

    async def _hashed(self, key, proof, digest, now):
        right = await self._hashing.verify(digest, key.secret.reveal())
        if not right:
            self._throttle.failed_for(key.unverified_id, now)
            return False
        self._verified.remember(key.unverified_public_id, proof, digest)
        return True


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
    """Right and wrong secrets of one key, mixed at once: every right one is let in and no wrong one, in any order."""
    authority = build(kind)
    _, text = await authority.issue(SPEC, now=NOW)
    guesses = [another(text, fill) for fill in range(4)]
    asked = [text, *guesses, text, *guesses, text]
    answers = await asyncio.gather(*(authority.authenticate(each, HERE, now=NOW) for each in asked))
    wrong = [let_in(answer) for each, answer in zip(asked, answers, strict=True) if each != text]
    assert all(let_in(answer) for each, answer in zip(asked, answers, strict=True) if each == text)
    assert any(wrong) is caught
    assert caught or 5 <= pool.verified <= 9


@pytest.mark.parametrize(("kind", "most"), [(Authority, 3), (HashesSideBySide, 40)], ids=["ours", "naive"])
async def test_guesses_at_once_cost_no_more_hashes_than_the_throttle_lets_through(kind, most, build, pool):
    """Forty guesses at one key that arrive together are not forty hashes."""
    authority = build(kind, failures=3)
    _, text = await authority.issue(SPEC, now=NOW)
    answers = await asyncio.gather(
        *(authority.authenticate(another(text, fill), HERE, now=NOW) for fill in range(40)),
    )
    assert pool.verified == most
    assert sum(answer.code is Code.CREDENTIAL_INVALID for answer in answers) == most


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


async def test_proofs_are_compared_in_constant_time(build, monkeypatch, pool):
    """Secrets are compared by compare_digest, whose time does not tell how much of them is right."""
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((a, b)) or real(a, b))
    authority = build()
    _, text = await authority.issue(SPEC, now=NOW)
    await authority.authenticate(text, HERE, now=NOW)
    compared.clear()
    await authority.authenticate(another(text), HERE, now=NOW)
    assert compared
    assert all(len(a) == len(b) == 32 for a, b in compared)
