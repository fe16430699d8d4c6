"""One message to one webhook: signed, sent, and what came of it in a sentence.

The form is that of Standard Webhooks 1.0.0 (https://www.standardwebhooks.com), for which there are libraries in most
languages: the headers webhook-id, webhook-timestamp and webhook-signature, the last one `v1,` and the Base64 of
HMAC-SHA256 over `id.timestamp.body`. The time is that of the try, so that a receiver can refuse what is old.

The URL is the operator's. No redirect is followed, no proxy of the environment asked; of the answer the status counts,
and the rest of it is neither kept nor shown.
"""

import asyncio
import base64
import hashlib
import hmac
import os
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import aiohttp
from yarl import URL

from authproxy.config import Webhook

# Seconds for one try, from the name's resolution to the end of the answer.
TIMEOUT: Final = 10.0
# Bytes of an answer that are read so that the receiver can say all it has to; nobody looks at them.
ANSWER_LIMIT: Final = 64 * 1024
AGENT: Final = "authproxy"


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a try: the status, if there was an answer, and what was wrong; None: the receiver has it."""

    status: int | None
    trouble: str | None


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Sign a message; `timestamp` is in unix seconds."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


class Courier:
    """Brings messages. Use it as an async context; every message has a connection of its own."""

    def __init__(self) -> None:
        self._session = _session()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def bring(self, webhook: Webhook, message_id: str, body: str, *, now: int) -> Told:
        """Send a message. Never raises for what the receiver does."""
        assert webhook.secret is not None, "the config of who sends was read with its secrets"
        content = body.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": AGENT,
            "webhook-id": message_id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(webhook.secret, message_id, now, content),
        }
        try:
            async with asyncio.timeout(TIMEOUT):
                status = await self._post(webhook.url, content, headers)
        except TimeoutError:
            return Told(None, f"it did not answer within {TIMEOUT:.0f} seconds")
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return Told(None, _sentence(exc))
        return Told(status, _objection(status))

    async def _post(self, url: str, content: bytes, headers: dict[str, str]) -> int:
        target = URL(url, encoded=True)
        async with self._session.post(target, data=content, headers=headers, allow_redirects=False) as response:
            left = ANSWER_LIMIT
            async for piece in response.content.iter_any():
                left -= len(piece)
                if left < 0:
                    break
            return response.status


def _session() -> aiohttp.ClientSession:
    """No connection is used twice, no cookie kept, no setting of the environment obeyed, nothing decompressed."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT, sock_read=TIMEOUT),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )


def _objection(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    return f"it answered {status}" + (", and redirects are not followed" if 300 <= status < 400 else "")


def _sentence(exc: Exception) -> str:
    """Say what went wrong below HTTP in words of ours: aiohttp's quote what a receiver sent."""
    match exc:
        case aiohttp.ClientConnectorCertificateError():
            return "its TLS certificate is not trusted"
        case aiohttp.ClientSSLError():
            return "TLS with it failed"
        case aiohttp.ClientConnectorDNSError():
            return "its name cannot be resolved"
        case aiohttp.ClientConnectorError():
            return f"it cannot be reached: {os.strerror(exc.errno).lower() if exc.errno else 'no connection'}"
        case _:
            return "the connection broke off, or what came was no answer"
