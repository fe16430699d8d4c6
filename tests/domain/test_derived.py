"""Derived keys: what `derive` makes verifies, nothing else does, and nobody can take a caveat away."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain.caveats import CAVEAT, Caveat, Lifetime, Once, Projects, read_caveat, write_caveat
from authproxy.domain.derived import (
    CAVEATS_LIMIT,
    DERIVED_LIMIT,
    UnverifiedDerived,
    chain,
    derive,
    derived_name,
    lineage,
    mac_key,
    parse_derived,
    verifies,
)
from authproxy.domain.keys import ALPHABET, PublicId, SecretText, mint, parse
from authproxy.domain.names import ProjectName
from tests.domain.drawn import CAVEATS, SEVERAL_CAVEATS

KEY = mint("apx", PublicId("Abc123XYZ7890"), bytes(range(32)))
SHORT = Lifetime(1790000000, 1789999700)
CORE = Projects(frozenset({ProjectName("acme-core")}))
VECTORS = [
    line.split()
    for line in (Path(__file__).parent.parent / "vectors" / "derived.txt").read_text(encoding="ascii").splitlines()
    if not line.startswith("#")
]


def b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def key_of(text: str) -> bytes:
    parsed = parse(text, text.partition("_")[0])
    assert parsed is not None
    return mac_key(parsed.secret)


def derivation(text: str, prefix: str = "apx") -> UnverifiedDerived:
    derived = parse_derived(text, prefix)
    assert derived is not None
    return derived


def is_good(text: str, key: bytes = key_of(KEY), prefix: str = "apx") -> bool:
    derived = parse_derived(text, prefix)
    return derived is not None and verifies(derived, key, prefix)


def forged(body: bytes, key: bytes = key_of(KEY), *, caveats: list[bytes] | None = None) -> str:
    """Write a derived key with a right tag around any bytes, as only the holder of the key could."""
    tag = chain(key, [b"apx_Abc123XYZ7890", *(CAVEAT.findall(body) if caveats is None else caveats)])
    return f"apx_Abc123XYZ7890.{b64(body)}.{b64(tag)}"


@pytest.mark.parametrize(("key", "caveats", "text"), VECTORS, ids=[row[1][:60] for row in VECTORS])
def test_published_derived_keys_keep_their_meaning(key: str, caveats: str, text: str) -> None:
    """Frozen examples, made by other code, verify as on the day they were written down, and ours are the same."""
    prefix = key.partition("_")[0]
    parsed = derivation(text, prefix)
    assert b"[" + b",".join(parsed.caveats) + b"]" == caveats.encode()
    assert verifies(parsed, key_of(key), prefix)
    made = key
    for raw in parsed.caveats:
        caveat = read_caveat(raw)
        assert caveat is not None
        made = derive(made, [caveat], prefix)
    assert made == text


# https://github.com/rescrv/libmacaroons has them in its README, and every library that followed in its tests.
PUBLISHED = [
    ([], "e3d9e02908526c4c0039ae15114115d97fdd68bf2ba379b342aaf0f617d0552f"),
    (["account = 3735928559"], "1efe4763f290dbce0c1d08477367e11f4eee456a64933cf662d79772dbb82128"),
    (
        ["account = 3735928559", "time < 2020-01-01T00:00"],
        "b5f06c8c8ef92f6c82c6ff282cd1f8bd1849301d09a2db634ba182536a611c49",
    ),
]


@pytest.mark.parametrize(("caveats", "tag"), PUBLISHED, ids=["no caveat", "one", "two"])
def test_the_chain_is_the_published_construction(caveats: list[str], tag: str) -> None:
    """The macaroon that everybody's tests have: the tags that others computed come out of ours."""
    # libmacaroons makes its key so; the construction begins behind that.
    root = chain(b"macaroons-key-generator", [b"this is our super secret key; only we should know it"])
    assert chain(root, [b"we used our secret key", *map(str.encode, caveats)]).hex() == tag


@given(st.text(ALPHABET, min_size=43, max_size=43))
def test_the_key_of_the_chain_is_hkdf(secret: str) -> None:
    """RFC 5869 as another library does it."""
    expected = HKDF(SHA256(), 32, None, b"authproxy derived keys 1").derive(secret.encode())
    assert mac_key(SecretText(secret)) == expected


