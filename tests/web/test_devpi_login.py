"""What devpi-client asks before it works: a login by a key, and where everything is. The index hears of neither key."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from authproxy.authority import NewKey
from authproxy.config import load
from authproxy.domain.keys import KeyId
from authproxy.store import migrate
from authproxy.web.devpi_login import ENDLESS, LOGIN_LIMIT
from authproxy.web.server import listening
from tests.peers.proxy import settings
from tests.peers.recording import RecordingIndex, Reply, Script, Seen
from tests.peers.wire import Answer, basic, get, head
from tests.web.conftest import POLICIES, Running

DEAD = "the key is not valid"
JSON = ("Accept", "application/json")
SERVICE = "service"


def devpi(seen: Seen) -> Script:
    """A devpi that says who asks, as the real one does."""
    if seen.target == "/+login":
        return Reply(200, json.dumps({"result": {"password": "token", "expiration": 36000}}).encode())
    if seen.target.endswith("/+api"):
        asks = ["noauth", "", []] if seen.header("Authorization") is None else ["ok", SERVICE, []]
        page = {"type": "apiconfig", "result": {"login": "https://pypi.acme.test/+login", "authstatus": asks}}
        return Reply(200, json.dumps(page).encode(), (("Content-Type", "application/json"),))
    return Reply(200, b"{}", (("Content-Type", "application/json"), ("Vary", "Accept")))


@pytest.fixture
async def before(tmp_path: Path, recording: RecordingIndex, request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    """A proxy before a devpi; `request.param` holds settings that differ from the plain ones."""
    recording.answer = devpi
    backend = {"flavour": "devpi", "url": recording.url, "indexes": ["team/dev"], "username": SERVICE}
    (tmp_path / "backend-password").write_text("s3cret-passw0rd")
    (tmp_path / "backend-password").chmod(0o600)
    (tmp_path / "state").mkdir()
    more: dict[str, Any] = {"key_policies": POLICIES, "backend": {**backend, "password": {"file": "backend-password"}}}
    plain = settings(tmp_path, recording.url, address=("127.0.0.1", 0), **more, **getattr(request, "param", {}))
    file = tmp_path / "authproxy.yaml"
    file.write_text(json.dumps(plain | {"public_url": "https://pypi.acme.test/"}))
    config = load(file)
    await migrate(config.store)
    async with listening(config) as (app, url):
        where = urlsplit(url)
        yield Running(app, (where.hostname or "", where.port or 0), file)


def login(body: object, *more: tuple[str, str]) -> bytes:
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    return head("POST", "/+login", [("Content-Length", str(len(octets))), JSON, *more]) + octets


def session(user: str, password: str) -> tuple[str, str]:
    return "X-Devpi-Auth", b64encode(f"{user}:{password}".encode()).decode()


def status_of(answer: Answer) -> list[object]:
    """What an answer of `+api` says of who asks."""
    found: list[object] = json.loads(answer.body)["result"]["authstatus"]
    return found


async def test_a_key_logs_in_and_is_its_own_session(before: Running, recording: RecordingIndex) -> None:
    """Whatever half of the login it stands in; the answer makes up the very same credential with the same user."""
    key = await before.key("install")
    for user, password in (("__token__", key), ("alice", key), ("", key), (key, ""), ("__token__", f" {key}\n")):
        answer = await before.ask(login({"user": user, "password": password}))
        page = json.loads(answer.body)
        assert (answer.status, page["status"], page["type"]) == (200, 200, "proxyauth")
        assert (answer.header("Cache-Control"), answer.header("X-Devpi-Api-Version")) == ("no-store", "2")
        assert answer.header("Content-Type") == "application/json"
        recording.assert_saw_nothing()
        sent = session(user, page["result"]["password"])
        assert status_of(await before.ask(get("/+api", [sent])))[0] == "ok"
        recording.forget()
        recording.answer = devpi


async def test_how_long_a_login_lasts(before: Running) -> None:
    """As long as the key; a key without an end says a year."""
    authority, now = before.app.parts.authority, before.app.parts.now()
    for expires, left in ((now + 600, 600), (None, ENDLESS)):
        _, key = await authority.issue(NewKey("ci@acme.test", "", "release", expires=expires), now=now)
        answer = await before.ask(login({"user": "__token__", "password": key}))
        assert 0 <= left - json.loads(answer.body)["result"]["expiration"] <= 60


async def test_every_dead_key_gets_the_same_sentence(before: Running, recording: RecordingIndex) -> None:
    """In JSON, where devpi-client looks for it. The index is not asked."""
    key = await before.key()
    revoked = await before.key()
    await before.app.parts.store.revoke(KeyId(revoked.split("_")[1][:-1]), before.app.parts.now())
    for user, password in (
        ("__token__", key[:-1]), ("__token__", "apx_"), ("__token__", ""), ("", ""), ("alice", f'"{key}"'),
        (key, key), ("__token__", revoked), ("a:__token__", key), ("alice", f"{key}\x00"),
    ):  # fmt: skip
        answer = await before.ask(login({"user": user, "password": password}))
        assert (answer.status, json.loads(answer.body)["message"]) == (401, DEAD), user
        assert (answer.header("Cache-Control"), answer.header("X-Devpi-Api-Version")) == ("no-store", "2")
    recording.assert_saw_nothing()


async def test_a_key_that_only_derives_does_not_log_in(before: Running) -> None:
    """A session would store it and send it with every request; `+api` says so as well."""
    parts = before.app.parts
    new = NewKey(owner="o", note="", policy="release", derive_only=True)
    _, text = await parts.authority.issue(new, now=parts.now())
    refused = await before.ask(login({"user": "__token__", "password": text}))
    assert (refused.status, "not taken itself" in refused.reason) == (403, True)
    asked = await before.ask(get("/+api", [session("__token__", text)]))
    assert text not in asked.text
    assert '"ok"' not in asked.text


@pytest.mark.parametrize("before", [{"throttle": {"failures": 3, "window": "10m"}}], indirect=True)
async def test_logins_are_throttled(before: Running, recording: RecordingIndex) -> None:
    """As keys are everywhere, in one and the same account of failures."""
    key = await before.key()
    wrong = [(await before.ask(login({"user": "__token__", "password": "apx_wrong"}))).status for _ in range(4)]
    assert wrong == [401, 401, 401, 429]
    assert (await before.ask(login({"user": "__token__", "password": key}))).status == 429
    assert (await before.ask(get("/+api", [session("__token__", key)]))).status == 429
    recording.assert_saw_nothing()


PASSWORDS = {"passwords": {"uploads": "allow", "until": "2099-12-31"}}


@pytest.mark.parametrize(
    ("before", "sentence"),
    [({}, "takes API keys only"), (PASSWORDS, "the index's own passwords are not logged in through this proxy")],
    indirect=["before"],
)
async def test_a_password_of_the_index_is_not_logged_in(
    before: Running, recording: RecordingIndex, sentence: str
) -> None:
    """Neither asked of the index nor lent a session, also where uploads with it are allowed."""
    answer = await before.ask(login({"user": "root", "password": ""}))
    assert (answer.status, sentence in json.loads(answer.body)["message"]) == (401, True)
    recording.assert_saw_nothing()


BODIES = {
    "no JSON": b"user=root&password=x",
    "not UTF-8": b'{"user": "\xff", "password": "x"}',
    "a list": b'[["user", "a"], ["password", "b"]]',
    "one field": b'{"user": "a"}',
    "a field more": b'{"user": "a", "password": "b", "x": 1}',
    "a field twice": b'{"user": "a", "password": "b", "password": "c"}',
    "a number": b'{"user": "a", "password": 1}',
    "an object": b'{"user": "a", "password": {}}',
    "nothing": b"",
    "depth": b'{"user": ' + b"[" * 2000 + b"]" * 2000,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_a_login_is_two_strings(before: Running, recording: RecordingIndex, body: bytes) -> None:
    """Of what two readers could read differently, nothing is read."""
    answer = await before.ask(login(body))
    assert (answer.status, "a login is a JSON object" in answer.reason) == (400, True)
    recording.assert_saw_nothing()


async def test_a_login_is_small_and_of_known_length(before: Running, recording: RecordingIndex) -> None:
    """4 KiB are taken, and chunks are not."""
    key = await before.key()
    fitting = json.dumps({"user": "__token__", "password": key}).encode()
    assert (await before.ask(login(fitting.ljust(LOGIN_LIMIT)))).status == 200
    assert (await before.ask(login(fitting.ljust(LOGIN_LIMIT + 1)))).status == 413
    chunked = head("POST", "/+login", [("Transfer-Encoding", "chunked")])
    assert (await before.ask(chunked + b"%x\r\n%s\r\n0\r\n\r\n" % (len(fitting), fitting))).status == 411
    recording.assert_saw_nothing()


async def test_a_login_does_not_look_at_the_one_before(before: Running) -> None:
    """devpi-client sends its old login along: a revoked key must not be in the way of its successor."""
    key = await before.key()
    for more in (session("__token__", "apx_dead"), session("alice", "x"), ("Authorization", basic("alice", "x"))):
        answer = await before.ask(login({"user": "__token__", "password": key}, more))
        assert answer.status == 200


OTHERS = [("GET", "/+login"), ("PUT", "/+login"), ("POST", "/+login/"), ("POST", "/+login?x"), ("POST", "//+login"),
          ("POST", "/%2Blogin"), ("POST", "/team/+login"), ("POST", "/+api")]  # fmt: skip


@pytest.mark.parametrize(("method", "target"), OTHERS)
async def test_nothing_else_is_a_login(before: Running, recording: RecordingIndex, method: str, target: str) -> None:
    """Other spellings reach nobody, above all not devpi's own login."""
    body = json.dumps({"user": "__token__", "password": await before.key()}).encode()
    answer = await before.ask(head(method, target, [("Content-Length", str(len(body)))]) + body)
    assert answer.status in {400, 403}
    recording.assert_saw_nothing()


