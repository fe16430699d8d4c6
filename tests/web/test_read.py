"""Reads stream through untouched; credentials go to the index in the cases of the table and in no other."""

import asyncio
import hashlib
import os
import time

import pytest

from authproxy.web import read, receive
from tests.peers.recording import Raw, RecordingIndex, Reply
from tests.peers.wire import Closed, Conversation, basic, get, head
from tests.web.conftest import Running

OPEN = {"reads": "open"}
SERVICE = basic("service", "s3cret-passw0rd")
THEIRS = basic("alice", "her own")


def lent(recording: RecordingIndex) -> str | None:
    """The Authorization of the one request that the index saw."""
    [seen] = recording.requests
    return seen.header("Authorization")


@pytest.mark.parametrize("running", [{}, OPEN], indirect=True, ids=["reads: index", "reads: open"])
@pytest.mark.parametrize("who", ["nobody", "a person with a password", "a key that may read", "a key that may not"])
async def test_whose_credentials_go_to_the_index(
    running: Running, recording: RecordingIndex, who: str, request: pytest.FixtureRequest
) -> None:
    """The service credentials are lent to keys that may read, and to all under `open`; no key ever goes out."""
    recording.answer = lambda _: Reply(200, b"page")
    key = await running.key("install" if who == "a key that may read" else "release")
    presented = {"nobody": None, "a person with a password": THEIRS}.get(who, basic("__token__", key))
    answer = await running.ask(get("/simple/acme-core/", [("Authorization", presented)] if presented else []))
    everybody = "open" in request.node.name
    expected = {
        "nobody": SERVICE if everybody else None,
        "a person with a password": SERVICE if everybody else THEIRS,
        "a key that may read": SERVICE,
        "a key that may not": SERVICE if everybody else None,
    }
    assert (answer.status, answer.body) == (200, b"page")
    assert lent(recording) == expected[who]
    assert key.encode() not in recording.octets


async def test_a_bad_key_reads_nothing(running: Running, recording: RecordingIndex) -> None:
    """Not even what nobody needs a key for: its holder believes that it works."""
    answer = await running.ask(get("/simple/acme-core/", [("Authorization", basic("__token__", "apx_nonsense"))]))
    assert (answer.status, answer.header("WWW-Authenticate")) == (401, 'Basic realm="pypi"')
    recording.assert_saw_nothing()


async def test_a_key_without_a_read_grant_learns_why_the_index_refuses(
    running: Running, recording: RecordingIndex
) -> None:
    """The index's 401 would send pip asking for a password in the middle of a CI job."""
    recording.answer = lambda _: Reply(401)
    answer = await running.ask(get("/simple/acme-core/", [("Authorization", basic("__token__", await running.key()))]))
    assert answer.status == 403
    assert "no read grant" in answer.reason


async def test_the_request_is_built_from_nothing(running: Running, recording: RecordingIndex) -> None:
    """Headers that an index would believe are ours to set; what it needs to vary its answer passes."""
    sent = [
        ("Accept", "application/vnd.pypi.simple.v1+json"),
        ("User-Agent", "pip/26.3"),
        ("Range", "bytes=0-9"),
        ("If-None-Match", '"abc"'),
        ("X-Forwarded-Host", "evil.test"),
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Outside-URL", "http://evil.test/"),
        ("Forwarded", "host=evil.test"),
        ("Cookie", "a=b"),
        ("X-Devpi-Auth", "c2VjcmV0"),
    ]
    await running.ask(get("/simple/acme-core/", sent))
    [seen] = recording.requests
    assert dict(seen.headers) == {
        "Host": "pypi.acme.test",
        "X-Forwarded-Host": "pypi.acme.test",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "127.0.0.1",
        **dict(sent[:4]),
    }


@pytest.mark.parametrize("size", [0, 10, 64 * 1024, 64 * 1024 + 1, 3_000_000])
async def test_a_file_comes_through_as_it_is(running: Running, recording: RecordingIndex, size: int) -> None:
    """Small and large, with the index's own headers."""
    content = os.urandom(size)
    recording.answer = lambda _: Reply(200, content, (("ETag", '"abc"'), ("Content-Type", "application/zip")))
    answer = await running.ask(get("/packages/acme-1.0.zip"))
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(content).digest()
    assert (answer.header("ETag"), answer.header("Content-Length")) == ('"abc"', str(size))


STATUSES = {
    "part of a file": Reply(206, b"0123456789", (("Content-Range", "bytes 0-9/100"),)),
    "nothing new": Reply(304, b"", (("ETag", '"abc"'),)),
    "a redirect for the client to follow": Reply(303, b"", (("Location", "https://public.test/simple/x/"),)),
    "not here": Reply(404, b"no"),
    "the index's challenge": Reply(401, b"", (("WWW-Authenticate", 'Basic realm="index"'),)),
    "a failure of the index": Reply(500, b"oops"),
}


