"""One request out to the index, one answer back.

Every request is built from nothing: a target that a route table accepted, headers named here, the service credentials
where they are ours to lend. No redirect is followed. What the connections are like stands in `pool`.

Where the index refuses the service credentials, they are renewed and the request is made once more, if that is worth it
(`login`): a refused request has changed nothing.

This room knows neither keys nor rules. It speaks to one `Upstream` and reads its pages by a `Flavour`.
"""

import asyncio
import functools
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol, Self

from authproxy.backend.answer import BROKE_OFF, MISCONFIGURED, SILENT, UNREACHABLE, UploadAnswer, meaning, to_its_user
from authproxy.backend.encoding import Encoded
from authproxy.backend.exchange import Exchange, Kind, Observe, nobody
from authproxy.backend.flavour import Flavour, IndexFile
from authproxy.backend.login import Login, Session, Unchanging, basic
from authproxy.backend.pool import Answer, Pool, Unreached
from authproxy.domain.access import Outcome
from authproxy.domain.names import ProjectName
from authproxy.domain.refusal import Code, Denial, Refused, refuse

# What an index says about an upload is a sentence; 64 KiB of it is a page that nobody asked for.
ANSWER_LIMIT: Final = 64 * 1024
# A project page of 100,000 files is about 20 MiB; past that we would rather refuse than hold it.
PAGE_LIMIT: Final = 32 * 1024 * 1024
# Pages up to this are read without a thread: they list some 430 files, 12 ms during which nobody else is served (2,000
# files took 56, measured).
PARSED_AT_ONCE: Final = 64 * 1024
# What an index says to credentials that it does not take, or to an account without the right.
REFUSALS: Final = (401, 403)
# What changes an index without being an upload.
CHANGES: Final = frozenset({"DELETE", "PATCH", "PUSH", "PUT"})
# Not the client's: devpi answers by User-Agent, and this one is neither an installer nor a browser to it.
AGENT: Final = "authproxy"


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


class Chunks(Protocol):
    """The bytes of a file, in order, as often as they are asked for until `last`."""

    def __call__(self, *, last: bool) -> AsyncIterator[bytes]:
        """Begin at the first byte."""
        ...