@pytest.mark.parametrize("before", [{"reads": "index"}, {"reads": "open"}, {"reads": "key"}], indirect=True)
async def test_a_key_is_told_where_everything_is(before: Running, recording: RecordingIndex) -> None:
    """One for uploads as well; devpi is asked as nobody, and of the key only its id is said."""
    key = await before.key("release")
    for more in ([session("__token__", key)], [("Authorization", basic("__token__", key))]):
        for target in ("/+api", "/team/+api", "/team/dev/+api"):
            answer = await before.ask(get(target, more))
            assert status_of(answer) == ["ok", key.split("_")[1], []]
            assert json.loads(answer.body)["result"]["login"] == "https://pypi.acme.test/+login"
            assert (answer.header("Cache-Control"), answer.header("Vary")) == (
                "no-store",
                "Authorization, X-Devpi-Auth",
            )
            assert SERVICE not in answer.text
    assert [seen.header("Authorization") for seen in recording.requests] == [None] * 6
    assert b"X-Devpi-Auth".lower() not in recording.octets.lower()
    assert key.encode() not in recording.octets


@pytest.mark.parametrize("before", [{"reads": "key"}], indirect=True)
async def test_where_to_log_in_is_no_secret(before: Running, recording: RecordingIndex) -> None:
    """Under `reads: key` nobody reads, but has to find the login; of other indexes nothing is said."""
    for target in ("/+api", "/team/dev/+api"):
        assert status_of(await before.ask(get(target))) == ["noauth", "", []]
    recording.forget()
    key = await before.key("release")
    for target, more, status in (
        ("/other/dev/+api", [], 401), ("/other/dev/+api", [session("__token__", key)], 403),
        ("/team/dev/+api", [session("__token__", key[:-1])], 401), ("/team/dev/+api?x=", [], 400),
        ("/team/dev/+api", [("Authorization", basic("alice", "x"))], 401), ("/team/dev?no_projects=", [], 401),
        ("/team/dev/+api", [("Content-Length", "2"), session("__token__", key)], 400),
    ):  # fmt: skip
        assert (await before.ask(get(target, more) + b"{}" * (len(more) > 1))).status == status, (target, more)
    recording.assert_saw_nothing()


