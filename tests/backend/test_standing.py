"""Whether the index is there and knows us, by servers that answer as devpi does."""

import json

import pytest

from authproxy.backend.client import Backend, Upstream
from authproxy.backend.devpi import devpi
from authproxy.backend.standing import trouble_of
from tests.backend.test_service_login import Index
from tests.peers.recording import RecordingIndex, Reply

STRANGER = json.dumps({"type": "apiconfig", "result": {"authstatus": ["noauth", "", []]}}).encode()


@pytest.fixture
def index(recording: RecordingIndex) -> Index:
    recording.answer = made = Index()
    return made


def backend_at(url: str) -> Backend:
    """devpi with two indexes."""
    return Backend(Upstream(url, "pypi.acme.test", "https", "svc", "s3cret"), devpi(("team/dev", "team/prod")))


async def test_trouble_names_an_index_that_is_not_there(recording: RecordingIndex, index: Index) -> None:
    """devpi's 404 for a project and for an index look alike; readiness tells them apart, and asks for no project."""
    async with backend_at(recording.url) as backend:
        assert await trouble_of(backend) is None
        assert [seen.target for seen in recording.requests] == ["/+login", "/team/dev/+api", "/team/prod/+api"]
        recording.answer = lambda _: Reply(500)
        assert await trouble_of(backend) == "the index behind the proxy answered 500"
        recording.answer = lambda seen: Reply(404) if seen.target == "/team/prod/+api" else index(seen)
        trouble = await trouble_of(backend)
        assert trouble is not None
        assert "team/prod" in trouble


async def test_an_account_that_the_index_does_not_know_is_trouble(recording: RecordingIndex, index: Index) -> None:
    """devpi answers `+api` to everybody (measured). After its restart the old token is nobody's, and a new one helps."""
    async with backend_at(recording.url) as backend:
        old = index.token
        index.refusal = Reply(200, STRANGER)
        assert await trouble_of(backend) is None
        index.logins += 1  # devpi has forgotten the token
        assert await trouble_of(backend) is None
        assert index.logins == 3
        assert old != index.token
        recording.answer = lambda seen: index(seen) if seen.target == "/+login" else Reply(200, STRANGER)
        trouble = await trouble_of(backend)
        assert trouble is not None
        assert trouble.startswith("proxy is misconfigured")
