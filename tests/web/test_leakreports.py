"""Reports of leaked keys over the wire: what is signed ends keys, and what is not learns nothing."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from authproxy.authority import NewKey
from authproxy.config import load
from authproxy.domain.derived import DERIVED_LIMIT
from authproxy.domain.keys import KeyId, KeyKind, PublicId, mint
from authproxy.store import Decision
from authproxy.web.leakreports import LIMIT, MATCHES, SOURCE_LIMIT
from tests.peers.masters import derived, lifetime, with_master
from tests.peers.recording import RecordingIndex
from tests.peers.reporter import URL, Reporter, posted, report
from tests.peers.wire import Answer, basic, get
from tests.web.conftest import Running
from tests.web.receivers import webhook

HOST = Reporter()
UNKNOWN = mint("apx", PublicId("AAAAAAAAAAAA0"), bytes(32))
BELIEVED = {
    "keys": {"master_key": {"file": "master-key-0"}},
    "leak_reports": {"keys": [{"id": HOST.id, "key": {"file": "host.pem"}}]},
}
PAUSING = BELIEVED | {"leak_reports": {**BELIEVED["leak_reports"], "action": "pause"}}

believed = pytest.mark.parametrize("running", [BELIEVED], indirect=True)


@pytest.fixture(autouse=True)
def beside(tmp_path: Path, recording: RecordingIndex) -> None:
    """What the configuration names lies beside it."""
    with_master(tmp_path)
    HOST.settings(tmp_path)
    webhook(tmp_path, recording)


async def rows(running: Running) -> list[Decision]:
    return [row async for page in running.app.parts.store.record.rows() for row in page]


async def works(running: Running, key: str) -> bool:
    return (await running.ask(get("/-/whoami", [("Authorization", basic("__token__", key))]))).status == 200


def labels(answer: Answer) -> list[str]:
    assert (answer.status, answer.header("Content-Type")) == (200, "application/json"), answer.text
    return [each["label"] for each in json.loads(answer.body)]


async def canary(running: Running) -> str:
    parts = running.app.parts
    return (await parts.authority.issue(NewKey("x", "", "", kind=KeyKind.CANARY), now=parts.now()))[1]


async def metrics(running: Running) -> str:
    page = (await running.app.parts.metrics.show(make_mocked_request("GET", "/metrics"))).body
    assert isinstance(page, bytes)
    return page.decode()


@believed
async def test_a_key_that_was_found_is_ended(
    running: Running, recording: RecordingIndex, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer says so in the sender's form, the record where it was found, and nothing holds the key."""
    key = await running.key()
    with caplog.at_level(logging.INFO):
        answer = await running.ask(HOST.request(key))
    hashed = hashlib.sha256(key.encode()).hexdigest()
    assert json.loads(answer.body) == [{"token_hash": hashed, "token_type": "acme_key", "label": "true_positive"}]
    assert answer.header("Cache-Control") == "no-store"
    assert not await works(running, key)
    [row] = await rows(running)
    assert (row.action, row.outcome, row.key_id, row.principal) == ("leak", "revoked", key[4:16], "anonymous")
    assert row.reason == f"found in '{URL}' 'content', reported by '{HOST.id}'"
    [line] = [each for each in caplog.records if "has leaked" in each.message]
    assert (line.key, line.levelname) == (key[4:16], "ERROR")  # type: ignore[attr-defined]
    assert key[18:] not in repr([vars(each) for each in caplog.records]) + repr(row) + answer.text
    assert 'authproxy_leaks_total{fate="revoked"} 1.0' in await metrics(running)
    recording.assert_saw_nothing()


@believed
async def test_every_match_is_judged_by_itself(running: Running) -> None:
    """In the order of the report, each by whether its text proves a key; one that comes twice is one."""
    key, other, dead, bird = await running.key(), await running.key(), await running.key(), await canary(running)
    await running.app.parts.store.revoke(KeyId(dead[4:16]), 1)
    made = derived(other, lifetime())
    tokens = [key, UNKNOWN, dead, "no key", bird, key, made, key[:-1], mint("apx", PublicId(key[4:17]), bytes(32))]
    answer = await running.ask(HOST.request(*tokens))
    yes, no = "true_positive", "false_positive"
    assert labels(answer) == [yes, no, yes, no, yes, yes, yes, no, no]
    assert [await works(running, each) for each in (key, made, other)] == [False, False, True]
    await running.app.parts.authority.canaries.close()
    found = sorted((row.action, row.outcome) for row in await rows(running))
    assert found == [("canary", "known"), ("leak", "ended"), ("leak", "known"), ("leak", "known"), ("leak", "revoked")]
    record = await running.app.parts.store.key(KeyId(bird[4:16]))
    assert record is not None
    assert record.revoked is None


@pytest.mark.parametrize("running", [PAUSING], indirect=True)
async def test_a_key_may_be_paused_instead(running: Running) -> None:
    """The operator decides then; a derived key has no pause, and is ended."""
    key, other = await running.key(), await running.key()
    made = derived(other, lifetime())
    assert labels(await running.ask(HOST.request(key, made))) == ["true_positive"] * 2
    assert [await works(running, each) for each in (key, made, other)] == [False, False, True]
    await running.app.parts.store.resume(KeyId(key[4:16]), 1)
    assert await works(running, key)


