"""The key string: what `mint` writes is all that `parse` reads."""

import re
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain.keys import (
    ALPHABET,
    CHECK_LENGTH,
    KEY_ID_ENTROPY,
    KEY_ID_LENGTH,
    SECRET_ENTROPY,
    SECRET_LENGTH,
    SLOTS,
    KeyId,
    PublicId,
    SecretText,
    UnverifiedKey,
    is_prefix,
    looks_like_key,
    mint,
    name_key,
    name_secret,
    next_slot,
    parse,
    read_key_id,
    shows_secret,
)

PUBLIC_ID = PublicId("Abc123XYZ7890")
KEY = mint("apx", PUBLIC_ID, bytes(range(32)))
VECTORS = [
    line.split()
    for line in (Path(__file__).parent.parent / "vectors" / "keys.txt").read_text(encoding="ascii").splitlines()
    if not line.startswith("#")
]

base62 = st.sampled_from(ALPHABET)
public_ids = st.text(base62, min_size=KEY_ID_LENGTH + 1, max_size=KEY_ID_LENGTH + 1).map(PublicId)
prefixes = st.from_regex(r"[a-z][a-z0-9]{1,9}", fullmatch=True).filter(is_prefix)
entropies = st.binary(min_size=SECRET_ENTROPY, max_size=SECRET_ENTROPY)


def number(digits: str) -> int:
    """Read base62, the long way round: not by the code under test."""
    value = 0
    for digit in digits:
        value = value * 62 + ALPHABET.index(digit)
    return value


def with_check(body: str) -> str:
    """Finish a body as `mint` does, whatever it holds; written again here, not taken from the code under test."""
    value, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECK_LENGTH):
        value, digit = divmod(value, 62)
        digits = ALPHABET[digit] + digits
    return body + digits


def naive(text: str, prefix: str) -> bool:
    """The negative control: a parser of the layout alone, without checksum and range."""
    return re.fullmatch(rf"{prefix}_[0-9A-Za-z]{{13}}_[0-9A-Za-z]{{49}}", text) is not None


@pytest.mark.parametrize(("prefix", "public_id", "entropy", "key"), VECTORS, ids=[row[3][:24] for row in VECTORS])
def test_published_keys_keep_their_meaning(prefix: str, public_id: str, entropy: str, key: str) -> None:
    """Frozen examples are minted and parsed as on the day they were written down."""
    assert mint(prefix, PublicId(public_id), bytes.fromhex(entropy)) == key
    parsed = parse(key, prefix)
    assert parsed is not None
    assert (parsed.unverified_id, parsed.unverified_public_id) == (public_id[:12], public_id)
    assert number(parsed.secret.reveal()) == int(entropy, 16)


@given(prefixes, public_ids, entropies)
def test_a_minted_key_parses_to_what_it_was_made_of(prefix: str, public_id: PublicId, entropy: bytes) -> None:
    """Round trip, for every prefix, id and secret; the secret keeps all its bits."""
    key = mint(prefix, public_id, entropy)
    parsed = parse(key, prefix)
    assert parsed == UnverifiedKey(KeyId(public_id[:12]), public_id, parsed.secret)
    assert number(parsed.secret.reveal()).to_bytes(32) == entropy
    assert re.fullmatch(r"\w+", key, re.ASCII), "a double click selects all of it"


@given(
    prefixes,
    public_ids,
    st.one_of(
        st.text(base62, min_size=SECRET_LENGTH, max_size=SECRET_LENGTH),
        st.sampled_from(["z" * SECRET_LENGTH, "0" * SECRET_LENGTH]),
    ),
)
def test_what_parses_could_have_been_minted(prefix: str, public_id: PublicId, secret: str) -> None:
    """The law from its other side: of all well-formed strings with a right checksum, `parse` takes those of `mint`."""
    text = with_check(f"{prefix}_{public_id}_{secret}")
    if number(secret) < 2**256:
        assert parse(text, prefix) is not None
        assert mint(prefix, public_id, number(secret).to_bytes(32)) == text
    else:
        assert parse(text, prefix) is None
        assert naive(text, prefix), "the naive parser takes a second spelling: this test can fail"


