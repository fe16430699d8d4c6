"""A moment, an audience, keys that are made once, and an issuer over TLS."""

import functools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from authproxy.oidc import Issuer, Keyrings
from authproxy.oidc.source import key_set_of
from tests.peers.issuer import LocalIssuer, SigningKey, local_issuer

NOW = 1_800_000_000  # 2027-01-15 08:00:00Z
AUDIENCE = "packages.example.com"
URL = "https://ci.example.com"


@pytest.fixture(scope="session")
def rsa_key() -> SigningKey:
    """The issuer's key; generating one takes a tenth of a second."""
    return SigningKey.new("key-1")


@pytest.fixture(scope="session")
def other_key() -> SigningKey:
    """A key of somebody else, who calls it as the issuer calls its own."""
    return SigningKey.new("key-1")


@pytest.fixture(scope="session")
def curve_key() -> SigningKey:
    return SigningKey.new("curve-1", "ES256")


@pytest.fixture
def issuer(tmp_path: Path, rsa_key: SigningKey) -> Iterator[LocalIssuer]:
    """An issuer of its own for the test, with one RSA key."""
    with local_issuer(tmp_path, key=rsa_key) as running:
        yield running


@pytest.fixture
def configured(issuer: LocalIssuer) -> Issuer:
    """That issuer as a config has it."""
    return Issuer(issuer.url, ca_file=issuer.ca_file)


IMPATIENT = functools.partial(key_set_of, fetch_time=0.5)  # as the server fetches, but it gives up after half a second


@pytest.fixture
async def keyrings() -> AsyncIterator[Keyrings]:
    """The cache over real connections."""
    rings = Keyrings(IMPATIENT)
    yield rings
    await rings.close()
