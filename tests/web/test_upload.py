"""The steps of an upload come in their order, and what each leaves behind is what it should."""

import asyncio
from contextlib import closing
from typing import Any

import pytest

from authproxy.config import load
from authproxy.store.driver import sqlite3
from tests.peers.forms import body_of, parts_of, post, upload
from tests.peers.packages import sdist, wheel
from tests.peers.recording import RecordingIndex, Reply, Script, Seen
from tests.peers.wire import Conversation, basic
from tests.web.conftest import Running


def rows(running: Running, table: str = "record") -> list[dict[str, Any]]:
    """What the store holds, read by SQLite alone."""
    file = running.file.parent / "authproxy.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]


async def test_the_decision_is_on_record_before_the_index_sees_a_byte(
    running: Running, recording: RecordingIndex
) -> None:
    """Whatever happens then, there is no file in the index without a row."""
    seen_by_then: list[list[dict[str, Any]]] = []

    def answer(seen: Seen) -> Script:
        if seen.method == "POST":
            seen_by_then.append(rows(running))
        return Reply(200) if seen.method == "POST" else Reply(404)

    recording.answer = answer
    package = wheel("acme-core")
    answered = await running.ask(upload(package, await running.key()))
    assert (answered.status, answered.text) == (200, "uploaded\n")
    [[pending]], [done] = seen_by_then, rows(running)
    assert (pending["outcome"], done["outcome"], done["index_status"]) == ("pending", "stored", 200)
    for name, value in {
        "filename": package.filename, "sha256": package.sha256, "size": len(package.content), "project": "acme-core",
        "version": "1.0", "owner": "ci@acme.test", "grant": "upload+create:acme-*", "address": "127.0.0.1",
    }.items():  # fmt: skip
        assert done[name] == value, name
    assert done["rule"].startswith("packages[0]")


async def test_a_refused_upload_is_on_record_and_nowhere_else(running: Running, recording: RecordingIndex) -> None:
    """The operator sees who tried; the index sees nothing."""
    answer = await running.ask(upload(wheel("victim"), await running.key()))
    assert answer.status == 403
    [row] = rows(running)
    assert (row["outcome"], row["code"], row["project"]) == ("denied", "not-allowed", "victim")
    assert rows(running, "files") == []
    recording.assert_saw_nothing()


async def test_a_lie_inside_the_archive_is_refused(running: Running, recording: RecordingIndex) -> None:
    """Form and filename agree, METADATA says another project: who installs it would get that one."""
    for package in (wheel("acme-core", claims=("victim", "1.0")), sdist("acme-core", claims=("acme-core", "9.9"))):
        answer = await running.ask(upload(package, await running.key()))
        assert (answer.status, "both must name" in answer.reason) == (400, True)
    recording.assert_saw_nothing()


@pytest.mark.parametrize("running", [{"packages": [{"match": "*", "metadata": "off"}]}], indirect=True)
async def test_the_archive_is_left_alone_where_the_rule_says_so(running: Running, recording: RecordingIndex) -> None:
    """Old sdists lack PKG-INFO; an operator may know better. This is the control of the test above, too."""
    answer = await running.ask(upload(wheel("acme-core", claims=("victim", "1.0")), await running.key()))
    assert answer.status == 200
    assert len(recording.uploads) == 1


async def test_every_digest_is_checked(running: Running, recording: RecordingIndex) -> None:
    """A file that changed on its way, by whichever digest the client sent."""
    package = wheel("acme-core")
    for field, digits in (("sha256_digest", 64), ("md5_digest", 32), ("blake2_256_digest", 64)):
        answer = await running.ask(upload(package, await running.key(), **{field: "0" * digits}))
        assert (answer.status, "digest" in answer.reason) == (400, True), field
    recording.assert_saw_nothing()


async def test_the_same_file_again_is_a_success_without_the_index(running: Running, recording: RecordingIndex) -> None:
    """The index is asked whether it still has the file, and is sent nothing."""
    package, key = wheel("acme-core"), await running.key()
    link = f'<a href="../../packages/{package.filename}">{package.filename}</a><br>'
    stored: list[Seen] = []

    def answer(seen: Seen) -> Script:
        if seen.method == "POST":
            stored.append(seen)
            return Reply(200)
        return Reply(200, f"<html><body>{link}</body></html>".encode()) if stored else Reply(404)

    recording.answer = answer
    first, again = [await running.ask(upload(package, key)) for _ in range(2)]
    assert (first.status, again.status, len(stored)) == (200, 200, 1)
    assert "already" in again.text


@pytest.mark.parametrize("same", [True, False], ids=["the same bytes", "other bytes"])
async def test_a_file_that_came_past_us_is_recognised(running: Running, recording: RecordingIndex, same: bool) -> None:
    """The index says that it has the file: whether it has these bytes, only reading it tells."""
    package, there = wheel("acme-core"), wheel("acme-core", payload=b"" if same else b"other")
    page = f'<html><body><a href="../../packages/{package.filename}#sha256={there.sha256}">x</a></body></html>'
    asked: list[Seen] = []

    def answer(seen: Seen) -> Script:
        asked.append(seen)
        posted = any(each.method == "POST" for each in asked)
        return Reply(409) if seen.method == "POST" else Reply(200, page.encode()) if posted else Reply(404)

    recording.answer = answer
    said = await running.ask(upload(package, await running.key()))
    assert (said.status, "already" in said.text) == (200 if same else 400, True)


