"""Where the parts meet: one request in, one response out, and every failure below becomes one response here."""

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from aiohttp import hdrs
from aiohttp.web import BaseRequest, RequestPayloadError, StreamResponse

from authproxy.audit import Origin
from authproxy.backend.spans import tell
from authproxy.config import Config
from authproxy.domain.keys import shows_secret
from authproxy.domain.refusal import Code, Denial, Refused, refuse
from authproxy.store import StoreBusy, StoreError, StoreFull, StoreLost
from authproxy.web import head
from authproxy.web.about import about
from authproxy.web.answers import marked
from authproxy.web.chores import chores
from authproxy.web.errors import respond
from authproxy.web.forward_auth import is_asked, said_again
from authproxy.web.head import Address
from authproxy.web.metrics import NOT_READY
from authproxy.web.own import HEALTH
from authproxy.web.parts import Parts, assembled, masters_of
from authproxy.web.receive import drain
from authproxy.web.recordkeeping import recordkeeping
from authproxy.web.routes import ROUTES, action_of
from authproxy.web.settling import kept_settled
from authproxy.web.telling import telling

log: Final = logging.getLogger("authproxy.web")

# What a reload leaves as it is, because a socket, a pool, a file or a cache hangs on it.
FIXED: Final = (
    *("listen", "metrics", "public_url", "backend", "store", "store_password", "store_grace", "state_directory"),
    *("keys", "throttle", "log", "socket_mode", "tls", "proxy_protocol", "workers"),
)

# Requests are numbered from a random start: no secret, and never the same in two runs. 16 hexadecimal digits.
REQUEST_IDS: Final = 1 << 64

# Whose no it is where nothing was refused: that of the index, but for these actions.
NOES: Final = {"mint": "refused", "own": NOT_READY}

STORE_DOWN: Final = Denial(Code.BUSY, "the proxy's store does not answer: its operator must mend that", retry_after=30)
STORE_DENIALS: Final[dict[type[StoreError], Denial]] = {
    StoreLost: Denial(Code.BUSY, "the proxy's database is away: nothing was done, try again", retry_after=5),
    StoreBusy: Denial(Code.BUSY, "the proxy's store is busy, try again", retry_after=2),
    StoreFull: Denial(Code.STORAGE_FULL, "the proxy's disk is full: nothing was uploaded, try again later"),
}
STORE_TROUBLES: Final[dict[type[StoreError], str]] = {StoreLost: "away", StoreBusy: "busy", StoreFull: "full"}
KEY_IN_TARGET: Final = "a key does not belong in a URL: send it in the Authorization header, and replace this one"
INTERNAL: Final = Denial(Code.INTERNAL, "the proxy failed: its log says how, its operator must mend that")


def kept(old: Config, new: Config) -> tuple[Config, list[str]]:
    """A new config as it holds without a restart, and the names of the settings in it that need one."""
    fixed = {name: getattr(old, name) for name in FIXED}
    return replace(new, **fixed), [name for name, value in fixed.items() if getattr(new, name) != value]


class App:
    """The running proxy. `handle` is what the server calls; `reload` takes a new config from the next request on."""

    def __init__(self, parts: Parts) -> None:
        self.parts = replace(parts, latest=lambda: self.parts.config.policy)
        self._numbers = itertools.count(secrets.randbelow(REQUEST_IDS))
        self._under_way = 0
        self._draining: asyncio.Future[None] | None = None

    def reload(self, config: Config) -> list[str]:
        """Take a new config; return the names of the settings that changed there and need a restart to change here."""
        taken, restart = kept(self.parts.config, config)
        if config.masters != self.parts.config.masters:
            self.parts.authority.under(masters_of(config))
        if config.policy.publishers != self.parts.config.policy.publishers:
            self.parts.publishers.follow(config.policy, now=self.parts.now())
        self.parts = replace(self.parts, config=taken)
        self.parts.store.webhooks.subscribe(config.wanted)
        return restart

    @property
    def under_way(self) -> int:
        """How many requests are being answered."""
        return self._under_way

    async def drained(self) -> None:
        """Wait until no request is under way; from now on every answer closes its connection."""
        self._draining = asyncio.get_running_loop().create_future()
        if self._under_way:
            await self._draining

    async def handle(self, request: BaseRequest) -> StreamResponse:
        """Answer one request, whatever happens."""
        self._under_way += 1
        try:
            response = await self._handle(request)
            if self._draining is not None and not response.prepared:
                response.force_close()
            return response
        finally:
            self._under_way -= 1
            if self._draining is not None and not self._under_way and not self._draining.done():
                self._draining.set_result(None)

    async def _handle(self, request: BaseRequest) -> StreamResponse:
        started, parts = time.perf_counter(), self.parts
        action = action_of(parts.backend.flavour, request)
        again = said_again(parts, request) if action == "auth" else None
        if again is not None and not log.isEnabledFor(logging.INFO):  # nobody wants to know more of it
            again.headers.setdefault(hdrs.SERVER, "authproxy")
            parts.metrics.count("auth", "ok", time.perf_counter() - started)
            tell(action="auth", answer="ok")
            return again
        address = head.address_of(request, parts.config.trusted_proxies)
        number = f"{next(self._numbers) % REQUEST_IDS:016x}"
        origin = Origin(number, int(parts.clock() * 1000), head.written(address), head.client_of(request))
        answer = await _answer(action, parts, request, origin, address) if again is None else again
        denial = answer if isinstance(answer, Denial) else None
        response = await _refusal(parts, request, answer) if isinstance(answer, Denial) else answer
        if not response.prepared:
            response.headers.setdefault(hdrs.SERVER, "authproxy")  # aiohttp would tell its version and Python's
            response.headers["X-Request-Id"] = origin.request_id
        _tell(parts, request, origin, action, denial, response.status, time.perf_counter() - started)
        return response


