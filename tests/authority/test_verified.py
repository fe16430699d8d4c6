"""The verified-key cache: only the very secret, against the very digest, and no secret in memory."""

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.authority.verified import VerifiedKeys
from authproxy.domain.keys import PublicId, SecretText

PROCESS_KEY = bytes(range(32))
ID = PublicId("AAAAAAAAAAAA0")
SECRET = SecretText("right" * 8 + "abc")
OTHER = SecretText("wrong" * 8 + "abc")


@pytest.fixture
def verified():
    return VerifiedKeys(PROCESS_KEY)


def test_only_what_was_remembered_is_held(verified):
    """The same secret against the same digest is a hit; another secret, another id or no entry is not."""
    proof = verified.proof(SECRET)
    assert not verified.knows(ID, proof)
    assert not verified.holds(ID, proof, "digest")
    verified.remember(ID, proof, "digest")
    assert verified.knows(ID, proof)
    assert verified.holds(ID, proof, "digest")
    assert not verified.knows(ID, verified.proof(OTHER))
    assert not verified.holds(ID, verified.proof(OTHER), "digest")
    assert not verified.holds(PublicId("AAAAAAAAAAAA1"), proof, "digest")


def test_another_digest_ends_the_entry(verified):
    """A secret replaced in the store is not accepted, and what was checked against the old digest is forgotten."""
    proof = verified.proof(SECRET)
    verified.remember(ID, proof, "old")
    assert not verified.holds(ID, proof, "new")
    assert not verified.knows(ID, proof)
    assert not verified.holds(ID, proof, "old")


def test_a_wrong_secret_does_not_push_out_the_right_one(verified):
    """Guesses leave the entry of the real key alone."""
    verified.remember(ID, verified.proof(SECRET), "digest")
    assert not verified.holds(ID, verified.proof(OTHER), "digest")
    assert verified.holds(ID, verified.proof(SECRET), "digest")


@given(left=st.text("abc012", min_size=1, max_size=4), right=st.text("abc012", min_size=1, max_size=4))
def test_proofs_agree_exactly_where_secrets_do(left, right):
    """Two secrets have one proof only if they are one; another process key gives another proof."""
    verified, elsewhere = VerifiedKeys(PROCESS_KEY), VerifiedKeys(bytes(32))
    assert (verified.proof(SecretText(left)) == verified.proof(SecretText(right))) == (left == right)
    assert verified.proof(SecretText(left)) != elsewhere.proof(SecretText(left))


def test_the_cache_is_bounded():
    """With more keys than fit, the least used pays its hash again."""
    verified = VerifiedKeys(PROCESS_KEY, limit=2)
    proof = verified.proof(SECRET)
    ids = [PublicId(f"AAAAAAAAAAA{n}0") for n in range(3)]
    for public_id in ids:
        verified.remember(public_id, proof, "digest")
    assert len(verified) == 2
    assert [verified.knows(public_id, proof) for public_id in ids] == [False, True, True]


def reachable_text(root):
    """Return all that the objects reachable from `root` say about themselves, and all strings and bytes among them."""
    seen, todo, told = set(), [root], []
    while todo:
        each = todo.pop()
        if id(each) in seen or isinstance(each, type) or callable(each):
            continue
        seen.add(id(each))
        told.append(repr(each))
        todo.extend(gc.get_referents(each))
    return "".join(told)


def test_no_secret_stays_in_memory(verified):
    """Nothing that the cache holds on to contains the secret; a naive cache of secrets is caught by the same look."""
    verified.remember(ID, verified.proof(SECRET), "digest")
    naive = {ID: SECRET.reveal()}
    assert SECRET.reveal() not in reachable_text(verified)
    assert SECRET.reveal() in reachable_text(naive)


def test_a_short_process_key_is_refused():
    """A key shorter than what it makes is a mistake of the caller."""
    with pytest.raises(ValueError, match="32 to 64 bytes"):
        VerifiedKeys(b"short")