async def test_others_ask_the_index_as_before(before: Running, recording: RecordingIndex) -> None:
    """Somebody's own password goes with the question, a session of theirs with the index does not."""
    alice = basic("alice", "her own")
    assert status_of(await before.ask(get("/team/dev/+api", [("Authorization", alice)]))) == ["ok", SERVICE, []]
    assert status_of(await before.ask(get("/team/dev/+api", [session("alice", "s3ssion")]))) == ["noauth", "", []]
    assert status_of(await before.ask(get("/team/dev/+api"))) == ["noauth", "", []]
    assert [seen.header("Authorization") for seen in recording.requests] == [alice, None, None]
    assert b"x-devpi-auth" not in recording.octets.lower()


BROKEN = [
    Reply(200, b"<html>"), Reply(200, b"[]"), Reply(200, b'{"result": []}'), Reply(500), Reply(302),
    Reply(520, b"a status that nobody has registered"),
]  # fmt: skip


@pytest.mark.parametrize("reply", BROKEN, ids=lambda reply: f"{reply.status} {reply.body!r}")
async def test_an_answer_that_is_not_devpis(before: Running, recording: RecordingIndex, reply: Reply) -> None:
    """It is not passed on as one; an index that is not there is said to be missing."""
    recording.answer = lambda _: reply
    who = [session("__token__", await before.key())]
    assert (await before.ask(get("/team/dev/+api", who))).status == 502
    recording.answer = lambda _: Reply(404, b"{}")
    answer = await before.ask(get("/team/dev/+api", who))
    assert (answer.status, json.loads(answer.body)["message"]) == (404, "the index has no such index")


