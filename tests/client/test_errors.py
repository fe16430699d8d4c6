"""The room's one exception."""

from authproxy.client.errors import ClientError


def test_it_is_no_error_of_the_system() -> None:
    """The command line says what the system refused in its own words, and ours as they are: they must not be mixed up."""
    assert not issubclass(ClientError, OSError)
    assert str(ClientError("one sentence")) == "one sentence"
