"""The frozen settings."""

from dataclasses import FrozenInstanceError

import pytest

from authproxy.config.settings import Address
from tests.config.conftest import LEAST, SECRET, Loading


def test_an_address_is_written_as_it_is_read() -> None:
    """IPv6 stands in brackets."""
    assert str(Address("127.0.0.1", 8080)) == "127.0.0.1:8080"
    assert str(Address("::1", 8080)) == "[::1]:8080"


@pytest.mark.parametrize(
    ("url", "scheme", "host"),
    [
        ("https://pypi.example.com/", "https", "pypi.example.com"),
        ("http://pypi.example.com:8080", "http", "pypi.example.com:8080"),
        ("http://[::1]:80/", "http", "[::1]"),
    ],
)
def test_the_public_url_is_known_in_parts(loaded: Loading, url: str, scheme: str, host: str) -> None:
    """Scheme and host as the index must hear them, without the scheme's own port."""
    config = loaded(LEAST.replace("https://pypi.example.com/", f'"{url}"'))
    assert (config.public_scheme, config.public_host) == (scheme, host)


def test_a_config_is_frozen_and_shows_no_secret(loaded: Loading) -> None:
    """Nothing can be changed after the load, and no repr holds the password."""
    account = 'url: "http://127.0.0.1:8081/", username: svc, password: {file: pw}'
    config = loaded(LEAST.replace('url: "http://127.0.0.1:8081/"', account))
    assert config.backend.password == SECRET
    assert SECRET not in repr(config)
    with pytest.raises(FrozenInstanceError):
        config.listen = Address("0.0.0.0", 80)  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.policy.key_policies["new"] = None  # type: ignore[index]
