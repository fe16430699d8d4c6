"""The key string and the record behind it. This room turns one into an identifier and a secret; it verifies nothing.

    apx_<12 characters: key id><1 character: slot>_<43 characters: secret><6 characters: check>

- All variable characters are base62 in ASCII order (`0-9A-Za-z`), so a double click selects a whole key and it needs
  no escaping in a URL, a .netrc or a CI variable.
- key id + slot = public id. The id names the key for its whole life, the slot names which of its secrets this is, so
  that one hash decides. Public ids are what logs, the record and error messages show.
- secret: 256 random bits as one number, written with a fixed width. 62**43 is a little over 2**256, so there is a
  range check: every secret has one spelling (base64 would have several).
- check: CRC32 (the one of zlib) of everything before it. It is no protection: it settles typing errors and the hits of
  scanners without asking the store.

How this may change: never in place. A new layout takes a new length or a new separator; `tests/vectors/keys.txt`
holds keys that must parse for ever.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NewType

from authproxy.domain.base62 import ALPHABET, CHECK_LENGTH, base62, check
from authproxy.domain.grants import Grant

if TYPE_CHECKING:  # `authproxy exec` reads keys, and no networks
    from ipaddress import IPv4Network, IPv6Network

KeyId = NewType("KeyId", str)  # 12 base62 characters: names the key for its whole life
PublicId = NewType("PublicId", str)  # a KeyId and 1 base62 character that names one secret of the key

SLOTS: Final = ALPHABET  # the first secret of a key sits in SLOTS[0]

KEY_ID_LENGTH: Final = 12  # 71 bits: a million keys collide with a chance of 1 in 10**10, and the store refuses it then
PUBLIC_ID_LENGTH: Final = KEY_ID_LENGTH + 1
KEY_ID_ENTROPY: Final = 16  # bytes; 128 bits reduced to 71 favour no id by more than one part in 2**56
SECRET_ENTROPY: Final = 32  # bytes: nobody guesses 256 bits, so a fast Argon2 profile is enough at rest
SECRET_LENGTH: Final = 43

_BODY: Final = re.compile(
    rf"_(?P<public_id>[0-9A-Za-z]{{{PUBLIC_ID_LENGTH}}})"
    rf"_(?P<secret>[0-9A-Za-z]{{{SECRET_LENGTH}}})"
    rf"(?P<check>[0-9A-Za-z]{{{CHECK_LENGTH}}})"
)
_BODY_LENGTH: Final = 1 + PUBLIC_ID_LENGTH + 1 + SECRET_LENGTH + CHECK_LENGTH
_KEY_ID: Final = re.compile(rf"([0-9A-Za-z]{{{KEY_ID_LENGTH}}})[0-9A-Za-z]?")
_PREFIX: Final = re.compile(r"[a-z][a-z0-9]{1,9}")

# Secret scanners report strings that start with `pypi-` or look like it to PyPI.
_FOREIGN_PREFIXES: Final = frozenset({"pypi"})


# Fixed width and an alphabet in ASCII order: strings compare as the numbers do.
_LARGEST_SECRET: Final = base62(2 ** (8 * SECRET_ENTROPY) - 1, SECRET_LENGTH)


@dataclass(frozen=True, slots=True)
class SecretText:
    """The secret half of a key. It shows itself to nobody who does not ask by name."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """Return the 43 characters, for hashing."""
        return self._text


@dataclass(frozen=True, slots=True)
class UnverifiedKey:
    """A string that could be a key: layout and checksum are right, which anyone can arrange. It proves nothing."""

    unverified_id: KeyId
    unverified_public_id: PublicId
    secret: SecretText = field(repr=False)


def is_prefix(text: str) -> bool:
    """Say whether keys may start with this: a letter, then 1 to 9 letters or digits, lower case, not `pypi`."""
    return _PREFIX.fullmatch(text) is not None and text not in _FOREIGN_PREFIXES


def name_key(entropy: bytes) -> KeyId:
    """Name a new key. `entropy` is 16 random bytes."""
    if len(entropy) != KEY_ID_ENTROPY:
        raise ValueError(f"a key id is made of {KEY_ID_ENTROPY} bytes, not {len(entropy)}")
    return KeyId(base62(int.from_bytes(entropy) % len(ALPHABET) ** KEY_ID_LENGTH, KEY_ID_LENGTH))


def read_key_id(text: str) -> KeyId | None:
    """Read the id in what a person copied from a log or a listing: a key id or a public id, nothing else."""
    match = _KEY_ID.fullmatch(text)
    return KeyId(match[1]) if match else None


def name_secret(key_id: KeyId, slot: str) -> PublicId:
    """Name one secret of a key. `slot` is one character of SLOTS."""
    if len(slot) != 1 or slot not in SLOTS or read_key_id(key_id) != key_id:
        raise ValueError("a public id is a key id of 12 base62 characters and a slot of one")
    return PublicId(key_id + slot)


def next_slot(slot: str) -> str:
    """Name the slot of the secret that follows this one; after the last comes the first again."""
    return SLOTS[(SLOTS.index(slot) + 1) % len(SLOTS)]


def mint(prefix: str, public_id: PublicId, entropy: bytes) -> str:
    """Write a key. `entropy` is 32 random bytes; the same arguments give the same key."""
    if not is_prefix(prefix):
        raise ValueError("a key prefix is a lower-case letter and 1 to 9 lower-case letters or digits, not pypi")
    if len(entropy) != SECRET_ENTROPY:
        raise ValueError(f"a secret is made of {SECRET_ENTROPY} bytes, not {len(entropy)}")
    if len(public_id) != PUBLIC_ID_LENGTH or read_key_id(public_id) is None:
        raise ValueError(f"a public id is {PUBLIC_ID_LENGTH} base62 characters")
    body = f"{prefix}_{public_id}_{base62(int.from_bytes(entropy), SECRET_LENGTH)}"
    return body + check(body)


def parse(text: str, prefix: str) -> UnverifiedKey | None:
    """Read a key; None for everything that `mint` would not emit with this prefix.

    White space around a key is the caller's to strip: it belongs to how a credential is presented, not to the key.
    """
    if len(text) != len(prefix) + _BODY_LENGTH or not text.startswith(prefix):
        return None
    match = _BODY.fullmatch(text, len(prefix))
    if match is None or match["secret"] > _LARGEST_SECRET or check(text[:-CHECK_LENGTH]) != match["check"]:
        return None
    public = PublicId(match["public_id"])
    return UnverifiedKey(KeyId(public[:KEY_ID_LENGTH]), public, SecretText(match["secret"]))


# What `__token__:` and whatever stands behind it is in base64.
BASIC: Final = "X190b2tlbl9fO"


def shows_secret(text: str, prefix: str) -> bool:
    """Say whether a text holds a key with most of its secret, in any case and with any separator, or a derived key; or
    the credentials of one as an Authorization header has them.

    For places where no key belongs, such as a URL or a filename. 16 characters are 95 bits of a secret, and no name
    that begins like a public id goes on so by chance.
    """
    if BASIC in text:
        return True
    if len(text) < len(prefix) + 1 + PUBLIC_ID_LENGTH + 1 + 16:
        return False
    found = re.search(
        rf"{prefix}[-_.][0-9a-z]{{{PUBLIC_ID_LENGTH}}}(?:[-_.][0-9a-z]{{16}}|\.[0-9a-z_-]+\.[0-9a-z_-]{{16}})",
        text,
        re.ASCII | re.IGNORECASE,
    )
    return found is not None


def looks_like_key(text: str, prefix: str) -> bool:
    """Say whether this was meant as one of our keys, a broken one too: such a string is never passed to an index."""
    return text.startswith(f"{prefix}_")


class KeyKind(StrEnum):
    """What a key is for."""

    KEY = "key"  # somebody created it
    MINTED = "minted"  # for a trusted publisher, and short-lived
    CANARY = "canary"  # it never works: whoever uses it has found what they should not have


@dataclass(frozen=True, slots=True)
class Secret:
    """One live secret of a key, at rest. Times are unix seconds, UTC."""

    slot: str
    digest: str = field(repr=False)  # Argon2id, as a PHC string
    created: int
    expires: int | None
    sealed: bytes | None = field(default=None, repr=False)  # the MAC key of what is derived from it

    def dead(self, now: int) -> bool:
        """Say whether this secret has expired; the key may live on with another."""
        return self.expires is not None and now >= self.expires


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as it is stored. What it may do follows its policy in the YAML; `grants` can only narrow that."""

    id: KeyId
    owner: str
    note: str
    policy: str
    grants: tuple[Grant, ...]  # its own; empty: all that the policy allows
    networks: "tuple[IPv4Network | IPv6Network, ...]"  # empty: all that the policy allows
    uses: int | None  # limit of successful uploads; None: no limit of its own
    used: int
    created: int  # unix seconds, UTC, as all times here
    expires: int | None
    paused: bool
    revoked: int | None
    secrets: tuple[Secret, ...]
    kind: KeyKind = KeyKind.KEY
    derive_only: bool = False  # never taken itself, only what is derived from it
    publisher: str | None = None  # of a minted key: the label of the trusted publisher
    claims: str | None = None  # and what its token said, as JSON

    def secret(self, public_id: str) -> Secret | None:
        """Find the secret that a public id names; None where the key does not have it (any more)."""
        for secret in self.secrets:
            if self.id + secret.slot == public_id:
                return secret
        return None

    def dead(self, now: int) -> str | None:
        """Say why this key does not work: "revoked", "paused", "expired", "canary"; None while it lives.

        For the command line and the record. A 401 never says which.
        """
        if self.revoked is not None:
            return "revoked"
        if self.paused:
            return "paused"
        if self.expires is not None and now >= self.expires:
            return "expired"
        return "canary" if self.kind is KeyKind.CANARY else None