@pytest.mark.parametrize("before", [{"trusted_proxies": ["127.0.0.1"]}], indirect=True, ids=["behind a web server"])
async def test_an_answer_depends_on_the_session(before: Running, recording: RecordingIndex) -> None:
    """A cache between must not give one reader's page to another, who sends no Authorization either."""
    key = await before.key("install")
    recording.answer = devpi
    answer = await before.ask(get("/team/dev/", [session("__token__", key)]))
    assert [value for name, value in answer.headers if name == "vary"] == ["Accept", "Authorization, X-Devpi-Auth"]
    assert recording.requests[-1].header("Authorization") == basic(SERVICE, "token")
    for refused in (get("/team/dev/", [session("__token__", key[:-1])]), get("/-/auth"), get("/%2e")):
        assert (await before.ask(refused)).header("Vary") == "Authorization, X-Devpi-Auth"
    asked = [("X-Original-Method", "GET"), ("X-Original-URI", "/team/dev/+simple/acme-core/")]
    yes = await before.ask(get("/-/auth", [*asked, session("__token__", key)]))
    assert (yes.status, yes.header("Vary")) == (200, "Authorization, X-Devpi-Auth")


async def test_two_credentials_are_refused_however_well_one_is_known(
    before: Running, recording: RecordingIndex
) -> None:
    """A key that has just read reads no more once somebody else's login stands beside it; its own may."""
    key, other = await before.key("install"), await before.key("install")
    shown = ("Authorization", basic("__token__", key))
    for more in ([], [], [session("__token__", key)]):
        assert (await before.ask(get("/team/dev/", [shown, *more]))).status == 200
    recording.forget()
    for login_of in (session("__token__", other), session("alice", "s3ssion"), ("X-Devpi-Auth", "!")):
        answer = await before.ask(get("/team/dev/", [shown, login_of]))
        assert (answer.status, "two different credentials" in answer.reason) == (400, True)
    recording.assert_saw_nothing()
