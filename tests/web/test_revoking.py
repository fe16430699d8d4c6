"""Giving up a key over the wire: it ends, and nobody learns from the answer, or its time, what was sent."""

import asyncio
import json
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from authproxy.authority import NewKey
from authproxy.domain.caveats import Projects
from authproxy.domain.derived import derive
from authproxy.domain.keys import KeyKind, PublicId, mint
from authproxy.domain.names import ProjectName
from authproxy.store import Decision
from authproxy.web import revoking
from authproxy.web.revoking import ANSWER, LIMIT, SAID
from tests.peers.masters import derived, lifetime, with_master
from tests.peers.recording import RecordingIndex
from tests.peers.reporter import posted, surrender
from tests.peers.wire import Answer, basic, get, head
from tests.web.conftest import POLICIES, Running
from tests.web.published import Published

KEYED = {
    "trusted_proxies": ["127.0.0.1"],
    "key_policies": POLICIES,
    "keys": {"master_key": {"file": "master-key-0"}},
    "throttle": {"failures": 1000},
}
UNKNOWN = mint("apx", PublicId("AAAAAAAAAAAA0"), bytes(32))
CORE = Projects(frozenset({ProjectName("acme-core")}))

everywhere = pytest.mark.parametrize("running", [KEYED], indirect=True)


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The master key lies where the configuration says; and only one test waits for the even time."""
    with_master(tmp_path)
    monkeypatch.setattr(revoking, "ANSWER", 0)


async def rows(running: Running) -> list[Decision]:
    """The record."""
    return [row async for page in running.app.parts.store.record.rows() for row in page]


async def works(running: Running, key: str) -> bool:
    answer = await running.ask(get("/-/whoami", [("Authorization", basic("__token__", key))]))
    assert answer.status in (200, 401)
    return answer.status == 200


def taken(answer: Answer) -> None:
    assert (answer.status, answer.text) == (200, SAID)
    assert answer.header("Cache-Control") == "no-store"


@everywhere
async def test_a_key_is_ended_for_good(
    running: Running, recording: RecordingIndex, caplog: pytest.LogCaptureFixture
) -> None:
    """By nothing but itself; on record and in the log by its id alone; and with it all that was derived from it."""
    key = await running.key()
    made = derived(key, lifetime())
    assert await works(running, key)
    assert await works(running, made)
    with caplog.at_level(logging.INFO):
        taken(await running.ask(surrender(key)))
    assert not await works(running, key)
    assert not await works(running, made)
    found = await running.app.parts.store.key(key[4:16])  # type: ignore[arg-type]
    assert found is not None
    assert found.revoked is not None
    [row] = await rows(running)
    assert (row.action, row.outcome, row.key_id, row.public_id) == ("revoke", "revoked", key[4:16], key[4:17])
    assert row.address == "127.0.0.1"
    [line] = [each for each in caplog.records if "gave it up" in each.message]
    assert (line.key, line.public_id, line.levelname) == (key[4:16], key[4:17], "WARNING")  # type: ignore[attr-defined]
    assert key[18:] not in repr([vars(each) for each in caplog.records])
    assert key[18:] not in repr(row)
    recording.assert_saw_nothing()


@everywhere
async def test_a_derived_key_ends_itself_and_what_was_made_of_it_alone(running: Running) -> None:
    """So a captured one cannot end its key; nor can one that was made of it end its parent."""
    key = await running.key()
    parent, sister = derived(key, lifetime()), derived(key, lifetime(60))
    child = derive(parent, [CORE], "apx")
    taken(await running.ask(surrender(child)))
    assert [await works(running, each) for each in (key, parent, sister, child)] == [True, True, True, False]
    child = derive(parent, [lifetime(100)], "apx")
    taken(await running.ask(surrender(parent)))
    assert [await works(running, each) for each in (key, parent, sister, child)] == [True, False, True, False]
    assert [row.outcome for row in await rows(running)] == ["ended", "ended"]
    told = json.loads((await rows(running))[1].derived or "")
    assert told["caveats"][0][0] == 0


async def test_a_minted_key_is_ended(desk: Published) -> None:
    """Its claims stand on the row, as on its uploads."""
    key = await desk.key()
    taken(await desk.running.ask(surrender(key)))
    assert not await works(desk.running, key)
    [row] = await rows(desk.running)
    assert row.outcome == "revoked"
    assert "acme/core" in (row.claims or "")


FORMS = {
    "text": (b"%s\r\n", "text/plain; charset=utf-8"),
    "curl --data-binary @the.key": (b"%s\n", "application/x-www-form-urlencoded"),
    "curl -d token=KEY": (b"token=%s", "application/x-www-form-urlencoded"),
    "JSON": (b'{"token": "%s"}', "application/json"),
    "JSON of a file": (b'{"token": "%s\\n"}', "application/json"),
    "a file without a type": (b"%s", "application/octet-stream"),
}


@everywhere
@pytest.mark.parametrize(("body", "kind"), FORMS.values(), ids=FORMS)
async def test_it_may_be_sent_in_any_of_these_forms(running: Running, body: bytes, kind: str) -> None:
    """White space around a key is that of the file it stood in; a derived key is taken in all of them, too."""
    key = await running.key()
    made = derived(key, lifetime())
    for each in (made, key):
        taken(await running.ask(posted("/-/revoke", body % each.encode(), kind=kind)))
        assert not await works(running, each)


NO_REQUESTS = {
    "another word in a form": (b"key=%s", "application/x-www-form-urlencoded", 400),
    "two keys in a form": (b"token=%s&token=x", "application/x-www-form-urlencoded", 400),
    "more in a form": (b"token=%s&a=b", "application/x-www-form-urlencoded", 400),
    "more in JSON": (b'{"token": "%s", "all": true}', "application/json", 400),
    "two keys in JSON": (b'{"token": "%s", "token": "x"}', "application/json", 400),
    "a list": (b'["%s"]', "application/json", 400),
    "no text": (b'{"token": {"a": "%s"}}', "application/json", 400),
    "no UTF-8": (b"\xff%s", "text/plain", 400),
    "a file of a form": (b"--b\r\n%s", "multipart/form-data; boundary=b", 400),
    "far too much": (b"%s" + b"a" * LIMIT, "text/plain", 413),
}


@everywhere
@pytest.mark.parametrize(("body", "kind", "status"), NO_REQUESTS.values(), ids=NO_REQUESTS)
async def test_what_could_be_read_twice_ends_nothing(running: Running, body: bytes, kind: str, status: int) -> None:
    """The sentence says what is taken, and repeats nothing of what was sent."""
    key = await running.key()
    answer = await running.ask(posted("/-/revoke", body % key.encode(), kind=kind))
    assert answer.status == status
    assert key[18:] not in answer.text + answer.reason
    assert await works(running, key)


async def sent(running: Running, store: Any) -> dict[str, str]:
    """Every kind of thing that somebody may send."""
    parts = running.app.parts
    revoked, live = await running.key(), await running.key()
    await store.revoke(revoked[4:16], parts.now())
    new = NewKey(owner="x", note="", policy="", kind=KeyKind.CANARY)
    _, canary = await parts.authority.issue(new, now=parts.now())
    return {
        "nothing": "",
        "no key": "correct-horse-battery",
        "one with a typing error": live[:-1] + ("a" if live[-1] != "a" else "b"),
        "one that nobody knows": UNKNOWN,
        "another secret of a live one": mint("apx", PublicId(live[4:17]), bytes(32)),
        "a revoked one": revoked,
        "a canary": canary,
        "a derived key of nobody": derived(UNKNOWN, lifetime()),
        "a derived key": derived(live, lifetime()),
        "a derived key of a canary": derived(canary, lifetime()),
        "a live one": live,
    }


@everywhere
async def test_the_answer_is_the_same_whatever_it_was(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the letter but for the request's number, and never before the even time."""
    monkeypatch.setattr(revoking, "ANSWER", ANSWER)
    said, times = set(), {}
    for name, text in (await sent(running, running.app.parts.store)).items():
        started = time.perf_counter()
        answer = await running.ask(surrender(text))
        times[name] = time.perf_counter() - started
        assert answer.status == 200
        said.add((answer.reason, answer.body, tuple(each for each in answer.headers if each[0] not in _OWN)))
    assert len(said) == 1
    assert min(times.values()) >= ANSWER
    assert max(times.values()) < ANSWER + 0.2, times


