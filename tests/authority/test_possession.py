"""Texts that prove a key, live or dead; and that one costs as much as another."""

import json
from dataclasses import replace

import pytest

from authproxy.authority.minting import Minted, Minter
from authproxy.authority.possession import DECOY, Possessions
from authproxy.authority.sealing import Masters
from authproxy.domain.caveats import LEEWAY
from authproxy.domain.derived import derive, parse_derived
from authproxy.domain.keys import KeyKind, PublicId, mint
from authproxy.domain.refusal import Code, Refused
from tests.authority.conftest import HERE, NOW, SPEC, CountingPool
from tests.authority.forging import CAVEATS, CORE, FIVE_MINUTES, MASTER, forged
from tests.authority.test_minting import ASKED

SET = replace(SPEC, policy="", kind=KeyKind.CANARY)
UNKNOWN = mint("apx", PublicId("AAAAAAAAAAAA0"), bytes(32))


@pytest.fixture
def authority(build):
    return build(masters=Masters(MASTER))


@pytest.fixture
async def counting():
    made = CountingPool(threads=1)
    yield made
    made.close()


@pytest.fixture
def possessions(store, authority, counting):
    return Possessions(store, authority.derivations, authority.canaries, "apx", counting)


async def dead(authority, store, end):
    record, text = await authority.issue(SPEC, now=NOW)
    await getattr(store, end)(record.id, NOW)
    return text


async def minted(store):
    made = await Minter(store, prefix="apx").mint_for(ASKED, now=NOW)
    assert isinstance(made, Minted)
    return made.text


TEXTS = {
    "a live key": lambda authority, _: authority.issue(SPEC, now=NOW),
    "a revoked one": lambda authority, store: dead(authority, store, "revoke"),
    "a paused one": lambda authority, store: dead(authority, store, "pause"),
    "one that has expired": lambda authority, _: authority.issue(replace(SPEC, expires=NOW), now=NOW),
    "a canary": lambda authority, _: authority.issue(SET, now=NOW),
    "a minted one": lambda _, store: minted(store),
}


async def given(made, authority, store):
    found = await made(authority, store)
    return found if isinstance(found, str) else found[1]


@pytest.mark.parametrize("made", TEXTS.values(), ids=TEXTS)
async def test_whoever_has_a_key_is_known(possessions, authority, store, counting, made):
    """Dead or alive, and each for one Argon2."""
    text = await given(made, authority, store)
    found = await possessions.of(text, HERE, now=NOW)
    assert found.public_id == text[4:17]
    assert (found.derivation, found.over) == (None, False)
    assert found.canary is (made is TEXTS["a canary"])
    assert counting.verified == 1


NOTHING = {
    "no key": "correct horse",
    "nothing at all": "",
    "a key with a typing error": UNKNOWN[:-1] + "x",
    "a key of another installation": UNKNOWN.replace("apx", "abc"),
    "one that nobody knows": UNKNOWN,
    "a derived key that is cut": derive(UNKNOWN, CAVEATS, "apx")[:-1],
}


@pytest.mark.parametrize("text", NOTHING.values(), ids=NOTHING)
async def test_what_proves_nothing_costs_as_much(possessions, counting, text):
    """One Argon2 of nothing."""
    assert await possessions.of(text, HERE, now=NOW) is None
    assert counting.verified == 1


async def test_another_secret_proves_nothing(possessions, authority, store, counting):
    """Neither of a key nor of one whose digest is quick."""
    texts = [await given(TEXTS[name], authority, store) for name in ("a live key", "a minted one", "a canary")]
    for text in texts:
        wrong = mint("apx", PublicId(text[4:17]), b"x" * 32)
        assert await possessions.of(wrong, HERE, now=NOW) is None
    assert counting.verified == 3


async def test_the_decoy_is_what_a_key_costs(authority, counting):
    """The same profile, and nobody's secret."""
    _, text = await authority.issue(SPEC, now=NOW)
    [secret] = (await authority._store.key(text[4:16])).secrets
    assert secret.digest.rpartition("$")[0].rpartition("$")[0] == DECOY.rpartition("$")[0].rpartition("$")[0]
    assert [len(part) for part in secret.digest.split("$")] == [len(part) for part in DECOY.split("$")]
    assert await counting.verify(DECOY, "0" * 43) is False


async def test_without_evenness_only_what_is_known_is_hashed(possessions, authority, store, counting):
    """For whoever has signed what was sent: a report of a thousand strangers' keys costs nothing."""
    for text in NOTHING.values():
        assert await possessions.of(text, HERE, now=NOW, evenly=False) is None
    for name in ("a canary", "a minted one"):
        assert await possessions.of(await given(TEXTS[name], authority, store), HERE, now=NOW, evenly=False)
    assert counting.verified == 0
    _, text = await authority.issue(SPEC, now=NOW)
    assert await possessions.of(text, HERE, now=NOW, evenly=False)
    assert counting.verified == 1


