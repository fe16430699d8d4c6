"""The parts fit the config that they were made from."""

from tests.web.conftest import Running


async def test_the_index_is_told_our_public_address(running: Running) -> None:
    """Links in its pages are made of it, so it comes from the config and never from a request."""
    upstream = running.app.parts.backend.upstream
    assert (upstream.public_scheme, upstream.public_host) == ("https", "pypi.acme.test")
    assert upstream.authorization is not None


async def test_time_is_unix_seconds(running: Running) -> None:
    """Whole ones: nothing here is decided by less."""
    parts = running.app.parts
    assert abs(parts.now() - parts.clock()) < 2
