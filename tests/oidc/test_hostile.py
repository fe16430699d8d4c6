"""Tokens that must not be verified, one for every way that is known, each made from one that is.

A row is what is done to a good token: to its header, its claims, its bytes, or who signs it. What comes of it is a code
and a sentence, and no key is asked for where that can be avoided.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authproxy.oidc import Algorithm, Issuer, TokenCode, TokenRefused, Verifier
from tests.oidc.conftest import AUDIENCE, NOW, URL
from tests.oidc.test_tokens import keys_of
from tests.peers.ci_claims import github
from tests.peers.issuer import SigningKey, b64

OTHER_URL = "https://other.example.com"
LEEWAY, HOUR = 30, 3600
BAD_NEWS = "\x1b[2J<script>'\"\\\u202e"


@dataclass
class Forge:
    """A good token in its pieces, and the hands of issuer and attacker."""

    ours: SigningKey = field(repr=False)
    theirs: SigningKey = field(repr=False)

    @property
    def claims(self) -> dict[str, Any]:
        return github(URL, AUDIENCE, NOW)

    @property
    def payload(self) -> bytes:
        return json.dumps(self.claims).encode()

    @property
    def good(self) -> str:
        return self.ours.sign(self.claims)

    def header(self, **changes: object) -> str:
        return self.ours.sign(self.claims, changes)

    def with_(self, **changes: object) -> str:
        return self.ours.sign({**self.claims, **changes})

    def without(self, claim: str) -> str:
        return self.ours.sign({k: v for k, v in self.claims.items() if k != claim})

    def text(self, header: bytes | None = None, payload: bytes | None = None) -> str:
        whole = b'{"alg":"RS256","kid":"key-1"}' if header is None else header
        return self.ours.sign_text(whole, self.payload if payload is None else payload)

    def raw(self, claim: str, json_text: str) -> str:
        """A claim whose value is this JSON, which Python would not write."""
        return self.text(payload=json.dumps({**self.claims, claim: "@@"}).replace('"@@"', json_text).encode())

    def hmac(self) -> str:
        """Signed with the public key as if it were a password (RFC 8725, section 2.1)."""
        public = self.ours.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        header = b64(b'{"alg":"HS256","kid":"key-1","typ":"JWT"}')
        signed = f"{header}.{b64(self.payload)}"
        return f"{signed}.{b64(hmac.digest(public, signed.encode(), hashlib.sha256))}"

    def unsigned(self, algorithm: str) -> str:
        return f"{b64(json.dumps({'alg': algorithm, 'kid': 'key-1'}).encode())}.{b64(self.payload)}."

    def pieces(self, *at: Callable[[str], str]) -> str:
        """The good token with its three parts turned into others."""
        return ".".join(turn(part) for turn, part in zip(at, self.good.split("."), strict=True))


def same(part: str) -> str:
    return part


def spelt_otherwise(part: str) -> str:
    """The same bytes: the bits of the last character that nobody reads are others. 256 octets leave 4 of them."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(part) % 4 == 2
    return part[:-1] + alphabet[alphabet.index(part[-1]) ^ 1]


def bit_off(part: str) -> str:
    return ("B" if part[0] == "A" else "A") + part[1:]


PAYLOAD, TOKEN = TokenCode.PAYLOAD, TokenCode.TOKEN
Row = tuple[Callable[[Forge], str], TokenCode, str]
NO_ALGORITHM = "is not signed with ES256 or RS256"
NOT_ITS_KEY = "does not name the issuer's key"
NO_TIME = "is not a time in whole unix seconds"

