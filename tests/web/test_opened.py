"""What devpi takes besides packages: for its own passwords alone, and only where the config opens it."""

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from authproxy.backend.opened import BODY_LIMIT
from authproxy.config import load
from authproxy.store import migrate
from authproxy.web.opened import ANSWER_LIMIT
from authproxy.web.server import listening
from tests.peers.proxy import settings
from tests.peers.recording import RecordingIndex, Reply, Script, Seen
from tests.peers.wire import Answer, basic, head
from tests.web.conftest import POLICIES, Running
from tests.web.test_upload import rows

SERVICE = ("service", "s3cret-passw0rd")
ALICE = ("Authorization", basic("alice", "her own passw0rd"))
WRONG = ("Authorization", basic("alice", "not hers"))
JSON = ("Content-Type", "application/json")
ALL = ["indexes", "users", "tox-results"]
FILE = "/team/dev/+f/24d/958b7edb4ffef/acme_core-1.0-py3-none-any.whl"
REQUESTS: dict[str, tuple[str, str, object]] = {
    "a new index": ("PUT", "/team/dev", {"bases": []}),
    "another index": ("PATCH", "/team/dev", ["bases="]),
    "the end of an index": ("DELETE", "/team/dev", None),
    "a new user": ("PUT", "/bob", {"password": "his"}),
    "another password": ("PATCH", "/alice", {"password": "hers"}),
    "the end of a user": ("DELETE", "/bob", None),
    "a test result": ("POST", FILE, {"testenvs": {}}),
}
SAID = b'{"message": "done", "type": "x"}\n'
each = pytest.mark.parametrize(("method", "target", "body"), REQUESTS.values(), ids=REQUESTS.keys())


def devpi(seen: Seen) -> Script:
    """A devpi as the real one: it takes a wrong password for nobody, and lets nobody do more than one would think."""
    kind = (("Content-Type", "application/json"), ("X-Devpi-Serial", "7"), ("Set-Cookie", "a=b"))
    if seen.target == "/+api":
        asks = ["ok", "alice", []] if seen.header("Authorization") == ALICE[1] else ["noauth", "", []]
        return Reply(200, json.dumps({"type": "apiconfig", "result": {"authstatus": asks}}).encode(), kind)
    return Reply(201, SAID, kind)


