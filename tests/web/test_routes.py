"""What a request is about is told by its method and exact target; what is like a write and is none is a read."""

import pytest
from aiohttp.test_utils import make_mocked_request

from authproxy.backend.devpi import devpi
from authproxy.backend.flavour import Flavour
from authproxy.backend.pypiserver import PYPISERVER
from authproxy.web.routes import ROUTES, action_of

DEVPI = devpi(("acme/prod",))
TABLE = [
    (PYPISERVER, "POST", "/", "upload"),
    (PYPISERVER, "GET", "/", "read"),
    (PYPISERVER, "POST", "//", "read"),
    (PYPISERVER, "POST", "/?:action=file_upload", "read"),
    (PYPISERVER, "PUT", "/", "read"),
    (PYPISERVER, "GET", "/simple/acme-core/", "read"),
    (PYPISERVER, "GET", "/-/healthz", "own"),
    (PYPISERVER, "GET", "/-/auth", "auth"),
    (PYPISERVER, "POST", "/-/revoke", "revoke"),
    (PYPISERVER, "GET", "/-/revoke", "own"),
    (PYPISERVER, "POST", "/-/revoke/", "own"),
    (PYPISERVER, "POST", "/-/leaks", "leaks"),
    (PYPISERVER, "POST", "/_/oidc/mint-token", "mint"),
    (PYPISERVER, "POST", "/_/oidc/burn-token", "burn"),
    (PYPISERVER, "GET", "/_/oidc/mint-token", "own"),
    (PYPISERVER, "GET", "/_/oidc/audience", "own"),
    (PYPISERVER, "POST", "/+login", "read"),
    (DEVPI, "POST", "/acme/prod/", "upload"),
    (DEVPI, "POST", "/acme/dev/", "read"),
    (DEVPI, "DELETE", "/acme/prod/acme-core/1.0", "delete"),
    (DEVPI, "DELETE", "/acme/dev/acme-core/1.0", "read"),
    (DEVPI, "DELETE", "/acme/prod/acme-core", "read"),
    (DEVPI, "POST", "/+login", "login"),
    (DEVPI, "GET", "/+api", "about"),
]


@pytest.mark.parametrize(("flavour", "method", "target", "action"), TABLE)
def test_what_a_request_is_about(flavour: Flavour, method: str, target: str, action: str) -> None:
    """A read of a target that nobody may read is refused by the table of reads: no target is nobody's."""
    assert action_of(flavour, make_mocked_request(method, target)) == action


def test_every_action_has_somebody_who_answers() -> None:
    """And a test of its own above, but for what takes a configuration (`opened`) or a body (`push`)."""
    assert {action for *_, action in TABLE} == set(ROUTES) - {"opened", "push"}
