"""The form of a token and its header, apart from what it claims."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.oidc.compact import TOKEN_LIMIT, key_named, read_token
from authproxy.oidc.issuers import Algorithm, Issuer
from authproxy.oidc.refusal import TokenRefused
from tests.oidc.conftest import URL
from tests.peers.issuer import b64

ISSUER = Issuer(URL, frozenset({Algorithm.RS256, Algorithm.ES256}))
HEADER = {"alg": "RS256", "kid": "key-1", "typ": "JWT"}


def test_a_token_is_read_whole() -> None:
    """Header, claims, and the bytes that the signature is of; its text is in no repr."""
    text = ".".join((b64(json.dumps(HEADER).encode()), b64(b'{"iss": "me"}'), "c2ln"))
    token = read_token(text)
    assert token.unverified_header == HEADER
    assert token.unverified_claims == {"iss": "me"}
    assert token.signed == text.rpartition(".")[0].encode()
    assert "c2ln" not in repr(token)


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{0,9}(\.[A-Za-z0-9_-]{0,9}){0,5}", fullmatch=True))
def test_no_text_does_anything_but_be_refused(text: str) -> None:
    """Whatever is sent, it is one sentence of printable ASCII that comes of it."""
    with pytest.raises(TokenRefused) as caught:
        read_token(text)
    assert caught.value.code == "invalid-payload"
    assert caught.value.description.isascii()
    assert caught.value.description.isprintable()


def test_the_limit_is_allowed() -> None:
    """32,768 characters are read and one more is not."""
    start = "e30.e30."  # {} and {}
    assert read_token(start.ljust(TOKEN_LIMIT, "A")).unverified_header == {}
    with pytest.raises(TokenRefused, match="32769 characters and 32768"):
        read_token(start.ljust(TOKEN_LIMIT + 1, "A"))


@pytest.mark.parametrize("kind", ["JWT", "jwt", "Jwt", None])
def test_a_header_names_its_key(kind: str | None) -> None:
    """With `typ` and without it (Kubernetes and Jenkins write none); what nobody reads is no matter."""
    header = {"alg": "ES256", "kid": "k" * 200, "x5t": "thumb", "x5t#S256": "thumb", "cty": "a", "own": {"a": 1}}
    assert key_named(header if kind is None else {**header, "typ": kind}, ISSUER) == "k" * 200
