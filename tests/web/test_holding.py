"""While a release is pushed nobody changes it in its source, and no push begins while somebody does."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from authproxy.domain.access import UPLOAD_DEADLINE
from authproxy.store import Hold, Passing, Store, StoreError, holds
from authproxy.web import holding
from tests.backend.test_push import DEV, STABLE, WHEEL, Held, link, page
from tests.peers.forms import body_of, parts_of, post
from tests.peers.packages import wheel
from tests.peers.recording import Hang, Raw, RecordingIndex, Reply, Script, Seen
from tests.peers.wire import Answer, basic, exchange, head
from tests.web.conftest import Running
from tests.web.pushes import before_devpi, held, pushing
from tests.web.test_upload import rows

ADDED = wheel("acme-core", "1.0.0", filename="acme_core-1.0.0-py2-none-any.whl")
GONE = Raw(b"", reset=True)
PASSING = Passing(DEV, STABLE, "acme-core", "1.0")


@pytest.fixture
async def before(tmp_path: Path, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """A proxy before a devpi; a push waits for nothing."""
    monkeypatch.setattr(holding, "PATIENCE", 0.0)
    async with before_devpi(tmp_path, recording, {}) as running:
        yield running


def uploading(key: str, index: str = DEV) -> bytes:
    """Another file of the release, under another spelling of its version."""
    return post(body_of(parts_of(ADDED)), key=key, target=f"/{index}/")


def deleting(key: str) -> bytes:
    return head(
        "DELETE", f"/{DEV}/acme-core/1.0", [("Authorization", basic("__token__", key)), ("Connection", "close")]
    )


def during(recording: RecordingIndex, method: str, do: Callable[[], None]) -> None:
    """Have the index do this before it answers the first request with that method."""
    index, done = held(recording), []

    def answer(seen: Seen) -> Script:
        if seen.method == method and seen.target != "/+login" and not done:
            done.append(1)
            do()
        return index(seen)

    recording.answer = answer


REQUESTS = [pytest.param(uploading, id="an upload"), pytest.param(deleting, id="a delete")]


@pytest.mark.parametrize("request_of", REQUESTS)
async def test_nobody_changes_a_release_while_it_is_pushed(
    before: Running, recording: RecordingIndex, request_of: Callable[[str], bytes]
) -> None:
    """503 and a sentence, nothing reaches the index; the target is not held, and afterwards everybody may."""
    raw = request_of(await before.key("upload"))
    other = uploading(await before.key("upload"), STABLE)
    found: list[Answer] = []
    during(recording, "PUSH", lambda: found.extend((exchange(before.address, raw), exchange(before.address, other))))
    assert (await before.ask(pushing(await before.key()))).status == 200
    said, at_target = found
    assert (said.status, said.header("Retry-After")) == (503, "2"), said
    assert f"'acme-core' 1.0 is being pushed out of {DEV}" in said.reason.replace("1.0.0", "1.0")
    assert at_target.status == 200
    at_source = [seen.method for seen in recording.requests if seen.method in {"DELETE", "PUSH", "POST"}]
    assert at_source.count("DELETE") == 0
    assert [seen for seen in recording.uploads if seen.target == f"/{DEV}/"] == []
    assert (await before.ask(raw)).status != 503
    assert rows(before, "claims") == []


async def test_without_the_hold_it_would_pass(
    before: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: the same upload, and nobody asks for the hold."""
    monkeypatch.setattr(holds, "over", lambda *_: None)
    raw, found = uploading(await before.key("upload")), list[Answer]()
    during(recording, "PUSH", lambda: found.append(exchange(before.address, raw)))
    await before.ask(pushing(await before.key()))
    assert [answer.status for answer in found] == [200]


CHANGES = [pytest.param(uploading, "POST", id="an upload"), pytest.param(deleting, "DELETE", id="a delete")]


@pytest.mark.parametrize(("request_of", "method"), CHANGES)
async def test_no_push_begins_while_a_release_changes(
    before: Running, recording: RecordingIndex, request_of: Callable[[str], bytes], method: str
) -> None:
    """The same answer; devpi is asked for nothing, and nothing is claimed. Afterwards it goes."""
    raw, asking, found = request_of(await before.key("upload")), pushing(await before.key()), list[Answer]()
    during(recording, method, lambda: found.append(exchange(before.address, asking)))
    await before.ask(raw)
    assert (found[0].status, found[0].header("Retry-After")) == (503, "2"), found
    assert f"is being changed in {DEV}" in found[0].reason
    assert [seen for seen in recording.requests if seen.method == "PUSH"] == []
    assert (await before.ask(asking)).status == 200
    assert rows(before, "claims") == []