async def test_an_old_secret_is_over_once_it_has_ended(possessions, authority, store):
    """While it works it is the key; afterwards it is worth nothing, and whoever has it may not end the key."""
    record, text = await authority.issue(SPEC, now=NOW)
    await authority.rotate(record.id, 100, now=NOW)
    assert (await possessions.of(text, HERE, now=NOW + 99)).over is False
    assert (await possessions.of(text, HERE, now=NOW + 100)).over is True


async def test_a_derived_key_is_known_by_its_name(possessions, authority, counting):
    """With the first of its ends, and what it was narrowed to for the record. It takes no Argon2."""
    _, text = await authority.issue(SPEC, now=NOW)
    child = derive(derive(text, [FIVE_MINUTES, CORE], "apx"), [replace(FIVE_MINUTES, expires=NOW + 60)], "apx")
    found = await possessions.of(child, HERE, now=NOW)
    assert found.derivation.until == NOW + 60 + LEEWAY
    assert json.loads(found.written)["name"] == found.derivation.name
    assert (found.over, found.canary, counting.verified) == (False, False, 0)
    assert (await possessions.of(child, HERE, now=NOW + 60 + LEEWAY - 1)).over is False
    assert (await possessions.of(child, HERE, now=NOW + 60 + LEEWAY)).over is True
    assert (await possessions.of(derive(text, [CORE], "apx"), HERE, now=NOW)).derivation.until is None


async def test_a_derived_key_that_proves_nothing(possessions, authority, store):
    """Forged; of a key, or of a secret, that is not there; of one whose MAC key cannot be opened."""
    record, text = await authority.issue(SPEC, now=NOW)
    other = mint("apx", PublicId(record.id + "7"), bytes(32))
    for wrong in (forged(text), derive(UNKNOWN, CAVEATS, "apx"), derive(other, CAVEATS, "apx")):
        assert parse_derived(wrong, "apx") is not None
        assert await possessions.of(wrong, HERE, now=NOW) is None
    authority.under(Masters())
    assert await possessions.of(derive(text, CAVEATS, "apx"), HERE, now=NOW) is None


async def test_what_was_ended_is_over_with_all_that_was_made_of_it(possessions, authority, store):
    """So whoever has one cannot fill the store with the names of its children."""
    _, text = await authority.issue(SPEC, now=NOW)
    parent = derive(text, [FIVE_MINUTES], "apx")
    found = await possessions.of(parent, HERE, now=NOW)
    await store.derivations.end(found.derivation.name, found.derivation.until)
    for each in (parent, derive(parent, [CORE], "apx")):
        assert (await possessions.of(each, HERE, now=NOW)).over is True
    assert (await possessions.of(derive(text, [CORE], "apx"), HERE, now=NOW)).over is False


KNOWN_NOWHERE = mint("apx", PublicId("AAAAAAAAAAAA0"), bytes(32))


async def test_a_canary_raises_its_alarm(store, build, counting):
    """Whoever gives it up has it; what is derived from it says so too. One that is paused has no voice."""
    uses = []
    authority = build(masters=Masters(MASTER), alarm=lambda: uses.append(1))
    possessions = Possessions(store, authority.derivations, authority.canaries, "apx", counting)
    record, text = await authority.issue(SET, now=NOW)
    assert (await possessions.of(text, HERE, now=NOW)).canary
    assert (await possessions.of(derive(text, CAVEATS, "apx"), HERE, now=NOW)).canary
    assert len(uses) == 2
    counting.verified = 0
    for each in (
        text,
        derive(text, CAVEATS, "apx"),
        mint("apx", PublicId(text[4:17]), bytes(32)),
        KNOWN_NOWHERE,
        "rubbish",
    ):
        await possessions.listen(each, HERE, now=NOW)
    assert (len(uses), counting.verified) == (4, 0)
    uses.clear()
    await store.pause(record.id, NOW)
    await possessions.of(text, HERE, now=NOW)
    assert uses == []


async def test_a_queue_that_is_full_is_said_to_all_alike(store, authority):
    """The pool is this room's own: keys that upload are hashed elsewhere."""
    pool = CountingPool(threads=1, queue=0)
    possessions = Possessions(store, authority.derivations, authority.canaries, "apx", pool)
    _, text = await authority.issue(SPEC, now=NOW)
    possessions.close()
    for each in (text, UNKNOWN, "no key"):
        with pytest.raises(Refused) as refused:
            await possessions.of(each, HERE, now=NOW)
        assert refused.value.denial.code is Code.BUSY
