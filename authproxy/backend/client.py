"""One request out to the index, one answer back.

Every request is built from nothing: a target that a route table accepted, headers named here, the service credentials
where they are ours to lend. Uploads travel on a connection of their own, because an index that answers early leaves
body bytes on the connection, and they would become the next request (measured with aiohttp's client). No redirect is
followed, no cookie kept, nothing decompressed, no proxy setting of the environment obeyed.

This room knows neither keys nor rules. It speaks to one `Upstream` and reads its pages by a `Flavour`.
"""

import asyncio
import hashlib
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import aiohttp
from yarl import URL

from authproxy.backend.answer import BROKE_OFF, MISCONFIGURED, SILENT, UNREACHABLE, UploadAnswer, meaning
from authproxy.backend.encoding import Encoded
from authproxy.backend.flavour import Flavour, IndexFile
from authproxy.domain.access import Outcome
from authproxy.domain.names import ProjectName
from authproxy.domain.refusal import Code, Denial, Refused, refuse

# What an index says about an upload is a sentence; 64 KiB of it is a page that nobody asked for.
ANSWER_LIMIT: Final = 64 * 1024
# A project page of 100,000 files is about 20 MiB; past that we would rather refuse than hold it.
PAGE_LIMIT: Final = 32 * 1024 * 1024
# A project that no index has: asking for it costs an index little and shows whether it takes our credentials.
PROBE: Final = ProjectName("authproxy-readiness-probe")
# Bytes per read of a body that streams through; asyncio reads at most 256 KiB from a socket at once.
PIECE: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Upstream:
    """The index as the network sees it. Timeouts are in seconds.

    `public_host` and `public_scheme` are what the index must build its links with; they come from the config alone,
    because an index that is told another host by a client poisons its pages (measured with both indexes).
    """

    url: str  # with a final slash
    public_host: str
    public_scheme: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    connect_timeout: float = 5.0
    read_timeout: float = 60.0
    upload_timeout: float = 600.0

    @property
    def authorization(self) -> str | None:
        """The service credentials as a header value."""
        if self.username is None:
            return None
        return "Basic " + b64encode(f"{self.username}:{self.password or ''}".encode()).decode("ascii")


@dataclass(slots=True)
class _Progress:
    """Whether the whole body went out: an index that says 200 before it read everything has stored a part."""

    complete: bool = False


