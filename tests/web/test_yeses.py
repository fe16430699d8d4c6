"""A yes is said again only while everything that it follows from is the same."""

from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace

import pytest

from authproxy.authority import Authority, NewKey
from authproxy.config import load
from authproxy.domain.keys import KeyId
from authproxy.store.driver import sqlite3
from tests.peers.wire import basic, get
from tests.web.conftest import POLICIES, Running

FRONT = {"trusted_proxies": ["127.0.0.1"], "reads": "key", "key_policies": POLICIES}
OPEN = FRONT | {"reads": "open"}
WHEEL = "/packages/acme_core-1.0-py3-none-any.whl"
LIFE = 60  # seconds that the key of a test lives

Headers = list[tuple[str, str]]

keyed = pytest.mark.parametrize("running", [FRONT], indirect=True, ids=["reads: key"])
opened = pytest.mark.parametrize("running", [OPEN], indirect=True, ids=["reads: open"])


def question(credential: str | None, more: Headers | None = None, *, target: str = WHEEL) -> bytes:
    headers = [("X-Original-Method", "GET"), ("X-Original-URI", target), *(more or [])]
    return get("/-/auth", [*headers, *([("Authorization", credential)] if credential else [])])


async def issue(running: Running) -> tuple[str, bytes]:
    """A key that reads everything and lives a minute: its id, and a question with it."""
    parts = running.app.parts
    new = NewKey(owner="ci@acme.test", note="", policy="install", expires=parts.now() + LIFE)
    record, text = await parts.authority.issue(new, now=parts.now())
    return record.id, question(basic("__token__", text))


async def revoke(running: Running, key_id: str) -> None:
    await running.app.parts.store.revoke(key_id, running.app.parts.now())


async def widen(running: Running, _key_id: str) -> None:
    running.write(key_policies=POLICIES)
    running.app.reload(load(running.file))


async def resume(running: Running, key_id: str) -> None:
    await running.app.parts.store.resume(KeyId(key_id), running.app.parts.now())


async def pause(running: Running, key_id: str) -> None:
    await running.app.parts.store.pause(key_id, running.app.parts.now())


async def expire(running: Running, _key_id: str) -> None:
    clock = running.app.parts.clock
    running.app.parts = replace(running.app.parts, clock=lambda: clock() + LIFE)


async def narrow(running: Running, _key_id: str) -> None:
    running.write(key_policies={"install": {"allow": [{"actions": ["read"], "packages": ["other"]}]}})
    running.app.reload(load(running.file))


async def distrust(running: Running, _key_id: str) -> None:
    running.write(trusted_proxies=[])
    running.app.reload(load(running.file))


Change = Callable[[Running, str], Awaitable[None]]
ENDS: dict[str, tuple[Change, int]] = {
    "the key is revoked": (revoke, 401),
    "the key is paused": (pause, 401),
    "the key expires": (expire, 401),
    "the policy is narrowed": (narrow, 403),
    "the web server is trusted no more": (distrust, 403),
}


@keyed
@pytest.mark.parametrize(("change", "status"), ENDS.values(), ids=ENDS.keys())
async def test_a_yes_ends_with_what_it_follows_from(running: Running, change: Change, status: int) -> None:
    """With the first question after the change, and for good."""
    key_id, ask = await issue(running)
    assert [(await running.ask(ask)).status for _ in range(3)] == [200] * 3
    assert len(running.app.parts.yeses) == 1
    await change(running, key_id)
    assert [(await running.ask(ask)).status for _ in range(2)] == [status] * 2


@keyed
@pytest.mark.parametrize("change", [revoke, pause, expire])
async def test_a_memory_that_does_not_look_at_the_key_is_caught(
    running: Running, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control for the test above."""
    monkeypatch.setattr(Authority, "still_holds", lambda *_, **__: True)
    key_id, ask = await issue(running)
    assert (await running.ask(ask)).status == 200
    await change(running, key_id)
    assert (await running.ask(ask)).status == 200


@keyed
async def test_another_request_is_decided_anew(running: Running) -> None:
    """Whatever differs in one byte is another request: a target above all, but a client's name as well."""
    _, ask = await issue(running)
    assert (await running.ask(ask)).status == 200
    yeses = running.app.parts.yeses
    others = [
        ask.replace(b"acme_core-1.0", b"acme_core-1.1"),
        ask.replace(b"X-Original-Method: GET", b"X-Original-Method: HEAD"),
        ask.replace(b"GET /-/auth", b"HEAD /-/auth"),
        ask.replace(b"Connection: close", b"Connection: Close"),
        ask.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n"),
        ask.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ]
    for number, other in enumerate(others, 2):
        assert other != ask
        assert (await running.ask(other)).status == 200
        assert len(yeses) == number
    assert (await running.ask(ask)).status == 200
    assert len(yeses) == len(others) + 1


@keyed
async def test_a_no_is_not_remembered(running: Running) -> None:
    """A key that gets its grant, and one that works again, read from then on."""
    key_id, ask = await issue(running)
    for refused in (
        question(None),
        question(basic("__token__", "apx_nonsense")),
        ask.replace(WHEEL.encode(), b"/a/b/c"),
    ):
        assert [(await running.ask(refused)).status for _ in range(2)] in ([401, 401], [403, 403])
    assert len(running.app.parts.yeses) == 0
    for no, yes, status in ((narrow, widen, 403), (pause, resume, 401)):
        await no(running, key_id)
        assert [(await running.ask(ask)).status for _ in range(2)] == [status, status]
        await yes(running, key_id)
        assert [(await running.ask(ask)).status for _ in range(2)] == [200, 200]


@keyed
async def test_a_key_reads_as_soon_as_it_is_made(running: Running) -> None:
    """Its very request was refused a moment before: the store did not know it, as one that is restored from a copy."""
    parts = running.app.parts
    key_id, ask = await issue(running)
    record = await parts.store.key(KeyId(key_id))
    assert record is not None
    with closing(sqlite3.connect(running.file.parent / "authproxy.db")) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("DELETE FROM keys")
        connection.commit()
    assert [(await running.ask(ask)).status for _ in range(2)] == [401, 401]
    await parts.store.add_key(record)
    assert [(await running.ask(ask)).status for _ in range(2)] == [200, 200]


@opened
async def test_nobodys_password_is_remembered(running: Running) -> None:
    """An HMAC of a password in the memory would be something to guess it by; nobody and keys leave nothing to guess."""
    for _ in range(2):
        answer = await running.ask(question(basic("alice", "her own")))
        assert (answer.status, answer.header("X-Authproxy-Key")) == (200, None)
    assert len(running.app.parts.yeses) == 0
    for _ in range(2):
        answer = await running.ask(question(None))
        assert (answer.status, answer.header("X-Authproxy-Key")) == (200, None)
    assert len(running.app.parts.yeses) == 1


@keyed
async def test_no_secret_is_kept(running: Running) -> None:
    """What requests are remembered by is as long as a hash and holds none of their bytes."""
    _, ask = await issue(running)
    await running.ask(ask)
    [name] = running.app.parts.yeses._said._entries
    assert (type(name), len(name)) == (bytes, 32)