# The digits of 2**256 - 1 and of 2**256, by whoever distrusts the alphabet's order.
@pytest.mark.parametrize(("offset", "accepted"), [(-1, True), (0, False), (1, False)])
def test_the_largest_secret_is_the_last_one(offset: int, accepted: bool) -> None:
    """The range check cuts between 2**256 - 1 and 2**256."""
    value, digits = 2**256 + offset, ""
    for _ in range(SECRET_LENGTH):
        value, digit = divmod(value, 62)
        digits = ALPHABET[digit] + digits
    assert (parse(with_check(f"apx_{PUBLIC_ID}_{digits}"), "apx") is not None) is accepted


ODD = " \t\r\n\0-._~+/=%\u0661\uff11\u212a\u0130\u017f\u00e9\ud800"


@pytest.mark.parametrize("key", [row[3] for row in VECTORS if row[0] == "apx"])
def test_no_character_of_a_key_can_change(key: str) -> None:
    """Every replacement at every place is refused, by base62 and by what Unicode counts as digits and letters."""
    slipped = 0
    for at, was in enumerate(key):
        for now in set(ALPHABET + "_" + ODD) - {was}:
            changed = key[:at] + now + key[at + 1 :]
            assert parse(changed, "apx") is None, (at, now)
            slipped += naive(changed, "apx")
    assert slipped > 3000, "without the checksum most of these pass: this test can fail"


@given(public_ids, entropies, st.data())
def test_no_slip_of_the_hand_passes(public_id: PublicId, entropy: bytes, data: st.DataObject) -> None:
    """Replaced, inserted, deleted, swapped, in the wrong case: refused, at any place of any key."""
    key = mint("apx", public_id, entropy)
    at = data.draw(st.integers(0, len(key) - 1))
    other = data.draw(st.sampled_from(ALPHABET + "_" + ODD))
    slips = {
        key[:at] + other + key[at + 1 :],
        key[:at] + other + key[at:],
        key + other,
        key[:at] + key[at + 1 :],
        key[:at] + key[at].swapcase() + key[at + 1 :],
        key[:at] + key[at : at + 2][::-1] + key[at + 2 :],
    } - {key}
    assert [slip for slip in slips if parse(slip, "apx")] == []


NOT_KEYS = {
    "nothing": "",
    "the prefix alone": "apx_",
    "white space before": " " + KEY,
    "a newline after": KEY + "\n",
    "a carriage return after": KEY + "\r",
    "quotes around": f'"{KEY}"',
    "a key twice": KEY + KEY,
    "another prefix": mint("apy", PUBLIC_ID, bytes(32)),
    "a longer prefix": mint("apxx", PUBLIC_ID, bytes(32)),
    "a shorter prefix": mint("ap", PUBLIC_ID, bytes(32)),
    "capitals": KEY.upper(),
    "no separator": KEY.replace("_", ""),
    "full-width digits": with_check(f"apx_{PUBLIC_ID}_{'0' * 42}") + "\uff10",
    "a very long string": "apx_" + "A" * 1_000_000,
    "a token of PyPI": "pypi-" + KEY,
}


@pytest.mark.parametrize("text", NOT_KEYS.values(), ids=NOT_KEYS.keys())
def test_everything_else_is_no_key(text: str) -> None:
    """Strings that come close, and strings that do not, all give None and no exception."""
    assert parse(text, "apx") is None


@given(st.text(), prefixes)
def test_parse_has_an_answer_for_every_text(text: str, prefix: str) -> None:
    """No text whatever raises."""
    assert parse(text, prefix) is None
    assert parse(f"{prefix}_{text}", prefix) is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [(KEY, True), (KEY[:-1], True), ("apx_", True), ("apx", False), ("apy_x", False), ("pypi-x", False), ("", False)],
)
def test_broken_keys_are_still_meant_as_keys(text: str, answer: bool) -> None:
    """A damaged key is recognised, so that it is never passed to an index as somebody's password."""
    assert looks_like_key(text, "apx") is answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (KEY, True),
        (f"/simple/{KEY.replace('_', '-').lower()}/", True),
        (f"apx_{PUBLIC_ID}.W1swLDIsMV1d.{'s' * 43}", True),
        (f"/apx_{PUBLIC_ID}.W1sx-_A.{'s' * 20}", True),
        (f"/X190b2tlbl9fO{'m' * 80}", True),
        (f"apx_{PUBLIC_ID}", False),
        (f"apx_{PUBLIC_ID}.W1swLDIsMV1d", False),
        (f"{PUBLIC_ID}.{'s' * 16}", False),
    ],
    ids=["a key", "as a name", "derived", "cut short", "in base64", "a public id", "its caveats", "its name"],
)
def test_what_shows_a_secret(text: str, answer: bool) -> None:
    """For places where no key belongs: whole or cut short, and not what logs show."""
    assert shows_secret(text, "apx") is answer


