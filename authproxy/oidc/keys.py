"""What of an issuer's key set may verify a token. A JWKS (RFC 7517) holds keys for other uses too, and mistakes.

The key decides on the algorithm: its type and curve leave one, and a key that says another, or one that this issuer
does not sign with, is none. A key that cannot be used is left out with its reason, so that the token of it can be
refused with that reason; a document that is no key set, or leaves no key at all, is refused whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurve,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from authproxy.oidc.issuers import Algorithm
from authproxy.oidc.strict import json_object, unpacked

# Issuers publish two to ten keys. 100 leaves room; 1,000 are somebody's attempt to keep us reckoning.
KEYS_LIMIT: Final = 100
# RFC 7518, section 3.3: a key of 2048 bits or larger must be used with RS256.
RSA_LEAST: Final = 2048
# A check against 16,384 bits takes 60 times that of 2048; nobody issues such keys.
RSA_MOST: Final = 8192
# Every issuer uses 65537. OpenSSL refuses exponents over 64 bits with large keys, for the time that they take.
EXPONENT_BITS: Final = 64
# Issuers use hashes, UUIDs and names, the longest of them (GitHub's) 40 characters.
KID_LIMIT: Final = 200

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

# RFC 7518, section 6, and RFC 8037: what a private or a symmetric key has besides.
_PRIVATE: Final = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_CURVES: Final[Mapping[str, tuple[Algorithm, EllipticCurve]]] = {
    "P-256": (Algorithm.ES256, SECP256R1()),
    "P-384": (Algorithm.ES384, SECP384R1()),
}


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key and the one algorithm that it verifies."""

    algorithm: Algorithm
    public: PublicKey = field(compare=False)
    members: tuple[object, ...]  # what makes two entries the same key


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of an issuer by their `kid`, and why the others are none."""

    usable: Mapping[str, VerifyingKey]
    unusable: Mapping[str, str]


def read_keys(document: bytes, algorithms: frozenset[Algorithm]) -> KeySet:
    """Read a key set; ValueError with a sentence that goes on after "its key set", where it is none."""
    try:
        listed = json_object(document).get("keys")
    except ValueError as exc:
        raise ValueError(f"cannot be read: {exc}") from exc
    if not isinstance(listed, list):
        raise ValueError("has no list of keys")  # noqa: TRY004 - the issuer's value
    if len(listed) > KEYS_LIMIT:
        raise ValueError(f"has {len(listed)} keys, and {KEYS_LIMIT} are read at most")
    usable: dict[str, VerifyingKey] = {}
    unusable: dict[str, str] = {}
    ambiguous: set[str] = set()
    for entry in listed:
        kid = entry.get("kid") if isinstance(entry, dict) else None
        if not isinstance(kid, str) or not 0 < len(kid) <= KID_LIMIT:
            continue  # no token can name it
        try:
            key = _key(entry, algorithms)
        except ValueError as exc:
            unusable[kid] = str(exc)
            continue
        if usable.setdefault(kid, key) != key:
            ambiguous.add(kid)
    # Keys of different uses may share a name (RFC 7517, section 4.5); two that could both verify may not.
    for kid in ambiguous:
        del usable[kid]
        unusable[kid] = "its name stands for two keys"
    if not usable:
        raise ValueError("has no key that could verify a token")
    return KeySet(usable, unusable)


def _key(entry: Mapping[str, object], algorithms: frozenset[Algorithm]) -> VerifyingKey:
    """Read one key; ValueError with a sentence about it."""
    if any(member in entry for member in _PRIVATE):
        raise ValueError("it is published with its secret part")
    if entry.get("use", "sig") != "sig":
        raise ValueError("it is not for signatures")
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("it is not for verifying")
    match entry.get("kty"):
        case "RSA":
            found = _rsa(entry)
        case "EC":
            found = _curve(entry)
        case "OKP" if entry.get("crv") == "Ed25519":
            found = _edwards(entry)
        case _:
            raise ValueError("it is of a kind that is not used here")
    if entry.get("alg", found.algorithm.value) != found.algorithm.value:
        raise ValueError("it is for another algorithm")
    if found.algorithm not in algorithms:
        raise ValueError(f"it is for {found.algorithm}, which the config does not allow this issuer")
    return found


def _rsa(entry: Mapping[str, object]) -> VerifyingKey:
    # Jenkins writes a zero byte before the modulus (BigInteger.toByteArray); as a number it is the same.
    modulus, exponent = _number(entry, "n"), _number(entry, "e")
    if not RSA_LEAST <= modulus.bit_length() <= RSA_MOST:
        raise ValueError(f"it is an RSA key of {modulus.bit_length()} bits, and {RSA_LEAST} to {RSA_MOST} are accepted")
    if exponent.bit_length() > EXPONENT_BITS or modulus % 2 == 0:
        raise ValueError("it is no RSA key")
    try:
        public = RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:  # an exponent of 1, or an even one
        raise ValueError("it is no RSA key") from None
    return VerifyingKey(Algorithm.RS256, public, (modulus, exponent))


def _curve(entry: Mapping[str, object]) -> VerifyingKey:
    name = entry.get("crv")
    if not isinstance(name, str) or name not in _CURVES:
        raise ValueError("it is of a curve that is not used here")
    algorithm, curve = _CURVES[name]
    x, y = _octets(entry, "x"), _octets(entry, "y")
    if not len(x) == len(y) == (curve.key_size + 7) // 8:
        raise ValueError("it is no point of its curve")
    try:
        public = EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve).public_key()
    except ValueError:
        raise ValueError("it is no point of its curve") from None
    return VerifyingKey(algorithm, public, (x, y))


def _edwards(entry: Mapping[str, object]) -> VerifyingKey:
    x = _octets(entry, "x")
    try:
        return VerifyingKey(Algorithm.EDDSA, Ed25519PublicKey.from_public_bytes(x), (x,))
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("it is no Ed25519 key") from None


def _octets(entry: Mapping[str, object], member: str) -> bytes:
    text = entry.get(member)
    if not isinstance(text, str) or not text.isascii():
        raise ValueError("a part of it is missing")
    return unpacked(text.encode("ascii"))


def _number(entry: Mapping[str, object], member: str) -> int:
    return int.from_bytes(_octets(entry, member))
