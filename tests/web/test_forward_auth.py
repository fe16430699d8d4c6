"""A web server in front asks whether it may serve a read: 200, 401 or 403, and in doubt never 200."""

import logging
import re
from dataclasses import replace
from pathlib import Path

import pytest

from authproxy.backend.devpi import devpi
from authproxy.web.forward_auth import NAMED_BY, PATH
from authproxy.web.readers import Readers
from tests.peers.recording import RecordingIndex, Reply
from tests.peers.wire import Answer, basic, get, head
from tests.web.conftest import POLICIES, Running

ROOT = Path(__file__).parents[2]
FRONT = {
    "trusted_proxies": ["127.0.0.1"],
    "key_policies": POLICIES
    | {
        "acme": {"allow": [{"actions": ["read"], "packages": ["acme-*"]}]},
        "office": {"allow": [{"actions": ["read"], "packages": ["*"]}], "networks": ["10.0.0.0/8"]},
    },
}
KEYED = FRONT | {"reads": "key"}
WHEEL = "/packages/acme_core-1.0-py3-none-any.whl"
CHALLENGE = 'Basic realm="pypi"'

Headers = list[tuple[str, str]]

keyed = pytest.mark.parametrize("running", [KEYED], indirect=True, ids=["reads: key"])


def nginx(target: str, method: str = "GET", more: Headers | None = None) -> bytes:
    """The question as our recipe asks it."""
    return get("/-/auth", [("X-Original-Method", method), ("X-Original-URI", target), *(more or [])])


def traefik(target: str, method: str = "GET", more: Headers | None = None) -> bytes:
    """As Traefik and Caddy ask it."""
    return get("/-/auth", [("X-Forwarded-Method", method), ("X-Forwarded-Uri", target), *(more or [])])


def envoy(target: str, method: str = "GET", more: Headers | None = None) -> bytes:
    """As Envoy asks it, with its method and its Content-Length."""
    return head(method, f"/-/auth{target}", [("Connection", "close"), ("Content-Length", "0"), *(more or [])])


DIALECTS = {"nginx": nginx, "Traefik and Caddy": traefik, "Envoy": envoy}
every_dialect = pytest.mark.parametrize("ask", DIALECTS.values(), ids=DIALECTS.keys())


def token(key: str) -> Headers:
    return [("Authorization", basic("__token__", key))]


def assert_no(answer: Answer, status: int = 403) -> None:
    """A no that nginx understands, with a challenge where a credential would help and a sentence for people."""
    assert answer.status == status, answer
    assert answer.header("X-Authproxy-Key") is None
    assert answer.header("WWW-Authenticate") == (CHALLENGE if status == 401 else None)
    assert answer.header("X-Authproxy-Reason") == answer.reason
    assert answer.header("Cache-Control") == "no-store"


@keyed
@every_dialect
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_yes_is_an_empty_200_that_names_the_key(
    running: Running, recording: RecordingIndex, ask: object, method: str
) -> None:
    """The front's log gets the public id; nothing may keep the answer; the index is not asked."""
    key = await running.key("acme")
    answer = await running.ask(ask(WHEEL, method, token(key)))
    assert (answer.status, answer.body, answer.header("Vary")) == (200, b"", "Authorization")
    assert answer.header("Cache-Control") == "no-store"
    public_id = answer.header("X-Authproxy-Key")
    assert public_id is not None
    assert key.startswith(f"apx_{public_id}_")
    assert_no(await running.ask(ask("/packages/victim-1.0.tar.gz", method, token(key))))
    recording.assert_saw_nothing()


WHO = ["nobody", "a person with a password", "a key that may read", "a key that may not", "a key that is none"]
WHO_READS = {
    "index": dict(zip(WHO, [401, 401, 200, 403, 401], strict=True)),
    "open": dict(zip(WHO, [200, 200, 200, 200, 401], strict=True)),
    "key": dict(zip(WHO, [401, 401, 200, 403, 401], strict=True)),
}


@pytest.mark.parametrize("running", [FRONT | {"reads": reads} for reads in WHO_READS], indirect=True, ids=WHO_READS)
@pytest.mark.parametrize("who", WHO)
async def test_who_reads(running: Running, recording: RecordingIndex, who: str) -> None:
    """Under `index` a password says nothing to us, and the index is not there to be asked."""
    key = await running.key("acme" if who == "a key that may read" else "release")
    credential = {
        "nobody": [],
        "a person with a password": [("Authorization", basic("alice", "her own"))],
        "a key that is none": token("apx_nonsense"),
    }.get(who, token(key))
    answer = await running.ask(nginx(WHEEL, more=credential))
    expected = WHO_READS[str(running.app.parts.config.reads)][who]
    if expected == 200:
        assert (answer.status, answer.body) == (200, b"")
    else:
        assert_no(answer, expected)
    recording.assert_saw_nothing()


