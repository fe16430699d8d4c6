"""Which keys of a key set verify, which are left out and why, and what is no key set."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from authproxy.oidc.issuers import Algorithm
from authproxy.oidc.keys import KeySet, read_keys
from tests.peers.issuer import SigningKey, b64, jwk_of

ALL = frozenset(Algorithm)


def key_set(*entries: object) -> bytes:
    return json.dumps({"keys": entries}).encode()


def read(*entries: object, algorithms: frozenset[Algorithm] = ALL) -> KeySet:
    return read_keys(key_set(*entries), algorithms)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_key_of_every_algorithm_is_read(algorithm: Algorithm) -> None:
    """And its type decides on the algorithm: no entry has to say it."""
    key = SigningKey.new("one", algorithm)
    for entry in (key.jwk, {"kid": "one", **jwk_of(key.private)}, {**key.jwk, "key_ops": ["verify"], "x5t": "a"}):
        found = read(entry).usable["one"]
        assert found.algorithm == algorithm
        assert (
            found.public.public_bytes_raw() == key.private.public_key().public_bytes_raw()
            if (algorithm == "EdDSA")
            else found.public.public_numbers() == key.private.public_key().public_numbers()
        )


RSA = SigningKey.new("bad").jwk
EC = SigningKey.new("bad", "ES256").jwk
OKP = SigningKey.new("bad", "EdDSA").jwk


def rsa_of(bits: int) -> dict[str, Any]:
    """An entry with a modulus of so many bits, which need not be a product of primes to have them."""
    return {**RSA, "n": b64(((1 << (bits - 1)) | 1).to_bytes((bits + 7) // 8))}


UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "a symmetric key": ({"kty": "oct", "kid": "bad", "k": b64(b"x" * 32)}, "with its secret part"),
    "a symmetric key for RS256": ({"kty": "oct", "kid": "bad", "alg": "RS256"}, "of a kind that is not used here"),
    "a private key": ({**RSA, "d": RSA["n"]}, "with its secret part"),
    "the prime of a private key": ({**RSA, "p": "AQAB"}, "with its secret part"),
    "a private key of a curve": ({**EC, "d": EC["x"]}, "with its secret part"),
    "one for encryption": ({**RSA, "use": "enc"}, "not for signatures"),
    "one of an unknown use": ({**RSA, "use": None}, "not for signatures"),
    "one for signing alone": ({**RSA, "key_ops": ["sign"]}, "not for verifying"),
    "one for nothing": ({**RSA, "key_ops": []}, "not for verifying"),
    "operations that are no list": ({**RSA, "key_ops": "verify"}, "not for verifying"),
    "an RSA key for another algorithm": ({**RSA, "alg": "RS512"}, "for another algorithm"),
    "an RSA key for PSS": ({**RSA, "alg": "PS256"}, "for another algorithm"),
    "an RSA key for HMAC": ({**RSA, "alg": "HS256"}, "for another algorithm"),
    "a P-256 key for ES384": ({**EC, "alg": "ES384"}, "for another algorithm"),
    "an algorithm that is no text": ({**RSA, "alg": ["RS256"]}, "for another algorithm"),
    "RSA of 1024 bits": (rsa_of(1024), "of 1024 bits, and 2048 to 8192 are accepted"),
    "RSA of 2047 bits": (rsa_of(2047), "of 2047 bits"),
    "RSA of 8193 bits": (rsa_of(8193), "of 8193 bits"),
    "RSA with nothing": ({**RSA, "n": ""}, "of 0 bits"),
    "an even modulus": ({**RSA, "n": b64((1 << 2047).to_bytes(256))}, "no RSA key"),
    "an exponent of 1": ({**RSA, "e": "AQ"}, "no RSA key"),
    "an even exponent": ({**RSA, "e": "Ag"}, "no RSA key"),
    "an exponent of 65 bits": ({**RSA, "e": b64(((1 << 64) | 1).to_bytes(9))}, "no RSA key"),
    "no modulus": ({k: v for k, v in RSA.items() if k != "n"}, "a part of it is missing"),
    "a modulus that is a number": ({**RSA, "n": 5}, "a part of it is missing"),
    "a modulus that is not ASCII": ({**RSA, "n": "é"}, "a part of it is missing"),
    "a modulus in standard base64": ({**RSA, "n": "a/+b"}, "not base64url"),
    "a curve that nobody uses": ({**EC, "crv": "secp256k1"}, "of a curve that is not used here"),
    "P-521": ({"kid": "bad", **jwk_of(ec.generate_private_key(ec.SECP521R1()))}, "of a curve that is not used here"),
    "no curve": ({**EC, "crv": None}, "of a curve that is not used here"),
    "a point that is too short": ({**EC, "x": "AQAB"}, "no point of its curve"),
    "a point beside the curve": ({**EC, "x": EC["y"]}, "no point of its curve"),
    "a point of another curve": ({**EC, "crv": "P-384"}, "no point of its curve"),
    "Ed448": ({**OKP, "crv": "Ed448"}, "of a kind that is not used here"),
    "X25519": ({**OKP, "crv": "X25519"}, "of a kind that is not used here"),
    "Ed25519 of 31 bytes": ({**OKP, "x": b64(b"x" * 31)}, "no Ed25519 key"),
    "no type": ({**RSA, "kty": None}, "of a kind that is not used here"),
}  # fmt: skip


@pytest.mark.parametrize(("entry", "words"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_key_that_must_not_verify_is_left_out(entry: dict[str, Any], words: str, rsa_key: SigningKey) -> None:
    """The others stay, and who uses it will be told why; alone it makes no key set."""
    found = read(entry, rsa_key.jwk)
    assert set(found.usable) == {rsa_key.kid}
    assert words in found.unusable["bad"]
    with pytest.raises(ValueError, match="has no key that could verify a token"):
        read(entry)


def test_a_leading_zero_is_no_matter() -> None:
    """Jenkins writes one before every modulus."""
    key = SigningKey.new("one")
    number = key.private.public_key().public_numbers().n
    found = read({**key.jwk, "n": b64(b"\0" + number.to_bytes(256))}).usable["one"].public
    assert isinstance(found, rsa.RSAPublicKey)
    assert found.public_numbers().n == number


def test_the_config_decides_on_algorithms(rsa_key: SigningKey, curve_key: SigningKey) -> None:
    """A key of an algorithm that this issuer does not sign with is none."""
    found = read(rsa_key.jwk, curve_key.jwk, algorithms=frozenset({Algorithm.ES256}))
    assert set(found.usable) == {curve_key.kid}
    assert found.unusable == {rsa_key.kid: "it is for RS256, which the config does not allow this issuer"}


NAMELESS = {"no kid": {}, "an empty one": {"kid": ""}, "a number": {"kid": 1}, "a list": {"kid": []}, "a long one": {"kid": "k" * 201}}  # fmt: skip


@pytest.mark.parametrize("name", NAMELESS.values(), ids=NAMELESS.keys())
def test_a_key_that_no_token_can_name_is_passed_over(name: dict[str, Any], rsa_key: SigningKey) -> None:
    """Neither an error nor a key."""
    nameless = {k: v for k, v in RSA.items() if k != "kid"} | name
    found = read(nameless, "no object", None, rsa_key.jwk)
    assert (set(found.usable), found.unusable) == ({rsa_key.kid}, {})


def test_a_name_for_two_keys_names_none(rsa_key: SigningKey, other_key: SigningKey, curve_key: SigningKey) -> None:
    """But the same key may stand there twice, and one of another use may have the name as well."""
    assert rsa_key.kid == other_key.kid
    found = read(rsa_key.jwk, other_key.jwk, rsa_key.jwk, curve_key.jwk)
    assert set(found.usable) == {curve_key.kid}
    assert found.unusable == {rsa_key.kid: "its name stands for two keys"}
    assert set(read(rsa_key.jwk, {**rsa_key.jwk, "x5t": "a"}).usable) == {rsa_key.kid}
    assert set(read({**other_key.jwk, "use": "enc"}, rsa_key.jwk).usable) == {rsa_key.kid}


NO_KEY_SET = {
    "nothing": (b"", "cannot be read: it is not JSON"),
    "a page": (b"<html>", "cannot be read: it is not JSON"),
    "a list": (b"[]", "cannot be read: it is not a JSON object"),
    "keys twice": (b'{"keys":[],"keys":[]}', "cannot be read: its JSON has a key twice"),
    "no keys": (b"{}", "has no list of keys"),
    "keys that are an object": (b'{"keys":{}}', "has no list of keys"),
    "an empty list": (b'{"keys":[]}', "has no key that could verify a token"),
    "101 keys": (key_set(*[RSA] * 101), "has 101 keys, and 100 are read at most"),
    "1000 keys": (key_set(*[RSA] * 1000), "has 1000 keys, and 100 are read at most"),
}


@pytest.mark.parametrize(("document", "words"), NO_KEY_SET.values(), ids=NO_KEY_SET.keys())
def test_what_is_no_key_set_is_refused_whole(document: bytes, words: str) -> None:
    """So that the cache keeps what it had."""
    with pytest.raises(ValueError, match=words):
        read_keys(document, ALL)


def test_a_hundred_keys_are_read() -> None:
    """The limit itself is allowed."""
    assert len(read(*({**RSA, "kid": f"{n}"} for n in range(100))).usable) == 100
