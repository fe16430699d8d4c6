"""The body of an upload: read whole or refused, and never waited for without end."""

import asyncio
import os
import time
from dataclasses import replace

import pytest

from authproxy.backend.devpi import devpi
from authproxy.web import receive
from authproxy.web.readers import Readers
from authproxy.web.spool import Spool
from tests.peers.forms import BOUNDARY, body_of, parts_of, post, upload
from tests.peers.packages import wheel
from tests.peers.recording import RecordingIndex, Reply
from tests.peers.wire import Answer, Conversation, get, head
from tests.web.conftest import Running

BODY = body_of(parts_of(wheel("acme-core")))

HEADS = {
    "a content type that is no form": (post(BODY, key="x", content_type="application/json"), 400),
    "an urlencoded form": (post(BODY, key="x", content_type="application/x-www-form-urlencoded"), 400),
    "a form without a boundary": (post(BODY, key="x", content_type="multipart/form-data"), 400),
    "a form with two boundaries": (
        post(BODY, key="x", content_type=f"multipart/form-data; boundary={BOUNDARY}; boundary=other"),
        400,
    ),
    "chunks instead of a length": (
        post(b"5\r\nabcde\r\n0\r\n\r\n", key="x").replace(b"Content-Length: 15", b"Transfer-Encoding: chunked"),
        411,
    ),
    "an encoded body": (post(BODY, key="x", more=[("Content-Encoding", "gzip")]), 400),
}


@pytest.mark.parametrize(("raw", "status"), HEADS.values(), ids=HEADS.keys())
async def test_a_head_that_announces_no_form_is_refused(
    running: Running, recording: RecordingIndex, raw: bytes, status: int
) -> None:
    """What is not one form of known length is refused before anyone is asked who they are."""
    assert (await running.ask(raw)).status == status
    recording.assert_saw_nothing()


@pytest.mark.parametrize("running", [{"limits": {"max_upload": 10_000}}], indirect=True)
async def test_a_file_over_the_limit_is_refused(running: Running, recording: RecordingIndex) -> None:
    """The form around it may be large, so the head alone cannot tell."""
    package = wheel("acme-core", payload=os.urandom(20_000))
    answer = await running.ask(upload(package, await running.key()))
    assert (answer.status, "10000 bytes" in answer.reason) == (413, True)
    recording.assert_saw_nothing()


def dribble(running: Running, raw: bytes, pause: float) -> Answer:
    """Send all but the end of a request, then ten bytes with a pause before each, then nothing."""
    with Conversation(running.address) as conversation:
        conversation.send(raw[:-100])
        for at in range(len(raw) - 100, len(raw) - 90):
            time.sleep(pause)
            conversation.send_what_it_takes(raw[at : at + 1])
        return conversation.answer()