@given(SEVERAL_CAVEATS, SEVERAL_CAVEATS, st.binary(min_size=32, max_size=32))
def test_what_is_derived_verifies(first: tuple[Caveat, ...], then: tuple[Caveat, ...], entropy: bytes) -> None:
    """In one step or in two, the caveats are all there, in order, and the tag is what HMAC makes of them."""
    key = mint("apx", PublicId("Abc123XYZ7890"), entropy)
    once = derive(key, first, "apx")
    twice = derive(once, then, "apx")
    parsed = derivation(twice)
    assert (parsed.unverified_id, parsed.unverified_public_id) == ("Abc123XYZ789", "Abc123XYZ7890")
    assert parsed.caveats[: len(first)] == derivation(once).caveats
    assert sorted(parsed.caveats) == sorted(map(write_caveat, (*first, *then)))
    tag = key_of(key)
    for text in (b"apx_Abc123XYZ7890", *parsed.caveats):
        tag = hmac.new(tag, text, hashlib.sha256).digest()
    assert parsed.tag == tag
    assert is_good(once, key_of(key))
    assert is_good(twice, key_of(key))
    assert not is_good(twice, key_of(KEY)) or key == KEY


@given(st.text() | st.binary(max_size=200).map(lambda raw: f"apx_Abc123XYZ7890.{b64(raw)}.{b64(bytes(32))}"))
def test_what_parses_is_what_would_be_written(text: str) -> None:
    """No text raises, and what is taken has one spelling: its parts put together again are the text."""
    parsed = parse_derived(text, "apx")
    if parsed is not None:
        body = json.dumps([json.loads(raw) for raw in parsed.caveats], separators=(",", ":")).encode()
        assert f"apx_{parsed.unverified_public_id}.{b64(body)}.{b64(parsed.tag)}" == text


WEB = Projects(frozenset({ProjectName("acme-web")}))
FIVE = derive(derive(KEY, [SHORT, CORE], "apx"), [Once("A" * 22), WEB, SHORT], "apx")
ODD = "_-.= \t\r\n\0~+/%\u0661\uff11\u212a\u00e9\ud800"


def careless(text: str) -> str:
    """The negative control: what a decoder that skips foreign characters and drops spare bits makes of it."""
    return "".join(c for c in text.casefold() if c in ALPHABET)[:-1]


def test_no_character_of_a_derived_key_can_change() -> None:
    """Every replacement at every place is refused, or does not parse; so is every character too many or too few."""
    assert is_good(FIVE)
    slipped = 0
    for at, was in enumerate(FIVE):
        for now in set(ALPHABET + ODD) - {was}:
            changed = FIVE[:at] + now + FIVE[at + 1 :]
            assert not is_good(changed), (at, now)
            slipped += careless(changed) == careless(FIVE)
        assert not is_good(FIVE[:at] + FIVE[at + 1 :])
        assert not is_good(FIVE[:at] + "A" + FIVE[at:])
        assert not is_good(FIVE[:at])
    assert slipped > 100, "a careless reader takes these for the same key: this test can fail"


@given(st.data())
def test_caveats_cannot_be_dropped_moved_doubled_or_changed(data: st.DataObject) -> None:
    """Whoever has a derived key and not the key can do nothing to what is there."""
    parsed = derivation(FIVE)
    changed = data.draw(
        st.permutations(parsed.caveats)
        | st.lists(st.sampled_from(parsed.caveats), min_size=1, max_size=6)
        | st.lists(CAVEATS.map(write_caveat), min_size=1, max_size=6)
    )
    text = f"apx_Abc123XYZ7890.{b64(b'[' + b','.join(changed) + b']')}.{b64(parsed.tag)}"
    assert is_good(text) == (tuple(changed) == parsed.caveats)


def test_the_public_id_and_the_prefix_are_bound() -> None:
    """A derived key cannot be said to be of another secret of the key, nor of an installation with other prefixes."""
    assert not is_good(FIVE.replace("7890.", "7891."))
    assert parse_derived(FIVE, "apy") is None
    assert not is_good("apy" + FIVE[3:], prefix="apy")


LAYOUTS = {
    "white space": b"[[0,2,1], [0,3,1]]",
    "an object": b'{"0":[0,2,1]}',
    "a bare caveat": b"[0,2,1]",
    "no caveat": b"[]",
    "an empty caveat": b"[[]]",
    "a comma at the end": b"[[0,2,1],]",
    "two arrays": b"[[0,2,1]][[0,2,1]]",
    "something between": b"[[0,2,1]x[0,3,1]]",
    "something behind": b"[[0,2,1]]\n",
    "a float": b"[[0,2.5,1]]",
    "an exponent": b"[[0,2e5,1]]",
    "an escape": b'[[1,["\\u0061"]]]',
    "a deep array": b"[" * 2000 + b"]" * 2000,
    "a huge number": b"[[0," + b"9" * 4000 + b",1]]",
    "an object with a key twice": b'[[0,{"a":1,"a":2}]]',
    "not UTF-8": b'[[1,["\xff"]]]',
    "more than can be judged quickly": b'[[100,["' + b",".join([b">1"] * 201) + b'"]]]',
    "one caveat too many": b"[" + b",".join([b"[0,2,1]"] * (CAVEATS_LIMIT + 1)) + b"]",
}