@pytest.mark.parametrize("reply", STATUSES.values(), ids=STATUSES.keys())
async def test_the_indexs_own_answers_pass(running: Running, recording: RecordingIndex, reply: Reply) -> None:
    """Under `reads: index` it is the index that decides about reading."""
    recording.answer = lambda _: reply
    answer = await running.ask(get("/simple/x/"))
    assert (answer.status, answer.reason, answer.body) == (reply.status, reply.reason, reply.body)
    for name, value in reply.headers:
        assert answer.header(name) == value


async def test_head_has_the_length_and_no_body(running: Running, recording: RecordingIndex) -> None:
    """uv and pip learn the size of a wheel so."""
    recording.answer = lambda _: Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n")
    answer = await running.ask(head("HEAD", "/packages/acme-1.0.zip", [("Connection", "close")]))
    assert (answer.status, answer.header("Content-Length")) == (200, "12345")
    assert recording.requests[0].method == "HEAD"


async def test_headers_of_one_connection_stay_on_it(running: Running, recording: RecordingIndex) -> None:
    """RFC 9110, 7.6.1: hop-by-hop headers and those that Connection names."""
    hop = (("Connection", "X-Secret-Hop"), ("X-Secret-Hop", "1"), ("Keep-Alive", "timeout=5"), ("Upgrade", "h2c"))
    recording.answer = lambda _: Reply(200, b"page", hop)
    answer = await running.ask(get("/simple/acme-core/"))
    assert [answer.header(name) for name, _ in hop[1:]] == [None, None, None]


HALVES = {"a length": b"Content-Length: 1000000\r\n\r\n", "a chunk": b"Transfer-Encoding: chunked\r\n\r\n20000\r\n"}


@pytest.mark.parametrize("promise", HALVES.values(), ids=HALVES.keys())
async def test_half_a_file_is_not_a_file(running: Running, recording: RecordingIndex, promise: bytes) -> None:
    """When the index breaks off, the client's connection breaks: an end would look like the whole."""
    recording.answer = lambda _: Raw(b"HTTP/1.1 200 OK\r\n" + promise + b"x" * 70_000)
    with pytest.raises(Closed):
        await running.ask(get("/packages/acme-1.0.zip"))


async def test_a_search_passes_with_its_body(running: Running, recording: RecordingIndex) -> None:
    """XML-RPC is a POST that reads; its body is bounded."""
    recording.answer = lambda _: Reply(200, b"<found/>")
    answer = await running.ask(head("POST", "/RPC2", [("Content-Length", "8"), ("Connection", "close")]) + b"<search>")
    assert (answer.status, answer.body, recording.requests[0].body) == (200, b"<found/>", b"<search>")
    recording.forget()
    large = b"x" * 70_000
    answer = await running.ask(head("POST", "/RPC2", [("Content-Length", "70000"), ("Connection", "close")]) + large)
    assert answer.status == 413
    recording.assert_saw_nothing()


async def test_an_index_that_is_gone_is_a_502(running: Running, recording: RecordingIndex) -> None:
    """One sentence, no traceback."""
    recording.answer = lambda _: Raw(b"", reset=True)
    answer = await running.ask(get("/simple/acme-core/"))
    assert (answer.status, "cannot be reached" in answer.reason) == (502, True)


@pytest.mark.parametrize("running", [OPEN], indirect=True)
@pytest.mark.parametrize("status", [401, 403])
async def test_an_index_that_refuses_our_account_is_our_misconfiguration(
    running: Running, recording: RecordingIndex, status: int
) -> None:
    """A reader who was promised open reading cannot mend it with a password of their own."""
    recording.answer = lambda _: Reply(status, b"", (("WWW-Authenticate", 'Basic realm="index"'),))
    answer = await running.ask(get("/simple/acme-core/"))
    assert (answer.status, answer.reason.startswith("proxy is misconfigured")) == (403, True)
    assert next(iter(running.app.parts.metrics.misconfigured.collect())).samples[0].value == 1


async def test_an_index_that_breaks_off_in_a_small_page_is_a_502(running: Running, recording: RecordingIndex) -> None:
    """Nothing has gone out yet, so the client can be told."""
    recording.answer = lambda _: Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf")
    answer = await running.ask(get("/simple/acme-core/"))
    assert (answer.status, "broke off" in answer.reason) == (502, True)


async def test_a_search_that_never_comes_is_not_waited_for(
    running: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody needs a credential for a search, so nobody may hold a connection with one."""
    monkeypatch.setattr(receive, "STALL", 0.2)
    answer = await running.ask(head("POST", "/RPC2", [("Content-Length", "100")]))
    assert answer.status == 408
    recording.assert_saw_nothing()


async def test_a_reader_that_stops_reading_is_let_go(
    running: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A silent reader of a large file would hold a connection of the index for ever."""
    monkeypatch.setattr(read, "STALL", 0.2)
    recording.answer = lambda _: Reply(200, b"x" * 30_000_000)

    def half() -> bytes:
        with Conversation(running.address) as conversation:
            conversation.send(get("/packages/acme-1.0.zip"))
            time.sleep(1.0)
            return conversation.answer().body

    with pytest.raises(Closed):
        await asyncio.to_thread(half)