_OWN = {"x-request-id", "date"}


@everywhere
async def test_a_canary_is_not_ended_but_heard(running: Running) -> None:
    """Whoever gives it up has been where it lay, and it goes on watching."""
    texts = await sent(running, running.app.parts.store)
    taken(await running.ask(surrender(texts["a canary"])))
    await running.app.parts.authority.canaries.close()
    assert [(row.action, row.outcome) for row in await rows(running)] == [("canary", "known")]
    found = await running.app.parts.store.key(texts["a canary"][4:16])  # type: ignore[arg-type]
    assert found is not None
    assert found.revoked is None
    page = (await running.app.parts.metrics.show(_scrape())).body
    assert isinstance(page, bytes)
    assert b"authproxy_canaries_used_total 1.0" in page


def _scrape() -> Any:
    from aiohttp.test_utils import make_mocked_request

    return make_mocked_request("GET", "/metrics")


@everywhere
async def test_whoever_has_a_secret_that_was_rotated_away_ends_nothing(running: Running) -> None:
    """It was theirs once."""
    parts, old = running.app.parts, await running.key()
    done = await parts.authority.rotate(old[4:16], 0, now=parts.now())  # type: ignore[arg-type]
    taken(await running.ask(surrender(old)))
    assert await works(running, done.text)  # type: ignore[union-attr]
    assert await rows(running) == []


