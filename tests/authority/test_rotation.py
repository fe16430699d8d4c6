"""A rotated key: two secrets, each told by its public id, each for the price of one Argon2."""

import asyncio
import secrets

import pytest

from authproxy.domain.access import PrincipalKind
from authproxy.domain.keys import KeyRecord, mint
from authproxy.domain.policy import DEAD_KEY
from authproxy.domain.refusal import Denial
from authproxy.store import Finish, Rotate, Shown, TakeBack, Unchanged
from tests.authority.conftest import HERE, NOW, SPEC

WEEK = 7 * 86_400


async def rotated(authority, key_id, overlap=WEEK, **more):
    done = await authority.rotate(key_id, overlap, now=NOW, **more)
    assert not isinstance(done, Unchanged), done
    return done


async def test_each_secret_costs_one_hash(authority, pool, build):
    """The public id says which secret it is, so none is tried in vain; afterwards both are remembered."""
    record, old = await authority.issue(SPEC, now=NOW)
    done = await rotated(authority, record.id)
    server = build()
    pool.verified = 0
    for number, text in enumerate((old, done.text), start=1):
        principal = await server.authenticate(text, HERE, now=NOW)
        assert (principal.kind, principal.key.id) == (PrincipalKind.KEY, record.id)
        assert pool.verified == number
    assert (await server.authenticate(done.text, HERE, now=NOW)).public_id == done.public_id == record.id + "1"
    await server.authenticate(old, HERE, now=NOW)
    assert pool.verified == 2


async def test_rotating_disturbs_nobody(authority, pool):
    """Who was verified before the rotation is not hashed again because of it."""
    record, old = await authority.issue(SPEC, now=NOW)
    await authority.authenticate(old, HERE, now=NOW)
    pool.verified = 0
    await rotated(authority, record.id)
    assert not isinstance(await authority.authenticate(old, HERE, now=NOW), Denial)
    assert pool.verified == 0


async def test_one_secret_is_not_the_other(build):
    """The old secret under the new public id is a wrong secret: the digest of that slot decides, and no other."""
    drawn = []

    def entropy(count):
        drawn.append(secrets.token_bytes(count))
        return drawn[-1]

    authority = build(entropy=entropy)
    record, old = await authority.issue(SPEC, now=NOW)
    done = await rotated(authority, record.id)
    assert mint("apx", record.id + "0", drawn[1]) == old
    assert mint("apx", done.public_id, drawn[2]) == done.text
    for crossed in (mint("apx", done.public_id, drawn[1]), mint("apx", record.id + "0", drawn[2])):
        assert await authority.authenticate(crossed, HERE, now=NOW) == DEAD_KEY


async def test_the_old_secret_ends_by_the_clock(authority):
    """To the second, for a server that has it in its cache, and without any commit."""
    record, old = await authority.issue(SPEC, now=NOW)
    done = await rotated(authority, record.id, 1000)
    for text, at, lives in ((old, 999, True), (old, 1000, False), (done.text, 1000, True)):
        assert (await authority.authenticate(text, HERE, now=NOW + at) == DEAD_KEY) is not lives


async def test_the_first_request_after_finish_is_refused(authority, build, shell, pool):
    """A server that has verified the old secret sees at its next request that another program has ended it."""
    record, old = await authority.issue(SPEC, now=NOW)
    done = await rotated(authority, record.id)
    server = build()
    principal = await server.authenticate(old, HERE, now=NOW)
    assert server.still_holds(principal, now=NOW)
    assert isinstance(await shell.change_key(record.id, Finish(None), now=NOW), KeyRecord)
    pool.verified = 0
    await asyncio.sleep(0)  # `still_holds` asks the store once in a turn of the loop
    assert not server.still_holds(principal, now=NOW)
    assert await server.authenticate(old, HERE, now=NOW) == DEAD_KEY
    assert pool.verified == 0
    assert (await server.authenticate(done.text, HERE, now=NOW)).public_id == done.public_id


async def test_the_first_request_with_the_new_secret_passes(authority, build, shell, store):
    """A server that remembers the key as it was sees the rotation at its next request."""
    record, old = await authority.issue(SPEC, now=NOW)
    server = build()
    await server.authenticate(old, HERE, now=NOW)
    elsewhere = build()
    done = await rotated(elsewhere, record.id)
    assert not isinstance(await server.authenticate(done.text, HERE, now=NOW), Denial)


async def test_what_is_said_of_a_key_that_was_replaced(authority, store):
    """`key verify` tells the two apart."""
    record, old = await authority.issue(SPEC, now=NOW)
    done = await rotated(authority, record.id, 1000)
    assert (await authority.verify(old, now=NOW)).problem is None
    assert (await authority.verify(old, now=NOW + 1000)).problem == "expired"
    await store.change_key(record.id, Finish(None), now=NOW)
    assert (await authority.verify(old, now=NOW)).problem == "replaced"
    assert (await authority.verify(done.text, now=NOW)).problem is None


async def test_what_cannot_be_rotated(authority, store, change):
    """Unknown, under way, without any secret."""
    record, _ = await authority.issue(SPEC, now=NOW)
    assert await authority.rotate("Nobody000000", WEEK, now=NOW) == Unchanged("unknown")
    await rotated(authority, record.id)
    assert (await authority.rotate(record.id, WEEK, now=NOW)).reason == "rotating"
    change("DELETE FROM secrets")
    assert (await authority.rotate(record.id, WEEK, now=NOW)).reason == "changed"


async def test_a_lost_secret_is_replaced(authority, store):
    """The lost one is dead at once; the old one and the third work."""
    record, old = await authority.issue(SPEC, now=NOW)
    lost = await rotated(authority, record.id)
    third = await rotated(authority, record.id, again=True)
    for text, lives in ((old, True), (lost.text, False), (third.text, True)):
        assert isinstance(await authority.authenticate(text, HERE, now=NOW), Denial) is not lives
    await store.change_key(record.id, Shown("2"), now=NOW)
    assert (await store.change_key(record.id, TakeBack("2"), now=NOW)).reason == "changed"


class Meddled:
    """A store in which somebody else rotates and finishes, so many times, just before we commit."""

    def __init__(self, store, times):
        self._store, self.times = store, times

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def change_key(self, key_id, step, *, now):
        if isinstance(step, Rotate) and self.times:
            self.times -= 1
            await self._store.change_key(key_id, step, now=now)
            await self._store.change_key(key_id, Finish(None), now=now)
        return await self._store.change_key(key_id, step, now=now)


@pytest.mark.parametrize(("times", "rotates"), [(1, True), (2, True), (99, False)])
async def test_somebody_else_may_be_quicker(authority, build, store, pool, times, rotates):
    """A new secret is made for the key as it is then; whoever is never first is told so."""
    record, _ = await authority.issue(SPEC, now=NOW)
    meddled = build()
    meddled._store = Meddled(store, times)
    done = await meddled.rotate(record.id, WEEK, now=NOW)
    if rotates:
        assert done.public_id == record.id + "123"[times]
        assert not isinstance(await authority.authenticate(done.text, HERE, now=NOW), Denial)
    else:
        assert done == Unchanged("changed")