async def _answer(
    action: str, parts: Parts, request: BaseRequest, origin: Origin, address: Address
) -> StreamResponse | Denial:
    """Whatever goes wrong is a denial; what goes wrong unforeseen is in the log as well."""
    try:
        head.check(request)
        if shows_secret(unquote(request.raw_path), parts.config.keys.prefix):
            raise refuse(Code.REQUEST_INVALID, KEY_IN_TARGET)
        return await ROUTES[action](parts, request, origin, address)
    except Refused as refused:
        return refused.denial
    except StoreError as exc:
        parts.metrics.store_failures.labels(STORE_TROUBLES.get(type(exc), "broken")).inc()
        log.error("the store failed", extra={"request_id": origin.request_id, "trouble": str(exc)})  # noqa: TRY400
        return STORE_DENIALS.get(type(exc), STORE_DOWN)
    except (ConnectionError, RequestPayloadError):
        return Denial(Code.REQUEST_INVALID, "the body ended before it was complete")
    except Exception:
        log.exception("a request failed", extra={"request_id": origin.request_id})
        return INTERNAL


async def _refusal(parts: Parts, request: BaseRequest, denial: Denial) -> StreamResponse:
    """Let the client finish, so that it listens, and then tell it."""
    # Whoever was too slow has had its time already.
    whole = denial.code is not Code.TIMEOUT and await drain(request, parts.config.limits)
    varies = parts.backend.flavour.varies
    response = respond(denial, request, to_front=is_asked(request.raw_path), varies=varies)
    response.headers.update(marked(parts.backend.flavour))
    if not whole:
        response.force_close()
    if request.writer.output_size > 0 and request.transport is not None:
        # Half an answer is out: only a broken connection tells the client that it was not the whole.
        request.transport.abort()
    return response


def _tell(
    parts: Parts,
    request: BaseRequest,
    origin: Origin,
    action: str,
    denial: Denial | None,
    status: int,
    seconds: float,
) -> None:
    """Count the request and log it in one line; what the client wrote appears as bounded data only."""
    answer = denial.code if denial else "ok" if status < HTTPStatus.BAD_REQUEST else NOES.get(action, "index")
    parts.metrics.count(action, answer, seconds)
    tell(action=action, answer=answer)
    if denial is not None and denial.code is Code.MISCONFIGURED:
        parts.metrics.misconfigured.set(1)
        log.error("the index refuses this proxy", extra={"request_id": origin.request_id, "reason": denial.reason})
    level = _level(request, answer, status, refused=denial is not None)
    if log.isEnabledFor(level):
        log.log(
            level,
            "%s %s",
            action,
            answer,
            extra={
                "request_id": origin.request_id,
                **about(request),
                "address": origin.address,
                "method": request.method[:20],
                "target": _target(parts, request),
                "client": origin.client,
                "status": status,
                "reason": denial.reason if denial else None,
                "ms": round(seconds * 1000, 1),
            },
        )


def _level(request: BaseRequest, answer: str, status: int, *, refused: bool) -> int:
    """How loud the line of a request is."""
    if answer == NOT_READY or (refused and status != HTTPStatus.UNAUTHORIZED):
        return logging.WARNING
    # A balancer asks every few seconds for ever: that all is well would be most of the log.
    return logging.DEBUG if answer == "ok" and request.raw_path in HEALTH else logging.INFO


def _target(parts: Parts, request: BaseRequest) -> str:
    """What was asked for, for the log; a key in it may be escaped."""
    secret = shows_secret(unquote(request.raw_path), parts.config.keys.prefix)
    return "(holds a key)" if secret else request.raw_path[:200]


@asynccontextmanager
async def running(config: Config, *, clock: Callable[[], float] = time.time, first: bool = True) -> AsyncIterator[App]:
    """Open all parts of a proxy and put them together. Raises StoreError where the store cannot be opened.

    Of several processes of one server the `first` says in the log what is news to none of the others.
    """
    async with AsyncExitStack() as stack:
        app = App(await assembled(config, stack, clock))
        await stack.enter_async_context(kept_settled(app.parts.ledger, app.parts.metrics, app.parts.now))
        await stack.enter_async_context(chores(lambda: app.parts, announces=first))
        await stack.enter_async_context(recordkeeping(lambda: app.parts))
        await stack.enter_async_context(telling(lambda: app.parts))
        yield app