class Backend:
    """The index behind us. Use it as an async context; it owns its connections."""

    def __init__(self, upstream: Upstream, flavour: Flavour) -> None:
        self.upstream = upstream
        self.flavour = flavour
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=upstream.connect_timeout, sock_read=upstream.read_timeout
        )
        self._reading = _session(timeout, aiohttp.TCPConnector(limit=0, keepalive_timeout=30))
        self._writing = _session(
            timeout, aiohttp.TCPConnector(limit=0, force_close=True, socket_factory=self._impatient)
        )
        self._forwarded = {
            "Host": upstream.public_host,
            "X-Forwarded-Host": upstream.public_host,
            "X-Forwarded-Proto": upstream.public_scheme,
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._reading.close()
        await self._writing.close()

    def _impatient(self, address: aiohttp.AddrInfoType) -> socket.socket:
        # After an early answer asyncio goes on trying to send what is left; an index that no longer reads would keep
        # that connection for ever. tcp(7): the kernel ends it when nothing was taken for so long.
        made = socket.socket(*address[:3])
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self.upstream.read_timeout * 1000))
        return made

    def _url(self, raw_target: str) -> URL:
        # encoded=True: yarl would otherwise rewrite dot segments and escapes after our routes have judged them.
        return URL(self.upstream.url.rstrip("/") + raw_target, encoded=True)

    @asynccontextmanager
    async def read(
        self, method: str, raw_target: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask for a page or a file. `headers` go out as they are, beside the ones that are ours to set.

        Raises Refused (index-unreachable, index-timeout) while no answer has come; what breaks later is aiohttp's
        to raise, in the middle of the answer.
        """
        try:
            response = await self._reading.request(
                method, self._url(raw_target), headers={**headers, **self._forwarded}, data=body, allow_redirects=False
            )
        except TimeoutError as exc:
            raise refuse(Code.INDEX_TIMEOUT, "the index behind the proxy did not answer in time, try again") from exc
        except aiohttp.ClientError as exc:
            raise refuse(Code.INDEX_UNREACHABLE, UNREACHABLE) from exc
        try:
            yield response
        finally:
            response.release()

    async def upload(
        self, target: str, encoded: Encoded, chunks: Callable[[], AsyncIterator[bytes]], address: str
    ) -> UploadAnswer:
        """Send one form that we wrote and say what became of it. Never raises for what the index does."""
        progress = _Progress()

        async def body() -> AsyncIterator[bytes]:
            yield encoded.head
            async for chunk in chunks():
                yield chunk
            yield encoded.tail
            progress.complete = True

        headers = {
            **self._forwarded,
            **self.credentials(),
            "X-Forwarded-For": address,
            "User-Agent": "authproxy",
            "Accept": "text/plain, */*",
            "Content-Type": encoded.content_type,
            "Content-Length": str(encoded.length),
        }
        try:
            async with (
                asyncio.timeout(self.upstream.upload_timeout),
                self._writing.post(self._url(target), data=body(), headers=headers, allow_redirects=False) as response,
            ):
                text = await _bounded(response, ANSWER_LIMIT) or b""
        except aiohttp.ClientConnectorError:
            return UploadAnswer(Outcome.FAILED, None, Denial(Code.INDEX_UNREACHABLE, UNREACHABLE))
        except TimeoutError:
            return UploadAnswer(Outcome.UNKNOWN, None, Denial(Code.INDEX_TIMEOUT, SILENT))
        except (aiohttp.ClientError, OSError, ValueError):
            return UploadAnswer(Outcome.UNKNOWN, None, Denial(Code.INDEX_UNREACHABLE, BROKE_OFF))
        return meaning(response.status, text, complete=progress.complete)

    def credentials(self) -> dict[str, str]:
        """The service credentials as headers, to lend to a read that the caller has allowed."""
        return {"Authorization": self.upstream.authorization} if self.upstream.authorization else {}

    async def trouble(self) -> str | None:
        """Say in one sentence what is wrong with the index; None where it answers and takes our credentials."""
        try:
            await self.files(PROBE)
        except Refused as refused:
            return refused.denial.reason
        return None

    async def files(self, project: ProjectName) -> tuple[IndexFile, ...] | None:
        """What the index holds of a project; None where it has no such project.

        A redirect is an index's way of saying "not here, ask the public one", so it counts as no such project.
        Raises Refused (index-unreachable, index-timeout, misconfigured).
        """
        headers = {**self.credentials(), "Accept": "text/html", "User-Agent": "authproxy"}
        async with self.read("GET", self.flavour.page(project), headers) as response:
            if response.status in (401, 403):
                raise refuse(Code.MISCONFIGURED, MISCONFIGURED)
            if response.status == 404 or 300 <= response.status < 400:
                return None
            try:
                page = await _bounded(response, PAGE_LIMIT)
            except (aiohttp.ClientError, TimeoutError, OSError) as exc:
                raise refuse(Code.INDEX_UNREACHABLE, UNREACHABLE) from exc
            if response.status != 200 or page is None:
                raise refuse(Code.INDEX_UNREACHABLE, "the index could not list this project, try again later")
        return self.flavour.files(page)

    async def sha256(self, path: str) -> str | None:
        """Read a file back and hash it; None where the index does not have it.

        Raises Refused (index-unreachable, index-timeout, misconfigured).
        """
        running = hashlib.sha256()
        headers = {**self.credentials(), "Accept-Encoding": "identity", "User-Agent": "authproxy"}
        async with self.read("GET", path, headers) as response:
            if response.status in (401, 403):
                raise refuse(Code.MISCONFIGURED, MISCONFIGURED)
            if response.status == 404 or 300 <= response.status < 400:
                return None
            if response.status != 200:
                raise refuse(Code.INDEX_UNREACHABLE, "the index could not return a file of its own, try again later")
            try:
                async for piece in response.content.iter_chunked(PIECE):
                    running.update(piece)
            except (aiohttp.ClientError, TimeoutError, OSError) as exc:
                raise refuse(Code.INDEX_UNREACHABLE, UNREACHABLE) from exc
        return running.hexdigest()


def _session(timeout: aiohttp.ClientTimeout, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=PIECE,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )


async def _bounded(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """Read an answer whole, or return None where it is longer than `limit` bytes."""
    found = bytearray()
    async for piece in response.content.iter_chunked(PIECE):
        found += piece
        if len(found) > limit:
            return None
    return bytes(found)
