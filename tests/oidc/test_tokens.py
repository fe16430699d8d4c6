"""Tokens of nine kinds of CI that are verified, with each algorithm, and what a Verifier is made of."""

import hashlib

import pytest

from authproxy.oidc import Algorithm, Issuer, TokenRefused, Verifier
from authproxy.oidc.claims import KEPT
from authproxy.oidc.keys import VerifyingKey, read_keys
from authproxy.oidc.strict import unpacked
from tests.oidc.conftest import AUDIENCE, NOW, URL
from tests.peers import ci_claims
from tests.peers.issuer import SigningKey, b64, document


def keys_of(*signing: SigningKey, asked: list[tuple[Issuer, str]] | None = None):
    """An issuer's keys without a network: what stands in `jwks` finds them there."""
    found = read_keys(document({"keys": [key.jwk for key in signing]}).body, frozenset(Algorithm)).usable

    async def key(issuer: Issuer, kid: str) -> VerifyingKey:
        if asked is not None:
            asked.append((issuer, kid))
        return found[kid]

    return key


ISSUERS = {
    "azure-devops": Issuer(URL, audience=ci_claims.AZURE_AUDIENCE),
    "kubernetes": Issuer(URL, audience_in_list=True),
}


@pytest.mark.parametrize("kind", ci_claims.SHAPES)
async def test_a_token_of_every_ci_is_verified(kind: str, rsa_key: SigningKey) -> None:
    """With its real claim names, its audience and its header; and all of its claims come out."""
    issuer = ISSUERS.get(kind, Issuer(URL))
    claims = ci_claims.SHAPES[kind](URL, AUDIENCE, NOW)
    token = rsa_key.sign(claims, ci_claims.HEADERS.get(kind))
    found = await Verifier([issuer], AUDIENCE, keys_of(rsa_key)).verified(token, now=NOW)
    assert (found.issuer, found.values) == (issuer, claims)
    assert (found.expires, found.kept_until) == (claims["exp"], claims["exp"] + KEPT)
    named = f"jti\0{URL}\0{claims['jti']}" if "jti" in claims else "jwt\0" + token.rpartition(".")[0]
    assert found.assertion_id == hashlib.sha256(named.encode()).hexdigest()


@pytest.mark.parametrize("algorithm", Algorithm)
async def test_every_algorithm_verifies(algorithm: Algorithm) -> None:
    """Where the issuer has it; and where it has not, the token is refused before any key is looked for."""
    key, asked = SigningKey.new("one", algorithm), []
    token = key.sign(ci_claims.github(URL, AUDIENCE, NOW))
    allowed = Verifier([Issuer(URL, frozenset({algorithm}))], AUDIENCE, keys_of(key))
    assert (await allowed.verified(token, now=NOW)).values["repository"] == "acme/core"
    others = Issuer(URL, frozenset(Algorithm) - {algorithm})
    with pytest.raises(TokenRefused, match="as this issuer's tokens have to"):
        await Verifier([others], AUDIENCE, keys_of(key, asked=asked)).verified(token, now=NOW)
    assert asked == []


@pytest.mark.parametrize("algorithm", Algorithm)
async def test_a_signature_of_any_length_is_just_wrong(algorithm: Algorithm) -> None:
    """Nothing of what a library thinks of it comes through, whether too short, too long, or full of zeros."""
    key = SigningKey.new("one", algorithm)
    verifier = Verifier([Issuer(URL, frozenset({algorithm}))], AUDIENCE, keys_of(key))
    signed, _, good = key.sign(ci_claims.github(URL, AUDIENCE, NOW)).rpartition(".")
    size = len(unpacked(good.encode()))
    for length in (0, 1, size // 2, size - 1, size, size + 1, 4 * size):
        for octet in (b"\0", b"\x01", b"\xff"):
            with pytest.raises(TokenRefused, match="signature is not the issuer's"):
                await verifier.verified(f"{signed}.{b64(octet * length)}", now=NOW)


async def test_a_rewritten_signature_names_the_same_token(curve_key: SigningKey) -> None:
    """Anybody can turn (r, s) into (r, -s): the text differs, both verify, and one name is claimed once."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    issuer = Issuer(URL, frozenset({Algorithm.ES256}))
    verifier = Verifier([issuer], AUDIENCE, keys_of(curve_key))
    token = curve_key.sign(ci_claims.google(URL, AUDIENCE, NOW))
    signed, _, signature = token.rpartition(".")
    octets = unpacked(signature.encode())
    turned = octets[:32] + (order - int.from_bytes(octets[32:])).to_bytes(32)
    twin = f"{signed}.{b64(turned)}"
    assert twin != token
    first, second = await verifier.verified(token, now=NOW), await verifier.verified(twin, now=NOW)
    assert first.assertion_id == second.assertion_id
    assert hashlib.sha256(token.encode()).digest() != hashlib.sha256(twin.encode()).digest()  # what would have been two


async def test_issuers_are_told_apart_by_every_letter(rsa_key: SigningKey) -> None:
    """The key is asked of the issuer that the token names, and of no other."""
    first, second = Issuer("https://ci.example.com/a"), Issuer("https://ci.example.com/a/")
    asked: list[tuple[Issuer, str]] = []
    verifier = Verifier([first, second], AUDIENCE, keys_of(rsa_key, asked=asked))
    for issuer in (second, first):
        await verifier.verified(rsa_key.sign(ci_claims.github(issuer.url, AUDIENCE, NOW)), now=NOW)
    assert asked == [(second, "key-1"), (first, "key-1")]


def test_an_issuer_has_one_setting(rsa_key: SigningKey) -> None:
    """The same twice is no matter: many publishers share an issuer."""
    Verifier([Issuer(URL), Issuer(URL)], AUDIENCE, keys_of(rsa_key))
    with pytest.raises(ValueError, match="two different settings"):
        Verifier([Issuer(URL), Issuer(URL, keys_url=f"{URL}/keys")], AUDIENCE, keys_of(rsa_key))