class Backend:
    """The index behind us. Use it as an async context; it owns its connections. `observe` is told of every exchange."""

    def __init__(self, upstream: Upstream, flavour: Flavour, observe: Observe = nobody) -> None:
        self.upstream = upstream
        self._observe = observe
        self.flavour = flavour
        self._reading = Pool(upstream.url, upstream.connect_timeout, upstream.read_timeout)
        # An index is silent while it stores a large file, deletes, or copies a release: as long as an upload may take.
        self._changing = Pool(upstream.url, upstream.connect_timeout, upstream.upload_timeout)
        outside = flavour.outside(upstream.public_scheme, upstream.public_host)
        self._forwarded = {"Host": upstream.public_host, **outside}
        self._login = self._way_in()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._reading.close()
        await self._changing.close()

    def _way_in(self) -> Login:
        username, password = self.upstream.username, self.upstream.password or ""
        if username is None:
            return Unchanging(None)
        if self.flavour.login is None:
            return Unchanging(basic(username, password))
        return Session(username, password, functools.partial(self._exchange, self.flavour.login))

    async def _exchange(self, target: str, body: bytes) -> tuple[int, bytes]:
        headers = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": AGENT}
        async with await self.read("POST", target, headers, body) as response:
            return response.status, await whole(response, ANSWER_LIMIT) or b""

    async def credentials(self) -> dict[str, str]:
        """The service credentials as headers, to lend to a request that the caller has allowed.

        Raises Refused (misconfigured, index-unreachable, index-timeout) where the index gives us no session.
        """
        value = await self._login.authorization()
        return {} if value is None else {"Authorization": value}

    async def read(self, method: str, raw_target: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Ask for a page or a file; leaving the answer as an async context gives its connection back.

        `headers` go out as they are, beside the ones that are ours to set. Raises Refused (index-unreachable,
        index-timeout) while no answer has come; what breaks later is the answer's to raise, an OSError.
        """
        pool, kind = (self._changing, Kind.CHANGE) if method in CHANGES else (self._reading, Kind.READ)
        try:
            with Exchange(kind, self._observe) as exchange:
                ours = {**headers, **self._forwarded, **exchange.headers}
                answer = await pool.ask(method, raw_target, ours, body)
                exchange.status = answer.status
                return answer
        except TimeoutError as exc:
            raise refuse(Code.INDEX_TIMEOUT, "the index behind the proxy did not answer in time, try again") from exc
        except OSError as exc:
            raise refuse(Code.INDEX_UNREACHABLE, UNREACHABLE) from exc

    async def lent(self, method: str, raw_target: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Ask as `read` does, with the service credentials. Raises Refused as `read` and `credentials` do."""
        credentials = await self.credentials()
        response = await self.read(method, raw_target, {**headers, **credentials}, body)
        if response.status not in REFUSALS:
            return response
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(response)
            if not await self.renewed(credentials):
                stack.pop_all()
                return response
        return await self.read(method, raw_target, {**headers, **await self.credentials()}, body)

    async def upload(
        self,
        index: str,
        encoded: Encoded,
        chunks: Chunks,
        address: str,
        own: str | None = None,
    ) -> UploadAnswer:
        """Send one form that we wrote to an index and say what became of it. Never raises for what the index does.

        `own` is the sender's own Authorization; the service credentials stay here then.
        """
        if own is not None:
            headers = {"X-Forwarded-For": address, "Authorization": own}
            return to_its_user(await self._send(index, encoded, functools.partial(chunks, last=True), headers))
        try:
            credentials = await self.credentials()
            first = functools.partial(chunks, last=not self._login.renewable)
            answer = await self._send(index, encoded, first, {"X-Forwarded-For": address, **credentials})
            if answer.status in REFUSALS and await self.renewed(credentials):
                credentials = await self.credentials()
                second = functools.partial(chunks, last=True)
                answer = await self._send(index, encoded, second, {"X-Forwarded-For": address, **credentials})
        except Refused as refused:
            # No session, so that nothing went out, or nothing but what the index has refused.
            return UploadAnswer(Outcome.FAILED, None, refused.denial)
        return answer

    async def _send(
        self, index: str, encoded: Encoded, chunks: Callable[[], AsyncIterator[bytes]], ours: Mapping[str, str]
    ) -> UploadAnswer:
        async def body() -> AsyncGenerator[bytes, None]:
            yield encoded.head
            async for chunk in chunks():
                yield chunk
            yield encoded.tail

        headers = {
            **self._forwarded,
            **ours,
            "User-Agent": AGENT,
            "Accept": "text/plain, */*",
            "Content-Type": encoded.content_type,
            "Content-Length": str(encoded.length),
        }
        try:
            with Exchange(Kind.UPLOAD, self._observe) as exchange:
                headers |= exchange.headers
                async with asyncio.timeout(self.upstream.upload_timeout), aclosing(body()) as sent:
                    answer, complete = await self._changing.send(self.flavour.target(index), headers, sent)
                    async with answer:
                        text = await answer.within(ANSWER_LIMIT) or b""
                exchange.status = answer.status
        except Unreached:
            return UploadAnswer(Outcome.FAILED, None, Denial(Code.INDEX_UNREACHABLE, UNREACHABLE))
        except TimeoutError:
            return UploadAnswer(Outcome.UNKNOWN, None, Denial(Code.INDEX_TIMEOUT, SILENT))
        except (OSError, ValueError):
            return UploadAnswer(Outcome.UNKNOWN, None, Denial(Code.INDEX_UNREACHABLE, BROKE_OFF))
        return meaning(answer.status, text, complete=complete)

    async def renewed(self, credentials: Mapping[str, str]) -> bool:
        """Say whether asking again is worth it, after the index refused these credentials. Raises as `credentials`."""
        return await self._login.renewed(credentials.get("Authorization"))

    async def files(self, index: str, project: ProjectName) -> tuple[IndexFile, ...] | None:
        """What an index holds of a project; None where it has no such project. Raises Refused as `listing` does."""
        page = await self.listing(index, project)
        if page is None:
            return None
        read = self.flavour.files
        return await asyncio.to_thread(read, page) if len(page) > PARSED_AT_ONCE else read(page)

    async def listing(self, index: str, project: ProjectName) -> bytes | None:
        """The listing of a project as the index writes it; None where it has no such project.

        Raises Refused (index-unreachable, index-timeout, misconfigured).
        """
        headers = {"Accept": self.flavour.accept, "User-Agent": AGENT}
        async with await self.lent("GET", self.flavour.page(index, project), headers) as response:
            if response.status in REFUSALS:
                raise refuse(Code.MISCONFIGURED, MISCONFIGURED)
            if response.status in self.flavour.absent:
                return None
            page = await whole(response, PAGE_LIMIT)
            if response.status != 200 or page is None:
                raise refuse(Code.INDEX_UNREACHABLE, "the index could not list this project, try again later")
        return page

    async def sha256(self, path: str) -> str | None:
        """Read a file back and hash it; None where the index does not have it.

        Raises Refused (index-unreachable, index-timeout, misconfigured).
        """
        running = hashlib.sha256()
        headers = {"Accept-Encoding": "identity", "User-Agent": AGENT}
        async with await self.lent("GET", path, headers) as response:
            if response.status in REFUSALS:
                raise refuse(Code.MISCONFIGURED, MISCONFIGURED)
            if response.status in self.flavour.absent:
                return None
            if response.status != 200:
                raise refuse(Code.INDEX_UNREACHABLE, "the index could not return a file of its own, try again later")
            try:
                while piece := await response.piece():
                    running.update(piece)
            except OSError as exc:
                raise refuse(Code.INDEX_UNREACHABLE, UNREACHABLE) from exc
        return running.hexdigest()


async def whole(answer: Answer, limit: int) -> bytes | None:
    """Read an answer whole, or return None where it is longer than `limit` bytes.

    Raises Refused (index-unreachable) where it breaks off.
    """
    try:
        return await answer.within(limit)
    except OSError as exc:
        raise refuse(Code.INDEX_UNREACHABLE, UNREACHABLE) from exc
