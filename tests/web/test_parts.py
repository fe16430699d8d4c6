"""The parts fit the config that they were made from."""

from dataclasses import replace

from authproxy.backend.pypiserver import PYPISERVER
from authproxy.config import FlavourName
from authproxy.web.parts import flavour_of
from tests.web.conftest import Running


async def test_the_index_is_told_our_public_address(running: Running) -> None:
    """Links in its pages are made of it, so it comes from the config and never from a request."""
    upstream = running.app.parts.backend.upstream
    assert (upstream.public_scheme, upstream.public_host) == ("https", "pypi.acme.test")
    assert upstream.password not in repr(upstream)


async def test_the_flavour_is_that_of_the_config(running: Running) -> None:
    """pypiserver is one index; a devpi has the indexes that the config names, and uploads go to no other."""
    config = running.app.parts.config
    assert flavour_of(config) is PYPISERVER
    backend = replace(config.backend, flavour=FlavourName.DEVPI, indexes=("team/dev", "team/prod"))
    flavour = flavour_of(replace(config, backend=backend))
    assert (flavour.name, flavour.indexes) == ("devpi", ("team/dev", "team/prod"))
    assert set(flavour.uploads.values()) == {"team/dev", "team/prod"}


async def test_time_is_unix_seconds(running: Running) -> None:
    """Whole ones: nothing here is decided by less."""
    parts = running.app.parts
    assert abs(parts.now() - parts.clock()) < 2