TARGETS = [
    WHEEL,
    "/simple/acme-core/",
    "/simple/Acme.Core/",
    "/simple/victim/",
    "/packages/sub/acme-core-1.0.tar.gz",
    "/packages/acme-core/victim-1.0.tar.gz",
    "/packages/unreadable",
    "/acme-core/json",
    "/victim/json",
    "/packages/",
    "/nowhere/at/all",
    "/simple/acme-core/?x=1",
    "/simple/%61cme-core/",
]


@keyed
@pytest.mark.parametrize("target", TARGETS)
async def test_the_decision_is_the_one_that_a_read_through_us_gets(
    running: Running, recording: RecordingIndex, target: str
) -> None:
    """What we would not pass on, nobody in front may serve, and the other way round."""
    recording.answer = lambda _: Reply(200, b"bytes")
    for credential in (token(await running.key("acme")), token(await running.key("install")), []):
        through = await running.ask(get(target, credential))
        asked = await running.ask(nginx(target, more=credential))
        assert (asked.status == 200) == (through.status == 200), (through, asked)
        assert asked.status in (200, 401, 403)
        assert (asked.status == 401) == (through.status == 401)


URI, METHOD = ("X-Original-URI", WHEEL), ("X-Original-Method", "GET")
FORWARDED = [("X-Forwarded-Uri", WHEEL), ("X-Forwarded-Method", "GET")]
AMBIGUOUS = {
    "nothing is said": ("/-/auth", []),
    "no method": ("/-/auth", [URI]),
    "no target": ("/-/auth", [METHOD]),
    "the method twice": ("/-/auth", [URI, METHOD, METHOD]),
    "the target twice": ("/-/auth", [URI, METHOD, ("X-Original-URI", "/packages/victim-1.0.tar.gz")]),
    "the same target twice": ("/-/auth", [URI, METHOD, ("x-original-uri", WHEEL)]),
    "two dialects": ("/-/auth", [URI, METHOD, *FORWARDED]),
    "a half of each dialect": ("/-/auth", [URI, FORWARDED[1]]),
    "one dialect and the target of the other": ("/-/auth", [*FORWARDED, URI]),
    "Envoy's path and nginx's headers": (f"/-/auth{WHEEL}", [URI, METHOD]),
    "Envoy's path and one header": (f"/-/auth{WHEEL}", [FORWARDED[0]]),
    "an empty target": ("/-/auth", [("X-Original-URI", ""), METHOD]),
    "an empty method": ("/-/auth", [URI, ("X-Original-Method", "")]),
    "a method in lower case": ("/-/auth", [URI, ("X-Original-Method", "get")]),
    "two methods in one": ("/-/auth", [URI, ("X-Original-Method", "GET, GET")]),
    "a query behind our path": ("/-/auth?x=1", [URI, METHOD]),
    "a final slash behind our path": ("/-/auth/", [URI, METHOD]),
    "a body": ("/-/auth", [URI, METHOD, ("Content-Length", "1")]),
    "chunks": ("/-/auth", [URI, METHOD, ("Transfer-Encoding", "chunked")]),
    "two credentials": ("/-/auth", [URI, METHOD, ("Authorization", basic("alice", "her own"))]),
    "an expectation": ("/-/auth", [URI, METHOD, ("Expect", "a miracle")]),
}


@keyed
@pytest.mark.parametrize(("target", "headers"), AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_what_is_not_said_once_and_clearly_is_a_no(running: Running, target: str, headers: Headers) -> None:
    """Even for a key that reads everything; that it does is the control."""
    credential = token(await running.key("install"))
    assert (await running.ask(nginx(WHEEL, more=credential))).status == 200
    tail = b"0\r\n\r\n" if ("Transfer-Encoding", "chunked") in headers else b"x"
    raw = get(target, [*credential, *headers])
    assert_no(await running.ask(raw + tail if {"Content-Length", "Transfer-Encoding"} & dict(headers).keys() else raw))


UNTRUSTED = [KEYED | {"trusted_proxies": networks} for networks in ([], ["10.0.0.0/8", "2001:db8::/32"])]


@pytest.mark.parametrize("running", UNTRUSTED, indirect=True, ids=["nobody is trusted", "others are"])
@every_dialect
async def test_only_a_trusted_peer_may_ask(running: Running, ask: object) -> None:
    """The peer itself: what it says of itself in X-Forwarded-For makes it no other."""
    credential = token(await running.key("install"))
    for more in ([], [("X-Forwarded-For", "10.0.0.1")], [("X-Forwarded-For", "192.0.2.1, 10.0.0.1")]):
        assert_no(await running.ask(ask(WHEEL, more=[*credential, *more])))


@keyed
@every_dialect
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "PROPFIND"])
async def test_only_reads_are_decided(running: Running, ask: object, method: str) -> None:
    """Uploads, deletes and searches go through us, whatever the key may do."""
    credential = token(await running.key("install"))
    for target in ("/", "/RPC2", WHEEL):
        if method == "CONNECT" and ask is envoy:
            return  # no target of that form reaches a handler
        assert_no(await running.ask(ask(target, method, credential)))


