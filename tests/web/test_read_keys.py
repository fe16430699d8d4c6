"""`reads: key`: a reader needs a grant for what it reads, and learns of nothing else."""

import json

import pytest

from tests.peers.recording import RecordingIndex, Reply, Script, Seen
from tests.peers.wire import basic, get, head
from tests.web.conftest import POLICIES, Running

READ = {"allow": [{"actions": ["read"], "packages": ["acme-*"]}]}
KEYED = {"reads": "key", "key_policies": {**POLICIES, "acme": READ}}
SERVICE = basic("service", "s3cret-passw0rd")
HTML = b'<html><body><a href="acme-core/">acme-core</a><br><a href="victim/">victim</a></body></html>'
JSON_TYPE = "application/vnd.pypi.simple.v1+json"
JSON = json.dumps({"meta": {"api-version": "1.0"}, "projects": [{"name": "acme-core"}, {"name": "victim"}]}).encode()

pytestmark = pytest.mark.parametrize("running", [KEYED], indirect=True)


def index(seen: Seen) -> Script:
    """An index whose list comes in the form that is asked for."""
    if seen.header("Accept") == JSON_TYPE:
        return Reply(200, JSON, (("Content-Type", JSON_TYPE),))
    return Reply(200, HTML, (("Content-Type", "text/html; charset=UTF-8"),))


async def asked(running: Running, target: str, policy: str = "acme", *more: tuple[str, str]) -> object:
    """Read as the holder of a key."""
    key = await running.key(policy)
    return await running.ask(get(target, [("Authorization", basic("__token__", key)), *more]))


async def test_what_the_key_may_read_is_read_with_our_account(running: Running, recording: RecordingIndex) -> None:
    """Pages and files map to their project."""
    recording.answer = index
    for target in ("/simple/acme-core/", "/simple/Acme_Core", "/packages/acme_core-1.0-py3-none-any.whl"):
        assert (await asked(running, target)).status == 200, target
    assert {seen.header("Authorization") for seen in recording.requests} == {SERVICE}


REFUSED = ["/simple/victim/", "/simple/acme", "/packages/victim-1.0.tar.gz", "/packages/", "/", "/victim/json"]


@pytest.mark.parametrize("target", REFUSED)
async def test_what_it_may_not_read_is_403_and_asked_of_nobody(
    running: Running, recording: RecordingIndex, target: str
) -> None:
    """Never 404: uv would take the public package of that name."""
    answer = await asked(running, target)
    assert (answer.status, "read:acme-*" in answer.reason) == (403, True)
    recording.assert_saw_nothing()


@pytest.mark.parametrize("authorization", [None, basic("alice", "her own"), basic("__token__", "apx_broken")])
async def test_without_a_key_there_is_a_challenge(
    running: Running, recording: RecordingIndex, authorization: str | None
) -> None:
    """pip and uv look for credentials after 401 alone."""
    headers = [("Authorization", authorization)] if authorization else []
    answer = await running.ask(get("/simple/acme-core/", headers))
    assert (answer.status, answer.header("WWW-Authenticate")) == (401, 'Basic realm="pypi"')
    recording.assert_saw_nothing()


async def test_the_list_shows_what_may_be_read(running: Running, recording: RecordingIndex) -> None:
    """Both forms of the simple API; the names of the others are nobody else's business."""
    recording.answer = index
    page = await asked(running, "/simple/")
    assert (page.status, page.header("Content-Type")) == (200, "text/html; charset=UTF-8")
    assert "acme-core" in page.text
    assert "victim" not in page.text
    page = await asked(
        running, "/simple/", "acme", ("Accept", JSON_TYPE), ("If-None-Match", '"x"'), ("Range", "bytes=0-")
    )
    assert [each["name"] for each in json.loads(page.body)["projects"]] == ["acme-core"]
    assert page.header("Vary") == "Authorization, Accept"
    assert recording.requests[-1].header("Range") is None


async def test_the_whole_list_is_for_who_may_read_all(running: Running, recording: RecordingIndex) -> None:
    """It passes as the index has it."""
    recording.answer = index
    assert (await asked(running, "/simple/", "install")).body == HTML


async def test_who_may_read_nothing_is_shown_no_list(running: Running, recording: RecordingIndex) -> None:
    """An upload key is refused, not shown an empty list."""
    answer = await asked(running, "/simple/", "release")
    assert (answer.status, "may not read" in answer.reason) == (403, True)
    recording.assert_saw_nothing()


async def test_a_list_that_cannot_be_read_is_not_shown(running: Running, recording: RecordingIndex) -> None:
    """Not even in part."""
    recording.answer = lambda _: Reply(200, HTML, (("Content-Type", "application/octet-stream"),))
    answer = await asked(running, "/simple/")
    assert answer.status == 502
    assert "victim" not in answer.text


async def test_head_of_the_list(running: Running, recording: RecordingIndex) -> None:
    """No body, and no length of a list that is not the reader's."""
    recording.answer = index
    key = await running.key("acme")
    headers = [("Authorization", basic("__token__", key)), ("Connection", "close")]
    answer = await running.ask(head("HEAD", "/simple/", headers))
    assert answer.status == 200
    assert int(answer.header("Content-Length") or 0) != len(HTML)


async def test_the_list_is_asked_for_in_a_form_that_can_be_read(running: Running, recording: RecordingIndex) -> None:
    """Whatever the reader would take, and with the slash that indexes redirect to."""
    recording.answer = lambda seen: index(seen) if seen.target.endswith("/") else Reply(303)
    for accept in ("*/*", "application/json", "text/plain", f"{JSON_TYPE};q=1, text/html;q=0.1"):
        assert (await asked(running, "/simple", "acme", ("Accept", accept))).status == 200, accept
    assert {seen.target for seen in recording.requests} == {"/simple/"}
    assert {seen.header("Accept") for seen in recording.requests} == {"text/html", JSON_TYPE}


async def test_an_index_that_is_not_there_has_no_list(running: Running, recording: RecordingIndex) -> None:
    """No alarm for the operator, and no 404 that would send a reader elsewhere."""
    recording.answer = lambda _: Reply(404)
    assert (await asked(running, "/simple/")).status == 403