@pytest.mark.parametrize("status", [400, 401, 409, 500])
async def test_what_the_index_refused_is_not_stored(running: Running, recording: RecordingIndex, status: int) -> None:
    """The record says what the index said, the file stays free for the next try."""
    key = await running.key()
    recording.answer = lambda seen: Reply(status) if seen.method == "POST" else Reply(404)
    answer = await running.ask(upload(wheel("acme-core"), key))
    assert answer.status == {400: 400, 401: 403, 409: 400, 500: 502}[status]
    [row] = rows(running)
    assert (row["outcome"], row["index_status"]) == ("unknown" if status == 500 else "refused", status)
    assert rows(running, "files") == []
    recording.answer = lambda seen: Reply(200) if seen.method == "POST" else Reply(404)
    assert (await running.ask(upload(wheel("acme-core"), key))).status == 200


async def test_a_refused_service_login_raises_the_alarm(running: Running, recording: RecordingIndex) -> None:
    """403 for the client, an error in the log, a metric to alarm on; both end with the next success."""
    gauge = running.app.parts.metrics.misconfigured.collect
    key = await running.key()
    recording.answer = lambda seen: Reply(401) if seen.method == "POST" else Reply(404)
    answer = await running.ask(upload(wheel("acme-core"), key))
    assert (answer.status, answer.reason.startswith("proxy is misconfigured")) == (403, True)
    assert next(iter(gauge())).samples[0].value == 1
    recording.answer = lambda seen: Reply(200) if seen.method == "POST" else Reply(404)
    await running.ask(upload(wheel("acme-core"), key))
    assert next(iter(gauge())).samples[0].value == 0


async def test_who_asks_is_settled_before_the_body(running: Running, recording: RecordingIndex) -> None:
    """A client without a key is refused at its head where it waits for the go-ahead."""
    key, body = await running.key("install"), body_of(parts_of(wheel("acme-core")))
    raw = post(body, key=key, more=[("Expect", "100-continue")]).removesuffix(body)

    def asking() -> tuple[int, str]:
        with Conversation(running.address) as conversation:
            conversation.send(raw)
            answer = conversation.answer()
            return answer.status, answer.reason

    status, reason = await asyncio.to_thread(asking)
    assert (status, "may not upload here" in reason) == (403, True)
    recording.assert_saw_nothing()


async def test_a_password_uploads_nothing(running: Running, recording: RecordingIndex) -> None:
    """The index's own passwords are what keys replace."""
    body = body_of(parts_of(wheel("acme-core")))
    raw = post(body, key=None, more=[("Authorization", basic("alice", "her own"))])
    answer = await running.ask(raw)
    assert (answer.status, answer.header("WWW-Authenticate")) == (401, 'Basic realm="pypi"')
    recording.assert_saw_nothing()


async def test_a_key_in_a_filename_is_kept_nowhere(running: Running, recording: RecordingIndex) -> None:
    """Neither in the record nor in the index."""
    key = await running.key()
    name = key.replace("_", "-")
    answer = await running.ask(upload(sdist(name), key))
    assert (answer.status, "holds a key" in answer.reason) == (400, True)
    assert key.rsplit("_", 1)[1] not in str(rows(running))
    recording.assert_saw_nothing()


async def test_a_rule_that_is_taken_away_while_the_body_comes_holds(
    running: Running, recording: RecordingIndex
) -> None:
    """An operator who narrows the rules in an emergency means the upload that is under way, too."""
    raw = upload(wheel("acme-core"), await running.key())

    def half() -> Conversation:
        conversation = Conversation(running.address)
        conversation.send(raw[:-100])
        return conversation

    conversation = await asyncio.to_thread(half)
    await asyncio.sleep(0.1)
    running.write(packages=[])
    running.app.reload(load(running.file))

    def rest() -> int:
        with conversation:
            conversation.send(raw[-100:])
            return conversation.answer().status

    assert await asyncio.to_thread(rest) == 403
    recording.assert_saw_nothing()


ENDS = {
    "revoked": lambda parts, key_id: parts.store.revoke(key_id, parts.now()),
    "paused": lambda parts, key_id: parts.store.pause(key_id, parts.now()),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_who_is_known_by_the_header_is_refused_with_the_key(
    running: Running, recording: RecordingIndex, end: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second upload is of a key that nobody had to read again; once it ends, nobody asks for the third one's body."""
    parts, key = running.app.parts, await running.key()
    assert (await running.ask(upload(wheel("acme-core", "1.0"), key))).status == 200
    with monkeypatch.context() as patch:
        patch.setattr(parts.authority, "authenticate", None)
        assert (await running.ask(upload(wheel("acme-core", "1.1"), key))).status == 200
        other = upload(wheel("acme-core", "1.2"), await running.key())
        assert (await running.ask(other)).status == 500, "negative control: another key has to be read"
    [key_id] = {row["key_id"] for row in rows(running)}
    assert await end(parts, key_id)
    recording.forget()
    head, _, _ = upload(wheel("acme-core", "1.3"), key).partition(b"\r\n\r\n")
    answer = await running.ask(head + b"\r\nExpect: 100-continue\r\n\r\n")
    assert (answer.status, answer.text) == (401, "the key is not valid\n")
    recording.assert_saw_nothing()