@keyed
async def test_a_keys_networks_are_those_of_the_client(running: Running) -> None:
    """The recipe says who asked it; the web server's own address opens nothing."""
    credential = token(await running.key("office"))
    asked = {
        client: (await running.ask(nginx(WHEEL, more=[*credential, ("X-Forwarded-For", client)]))).status
        for client in ("10.1.2.3", "192.0.2.1", "10.1.2.3, 192.0.2.1", "nonsense")
    }
    assert asked == {"10.1.2.3": 200, "192.0.2.1": 403, "10.1.2.3, 192.0.2.1": 403, "nonsense": 403}


@keyed
async def test_whoever_guesses_is_told_to_wait_in_a_status_that_nginx_knows(running: Running) -> None:
    """429 would be a 500 to the client, and pip would ask five times more."""
    guesses = [token(f"apx_{'A' * 13}_{'A' * 49}") for _ in range(40)]
    statuses = [(await running.ask(nginx(WHEEL, more=guess))).status for guess in guesses]
    assert (statuses[0], statuses[-1], set(statuses)) == (401, 403, {401, 403})
    last = await running.ask(nginx(WHEEL, more=guesses[0]))
    assert_no(last)
    assert last.header("Retry-After") is not None


@keyed
async def test_where_nothing_can_be_decided_the_answer_is_neither(running: Running) -> None:
    """A 5xx is nobody's yes, and clients try again; a 403 would be final."""
    credential = token(await running.key("install"))
    await running.app.parts.store.close()
    assert (await running.ask(nginx(WHEEL, more=credential))).status == 503


@keyed
async def test_a_warm_key_costs_no_hash_and_no_query(running: Running) -> None:
    """The store's thread and the hashing threads are gone, and a known key reads on, files it never read included."""
    parts = running.app.parts
    warm, cold = token(await running.key("install")), token(await running.key("install"))
    assert (await running.ask(nginx(WHEEL, more=warm))).status == 200
    asked: list[str] = []
    parts.store._watch._connection.set_trace_callback(asked.append)
    await parts.authority.close()
    await parts.store._worker.close()
    for target in (WHEEL, WHEEL, "/simple/acme-core/", "/packages/acme-core-2.0.tar.gz"):
        assert (await running.ask(nginx(target, more=warm))).status == 200
    assert set(asked) == {"PRAGMA data_version"}
    assert (await running.ask(nginx(WHEEL, more=cold))).status >= 500, "the control: a key that was never used"


@keyed
async def test_what_devpi_is_asked_as_nobody_is_not_decided(running: Running) -> None:
    """`+api` tells whose account asks, and an index that the config does not name is not ours to open."""
    running.app.parts = replace(running.app.parts, readers=Readers(devpi(("team/dev",))))
    credential = token(await running.key("install"))
    asked = {
        target: (await running.ask(nginx(target, more=credential))).status
        for target in ("/team/dev/+simple/acme-core/", "/other/dev/+simple/acme-core/", "/+api", "/team/dev/+api")
    }
    assert list(asked.values()) == [200, 403, 403, 403], asked


@keyed
async def test_questions_are_counted_and_logged_apart(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Uploads, reads and questions are three numbers; a yes that is said again has its line in the log as well."""
    credential = token(await running.key("install"))
    with caplog.at_level(logging.INFO, "authproxy.web"):
        for _ in range(3):
            assert (await running.ask(nginx(WHEEL, more=credential))).header("X-Request-Id") is not None
    assert [record.getMessage() for record in caplog.records] == ["auth ok"] * 3
    await running.ask(nginx(WHEEL, more=credential))
    await running.ask(nginx(WHEEL))
    count = running.app.parts.metrics.registry.get_sample_value
    counted = {
        answer: count(
            "authproxy_requests_total",
            {"action": "auth", "decision": "allowed" if answer == "ok" else "refused", "reason": answer},
        )
        for answer in ("ok", "credential-missing")
    }
    assert counted == {"ok": 4.0, "credential-missing": 1.0}


def test_the_documentation_and_the_recipe_say_what_is_read() -> None:
    """Each header that is asked for, and each that is answered with, by the name that it has here."""
    page, recipe = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("docs/forward-auth.md", "deploy/nginx/authproxy.conf")
    )
    for name in (*NAMED_BY[0], *NAMED_BY[1], PATH, "X-Authproxy-Key", "X-Authproxy-Reason"):
        assert name in page
    for name in (*NAMED_BY[0], PATH, "x_authproxy_key", "x_authproxy_reason"):
        assert name in recipe
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page):
        assert (ROOT / "docs" / target).exists(), target
    for path in re.findall(r"`((?:authproxy|docs|tests|deploy|bench)/[\w./-]*)`", page):
        assert (ROOT / path).exists(), path