async def test_a_client_that_stops_sending_is_told_so(
    running: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence in the middle of a body ends it."""
    monkeypatch.setattr(receive, "STALL", 0.3)
    monkeypatch.setattr(receive, "DRAIN", 0.1)
    answer = await asyncio.to_thread(dribble, running, upload(wheel("acme-core"), await running.key()), 0.05)
    assert (answer.status, "too slowly" in answer.reason) == (408, True)
    recording.assert_saw_nothing()


@pytest.mark.parametrize("running", [{"limits": {"upload_deadline": "1s"}}], indirect=True)
async def test_a_client_that_dribbles_meets_the_deadline(
    running: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then does not keep a connection and a spool for ever."""
    monkeypatch.setattr(receive, "DRAIN", 0.1)
    answer = await asyncio.to_thread(dribble, running, upload(wheel("acme-core"), await running.key()), 0.2)
    assert (answer.status, "too slowly" in answer.reason) == (408, True)
    recording.assert_saw_nothing()


async def test_a_client_that_goes_away_leaves_nothing(running: Running, recording: RecordingIndex) -> None:
    """Neither a row nor a byte in the index."""
    raw = upload(wheel("acme-core"), await running.key())

    def leave() -> None:
        with Conversation(running.address) as conversation:
            conversation.send(raw[:-50])

    await asyncio.to_thread(leave)
    await asyncio.sleep(0.1)
    recording.assert_saw_nothing()


async def test_a_refused_client_is_not_listened_to_for_ever(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draining has an end: then the answer comes and the connection goes."""
    monkeypatch.setattr(receive, "DRAIN", 0.2)

    def half() -> tuple[int, bool]:
        with Conversation(running.address) as conversation:
            conversation.send(upload(wheel("acme-core"), key=None)[:-100])
            return conversation.answer().status, True

    assert await asyncio.to_thread(half) == (401, True)


async def test_our_own_slowness_is_not_the_clients(
    running: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow disk must not end an upload whose client sends all the time: the clock runs for the client alone."""
    monkeypatch.setattr(receive, "STALL", 0.3)
    store = Spool._store

    def slowly(spool: Spool, batch: list[bytes]) -> None:
        time.sleep(0.5)
        store(spool, batch)

    monkeypatch.setattr(Spool, "_store", slowly)
    package = wheel("acme-core", payload=os.urandom(4_000_000))
    answer = await running.ask(upload(package, await running.key()))
    assert answer.status == 200


SPARE = {
    "devpi-client's, where it sends it": ("/", 200),
    "with --user": ("/team", 200),
    "of an index": ("/team/dev", 400),
    "of a project": ("/team/dev/acme-core", 400),
    "of a project page": ("/team/dev/+simple/acme-core/", 400),
}


@pytest.mark.parametrize(("target", "status"), SPARE.values(), ids=SPARE.keys())
async def test_two_bytes_that_mean_nothing_may_come_with_a_read(
    running: Running, recording: RecordingIndex, target: str, status: int
) -> None:
    """`devpi use -l` sends them. They are thrown away; on other pages and before pypiserver they are refused."""
    length = ("Content-Length", "2")
    assert (await running.ask(get("/simple/", [length]) + b"{}")).status == 400
    recording.assert_saw_nothing()
    running.app.parts = replace(running.app.parts, readers=Readers(devpi(("team/dev",))))
    recording.answer = lambda _: Reply(200)
    assert (await running.ask(get(target, [length]) + b"{}")).status == status
    assert [(seen.body, seen.header("Content-Length")) for seen in recording.requests] == [(b"", None)] * (
        status == 200
    )


ANOTHER = {
    "other bytes": get("/", [("Content-Length", "2")]) + b"[]",
    "more of them": get("/", [("Content-Length", "3")]) + b"{ }",
    "another length": get("/", [("Content-Length", "02")]) + b"{}",
    "a chunk": get("/", [("Transfer-Encoding", "chunked")]) + b"2\r\n{}\r\n0\r\n\r\n",
    "another method": head("HEAD", "/", [("Content-Length", "2"), ("Connection", "close")]) + b"{}",
}


@pytest.mark.parametrize("raw", ANOTHER.values(), ids=ANOTHER.keys())
async def test_no_other_body_may_come_with_a_read(running: Running, recording: RecordingIndex, raw: bytes) -> None:
    """These very bytes, so that no request hides in them."""
    running.app.parts = replace(running.app.parts, readers=Readers(devpi(("team/dev",))))
    assert (await running.ask(raw)).status == 400
    recording.assert_saw_nothing()


async def test_two_bytes_that_do_not_come(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not waited for without end."""
    monkeypatch.setattr(receive, "STALL", 0.2)
    monkeypatch.setattr(receive, "DRAIN", 0.1)
    running.app.parts = replace(running.app.parts, readers=Readers(devpi(("team/dev",))))
    assert (await running.ask(get("/", [("Content-Length", "2")]) + b"{")).status == 408


TEXTS = {
    "the two, in any order": (b' {"b": "2", "a": "1"} ', {"a": "1", "b": "2"}),
    "an escape": (b'{"a": "\\u0031", "b": ""}', {"a": "1", "b": ""}),
    "letters of UTF-8": ('{"a": "\u00fc", "b": ""}'.encode(), {"a": "\u00fc", "b": ""}),
    "one of them twice": (b'{"a": "1", "a": "1", "b": "2"}', None),
    "one of them missing": (b'{"a": "1"}', None),
    "another besides": (b'{"a": "1", "b": "2", "c": "3"}', None),
    "a number": (b'{"a": 1, "b": "2"}', None),
    "nothing at a name": (b'{"a": null, "b": "2"}', None),
    "an object inside": (b'{"a": {"a": "1"}, "b": "2"}', None),
    "a list of pairs": (b'[["a", "1"], ["b", "2"]]', None),
    "an empty list": (b"[]", None),
    "a string": (b'"ab"', None),
    "no JSON": (b"a=1&b=2", None),
    "two objects": (b'{"a": "1", "b": "2"}{}', None),
    "what is no UTF-8": (b'{"a": "\xff", "b": "2"}', None),
    "a deep one": (b"[" * 100_000, None),
}


@pytest.mark.parametrize(("body", "read"), TEXTS.values(), ids=TEXTS.keys())
def test_a_small_body_is_so_many_strings(body: bytes, read: dict[str, str] | None) -> None:
    """What two readers of JSON could read differently is not read at all."""
    assert receive.texts(body, ("a", "b")) == read


def test_a_small_body_may_have_to_be_ascii() -> None:
    """Where only names go in, a letter beyond it is refused before anybody reads it."""
    assert receive.texts('{"a": "\u00fc"}'.encode(), ("a",), encoding="ascii") is None
    assert receive.texts(b'{"a": "u"}', ("a",), encoding="ascii") == {"a": "u"}
