"""The running proxy tells its webhooks, behind the backs of its requests: what happened, once, until it is heard."""

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from authproxy.config import load
from authproxy.store import StoreError
from authproxy.store import webhooks as queues
from authproxy.web import telling as room
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.recording import Hang, RecordingIndex, Reply, recording_index
from tests.peers.waiting import until
from tests.web.conftest import Running
from tests.web.receivers import types, verified, webhook

EVENTS = ("upload.done", "upload.refused", "key.created", "key.revoked")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at the queues every now and then, where production does it every second."""
    monkeypatch.setattr(room, "POLL", 0.02)
    monkeypatch.setattr(room, "LOOK", 0.05)


@pytest.fixture
def receiver() -> Iterator[RecordingIndex]:
    """Who is told."""
    with recording_index() as made:
        made.answer = lambda _: Reply(204)
        yield made


def reload(running: Running, *webhooks: dict[str, Any]) -> None:
    running.write(webhooks=list(webhooks))
    assert running.app.reload(load(running.file)) == [], "webhooks need no restart"


@pytest.fixture
def told(running: Running, receiver: RecordingIndex) -> Running:
    """A proxy with a webhook."""
    reload(running, webhook(running.file.parent, receiver, *EVENTS))
    return running


def value(running: Running, metric: str, name: str = "ops") -> float | None:
    return running.app.parts.metrics.registry.get_sample_value(metric, {"webhook": name})


async def test_what_happens_is_told(told: Running, receiver: RecordingIndex) -> None:
    """In its order, each once, signed; and the queue is empty then."""
    key = await told.key()
    assert (await told.ask(upload(wheel("acme-core"), key))).status == 200
    assert (await told.ask(upload(wheel("victim"), key))).status == 403
    await until(lambda: len(receiver.requests) == 3)
    assert types(receiver) == ["key.created", "upload.done", "upload.refused"]
    done = verified(receiver.requests[1])["data"]
    assert (done["project"], done["outcome"], done["owner"]) == ("acme-core", "stored", "ci@acme.test")
    assert len({seen.header("webhook-id") for seen in receiver.requests}) == 3
    assert not any(key.encode() in seen.raw for seen in receiver.requests)
    await until(lambda: value(told, "authproxy_webhook_waiting") == 0)
    assert value(told, "authproxy_webhook_sent_total") == 3
    await asyncio.sleep(0.2)
    assert len(receiver.requests) == 3


async def test_it_is_tried_again_with_the_same_words(
    told: Running, receiver: RecordingIndex, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The id and the body stay; the log says once that it does not go, and once that it goes again."""
    caplog.set_level(logging.INFO, "authproxy.webhooks")
    monkeypatch.setattr(queues, "FIRST_PAUSE", 0)
    receiver.answer = lambda _: Reply(204 if len(receiver.requests) > 3 else 500)
    await told.key()
    await told.key()
    await until(lambda: len(receiver.requests) == 5)
    ids = [seen.header("webhook-id") for seen in receiver.requests]
    assert len(set(ids[:4])) == 1
    assert ids[4] != ids[0], "the next one waited"
    assert len({seen.body for seen in receiver.requests[:4]}) == 1
    await until(lambda: value(told, "authproxy_webhook_sent_total") == 2)
    assert value(told, "authproxy_webhook_failed_total") == 3
    said = [record.getMessage() for record in caplog.records if record.name == "authproxy.webhooks"]
    assert said == ["a webhook does not take events, they wait", "a webhook takes events again"]


async def test_a_receiver_that_hangs_is_in_nobodys_way(told: Running, receiver: RecordingIndex) -> None:
    """Uploads are answered as ever, and another webhook is told."""
    with recording_index() as other:
        folder = told.file.parent
        reload(told, webhook(folder, receiver, *EVENTS), webhook(folder, other, "upload.done", name="chat"))
        receiver.answer = lambda _: Hang()
        key = await told.key()
        await until(lambda: len(receiver.requests) == 1)
        began = time.monotonic()
        for number in range(5):
            assert (await told.ask(upload(wheel("acme-core", f"1.{number}"), key))).status == 200
        assert time.monotonic() - began < 5
        await until(lambda: len(other.requests) == 5)
        assert len(receiver.requests) == 1


