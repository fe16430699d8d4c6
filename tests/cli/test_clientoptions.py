"""What the commands of the uploader's machine take, read."""

import pytest

from authproxy.cli.clientoptions import life, network, seconds, upload_url
from authproxy.domain.refusal import Refused


@pytest.mark.parametrize(("text", "wanted"), [("5m", 300), ("90s", 90), ("1h", 3600), ("2d", 172_800), ("1w", 604_800)])
def test_times(text: str, wanted: int) -> None:
    """As in the configuration."""
    assert seconds(text) == life(text) == wanted


@pytest.mark.parametrize("text", ["5", "0m", "m", "1.5h", "-5m", "never ", "5 m", "99999999d"])
def test_what_is_no_time(text: str) -> None:
    """The sentence has an example."""
    with pytest.raises(ValueError, match="as in 5m"):
        seconds(text)


def test_never_is_for_derive_alone() -> None:
    """A client that runs has a key that ends."""
    assert life("never") == 0
    with pytest.raises(ValueError, match="is no time"):
        seconds("never")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("https://pypi.example.com", "https://pypi.example.com/"),
        ("https://pypi.example.com/team/dev/", "https://pypi.example.com/team/dev/"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
    ],
)
def test_urls(text: str, wanted: str) -> None:
    """With a final slash."""
    assert upload_url(text) == wanted


@pytest.mark.parametrize(
    "text",
    ["pypi.example.com", "ftp://x.test/", "https://me:s3cret@x.test/", "https://x.test/?a", "https://x.test/#a", ""],
)
def test_what_is_no_url(text: str) -> None:
    """People put passwords into URLs, so none is repeated."""
    with pytest.raises(ValueError, match="no address of a proxy") as refused:
        upload_url(text)
    assert "s3cret" not in str(refused.value)


def test_networks() -> None:
    """Addresses with bits behind their prefix are mistakes."""
    assert str(network("10.0.0.0/8")) == "10.0.0.0/8"
    for text in ("10.0.0.1/8", "pypi", ""):
        with pytest.raises((ValueError, Refused), match="no network"):
            network(text)
