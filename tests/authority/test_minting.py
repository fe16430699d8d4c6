"""Keys for trusted publishers: made, proved without the slow hash, and burned."""

import hashlib
from dataclasses import replace

import pytest

from authproxy.authority.minting import MINT_ATTEMPTS, ForPublisher, Minted, Minter
from authproxy.domain.access import Principal
from authproxy.domain.keys import KeyKind, parse
from authproxy.domain.policy import DEAD_KEY
from authproxy.store import NotMinted, StoreError
from tests.authority.conftest import HERE, NOW, SPEC

ASKED = ForPublisher("github acme/core release.yml", '{"sha":"9f"}', 900, "token-1", NOW + 600, {}, {"id": "74"})
AGAIN = replace(ASKED, assertion="token-2", seen={"id": "74"}, pin=None)


@pytest.fixture
def minter(store):
    return Minter(store, prefix="apx")


async def test_a_minted_key_proves_itself_without_a_slow_hash(minter, build, pool, store):
    """The pool's threads are never asked, so a job of a thousand parts waits for nobody."""
    minted = await minter.mint_for(ASKED, now=NOW)
    pool.close()  # whoever hashed now would be refused
    principal = await build().authenticate(minted.text, HERE, now=NOW)
    assert isinstance(principal, Principal)
    assert principal.key == minted.record == await store.key(minted.record.id)
    assert (principal.key.kind, principal.key.publisher) == (KeyKind.MINTED, ASKED.publisher)
    assert (principal.key.claims, principal.key.expires) == (ASKED.claims, NOW + 900)


async def test_at_rest_there_is_a_sha256_and_nowhere_the_secret(minter):
    """As the docstring says: 256 random bits need no slow hash."""
    minted = await minter.mint_for(ASKED, now=NOW)
    secret = parse(minted.text, "apx").secret.reveal()
    [stored] = minted.record.secrets
    assert stored.digest == "$sha256$" + hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in repr(minted)


async def test_another_secret_is_refused(minter, build):
    """One that is a key by its form, and the id of this one."""
    minted = await minter.mint_for(ASKED, now=NOW)
    other = await minter.mint_for(AGAIN, now=NOW)
    from authproxy.domain.keys import mint

    forged = mint("apx", parse(minted.text, "apx").unverified_public_id, b"x" * 32)
    assert await build().authenticate(forged, HERE, now=NOW) == DEAD_KEY
    assert await minter.burn(forged, now=NOW) is False
    assert isinstance(await build().authenticate(other.text, HERE, now=NOW), Principal)


async def test_it_ends_by_itself(minter, build):
    """To the second."""
    minted = await minter.mint_for(ASKED, now=NOW)
    authority = build()
    assert isinstance(await authority.authenticate(minted.text, HERE, now=NOW + 899), Principal)
    assert await authority.authenticate(minted.text, HERE, now=NOW + 900) == DEAD_KEY


async def test_a_burned_key_is_refused_at_once(minter, build):
    """By a server that has just remembered it."""
    minted = await minter.mint_for(ASKED, now=NOW)
    authority = build()
    await authority.authenticate(minted.text, HERE, now=NOW)
    assert await minter.burn(minted.text, now=NOW) is True
    assert await minter.burn(minted.text, now=NOW) is False
    assert await authority.authenticate(minted.text, HERE, now=NOW) == DEAD_KEY


@pytest.mark.parametrize("text", ["", "rubbish", "apx_" + "0" * 63])
async def test_what_is_no_key_burns_nothing(minter, text):
    """And asks nobody."""
    assert await minter.burn(text, now=NOW) is False


async def test_an_ordinary_key_does_not_burn(minter, build):
    """Whoever holds one may revoke it elsewhere; here it is not even hashed."""
    authority = build()
    _, text = await authority.issue(SPEC, now=NOW)
    assert await minter.burn(text, now=NOW) is False
    assert isinstance(await authority.authenticate(text, HERE, now=NOW), Principal)


async def test_a_canary_is_no_slower_to_burn_than_a_key(minter, build, store, monkeypatch):
    """It is not written to the store for, which its digest, a fast one, would lead to."""
    _, text = await build().issue(replace(SPEC, kind=KeyKind.CANARY), now=NOW)

    async def written(*_: object, **__: object) -> bool:
        pytest.fail("the store was asked to burn a canary")

    monkeypatch.setattr(store.minting, "burn", written)
    assert await minter.burn(text, now=NOW) is False


async def test_a_secret_that_was_replaced_burns_nothing(minter, change):
    """Its slot is not there any more."""
    minted = await minter.mint_for(ASKED, now=NOW)
    change("UPDATE secrets SET slot = '1'")
    assert await minter.burn(minted.text, now=NOW) is False


async def test_the_stores_no_is_passed_on(minter):
    """A token mints once."""
    assert isinstance(await minter.mint_for(ASKED, now=NOW), Minted)
    assert await minter.mint_for(replace(AGAIN, assertion="token-1"), now=NOW) is NotMinted.REUSED


async def test_an_id_that_is_taken_is_drawn_again(store):
    """As often as for any key, and then the entropy is broken."""
    drawn = iter([b"a" * 16, b"1" * 32, b"a" * 16, b"2" * 32, b"b" * 16, b"3" * 32])
    minter = Minter(store, prefix="apx", entropy=lambda _: next(drawn))
    first, second = await minter.mint_for(ASKED, now=NOW), await minter.mint_for(AGAIN, now=NOW)
    assert first.record.id != second.record.id
    stuck = Minter(store, prefix="apx", entropy=lambda count: b"a" * count)
    with pytest.raises(StoreError, match="is taken"):
        await stuck.mint_for(replace(AGAIN, assertion="token-3"), now=NOW)
    assert MINT_ATTEMPTS == 3
    assert isinstance(await minter_again(store).mint_for(replace(AGAIN, assertion="token-3"), now=NOW), Minted)


def minter_again(store):
    return Minter(store, prefix="apx")


async def test_a_store_that_fails_is_not_asked_again(store, minter):
    """What is no taken id is passed on."""
    await store.close()
    with pytest.raises(StoreError):
        await minter.mint_for(ASKED, now=NOW)
