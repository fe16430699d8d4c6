"""Which URLs may be issuers, and which may have keys."""

import pytest

from authproxy.oidc.issuers import Algorithm, Issuer, is_safe

SAFE = [
    "https://ci.example.com",
    "https://ci.example.com/",
    "https://ci.example.com:8443/api/actions",
    "https://[::1]:8443/oidc",
    "https://vstoken.dev.azure.com/0ca3ddd9-f0b0-4635-a98c-5866526961b6",
]
UNSAFE = {
    "without TLS": "http://ci.example.com",
    "without TLS on loopback": "http://127.0.0.1:8080",
    "of another scheme": "file:///etc/passwd",
    "without a scheme": "ci.example.com",
    "without a host": "https://",
    "without a host but a port": "https://:443/",
    "with a user": "https://user@ci.example.com",
    "with an empty user": "https://@ci.example.com",
    "with a fragment": "https://ci.example.com/#a",
    "with an empty fragment": "https://ci.example.com/#",
    "with a space": "https://ci.example.com/a b",
    "with a line break": "https://ci.example.com/\n",
    "with a backslash": "https://ci.example.com\\@evil.example",
    "with a letter that is not ASCII": "https://cí.example.com",
    "with a port that is none": "https://ci.example.com:x/",
    "with port 0": "https://ci.example.com:0/",
    "with a bracket that does not close": "https://[::1/",
    "longer than any URL": "https://ci.example.com/" + "a" * 2000,
    "empty": "",
}


@pytest.mark.parametrize("url", SAFE)
def test_an_https_url_may_have_keys(url: str) -> None:
    """With port and path, with and without a slash at its end."""
    assert is_safe(url)
    assert Issuer(url, keys_url=url + "?a=b").url == url


@pytest.mark.parametrize("url", UNSAFE.values(), ids=UNSAFE.keys())
def test_no_other_may(url: str) -> None:
    """Neither as an issuer nor as the place of its keys."""
    assert not is_safe(url)
    with pytest.raises(ValueError, match="an issuer is an https URL"):
        Issuer(url)
    with pytest.raises(ValueError, match="keys come from an https URL"):
        Issuer("https://ci.example.com", keys_url=url)


def test_an_issuer_has_no_query() -> None:
    """OpenID Connect Core 1.0, section 2: an issuer has neither query nor fragment."""
    with pytest.raises(ValueError, match="query"):
        Issuer("https://ci.example.com?tenant=1")


def test_an_issuer_signs_with_something() -> None:
    """No algorithm at all would be a mistake of the config, not a way to turn an issuer off."""
    with pytest.raises(ValueError, match="no algorithm"):
        Issuer("https://ci.example.com", frozenset())


@pytest.mark.parametrize("url", ["https://ci.example.com/a", "https://ci.example.com/a/"])
def test_the_discovery_document_stands_below_the_issuer(url: str) -> None:
    """The last slash of the issuer goes first, and its path stays."""
    assert Issuer(url).discovery_url == "https://ci.example.com/a/.well-known/openid-configuration"


def test_no_algorithm_is_symmetric() -> None:
    """With a symmetric one, whoever can verify could sign, and a public key would be a password."""
    assert set(Algorithm) == {"RS256", "ES256", "ES384", "EdDSA"}
    assert Issuer("https://ci.example.com").algorithms == {"RS256"}
