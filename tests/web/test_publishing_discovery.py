"""PEP 807: how a client learns where the endpoints of trusted publishing are, several upload paths behind one host included."""

import json
from pathlib import Path

import pytest

from tests.peers.issuer import LocalIssuer
from tests.peers.recording import RecordingIndex
from tests.peers.wire import get
from tests.web.published import Published, published, publisher

DISCOVERED = {
    "audience-endpoint": "https://pypi.acme.test/_/oidc/audience",
    "token-mint-endpoint": "https://pypi.acme.test/_/oidc/mint-token",
    "features": ["single-use-token", "multi-use-token"],
    "default-features": ["multi-use-token"],
}


@pytest.mark.parametrize("query", ["discover=%2F", "discover=", "discover=/"])
async def test_discovery_says_where_all_is(desk: Published, query: str) -> None:
    """PEP 807: by the path of the upload URL; never with the Host that somebody sent."""
    answer = await desk.running.ask(get(f"/.well-known/pytp?{query}"))
    assert (answer.status, json.loads(answer.body)) == (200, DISCOVERED)
    assert answer.header("Content-Type") == "application/vnd.pypi.pytp.v1+json"


NOT_DISCOVERED = {
    "discover=%2Fteam%2Fdev%2F": 404,
    "discover=%2Fsimple%2F": 404,
    "": 400,
    "discover=%2F&discover=%2F": 400,
    "path=%2F": 400,
}


@pytest.mark.parametrize(("query", "status"), NOT_DISCOVERED.items())
async def test_discovery_of_what_is_not_there(
    desk: Published, recording: RecordingIndex, query: str, status: int
) -> None:
    """404 where there is no such upload URL, in the form that the draft asks for; the index is not asked."""
    answer = await desk.running.ask(get(f"/.well-known/pytp?{query}"))
    assert (answer.status, answer.header("Content-Type")) == (status, "application/problem+json")
    assert json.loads(answer.body)["status"] == status
    recording.assert_saw_nothing()


@pytest.mark.parametrize(
    ("accept", "status"),
    [("application/vnd.pypi.pytp.v1+json", 200), ("*/*", 200), ("text/html, */*;q=0.1", 200), ("text/html", 406)],
)
async def test_discovery_is_asked_for_by_its_type(desk: Published, accept: str, status: int) -> None:
    """406 for who can read none of it."""
    assert (await desk.running.ask(get("/.well-known/pytp?discover=%2F", [("Accept", accept)]))).status == status


async def test_several_upload_paths_behind_one_host(
    tmp_path: Path, recording: RecordingIndex, issuer: LocalIssuer
) -> None:
    """Of a devpi each index has its own, and trusted publishing is where a publisher may upload."""
    account = {"username": "service", "password": {"file": "backend-password"}}
    backend = {"flavour": "devpi", "url": recording.url, "indexes": ["team/dev", "team/prod"], **account}
    here = publisher(issuer, indexes=["team/dev"])
    async with published(tmp_path, recording.url, issuer, backend=backend, publishers=[here]) as desk:
        for path, status in (("%2Fteam%2Fdev%2F", 200), ("%2Fteam%2Fdev", 200), ("%2Fteam%2Fprod%2F", 404), ("", 404)):
            answer = await desk.running.ask(get(f"/.well-known/pytp?discover={path}"))
            assert (answer.status, path) == (status, path)
            if status == 200:
                assert json.loads(answer.body) == DISCOVERED
        assert (await desk.running.ask(get("/_/oidc/audience"))).status == 200