PREFIXES = {
    "apx": True,
    "ab": True,
    "a123456789": True,
    "a": False,
    "a1234567890": False,
    "1ab": False,
    "Apx": False,
    "ap_x": False,
    "ap-x": False,
    "": False,
    "pypi": False,
    "ap\u0131": False,
    "apx\n": False,
}


@pytest.mark.parametrize(("text", "answer"), PREFIXES.items(), ids=map(repr, PREFIXES))
def test_prefixes(text: str, answer: bool) -> None:
    """A prefix is a lower-case letter and 1 to 9 letters or digits, and never what scanners report to PyPI."""
    assert is_prefix(text) is answer


@pytest.mark.parametrize(
    ("prefix", "public_id", "entropy"),
    [
        ("pypi", PUBLIC_ID, bytes(32)),
        ("apx", PUBLIC_ID[:-1], bytes(32)),
        ("apx", PUBLIC_ID + "0", bytes(32)),
        ("apx", "Abc123XYZ78_0", bytes(32)),
        ("apx", PUBLIC_ID, bytes(31)),
        ("apx", PUBLIC_ID, bytes(33)),
    ],
    ids=["a foreign prefix", "a short id", "a long id", "an id outside base62", "31 bytes", "33 bytes"],
)
def test_mint_takes_nothing_that_parse_would_not_return(prefix: str, public_id: str, entropy: bytes) -> None:
    """Wrong arguments are mistakes of ours: they raise, and no string comes out."""
    with pytest.raises(ValueError, match=r"is made of|is a lower-case|is 13 base62"):
        mint(prefix, PublicId(public_id), entropy)


@given(st.binary(min_size=KEY_ID_ENTROPY, max_size=KEY_ID_ENTROPY), st.sampled_from(SLOTS))
def test_names_of_keys_and_secrets_are_read_back(entropy: bytes, slot: str) -> None:
    """A new id has its form for every random input, and a person may paste it with or without its slot."""
    key_id = name_key(entropy)
    assert re.fullmatch(r"[0-9A-Za-z]{12}", key_id)
    assert read_key_id(key_id) == read_key_id(name_secret(key_id, slot)) == key_id


@pytest.mark.parametrize("slot", ["", "00", "_", "\uff10"])
def test_a_slot_is_one_character(slot: str) -> None:
    """A public id cannot be made of anything else."""
    with pytest.raises(ValueError, match="slot of one"):
        name_secret(KeyId("Abc123XYZ789"), slot)


def test_an_id_is_made_of_sixteen_bytes() -> None:
    """Less would make ids guessable or likely to collide."""
    with pytest.raises(ValueError, match="16 bytes"):
        name_key(bytes(15))


@pytest.mark.parametrize(
    "text", ["", "Abc123XYZ78", "Abc123XYZ78900", "Abc123XYZ78_", KEY, "Abc123XYZ789\n", "\uff11" * 12]
)
def test_what_is_no_id(text: str) -> None:
    """A whole key is not taken for an id either: it would end up in a message."""
    assert read_key_id(text) is None


def test_no_secret_shows_itself() -> None:
    """No half of a key stands in a repr, which is what logs and tracebacks show."""
    parsed = parse(KEY, "apx")
    assert parsed is not None
    secret = parsed.secret.reveal()
    assert secret in KEY
    shown = repr(parsed) + str(parsed) + repr(parsed.secret) + f"{parsed.secret}"
    assert secret not in shown
    assert repr(SecretText("x")) == "SecretText()"


def test_slots_follow_each_other_round() -> None:
    """Each of the 62 once, and then the first again."""
    slot, seen = SLOTS[0], []
    for _ in SLOTS:
        seen.append(slot)
        slot = next_slot(slot)
    assert "".join(seen) == SLOTS
    assert slot == SLOTS[0]
