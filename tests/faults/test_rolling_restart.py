"""Three replicas are restarted one after the other while clients upload: not one upload fails."""

import signal
from collections.abc import Iterator

import pytest

from tests.faults.rolling import Site, rolled, site
from tests.peers import haproxy

pytestmark = pytest.mark.skipif(haproxy.installed() is None, reason="HAProxy is not installed (Debian package haproxy)")


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("rolling")) as made:
        yield made


@pytest.mark.timeout(240)
def test_a_rolling_restart_fails_no_upload(three: Site) -> None:
    """SIGTERM, the start, and the next: every upload was a success at its only try, is whole, and is on record."""
    assert rolled(three, signal.SIGTERM, rounds=1, clients=4, generation=1) == []


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_ten_rolling_restarts_fail_no_upload(three: Site) -> None:
    """Thirty restarts."""
    assert rolled(three, signal.SIGTERM, rounds=10, clients=6, generation=2) == []


@pytest.mark.timeout(240)
def test_control_replicas_that_are_killed_fail_uploads(three: Site) -> None:
    """SIGKILL at the same moments: the same look finds uploads that failed."""
    found = rolled(three, signal.SIGKILL, rounds=1, clients=4, generation=3)
    assert any(" was told " in each for each in found), found