@pytest.mark.parametrize("body", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_other_layouts_are_no_derived_keys(body: bytes) -> None:
    """Even with a tag that is right: one text, one key."""
    assert parse_derived(forged(body), "apx") is None


def test_what_nobody_understands_is_still_bound() -> None:
    """A caveat of a later version is read as bytes and verifies; that it means nothing here is another answer."""
    text = forged(b'[[0,2,1],[200,"new",["a","b"],7]]')
    assert is_good(text)
    assert [read_caveat(raw) for raw in derivation(text).caveats] == [Lifetime(2, 1), None]


class Sealed(str):
    """A text that nobody may look into."""

    __slots__ = ()

    def startswith(self, *_: Any) -> bool:
        raise AssertionError("somebody looked into it")

    __getitem__ = encode = find = startswith  # type: ignore[assignment]


def test_a_megabyte_is_not_looked_into() -> None:
    """The length is judged before anything is decoded, whatever stands in it."""
    for text in ("apx_" + "A" * 1_000_000, FIVE + "A" * DERIVED_LIMIT, forged(b"[[0,2,1]" * 200_000)):
        assert parse_derived(Sealed(text), "apx") is None
    with pytest.raises(AssertionError, match="looked into"):
        parse_derived(Sealed("apx_" + "A" * 100), "apx")


def full(names: int) -> list[Caveat]:
    return [Projects(frozenset(ProjectName(f"{'a' * 90}{number:03}") for number in range(names)))]


def test_a_derived_key_has_an_end() -> None:
    """The largest that is written is read, in length and in caveats; one more is not written."""
    longest = derive(KEY, full(46), "apx")
    assert DERIVED_LIMIT - 150 < len(longest) <= DERIVED_LIMIT
    assert is_good(longest)
    with pytest.raises(ValueError, match="name fewer files"):
        derive(KEY, full(47), "apx")
    most = derive(KEY, [SHORT] * CAVEATS_LIMIT, "apx")
    assert is_good(most)
    with pytest.raises(ValueError, match="16 caveats and 6000 characters, this one would have 17"):
        derive(most, [SHORT], "apx")


@pytest.mark.parametrize(
    ("text", "caveats", "words"),
    [
        (KEY, [], "at least one caveat"),
        (KEY[:-1], [SHORT], "this is no key"),
        (FIVE[:-1], [SHORT], "this is no key"),
        ("", [SHORT], "this is no key"),
        (KEY, [Once("x")], "a nonce of 16 bytes"),
        (KEY.replace("apx", "apy"), [SHORT], "begins with apx_"),
    ],
    ids=["no caveat", "a broken key", "a broken derived key", "nothing", "a nonce that is none", "another prefix"],
)
def test_what_cannot_be_derived(text: str, caveats: list[Caveat], words: str) -> None:
    """The sentence is for the person who derives, and says nothing of the secret."""
    with pytest.raises(ValueError, match=words) as raised:
        derive(text, caveats, "apx")
    assert KEY[18:60] not in str(raised.value)


def test_what_others_rest_on_comes_before_them() -> None:
    """However a person names them: the end and the files stand before `once`, and the end before all."""
    parsed = derivation(derive(KEY, [Once("A" * 22), CORE, SHORT], "apx"))
    assert [json.loads(raw)[0] for raw in parsed.caveats] == [0, 1, 103]


def test_no_tag_shows_itself() -> None:
    """The tag is what opens; its name is for logs, and no part of it."""
    parsed = derivation(FIVE)
    assert "tag" not in repr(parsed)
    assert derived_name(parsed) not in FIVE
    assert len(derived_name(parsed)) == 16
    assert set(derived_name(parsed)) <= set(ALPHABET)
    digest = int(hashlib.sha256(parsed.tag).hexdigest(), 16)
    assert sum(ALPHABET.index(digit) * 62**at for at, digit in enumerate(derived_name(parsed)[::-1])) == digest % 62**16


@given(SEVERAL_CAVEATS, SEVERAL_CAVEATS)
def test_a_key_names_what_it_was_made_of(first: tuple[Caveat, ...], then: tuple[Caveat, ...]) -> None:
    """Every derived key on the way is in the lineage, oldest first and itself last, so that none outlives its parent."""
    parent = derive(KEY, first, "apx")
    child = derivation(derive(parent, then, "apx"))
    names = lineage(child, key_of(KEY), "apx")
    assert names[-1] == derived_name(child)
    assert names[len(first) - 1] == derived_name(derivation(parent))
    assert len(set(names)) == len(names) == len(first) + len(then)
    assert lineage(child, bytes(32), "apx") is None, "of another key it was not made"