async def test_webhooks_come_and_go_with_the_config(told: Running, receiver: RecordingIndex) -> None:
    """What one that left had waiting waits for its return; a new one hears of what happens from then on."""
    receiver.answer = lambda _: Reply(503)
    await told.key()
    await until(lambda: len(receiver.requests) == 1)
    reload(told)
    receiver.answer = lambda _: Reply(204)
    await told.key()
    with recording_index() as other:
        reload(told, webhook(told.file.parent, other, *EVENTS, name="chat"))
        await told.key()
        await until(lambda: len(other.requests) == 1)
    await asyncio.sleep(0.2)
    assert len(receiver.requests) == 1, "nobody asks it any more"
    reload(told, webhook(told.file.parent, receiver, *EVENTS))
    await until(lambda: len(receiver.requests) == 2)  # five seconds after its failure
    first, again = receiver.requests
    assert (first.header("webhook-id"), first.body) == (again.header("webhook-id"), again.body)


async def test_a_store_that_fails_does_not_make_it_say_all_again(
    told: Running, receiver: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was brought and could not be taken away is not brought a second time, as long as the program lives."""
    hooks = told.app.parts.store.webhooks
    real, fails = hooks.settle, [True]

    async def settle(*given: Any, **more: Any) -> None:
        if fails[0]:
            raise StoreError("no room")
        await real(*given, **more)

    monkeypatch.setattr(hooks, "settle", settle)
    await told.key()
    await until(lambda: len(receiver.requests) == 1)
    await asyncio.sleep(0.3)
    fails[0] = False
    await told.key()
    await until(lambda: len(receiver.requests) == 2)
    assert len({seen.header("webhook-id") for seen in receiver.requests}) == 2


async def test_what_was_dropped_is_said(
    told: Running, receiver: RecordingIndex, caplog: pytest.LogCaptureFixture
) -> None:
    """An error in the log and a number in the metrics, once for each time."""
    from authproxy.store import outbox

    receiver.answer = lambda _: Reply(500)
    await told.key()
    await until(lambda: value(told, "authproxy_webhook_waiting") == 1)
    await told.app.parts.store._worker.write(lambda connection: outbox.count_dropped(connection, "ops", 7))
    await until(lambda: value(told, "authproxy_webhook_dropped") == 7)
    await asyncio.sleep(0.2)
    [line] = [each for each in caplog.records if each.name.startswith("authproxy.") and each.levelno == logging.ERROR]
    assert (vars(line)["webhook"], vars(line)["dropped"]) == ("ops", 7)


async def test_ends_of_keys_are_told_by_the_hour(running: Running, receiver: RecordingIndex) -> None:
    """Of a webhook that is new, at once."""
    from tests.web.ledgers import KEY

    now = running.app.parts.now()
    await running.app.parts.store.add_key(replace(KEY, created=now - 90 * 86_400, expires=now + 5 * 86_400))
    reload(running, webhook(running.file.parent, receiver, "key.expiring"))
    await until(lambda: len(receiver.requests) == 1)
    assert verified(receiver.requests[0])["data"]["within_days"] == 7


async def test_a_long_queue_is_taken_away_as_it_goes(
    told: Running, receiver: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages share a commit, but a slow receiver's are not kept for long as if they had not been taken."""
    receiver.answer = lambda _: Reply(500)
    await told.key()
    await until(lambda: len(receiver.requests) == 1)
    for _ in range(4):
        await told.key()
    batches: list[int] = []
    hooks = told.app.parts.store.webhooks
    real = hooks.settle

    async def settle(name: str, sent: Any, *given: Any, **more: Any) -> None:
        batches.append(len(sent))
        await real(name, sent, *given, **more)

    monkeypatch.setattr(hooks, "settle", settle)
    monkeypatch.setattr(room, "BATCH_SECONDS", 0.0)
    receiver.answer = lambda _: Reply(204)
    await until(lambda: len(receiver.requests) == 6)
    await until(lambda: sum(batches) == 5)
    assert batches == [1] * 5