@pytest.mark.parametrize("running", [PAUSING], indirect=True)
async def test_a_report_that_was_caught_does_nothing_again(running: Running) -> None:
    """There is no time in the signature. It is answered as before, and what an operator decided since stands."""
    key = await running.key()
    caught = HOST.request(key, "no key")
    first = await running.ask(caught)
    await running.app.parts.store.resume(KeyId(key[4:16]), 1)
    for _ in range(3):
        assert (await running.ask(caught)).body == first.body
    assert await works(running, key)
    assert len(await rows(running)) == 1
    assert 'authproxy_leaks_total{fate="unknown"} 1.0' in await metrics(running)
    assert labels(await running.ask(HOST.request(key))) == ["true_positive"]
    assert not await works(running, key), "another report is news"


@believed
async def test_copies_at_once_are_one_report(running: Running) -> None:
    """Senders try again."""
    key = await running.key()
    sent = HOST.request(key)
    for answer in await asyncio.gather(*(running.ask(sent) for _ in range(5))):
        assert labels(answer) == ["true_positive"]
    assert len(await rows(running)) == 1


Sending = Callable[[Running, str], Awaitable[Answer]]


async def unsigned(running: Running, key: str) -> Answer:
    return await running.ask(posted("/-/leaks", report(key)))


async def by_a_stranger(running: Running, key: str) -> Answer:
    return await running.ask(Reporter(id=HOST.id).request(key))


async def changed_on_its_way(running: Running, key: str) -> Answer:
    return await running.ask(posted("/-/leaks", report(key), *HOST.headers(report("something else"))))


SENDINGS = {"unsigned": unsigned, "by a stranger": by_a_stranger, "changed on its way": changed_on_its_way}


@believed
@pytest.mark.parametrize("send", SENDINGS.values(), ids=SENDINGS)
async def test_strangers_learn_nothing(running: Running, send: Sending) -> None:
    """One and the same 401 for a live key, an unknown one and no report at all; and no key ends."""
    key = await running.key()
    answers = [await send(running, each) for each in (key, UNKNOWN, "no key")]
    assert {(answer.status, answer.body) for answer in answers} == {(401, answers[0].body)}
    assert await works(running, key)
    assert await rows(running) == []
    assert "authproxy_leaks_total{" not in await metrics(running)


@pytest.mark.parametrize("running", [BELIEVED | {"throttle": {"failures": 2}}], indirect=True)
async def test_a_stranger_has_to_wait(running: Running) -> None:
    """As after failed logins. Signed reports count nothing."""
    key = await running.key()
    for _ in range(4):
        assert labels(await running.ask(HOST.request(UNKNOWN))) == ["false_positive"]
    statuses = [(await unsigned(running, key)).status for _ in range(3)]
    assert statuses == [401, 401, 429]


NO_REPORTS = {
    "no JSON": b"token=x",
    "an object": b'{"token": "x"}',
    "a match that is no object": b'["x"]',
    "a match without a token": b'[{"type": "x", "url": "y"}]',
    "a token that is no text": b'[{"token": 7}]',
    "an empty token": b'[{"token": ""}]',
    "a kind that is no text": b'[{"token": "x", "type": ["y"]}]',
    "a kind that is a book": json.dumps([{"token": "x", "type": "y" * 101}]).encode(),
    "a token twice": b'[{"token": "x", "token": "y"}]',
    "half a character": b'[{"token": "\\ud800"}]',
}


@believed
@pytest.mark.parametrize("body", NO_REPORTS.values(), ids=NO_REPORTS)
async def test_a_report_that_is_none_is_refused(running: Running, body: bytes) -> None:
    """Signed or not; and nothing of it happens, also where there is a good match before."""
    key = await running.key()
    good = report(key)[:-1] + b", " + body[1:] if body.startswith(b"[") else body
    answer = await running.ask(posted("/-/leaks", good, *HOST.headers(good)))
    assert answer.status == 400
    assert await works(running, key)


@believed
async def test_a_report_has_bounds(running: Running) -> None:
    """In bytes and in matches; a text that is longer than any key is none."""
    for body in (b"[" + b" " * LIMIT + b"]", report(*map(str, range(MATCHES + 1)))):
        assert (await running.ask(posted("/-/leaks", body, *HOST.headers(body)))).status == 413
    tokens = ["apx_" + "a" * DERIVED_LIMIT, *map(str, range(MATCHES - 1))]
    assert labels(await running.ask(HOST.request(*tokens))) == ["false_positive"] * MATCHES


@believed
async def test_what_a_sender_writes_stays_data(running: Running) -> None:
    """Where it was found is bounded, in one line, and holds no secret; fields that nobody knows are left alone."""
    key = await running.key()
    where = f"https://code.example/\x1b[31m\r\n'{key}'/" + "x" * 1000
    body = json.dumps([{"token": key, "type": "t", "url": where, "source": 7, "committer": {"a": [1]}}]).encode()
    assert labels(await running.ask(posted("/-/leaks", body, *HOST.headers(body)))) == ["true_positive"]
    [row] = await rows(running)
    assert row.reason is not None
    assert row.reason.isascii()
    assert row.reason.isprintable()
    assert len(row.reason) < SOURCE_LIMIT + 120
    assert key[18:34] not in row.reason


@believed
async def test_an_empty_report_is_one(running: Running) -> None:
    """Senders test their way with it; `url` may be empty too."""
    assert labels(await running.ask(HOST.request())) == []
    assert labels(await running.ask(HOST.request(await running.key(), url=""))) == ["true_positive"]


async def test_where_nobody_is_believed_there_is_no_such_page(running: Running, recording: RecordingIndex) -> None:
    """As any other path of ours that does not exist; a reload puts it there."""
    key = await running.key()
    answer = await running.ask(HOST.request(key))
    assert answer.status == 403
    assert await works(running, key)
    recording.assert_saw_nothing()
    running.write(leak_reports=BELIEVED["leak_reports"])
    running.app.reload(load(running.file))
    assert labels(await running.ask(HOST.request(key))) == ["true_positive"]