async def test_a_push_waits_a_moment_for_uploads(
    before: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who uploads one file after the other does not keep every push out."""
    monkeypatch.setattr(holding, "PATIENCE", 5.0)
    asking, found = pushing(await before.key()), list[Answer]()
    thread = threading.Thread(target=lambda: found.append(exchange(before.address, asking)))
    during(recording, "POST", lambda: (thread.start(), thread.join(0.3))[0])
    assert (await before.ask(uploading(await before.key("upload")))).status == 200
    await asyncio.to_thread(thread.join)
    assert [answer.status for answer in found] == [200]


async def test_an_upload_without_an_end_is_settled_first(before: Running, recording: RecordingIndex) -> None:
    """The listing says what became of it, and what is listed is judged and pushed."""
    index, arrived = held(recording), link(ADDED.filename, hashes={"sha256": ADDED.sha256})
    index.takes = GONE
    assert (await before.ask(uploading(await before.key("upload")))).status == 502
    assert [row["outcome"] for row in rows(before)] == ["unknown"]
    index.source = page(v1_0=[link(WHEEL, "1")], v1_0_0=[arrived])
    index.copies, index.brought = (WHEEL,), [arrived]
    assert (await before.ask(pushing(await before.key()))).status == 200
    assert [row["outcome"] for row in rows(before)] == ["stored"] * 3
    assert rows(before, "claims") == []


@pytest.mark.parametrize(("left", "outcome", "status"), [(page(), "removed", 400), (None, "failed", 200)])
async def test_a_delete_without_an_end_is_settled_first(
    before: Running, recording: RecordingIndex, left: bytes | None, outcome: str, status: int
) -> None:
    """Either the release is gone and there is nothing to push, or it is there still and its names are not taken."""
    index = held(recording)

    def answer(seen: Seen) -> Script:
        if seen.method == "DELETE":
            index.listable = False
            return GONE
        return Reply(500) if not index.listable and seen.method == "GET" else index(seen)

    recording.answer = answer
    await before.ask(deleting(await before.key("upload")))
    assert [row["outcome"] for row in rows(before)] == ["unknown"]
    index.listable, index.source = True, index.source if left is None else left
    assert (await before.ask(pushing(await before.key()))).status == status
    assert rows(before)[0]["outcome"] == outcome
    assert rows(before, "claims") == []
    marked = {row["removed"] is None for row in rows(before, "files") if row["index_name"] == DEV}
    assert marked == {left is None}


async def test_a_push_without_an_answer_keeps_the_release_as_it_is(before: Running, recording: RecordingIndex) -> None:
    """devpi may still copy it; until the deadline, or until the same push has been asked again and is over."""
    index, key, raw = held(recording), await before.key(), uploading(await before.key("upload"))
    index.answer, index.copies = Hang(), ()
    assert (await before.ask(pushing(key))).status == 504
    answer = await before.ask(raw)
    assert (answer.status, "did not say how that ended: push it again" in answer.reason) == (503, True), answer
    assert UPLOAD_DEADLINE - 60 < int(answer.header("Retry-After") or 0) <= UPLOAD_DEADLINE
    index.answer, index.copies = Reply(200), Held().copies
    assert (await before.ask(pushing(key))).status == 200
    assert (await before.ask(raw)).status == 200


async def test_another_proxy_on_the_database_holds_too(before: Running, recording: RecordingIndex) -> None:
    """And two that push the same release to the same index are one too many."""
    other = await Store.open(before.app.parts.config.store)
    hold = await other.holds.take(PASSING, now=before.app.parts.now())
    assert isinstance(hold, Hold)
    answer = await before.ask(pushing(await before.key()))
    assert (answer.status, f"pushed to {STABLE} already" in answer.reason) == (503, True), answer
    assert (await before.ask(uploading(await before.key("upload")))).status == 503
    assert [seen for seen in recording.requests if seen.method == "PUSH" or seen.target == f"/{DEV}/"] == []
    await other.holds.end(hold, surely=True)
    await other.close()
    assert (await before.ask(uploading(await before.key("upload")))).status == 200


async def test_a_store_that_fails_at_the_end_is_logged(
    before: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer is the index's."""

    async def full(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(before.app.parts.store.holds, "end", full)
    assert (await before.ask(pushing(await before.key()))).status == 200
    assert "a release was not let go in the store" in caplog.messages