HOSTILE: dict[str, Row] = {
    # who signs, and with what
    "signed with the public key as a password": (Forge.hmac, TOKEN, NO_ALGORITHM),
    "signed with nothing": (lambda f: f.unsigned("none"), TOKEN, NO_ALGORITHM),
    "signed with nothing, in other letters": (lambda f: f.unsigned("nOnE"), TOKEN, NO_ALGORITHM),
    "signed with nothing, but called RS256": (lambda f: f.unsigned("RS256"), TOKEN, "signature is not the issuer's"),
    "of no algorithm": (lambda f: f.header(alg=None), TOKEN, NO_ALGORITHM),
    "of a list of algorithms": (lambda f: f.header(alg=["RS256"]), TOKEN, NO_ALGORITHM),
    "of an algorithm in other letters": (lambda f: f.header(alg="rs256"), TOKEN, NO_ALGORITHM),
    "of PSS": (lambda f: f.header(alg="PS256"), TOKEN, NO_ALGORITHM),
    "of an algorithm that the issuer has but not this key": (lambda f: f.header(alg="ES256"), TOKEN, "another algorithm than its key's"),
    "signed by somebody with a key of the same name": (lambda f: f.theirs.sign(f.claims), TOKEN, "signature is not the issuer's"),
    "signed by the right key for another issuer": (lambda f: f.with_(iss=OTHER_URL), TOKEN, "signature is not the issuer's"),
    "with another payload": (lambda f: f.pieces(same, lambda _: b64(f.payload.replace(b"acme/core", b"evil/core")), same), TOKEN, "signature is not the issuer's"),
    "with another header": (lambda f: f.pieces(lambda _: b64(b'{"kid":"key-1","alg":"RS256"}'), same, same), TOKEN, "signature is not the issuer's"),
    "with a bit of the signature turned": (lambda f: f.pieces(same, same, bit_off), TOKEN, "signature is not the issuer's"),
    "with no signature": (lambda f: f.pieces(same, same, lambda _: ""), TOKEN, "signature is not the issuer's"),
    # what a header must not say
    "with crit": (lambda f: f.header(crit=["exp"]), TOKEN, "has 'crit'"),
    "with an empty crit": (lambda f: f.header(crit=[]), TOKEN, "has 'crit'"),
    "with a key of its own": (lambda f: f.theirs.sign(f.claims, {"jwk": f.theirs.jwk}), TOKEN, "has 'jwk'"),
    "with a place of its own for keys": (lambda f: f.header(jku="https://evil.example/keys"), TOKEN, "has 'jku'"),
    "with a place for certificates": (lambda f: f.header(x5u="https://evil.example/"), TOKEN, "has 'x5u'"),
    "with certificates": (lambda f: f.header(x5c=["MIIB"]), TOKEN, "has 'x5c'"),
    "with a payload that is not encoded": (lambda f: f.header(b64=False), TOKEN, "has 'b64'"),
    "with b64 that changes nothing": (lambda f: f.header(b64=True), TOKEN, "has 'b64'"),
    "with an encryption": (lambda f: f.header(enc="A256GCM"), TOKEN, "has 'enc'"),
    "with a compression": (lambda f: f.header(zip="DEF"), TOKEN, "has 'zip'"),
    "of an access token": (lambda f: f.header(typ="at+jwt"), TOKEN, "type is not JWT"),
    "of a type that is no text": (lambda f: f.header(typ=1), TOKEN, "type is not JWT"),
    "without kid": (lambda f: f.header(kid=None), TOKEN, NOT_ITS_KEY),
    "with an empty kid": (lambda f: f.header(kid=""), TOKEN, NOT_ITS_KEY),
    "with a number for a kid": (lambda f: f.header(kid=1), TOKEN, NOT_ITS_KEY),
    "with a kid of 201 characters": (lambda f: f.header(kid="k" * 201), TOKEN, NOT_ITS_KEY),
    # from whom and for whom
    "of no issuer": (lambda f: f.without("iss"), PAYLOAD, "does not name its issuer"),
    "of a list of issuers": (lambda f: f.with_(iss=[URL]), PAYLOAD, "does not name its issuer"),
    "of an issuer that nobody trusts": (lambda f: f.with_(iss="https://evil.example"), PAYLOAD, "nothing here trusts the issuer 'https://evil.example'"),
    "of the issuer with a slash": (lambda f: f.with_(iss=URL + "/"), PAYLOAD, "nothing here trusts"),
    "of the issuer in other letters": (lambda f: f.with_(iss=URL.upper()), PAYLOAD, "nothing here trusts"),
    "of the issuer and more": (lambda f: f.with_(iss=URL + ".evil.example"), PAYLOAD, "nothing here trusts"),
    "of an issuer that is an attack on a terminal": (lambda f: f.with_(iss=BAD_NEWS), PAYLOAD, "nothing here trusts"),
    "for nobody": (lambda f: f.without("aud"), TOKEN, f"not for '{AUDIENCE}' alone"),
    "for somebody else": (lambda f: f.with_(aud="pypi"), TOKEN, f"not for '{AUDIENCE}' alone"),
    "for us in other letters": (lambda f: f.with_(aud=AUDIENCE.upper()), TOKEN, "alone"),
    "for us and others": (lambda f: f.with_(aud=[AUDIENCE, "pypi"]), TOKEN, "alone"),
    "for a list of us": (lambda f: f.with_(aud=[AUDIENCE]), TOKEN, "alone"),
    "for an object of us": (lambda f: f.with_(aud={AUDIENCE: True}), TOKEN, "alone"),
    # when
    "expired for a second beyond the leeway": (lambda f: f.with_(iat=NOW - 300, exp=NOW - LEEWAY), TOKEN, "ended at 2027-01-15 07:59:30Z and the clock here says 2027-01-15 08:00:00Z"),
    "expired for a year": (lambda f: f.with_(exp=NOW - 365 * 86_400), TOKEN, "ended at"),
    "from the future": (lambda f: f.with_(iat=NOW + LEEWAY + 1), TOKEN, "begins at 2027-01-15 08:00:31Z"),
    "not good before the future": (lambda f: f.with_(nbf=NOW + LEEWAY + 1), TOKEN, "begins at 2027-01-15 08:00:31Z"),
    "good for a second more than an hour": (lambda f: f.with_(exp=NOW + HOUR + 1), TOKEN, "good for 3601 s"),
    "good for a year": (lambda f: f.with_(exp=NOW + 365 * 86_400), TOKEN, "let the job ask for a shorter one"),
    "good for a year that is nearly over": (lambda f: f.with_(iat=NOW - 365 * 86_400), TOKEN, "good for 31536300 s"),
    "good for no time": (lambda f: f.with_(exp=NOW), TOKEN, "good for 0 s"),
    "ended before it began": (lambda f: f.with_(iat=NOW + 10, exp=NOW + 5), TOKEN, "good for -5 s"),
    "without exp": (lambda f: f.without("exp"), TOKEN, f"'exp' {NO_TIME}"),
    "without iat": (lambda f: f.without("iat"), TOKEN, f"'iat' {NO_TIME}"),
    "with exp of null": (lambda f: f.with_(exp=None), TOKEN, NO_TIME),
    "with nbf of null": (lambda f: f.with_(nbf=None), TOKEN, f"'nbf' {NO_TIME}"),
    "with exp of true": (lambda f: f.with_(exp=True), TOKEN, NO_TIME),
    "with iat of false": (lambda f: f.with_(iat=False), TOKEN, NO_TIME),
    "with exp and a fraction": (lambda f: f.with_(exp=NOW + 300.5), TOKEN, NO_TIME),
    "with exp and an empty fraction": (lambda f: f.with_(exp=NOW + 300.0), TOKEN, NO_TIME),
    "with exp in writing": (lambda f: f.with_(exp=str(NOW + 300)), TOKEN, NO_TIME),
    "with exp of a list": (lambda f: f.with_(exp=[NOW + 300]), TOKEN, NO_TIME),
    "with exp before 1970": (lambda f: f.with_(exp=-1), TOKEN, NO_TIME),
    "with exp in milliseconds": (lambda f: f.with_(exp=(NOW + 300) * 1000), TOKEN, NO_TIME),
    "with exp past all dates": (lambda f: f.with_(exp=253_402_300_800), TOKEN, NO_TIME),
    "with exp of 19 digits": (lambda f: f.with_(exp=10**18), TOKEN, NO_TIME),
    "with exp of 300 digits": (lambda f: f.raw("exp", "9" * 300), PAYLOAD, "too long"),
    "with exp of NaN": (lambda f: f.raw("exp", "NaN"), PAYLOAD, "JSON does not know"),
    "with exp of infinity": (lambda f: f.raw("exp", "Infinity"), PAYLOAD, "JSON does not know"),
    "with exp past all doubles": (lambda f: f.raw("exp", "1e999"), PAYLOAD, "too large"),
    "with an id that is a number": (lambda f: f.with_(jti=1), TOKEN, "'jti'"),
    "with an empty id": (lambda f: f.with_(jti=""), TOKEN, "'jti'"),
    "with an id of null": (lambda f: f.with_(jti=None), TOKEN, "'jti'"),
    "with an id of 301 characters": (lambda f: f.with_(jti="j" * 301), TOKEN, "'jti'"),
    # in which form
    "with kid twice": (lambda f: f.text(header=b'{"alg":"RS256","kid":"a","kid":"key-1"}'), PAYLOAD, "header cannot be read: its JSON has a key twice"),
    "with alg twice": (lambda f: f.text(header=b'{"alg":"none","kid":"key-1","alg":"RS256"}'), PAYLOAD, "a key twice"),
    "with iss twice": (lambda f: f.text(payload=f.payload[:-1] + b',"iss":"https://evil.example"}'), PAYLOAD, "payload cannot be read: its JSON has a key twice"),
    "with aud twice in two spellings": (lambda f: f.text(payload=f.payload[:-1] + b',"\\u0061ud":"pypi"}'), PAYLOAD, "a key twice"),
    "with a key twice further down": (lambda f: f.raw("own", '{"a":1,"a":2}'), PAYLOAD, "a key twice"),
    "with half a character": (lambda f: f.raw("sub", '"\\ud800"'), PAYLOAD, "half a character"),
    "nested 10,000 times": (lambda f: f.raw("own", "[" * 10_000 + "]" * 10_000), PAYLOAD, "nested too deeply"),
    "with a payload that is a list": (lambda f: f.text(payload=b"[]"), PAYLOAD, "payload cannot be read: it is not a JSON object"),
    "with a payload that is a token": (lambda f: f.text(payload=f.good.encode()), PAYLOAD, "it is not JSON"),
    "with an empty payload": (lambda f: f.pieces(same, lambda _: "", same), PAYLOAD, "it is not JSON"),
    "with a signature in a second spelling": (lambda f: f.pieces(same, same, spelt_otherwise), PAYLOAD, "signature cannot be read: it is base64url in a second spelling"),
    "with a padded signature": (lambda f: f.good + "==", PAYLOAD, "not base64url"),
    "with a padded header": (lambda f: f.pieces(lambda p: p + "=", same, same), PAYLOAD, "not base64url"),
    "in the standard alphabet": (lambda f: f.pieces(same, same, lambda p: p.replace("-", "+", 1).replace("_", "/", 1)), PAYLOAD, "not base64url"),
    "with a dot at its end": (lambda f: f.good + ".", PAYLOAD, "this text has 4"),
    "with a dot at its start": (lambda f: "." + f.good, PAYLOAD, "this text has 4"),
    "with two dots within": (lambda f: f.good.replace(".", "..", 1), PAYLOAD, "this text has 4"),
    "with a line break at its end": (lambda f: f.good + "\n", PAYLOAD, "not base64url"),
    "with a space before it": (lambda f: " " + f.good, PAYLOAD, "not base64url"),
    "with Bearer before it": (lambda f: "Bearer " + f.good, PAYLOAD, "not base64url"),
    "with a letter that is not ASCII": (lambda f: f.good + "é", PAYLOAD, "not base64url"),
    "with a NUL": (lambda f: f.good + "\0", PAYLOAD, "not base64url"),
    "encrypted": (lambda f: f.good + ".c2ln.c2ln", PAYLOAD, "is encrypted (a JWE"),
    "of two parts": (lambda f: f.good.rpartition(".")[0], PAYLOAD, "this text has 2"),
    "of nothing": (lambda _: "", PAYLOAD, "this text has 1"),
    "of nothing but dots": (lambda _: "..", PAYLOAD, "it is not JSON"),
    "over 32 KiB": (lambda f: f.with_(own="x" * 24_000), PAYLOAD, "32768 are read"),
    "of 10 MB": (lambda _: "A" * 10_000_000, PAYLOAD, "10000000 characters"),
}  # fmt: skip

