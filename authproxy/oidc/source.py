"""Where key sets come from: over TLS, from the issuer that the config names, within three seconds, and small.

The document of discovery is believed because it came from the issuer over verified TLS; it has to name the issuer as
the config does (OpenID Connect Discovery 1.0, section 4.3) and keys at an https URL. That URL may be of another host:
Google's keys are at www.googleapis.com, those of a Kubernetes at its API server. No redirect is followed, no cookie
kept, no proxy of the environment asked, nothing decompressed. What was wrong is said in words of ours.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiohttp
from yarl import URL

from authproxy.oidc.issuers import Issuer, is_safe
from authproxy.oidc.strict import json_object

# Seconds for both documents together, names and handshakes included: clients give a mint 5 s, and the rest of it (two
# commits on a slow disk) wants its share.
FETCH_TIME: Final = 3.0
# A key of 4096 bits with its certificates is 4 KB; 100 of them are within this.
KEYS_BYTES: Final = 512 * 1024
# GitHub's discovery document, with all its claims, has 1.5 KB; Keycloak's 6.
DISCOVERY_BYTES: Final = 64 * 1024
_PIECE: Final = 64 * 1024
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "authproxy"}


class Unavailable(Exception):
    """No key set was to be had; the sentence goes on after the issuer's name and holds nothing that it sent."""


async def key_set_of(issuer: Issuer, fetch_time: float = FETCH_TIME) -> bytes:
    """Bring an issuer's JWKS as it is. Raises Unavailable, after `fetch_time` seconds at the latest."""
    try:
        async with asyncio.timeout(fetch_time):
            # Read anew each time: a CA may be replaced while we run, and this is once a minute at most.
            context = await asyncio.to_thread(_trusting, issuer)
            async with _connected() as session:
                url = issuer.keys_url or await _discovered(session, issuer, context)
                return await _document(session, url, KEYS_BYTES, context, "key set")
    except TimeoutError:
        raise Unavailable(f"did not answer within {fetch_time:g} seconds") from None
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        raise Unavailable(_sentence(exc)) from exc


@asynccontextmanager
async def _connected() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session for one fetch, and hang up on the issuer when it ends.

    asyncio closes TLS by asking the other side to agree, and reads for up to 30 s what it sends instead; an issuer
    that never stops would be listened to for as long.
    """
    sockets: list[socket.socket] = []

    def noted(address: aiohttp.AddrInfoType) -> socket.socket:
        sockets.append(socket.socket(*address[:3]))
        return sockets[-1]

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(socket_factory=noted),
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    ) as session:
        try:
            yield session
        finally:
            for opened in sockets:
                with suppress(OSError):  # most are closed by now
                    opened.shutdown(socket.SHUT_RDWR)


async def _discovered(session: aiohttp.ClientSession, issuer: Issuer, context: ssl.SSLContext) -> str:
    raw = await _document(session, issuer.discovery_url, DISCOVERY_BYTES, context, "discovery document")
    try:
        document = json_object(raw)
    except ValueError as exc:
        raise Unavailable(f"has a discovery document that cannot be read: {exc}") from exc
    if document.get("issuer") != issuer.url:
        raise Unavailable("has a discovery document of another issuer: write the issuer as that document does")
    found = document.get("jwks_uri")
    if not isinstance(found, str) or not is_safe(found):
        raise Unavailable("has a discovery document that names no https URL for its keys")
    return found


async def _document(session: aiohttp.ClientSession, url: str, limit: int, context: ssl.SSLContext, what: str) -> bytes:
    # encoded=True: the URL goes out as the config or the document has it.
    target = URL(url, encoded=True)
    async with session.get(target, headers=_HEADERS, ssl=context, allow_redirects=False) as response:
        if 300 <= response.status < 400:
            raise Unavailable(f"answers with a redirect for its {what}, and redirects are not followed")
        if response.status != 200:
            raise Unavailable(f"answers {response.status} for its {what}")
        found = bytearray()
        async for piece in response.content.iter_chunked(_PIECE):
            found += piece
            if len(found) > limit:
                raise Unavailable(f"has a {what} of more than {limit} bytes")
        return bytes(found)


def _trusting(issuer: Issuer) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=issuer.ca_file)
    except OSError as exc:  # an SSLError is one
        raise Unavailable("cannot be asked: the file of its certificate authority cannot be read") from exc


def _sentence(exc: Exception) -> str:
    """Say what went wrong below HTTP: aiohttp's own words quote what was sent."""
    match exc:
        case aiohttp.ClientConnectorCertificateError():
            return "has a TLS certificate that is not trusted here"
        case aiohttp.ClientSSLError():
            return "cannot be reached: TLS with it failed"
        case aiohttp.ClientConnectorDNSError():
            return "has a name that cannot be resolved"
        case aiohttp.ClientConnectorError() if exc.errno:
            return f"cannot be reached: {os.strerror(exc.errno).lower()}"
        case _:
            return "broke the connection off, or sent what is no answer"