@everywhere
async def test_the_same_key_twice_leaves_one_row(running: Running) -> None:
    """Also at once."""
    key = await running.key()
    for answer in await asyncio.gather(*(running.ask(surrender(key)) for _ in range(5))):
        taken(answer)
    assert len(await rows(running)) == 1


@pytest.mark.parametrize("running", [KEYED | {"throttle": {"failures": 3}}], indirect=True)
@pytest.mark.parametrize("text", ["good", "bad"])
async def test_an_address_has_to_wait_after_some(running: Running, text: str) -> None:
    """As after failed logins, and for good keys too: whoever sends both must not tell them apart by what counts.

    Logins of that address are not held up.
    """
    keys = [await running.key() for _ in range(5)]
    for key in keys[:3]:
        taken(await running.ask(surrender(key if text == "good" else UNKNOWN)))
    answer = await running.ask(surrender(keys[3]))
    assert answer.status == 429
    assert 95 <= int(answer.header("Retry-After") or 0) <= 100  # of the whole wait, less what this machine took
    assert [await works(running, key) for key in keys[3:]] == [True, True]


@everywhere
async def test_what_has_ended_by_itself_leaves_no_row(running: Running) -> None:
    """A captured one that is over is good for nothing, for this neither."""
    key = await running.key()
    over = derived(key, replace(lifetime(), expires=int(time.time()) - 31, not_before=int(time.time()) - 60))
    taken(await running.ask(surrender(over)))
    assert await rows(running) == []


@everywhere
async def test_where_the_store_is_gone_it_does_not_say_that_it_is_done(running: Running) -> None:
    """Whoever is told 200 believes that the key is dead."""
    key = await running.key()
    await running.app.parts.store.close()
    assert (await running.ask(surrender(key))).status == 503


@everywhere
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_it_is_for_post(running: Running, recording: RecordingIndex, method: str) -> None:
    """And never reaches the index."""
    answer = await running.ask(head(method, "/-/revoke", [("Connection", "close")]))
    assert answer.status in (403, 400)
    if method == "GET":
        assert "/-/revoke takes POST alone, it ends the key that you POST to it: send the key alone as" in answer.text
    recording.assert_saw_nothing()


@everywhere
async def test_a_key_does_not_belong_in_a_url(running: Running) -> None:
    """Logs of what stands in front would have it."""
    key = await running.key()
    assert (await running.ask(posted(f"/-/revoke?token={key}", b"", kind="text/plain"))).status == 400
    assert await works(running, key)
