"""Sealing: what goes in comes out under the right master key for the right public id, and under nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.authority.sealing import NEVER_SEALED, NO_MASTER, VERSION, Masters, Unopened, master_id
from authproxy.domain.keys import PublicId

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
WHO, OTHER = PublicId("AAAAAAAAAAAA0"), PublicId("AAAAAAAAAAAA1")
KEY = bytes([7]) * 32

# Sealed by the first version of this code, under OLD for WHO with the nonce 000102...0b.
FROZEN = (
    "01630dcd2966c43366000102030405060708090a0b4005d11cc2e2c51c8a46908cb6ee"
    "7f6a84d18033f77c587b3f60e2821a6e07b5f8ac293bbc974c93ac3292aeee70fb93"
)


def test_what_is_sealed_is_opened_again():
    """Under the current master key and, once another has taken its place, under the former."""
    sealed = Masters(OLD).seal(WHO, KEY)
    assert Masters(OLD).open(WHO, sealed) == KEY
    assert Masters(NEW, [OLD]).open(WHO, sealed) == KEY
    assert KEY not in sealed
    assert sealed[:9] == VERSION + master_id(OLD) == Masters(OLD).head


def test_the_layout_is_the_one_that_is_written_down():
    """Version, id of the master key, nonce, and AES-GCM with the public id: what stores hold must open for ever."""
    sealed = Masters(OLD, entropy=lambda size: bytes(range(size))).seal(WHO, KEY)
    assert sealed.hex() == FROZEN
    assert Masters(OLD).open(WHO, sealed) == KEY


def test_what_is_sealed_says_under_which_master_key():
    """By how it begins: those that are named open it, the one in use and the former ones."""
    one, other = Masters(bytes(32)), Masters(bytes([1]) * 32, (bytes(32),))
    assert one.heads == {VERSION + master_id(bytes(32))}
    assert one.heads < other.heads
    assert one.head in other.heads
    assert Masters().heads == frozenset()


def test_no_two_seals_are_alike():
    """A nonce is never used twice: the same key sealed twice shows nothing of that."""
    assert len({Masters(OLD).seal(WHO, KEY) for _ in range(100)}) == 100


def test_without_a_master_key_nothing_is_sealed_or_opened():
    """Such a server says why, whatever the store holds."""
    assert Masters().seal(WHO, KEY) is None
    assert Masters().head is None
    assert Masters().open(WHO, Masters(OLD).seal(WHO, KEY)) is NO_MASTER
    assert Masters(OLD).open(WHO, None) is NEVER_SEALED


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        pytest.param(lambda sealed: b"\x02" + sealed[1:], "a form that", id="another version"),
        pytest.param(lambda sealed: sealed[:36], "a form that", id="cut short"),
        pytest.param(lambda _: b"", "a form that", id="empty"),
        pytest.param(
            lambda sealed: sealed[:1] + bytes(8) + sealed[9:], f"master key {'00' * 8}", id="another master key"
        ),
        pytest.param(lambda sealed: sealed[:-1], "was changed", id="without its last byte"),
        pytest.param(lambda sealed: sealed[:20] + bytes(1) + sealed[21:], "was changed", id="another nonce"),
    ],
)
def test_what_was_changed_stays_shut_and_says_why(spoil, says):
    """Each way of being broken has its sentence, and none of them opens."""
    found = Masters(OLD).open(WHO, spoil(Masters(OLD).seal(WHO, KEY)))
    assert isinstance(found, Unopened)
    assert says in found.why


def test_a_sealed_key_is_for_its_own_row():
    """Copied to another public id it opens nothing: whoever writes the store cannot make one key another's."""
    found = Masters(OLD).open(OTHER, Masters(OLD).seal(WHO, KEY))
    assert isinstance(found, Unopened)


@given(st.integers(min_value=0, max_value=68), st.integers(min_value=1, max_value=255))
def test_no_byte_can_be_changed(position, change):
    """Whatever byte is flipped in whatever way, nothing comes out."""
    sealed = bytearray(Masters(OLD).seal(WHO, KEY))
    assert len(sealed) == 69
    sealed[position] ^= change
    assert isinstance(Masters(OLD).open(WHO, bytes(sealed)), Unopened)


def test_resealing_needs_the_former_key_once_and_then_no_more():
    """After it the new master key alone opens; without the former one it says which is missing."""
    sealed = Masters(OLD).seal(WHO, KEY)
    again = Masters(NEW, [OLD]).reseal(WHO, sealed)
    assert Masters(NEW).open(WHO, again) == KEY
    assert isinstance(Masters(OLD).open(WHO, again), Unopened)
    missing = Masters(NEW).reseal(WHO, sealed)
    assert master_id(OLD).hex() in missing.why
    assert Masters(former=[OLD]).reseal(WHO, sealed) is NO_MASTER