@pytest.fixture
async def before(tmp_path: Path, recording: RecordingIndex, request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    """A proxy before a devpi with everything open, or what `request.param` says."""
    recording.answer = devpi
    backend: dict[str, Any] = {
        "flavour": "devpi",
        "url": recording.url,
        "indexes": ["team/dev"],
        "username": SERVICE[0],
    }
    backend |= {"password": {"file": "backend-password"}, "opens": ALL, **getattr(request, "param", {})}
    (tmp_path / "backend-password").write_text(SERVICE[1])
    (tmp_path / "backend-password").chmod(0o600)
    (tmp_path / "state").mkdir()
    more: dict[str, Any] = {"key_policies": POLICIES, "backend": backend, "throttle": {"failures": 3}}
    file = tmp_path / "authproxy.yaml"
    plain = settings(tmp_path, recording.url, address=("127.0.0.1", 0), **more)
    file.write_text(json.dumps(plain | {"public_url": "https://pypi.acme.test/"}))
    config = load(file)
    await migrate(config.store)
    async with listening(config) as (app, url):
        where = urlsplit(url)
        yield Running(app, (where.hostname or "", where.port or 0), file)


def raw(method: str, target: str, body: object, *more: tuple[str, str]) -> bytes:
    octets = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return head(method, target, [("Content-Length", str(len(octets))), *more]) + octets


def changes(recording: RecordingIndex) -> list[Seen]:
    """What devpi was asked besides who asks."""
    return [seen for seen in recording.requests if seen.target != "/+api"]


async def patch(before: Running, body: object, *more: tuple[str, str]) -> Answer:
    """A change of the index by alice."""
    return await before.ask(raw("PATCH", "/team/dev", body, ALICE, JSON, *more))


@each
async def test_whoever_has_a_password_is_passed_on(
    before: Running, recording: RecordingIndex, method: str, target: str, body: object
) -> None:
    """What goes out is ours to the last header, and devpi's answer comes back."""
    evil = [("X-Outside-URL", "http://evil.test"), ("X-Forwarded-For", "203.0.113.9"), ("Cookie", "a=b"), ("X-A", "b")]
    answer = await before.ask(raw(method, target, body, ALICE, JSON, *evil, ("User-Agent", "evil/1")))
    assert (answer.status, answer.body) == (201, SAID)
    assert {name for name, _ in answer.headers}.isdisjoint({"set-cookie", "x-devpi-serial"})
    shown = {name: answer.header(name) for name in ("Content-Type", "Cache-Control", "X-Devpi-Api-Version")}
    assert shown == {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Devpi-Api-Version": "2"}
    [seen] = changes(recording)
    octets = b"" if body is None else json.dumps(body).encode()
    assert (seen.method, seen.target, seen.body) == (method, target, octets)
    sent = {name.lower(): value for name, value in seen.headers}
    assert len(sent) == len(seen.headers)
    framed = {"content-type": "application/json", "content-length": str(len(octets))} if octets else {}
    assert {name: value for name, value in sent.items() if (name, value) != ("content-length", "0")} == {
        "host": "pypi.acme.test",
        "x-outside-url": "https://pypi.acme.test",
        "x-forwarded-for": "127.0.0.1",
        "authorization": ALICE[1],
        "accept": "application/json",
        "user-agent": "authproxy",
        **framed,
    }
    assert basic(*SERVICE).encode() not in recording.octets
    assert rows(before) == []


@pytest.mark.parametrize("before", [{"opens": []}], indirect=True, ids=["nothing open"])
@each
async def test_what_is_not_opened_is_refused(
    before: Running, recording: RecordingIndex, method: str, target: str, body: object
) -> None:
    """As ever, whoever asks; devpi is not even connected to."""
    key = ("Authorization", basic("__token__", await before.key()))
    for credential in (ALICE, key):
        answer = await before.ask(raw(method, target, body, credential, JSON))
        assert answer.status == 403
        assert "is not passed on" in answer.reason or "uploads go to" in answer.reason
    recording.assert_saw_nothing()


@pytest.mark.parametrize("before", [{"opens": [name]} for name in ALL], indirect=True, ids=ALL)
async def test_one_name_opens_its_own(before: Running, recording: RecordingIndex) -> None:
    """And nothing of another."""
    [name] = json.loads(before.file.read_text())["backend"]["opens"]
    for method, target, body in REQUESTS.values():
        await before.ask(raw(method, target, body, ALICE, JSON))
    own = {"indexes": "/team/dev", "users": "/alice", "tox-results": FILE}[name]
    assert {seen.target.replace("bob", "alice") for seen in changes(recording)} == {own}


@each
async def test_no_key_opens_it(
    before: Running, recording: RecordingIndex, method: str, target: str, body: object
) -> None:
    """A good key is told whose it is, a dead one that it is dead, nobody what is asked for: devpi hears of none."""
    text = await before.key("install")
    for shown in (("Authorization", basic("__token__", text)), ("X-Devpi-Auth", basic("alice", text)[6:])):
        answer = await before.ask(raw(method, target, body, shown, JSON))
        assert (answer.status, "take devpi's own password" in answer.reason) == (403, True)
    dead = ("Authorization", basic("__token__", text[:-1]))
    assert (await before.ask(raw(method, target, body, dead, JSON))).status == 401
    session = ("X-Devpi-Auth", ALICE[1].removeprefix("Basic "))
    for nobody in ([], [("Authorization", "Bearer abc")], [session]):
        answer = await before.ask(raw(method, target, body, *nobody, JSON))
        assert (answer.status, answer.header("WWW-Authenticate")) == (401, 'Basic realm="pypi"')
        assert "devpi's own password" in answer.reason
    recording.assert_saw_nothing()


async def test_a_wrong_password_is_nobody(before: Running, recording: RecordingIndex) -> None:
    """devpi itself would let nobody make a user: it is not asked to. After three the address is not heard at all."""
    for _ in range(3):
        answer = await before.ask(raw("PUT", "/mallory", {"password": "mine"}, WRONG, JSON))
        assert (answer.status, answer.header("WWW-Authenticate")) == (401, 'Basic realm="pypi"')
    assert [seen.target for seen in recording.requests] == ["/+api"] * 3
    recording.forget()
    answer = await before.ask(raw("PUT", "/mallory", {"password": "mine"}, ALICE, JSON))
    assert answer.status == 429
    recording.assert_saw_nothing()


async def test_a_password_that_ends_meanwhile_counts_too(before: Running, recording: RecordingIndex) -> None:
    """devpi's 401 is a failed attempt wherever it comes."""
    recording.answer = lambda seen: devpi(seen) if seen.target == "/+api" else Reply(401, b"{}", (JSON,))
    statuses = [(await patch(before, {"bases": []})).status for _ in range(4)]
    assert statuses == [401, 401, 401, 429]


TRICKS = {
    "a name twice": b'{"bases": [], "bases": ["root/dev"]}',
    "no JSON": b"bases=",
    "infinity": b'{"a": 1e999}',
    "too deep": b'{"a":' * 40 + b"1" + b"}" * 40,
    "large and bad": b'{"a": "' + b"x" * 70_000,
}


@pytest.mark.parametrize("body", TRICKS.values(), ids=TRICKS.keys())
async def test_a_body_with_two_readings(before: Running, recording: RecordingIndex, body: bytes) -> None:
    """It is refused, and devpi was asked for no change."""
    assert (await patch(before, body)).status == 400
    assert changes(recording) == []


async def test_what_else_a_request_may_not_be(before: Running, recording: RecordingIndex) -> None:
    """A body of another type or size, none, one where none belongs, one with a key; a list for a user; other targets."""
    key = await before.key()
    too_large = b'{"a": "' + b"x" * BODY_LIMIT + b'"}'
    refused = [
        (400, raw("PATCH", "/team/dev", {}, ALICE)),
        (400, raw("PATCH", "/team/dev", {}, ALICE, ("Content-Type", "text/plain"))),
        (413, raw("PATCH", "/team/dev", too_large, ALICE, JSON)),
        (411, head("PATCH", "/team/dev", [ALICE, JSON])),
        (400, raw("DELETE", "/team/dev", {}, ALICE, JSON)),
        (400, raw("PATCH", "/alice", ["password=x"], ALICE, JSON)),
        (400, raw("PATCH", "/alice", {"password": key}, ALICE, JSON)),
        (400, raw("PATCH", "/alice", json.dumps({"password": key}).replace("_", "\\u005f").encode(), ALICE, JSON)),
        (403, raw("PATCH", "/team/dev/", {}, ALICE, JSON)),
        (403, raw("PATCH", "/team/other", {}, ALICE, JSON)),
        (403, raw("PATCH", "/team/dev?x", {}, ALICE, JSON)),
        (400, raw("PATCH", "/team%2Fdev", {}, ALICE, JSON)),
        (400, raw("PATCH", "/team/../alice", {}, ALICE, JSON)),
        (400, raw("PATCH", "/team/dev", {}, ALICE, WRONG, JSON)),
    ]
    for status, request in refused:
        answer = await before.ask(request)
        assert answer.status == status, (request[:200], answer.reason)
    assert changes(recording) == []


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>", (("Content-Type", "text/html"),)),
        Reply(500, b"Internal Server Error", (("Content-Type", "text/plain"),)),
        Reply(302, b"{}", (JSON, ("Location", "http://evil.test/"))),
        Reply(200, b"x" * (ANSWER_LIMIT + 1), (JSON,)),
    ],
    ids=["a page", "a failure", "a redirect", "too much"],
)
async def test_an_answer_that_is_not_devpis(before: Running, recording: RecordingIndex, reply: Reply) -> None:
    """It stays here."""
    recording.answer = lambda seen: devpi(seen) if seen.target == "/+api" else reply
    answer = await patch(before, {"bases": []})
    assert (answer.status, answer.header("Location")) == (502, None)


async def test_what_devpi_refuses_comes_back(before: Running, recording: RecordingIndex) -> None:
    """Its status and its sentence; no failed attempt, since the password was right."""
    no = Reply(403, b'{"message": "no permission"}', (("Content-Type", "application/json; charset=utf-8"),))
    recording.answer = lambda seen: devpi(seen) if seen.target == "/+api" else no
    for _ in range(5):
        answer = await patch(before, {"bases": []})
        assert (answer.status, answer.body) == (403, no.body)


def answered(reply: Reply, _seen: Seen) -> Script:
    return reply


async def test_a_devpi_that_does_not_say_who_asks(before: Running, recording: RecordingIndex) -> None:
    """Then nothing is changed: 401 where it refuses, 502 where it fails."""
    for reply, said in ((Reply(403, b"{}", (JSON,)), 401), (Reply(500, b"{}", (JSON,)), 502)):
        recording.answer = partial(answered, reply)
        assert (await patch(before, {})).status == said
    assert changes(recording) == []
