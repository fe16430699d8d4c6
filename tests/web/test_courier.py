"""One message: signed as the standard says, by the reckoning of others, and every way in which it may not arrive."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
import standardwebhooks
import trustme
from aiohttp import web

from authproxy.config import SecretReference, SecretSource, Webhook
from authproxy.web import courier as room
from authproxy.web.courier import Courier, signature
from tests.peers.ports import LOOPBACK, reserved_port
from tests.peers.recording import Hang, Raw, RecordingIndex, Reply, Script

KEY = b"\x00\xff sixteen bytes or more"
BODY = '{"type":"ping","timestamp":"2027-01-15T08:00:00.000Z","data":{"a":"\\u202e"}}'


def webhook(url: str) -> Webhook:
    return Webhook("ops", url, KEY, SecretReference(SecretSource.FILE, "hook-secret"), frozenset())


@pytest_asyncio.fixture
async def courier() -> AsyncIterator[Courier]:
    """A courier without a message."""
    async with Courier() as made:
        yield made


async def test_others_verify_it(courier: Courier, recording: RecordingIndex) -> None:
    """The reference library for receivers takes the message as it arrives, and nothing that was changed on its way."""
    recording.answer = lambda _: Reply(204)
    told = await courier.bring(webhook(f"{recording.url}hooks?a=%2e&b=c"), "msg_1", BODY, now=int(time.time()))
    assert (told.status, told.trouble) == (204, None)
    [seen] = recording.requests
    headers = dict(seen.headers)
    verifier = standardwebhooks.Webhook(KEY)
    assert verifier.verify(seen.body, headers)["data"] == {"a": "\u202e"}
    assert (seen.method, seen.target) == ("POST", "/hooks?a=%2e&b=c")
    assert (seen.header("content-type"), seen.header("user-agent")) == ("application/json", "authproxy")
    assert seen.body == BODY.encode()
    assert KEY not in seen.raw
    changed = {
        "the body": (seen.body.replace(b"ping", b"pong"), headers),
        "the id": (seen.body, headers | {"webhook-id": "msg_2"}),
        "the time": (seen.body, headers | {"webhook-timestamp": str(int(time.time()) - 1)}),
    }
    for body, given in changed.values():
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            verifier.verify(body, given)


# printf 'msg_1.1800000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef -binary | base64
VECTOR = "v1,hFPHkZb+TJFc+6SeixWaB+iZ0lP+S8E60IvRcDifxrI="


def test_the_signature_is_frozen() -> None:
    """A vector that openssl reckoned."""
    assert signature(b"0123456789abcdef", "msg_1", 1_800_000_000, b"{}") == VECTOR


ANSWERS: dict[str, tuple[Script, int | None, str | None]] = {
    "ok": (Reply(200, b"thanks"), 200, None),
    "no content": (Reply(204), 204, None),
    "a long answer": (Reply(200, b"x" * 1_000_000), 200, None),
    "not found": (Reply(404), 404, "it answered 404"),
    "an error": (Reply(500, b"<html>"), 500, "it answered 500"),
    "gone": (Reply(410), 410, "it answered 410"),
    "a redirect": (Reply(302, headers=(("Location", "/elsewhere"),)), 302, "it answered 302, and redirects are not followed"),
    "one that keeps the method": (Reply(308, headers=(("Location", "/elsewhere"),)), 308, "it answered 308, and redirects are not followed"),
    "no HTTP": (Raw(b"SSH-2.0-hello \x1b[2J\r\n"), None, "the connection broke off, or what came was no answer"),
    "nothing": (Raw(b""), None, "the connection broke off, or what came was no answer"),
    "a reset": (Raw(b"", reset=True), None, "the connection broke off, or what came was no answer"),
    "half an answer": (Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), None, "the connection broke off, or what came was no answer"),
}  # fmt: skip


@pytest.mark.parametrize(("script", "status", "trouble"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_an_answer_is_its_status(
    courier: Courier, recording: RecordingIndex, script: Script, status: int | None, trouble: str | None
) -> None:
    """In words of ours, never the receiver's; and no second request, wherever the answer points."""
    recording.answer = lambda _: script
    told = await courier.bring(webhook(recording.url), "msg_1", BODY, now=1)
    assert (told.status, told.trouble) == (status, trouble)
    assert len(recording.requests) == 1


async def test_nobody_listens(courier: Courier) -> None:
    """And a name that leads nowhere."""
    told = await courier.bring(webhook(f"http://{LOOPBACK}:{reserved_port()}/"), "msg_1", BODY, now=1)
    assert (told.status, told.trouble) == (None, "it cannot be reached: connection refused")
    told = await courier.bring(webhook("http://nowhere.invalid/"), "msg_1", BODY, now=1)
    assert (told.status, told.trouble) == (None, "its name cannot be resolved")


async def test_a_receiver_has_ten_seconds(
    courier: Courier, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that says a little now and then, which no timeout between two bytes would end."""
    monkeypatch.setattr(room, "TIMEOUT", 0.5)
    recording.answer = lambda _: Hang()
    began = time.monotonic()
    told = await courier.bring(webhook(recording.url), "msg_1", BODY, now=1)
    assert told.trouble == "it did not answer within 0 seconds"

    async def dribble(request: web.BaseRequest) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(100):
            await answer.write(b"x")
            await asyncio.sleep(0.05)
        return answer

    async with served(dribble) as url:
        told = await courier.bring(webhook(url), "msg_1", BODY, now=1)
    assert (told.status, told.trouble) == (None, "it did not answer within 0 seconds")
    assert time.monotonic() - began < 4


async def test_no_proxy_of_the_environment(
    courier: Courier, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is set for other programs does not read along."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    assert (await courier.bring(webhook(recording.url), "msg_1", BODY, now=1)).status == 200


class served:  # noqa: N801 - reads as a verb
    """A receiver made of aiohttp, with a certificate where it is given one."""

    def __init__(self, handler: Callable[..., object], context: ssl.SSLContext | None = None) -> None:
        self._runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
        self._context = context

    async def __aenter__(self) -> str:
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, 0, ssl_context=self._context)
        await site.start()
        return f"{'http' if self._context is None else 'https'}://{LOOPBACK}:{site.port}/"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


async def test_tls_is_verified() -> None:
    """A certificate that nobody vouches for is none, and nothing is said without TLS instead."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(LOOPBACK).configure_cert(context)

    async def fine(_: web.BaseRequest) -> web.Response:
        return web.Response()

    async with served(fine, context) as url:
        async with Courier() as courier:
            told = await courier.bring(webhook(url), "msg_1", BODY, now=1)
        assert (told.status, told.trouble) == (None, "its TLS certificate is not trusted")