BOTH = frozenset({Algorithm.RS256, Algorithm.ES256})


@pytest.fixture(scope="module")
def forge(rsa_key: SigningKey, other_key: SigningKey) -> Forge:
    return Forge(rsa_key, other_key)


@pytest.fixture
def verifier(rsa_key: SigningKey, other_key: SigningKey) -> Verifier:
    """Two issuers that call their keys the same: ours signs with `rsa_key`, the other with its own."""
    ours, others = keys_of(rsa_key), keys_of(other_key)

    async def key(issuer: Issuer, kid: str) -> Any:
        return await (others if issuer.url == OTHER_URL else ours)(issuer, kid)

    return Verifier([Issuer(URL, BOTH), Issuer(OTHER_URL)], AUDIENCE, key)


async def test_the_good_token_is_verified(forge: Forge, verifier: Verifier) -> None:
    """Negative control for the whole table: what its rows are made from is fine."""
    for token in (forge.good, forge.header(), forge.with_(), forge.text(), forge.pieces(same, same, same)):
        assert (await verifier.verified(token, now=NOW)).values["repository"] == "acme/core"


@pytest.mark.parametrize(("make", "code", "words"), HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_token_mints_nothing(
    make: Callable[[Forge], str], code: TokenCode, words: str, forge: Forge, verifier: Verifier
) -> None:
    """It is one of PyPI's codes and one sentence, which has nothing in it that a terminal or a log would obey."""
    with pytest.raises(TokenRefused) as caught:
        await verifier.verified(make(forge), now=NOW)
    assert caught.value.code == code
    assert words in caught.value.description
    assert all(" " <= c <= "~" for c in caught.value.description)
    assert len(caught.value.description) <= 400
    assert "<script>'" not in caught.value.description


NO_NEED = [name for name, row in HOSTILE.items() if "signature is not" not in row[2] and "another algorithm than" not in row[2]]  # fmt: skip


@pytest.mark.parametrize("name", NO_NEED)
async def test_only_a_wrong_signature_costs_a_key(name: str, forge: Forge) -> None:
    """A token that is bad by itself makes us ask nobody for keys."""

    async def none(issuer: Issuer, kid: str) -> Any:
        raise AssertionError("a key was asked for")

    with pytest.raises(TokenRefused):
        await Verifier([Issuer(URL, BOTH), Issuer(OTHER_URL)], AUDIENCE, none).verified(
            HOSTILE[name][0](forge), now=NOW
        )
