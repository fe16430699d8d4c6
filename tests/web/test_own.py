"""Our own pages say what they should and no more."""

import asyncio
import json
import logging

import pytest

from authproxy.web import readiness
from tests.peers.recording import RecordingIndex, Reply
from tests.peers.wire import basic, get, head
from tests.web.conftest import Running


async def test_healthz_asks_nobody(running: Running, recording: RecordingIndex) -> None:
    """The process answers; whether the index does is another question."""
    assert (await running.ask(get("/-/healthz"))).status == 200
    recording.assert_saw_nothing()


async def test_readyz_says_what_is_missing(
    running: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator at three in the morning reads which part it is; strangers read no path of the machine."""
    monkeypatch.setattr(readiness, "FRESH", 0)
    assert (await running.ask(get("/-/readyz"))).body == b"ready\n"
    recording.answer = lambda _: Reply(401)
    refused = await running.ask(get("/-/readyz"))
    assert (refused.status, refused.text.startswith("index: proxy is misconfigured")) == (503, True)
    await running.app.parts.store.close()
    said = (await running.ask(get("/-/readyz"))).text
    assert "store: " in said
    assert str(running.file.parent) not in said


async def test_a_health_check_that_is_well_is_not_in_the_log(
    running: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At debug alone; one that is not is a warning, and says what is missing. It is no answer of the index's."""
    monkeypatch.setattr(readiness, "FRESH", 0)
    with caplog.at_level(logging.DEBUG, "authproxy.web"):
        for page in ("/-/healthz", "/-/readyz", "/-/nothing"):
            await running.ask(get(page))
        recording.answer = lambda _: Reply(500)
        await running.app.parts.store.close()
        await running.ask(get("/-/readyz"))
    lines = [each for each in caplog.records if each.name == "authproxy.web"]
    assert [(each.levelname, each.getMessage()) for each in lines] == [
        ("DEBUG", "own ok"),
        ("DEBUG", "own ok"),
        ("WARNING", "own no-route"),
        ("WARNING", "own not-ready"),
    ]
    assert vars(lines[-1])["missing"] == "store, index"
    shown = running.app.parts.metrics.registry.get_sample_value
    labels = {"action": "own", "decision": "allowed", "reason": "not-ready"}
    assert shown("authproxy_requests_total", labels) == 1


async def test_many_who_ask_for_readiness_cost_one_question(running: Running, recording: RecordingIndex) -> None:
    """Each question is a request to the index with our account; anybody may ask."""
    await asyncio.gather(*(running.ask(get("/-/readyz")) for _ in range(20)))
    assert len(recording.requests) == 1


async def test_whoami_tells_the_holder(running: Running, recording: RecordingIndex) -> None:
    """A CI author sees what the key in the job may do, and the secret is not repeated."""
    key = await running.key()
    answer = await running.ask(get("/-/whoami", [("Authorization", basic("__token__", key))]))
    said = json.loads(answer.body)
    assert (said["owner"], said["policy"], said["allow"]) == ("ci@acme.test", "release", ["upload+create:acme-*"])
    assert said["id"] in key
    assert key not in answer.text
    assert answer.header("Cache-Control") == "no-store"
    recording.assert_saw_nothing()


async def test_whoami_is_a_use_of_the_key(running: Running) -> None:
    """Noted as every other, in memory and written down later: a job that only looks has the key all the same."""
    key = await running.key()
    before = await running.ask(get("/-/whoami", [("Authorization", basic("__token__", "apx_broken"))]))
    assert (before.status, len(running.app.parts.uses)) == (401, 0)
    said = [("Authorization", basic("__token__", key)), ("User-Agent", "job/1")]
    key_id = json.loads((await running.ask(get("/-/whoami", said))).body)["id"]
    store = running.app.parts.store
    assert await store.last_uses([key_id]) == {}
    await running.app.parts.uses.flush()
    [use] = (await store.last_uses([key_id]))[key_id]
    assert (use.action, use.project, use.address, use.client) == ("whoami", "", "127.0.0.1", "job/1")


@pytest.mark.parametrize("authorization", [None, basic("alice", "password"), basic("__token__", "apx_broken")])
async def test_whoami_is_for_holders_of_a_key(running: Running, authorization: str | None) -> None:
    """Everybody else gets the challenge."""
    headers = [("Authorization", authorization)] if authorization else []
    answer = await running.ask(get("/-/whoami", headers))
    assert (answer.status, answer.header("WWW-Authenticate")) == (401, 'Basic realm="pypi"')


async def test_trusted_publishing_is_off_in_the_words_of_uv(running: Running, recording: RecordingIndex) -> None:
    """uv asks before an upload without credentials; anything but 404 would stop it."""
    assert (await running.ask(get("/_/oidc/audience"))).status == 404
    recording.assert_saw_nothing()


REFUSED = ["/-/", "/-", "/-/nothing", "/-/healthz/", "/-/healthz?x=1", "/_/oidc/mint-token", "/-/../simple/"]


@pytest.mark.parametrize("target", REFUSED)
async def test_what_is_under_our_paths_never_reaches_the_index(
    running: Running, recording: RecordingIndex, target: str
) -> None:
    """No project can be called `-`, so nothing here is the index's."""
    assert (await running.ask(get(target))).status in (400, 403)
    recording.assert_saw_nothing()


async def test_our_pages_are_for_get(running: Running, recording: RecordingIndex) -> None:
    """Nothing here changes anything yet."""
    answer = await running.ask(head("POST", "/-/healthz", [("Content-Length", "0"), ("Connection", "close")]))
    assert answer.status == 403
    recording.assert_saw_nothing()
