"""Webhooks of a real server: killed between the commit and the message, reloaded, before a receiver with TLS."""

import json
import os
import signal
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import standardwebhooks
import trustme
from aiohttp import web

from authproxy.store.driver import sqlite3
from tests.peers.clients import Client
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.ports import LOOPBACK
from tests.peers.proxy import AUTHPROXY, Installation, Proxy, installation, served
from tests.peers.recording import Hang, RecordingIndex, Reply, recording_index
from tests.peers.waiting import wait_until
from tests.peers.wire import exchange
from tests.web.receivers import SECRET, types, verified, webhook
from tests.web.test_courier import served as receiving

pytestmark = pytest.mark.e2e


@pytest.fixture
def receiver() -> Iterator[RecordingIndex]:
    """Who is told."""
    with recording_index() as made:
        yield made


@pytest.fixture
def made(tmp_path: Path, recording: RecordingIndex, receiver: RecordingIndex) -> Installation:
    """An installation with a webhook."""
    hooks = [webhook(tmp_path, receiver, "upload.done", "key.revoked")]
    folder = tmp_path / "proxy"
    folder.mkdir()
    (tmp_path / "hook-secret").rename(folder / "hook-secret")
    return installation(folder, recording.url, webhooks=hooks)


def queued(made: Installation) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(made.database)) as connection:
        return connection.execute("SELECT message, body FROM hooks ORDER BY id").fetchall()


def kill(proxy: Proxy) -> None:
    os.kill(proxy.program.pid, signal.SIGKILL)
    proxy.program.wait()


def test_a_kill_between_commit_and_message(made: Installation, receiver: RecordingIndex) -> None:
    """What was written before the kill is sent after the restart to the letter, and under the same id."""
    receiver.answer = lambda _: Hang()
    key = made.create_key()
    with served(made) as proxy:
        for number in range(3):
            assert exchange(proxy.address, upload(wheel("acme-core", f"1.{number}"), key.text)).status == 200
        kill(proxy)
    assert made.run("key", "revoke", key.id).code == 0
    left = queued(made)
    assert [json.loads(body)["type"] for _, body in left] == ["upload.done"] * 3 + ["key.revoked"]
    receiver.forget()
    receiver.answer = lambda _: Reply(204)
    with served(made):
        wait_until(lambda: len(receiver.requests) == 4)
        wait_until(lambda: queued(made) == [])
    assert [(seen.header("webhook-id"), seen.body.decode()) for seen in receiver.requests] == left
    for seen in receiver.requests:
        standardwebhooks.Webhook(SECRET.encode()).verify(seen.body, dict(seen.headers))


def test_a_kill_between_message_and_commit(made: Installation, receiver: RecordingIndex) -> None:
    """The receiver has it and the store does not know: it comes again, and its id says so."""
    key = made.create_key()
    with served(made) as proxy:

        def take_and_kill(_: object) -> Reply:
            os.kill(proxy.program.pid, signal.SIGKILL)
            return Reply(204)

        receiver.answer = take_and_kill
        assert exchange(proxy.address, upload(wheel("acme-core"), key.text)).status == 200
        proxy.program.wait()
    assert (len(receiver.requests), len(queued(made))) == (1, 1)
    receiver.answer = lambda _: Reply(204)
    with served(made):
        wait_until(lambda: queued(made) == [])
    first, again = receiver.requests
    assert first.header("webhook-id") == again.header("webhook-id")
    assert first.body == again.body


def test_a_receiver_that_hangs_slows_no_upload(made: Installation, receiver: RecordingIndex) -> None:
    """Twenty uploads while the first message waits for an answer; and a stop does not wait for it either."""
    receiver.answer = lambda _: Hang()
    key = made.create_key()
    with served(made) as proxy:
        assert exchange(proxy.address, upload(wheel("acme-core", "0.1"), key.text)).status == 200
        wait_until(lambda: len(receiver.requests) == 1)
        began = time.monotonic()
        for number in range(20):
            assert exchange(proxy.address, upload(wheel("acme-core", f"1.{number}"), key.text)).status == 200
        assert time.monotonic() - began < 8
        began = time.monotonic()
        assert proxy.program.stop() == 0
        assert time.monotonic() - began < 8
    assert len(queued(made)) == 21


def test_a_reload_adds_and_removes_a_webhook(made: Installation, receiver: RecordingIndex) -> None:
    """By SIGHUP, without a restart."""
    key = made.create_key()
    plain = json.loads(made.config.read_text())

    def reload(proxy: Proxy, hooks: object, times: int) -> None:
        made.config.write_text(json.dumps(plain | {"webhooks": hooks}))
        proxy.program.signal(signal.SIGHUP)
        wait_until(lambda: proxy.log.count("the config was reloaded") == times)

    with recording_index() as other, served(made) as proxy:
        added = plain["webhooks"][0] | {"name": "chat", "url": other.url}
        reload(proxy, [*plain["webhooks"], added], 1)
        assert exchange(proxy.address, upload(wheel("acme-core", "1.0"), key.text)).status == 200
        wait_until(lambda: len(other.requests) == len(receiver.requests) == 1)
        reload(proxy, [added], 2)
        assert exchange(proxy.address, upload(wheel("acme-core", "2.0"), key.text)).status == 200
        wait_until(lambda: len(other.requests) == 2)
        reload(proxy, [added | {"events": ["nonsense"]}], 2)
        wait_until(lambda: "was not reloaded" in proxy.log)
        assert exchange(proxy.address, upload(wheel("acme-core", "3.0"), key.text)).status == 200
        wait_until(lambda: len(other.requests) == 3)
    assert types(receiver) == ["upload.done"]
    assert [verified(seen)["data"]["version"] for seen in other.requests] == ["1.0", "2.0", "3.0"]


async def test_a_certificate_of_ones_own(made: Installation, tmp_path: Path) -> None:
    """What SSL_CERT_FILE vouches for is taken, and nothing is sent to who is not who the URL says."""
    import asyncio

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(LOOPBACK).configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    plain = json.loads(made.config.read_text())
    arrived: list[bytes] = []

    async def receive(request: web.BaseRequest) -> web.Response:
        arrived.append(await request.read())
        return web.Response()

    async with receiving(receive, context) as url:
        made.config.write_text(json.dumps(plain | {"webhooks": [plain["webhooks"][0] | {"url": url}]}))
        command = [*AUTHPROXY, "webhook", "test", "ops", "--config", str(made.config)]
        client = Client(made.folder)
        ran = await asyncio.to_thread(client.run, command)
        assert (ran.code, arrived) == (3, [])
        assert "its TLS certificate is not trusted" in ran.said
        ran = await asyncio.to_thread(client.run, command, SSL_CERT_FILE=str(tmp_path / "ca.pem"))
        assert ran.code == 0, ran.said
        assert len(arrived) == 1
