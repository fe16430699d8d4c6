"""The ways to the index: directly through authproxy, behind nginx, behind HAProxy; and two proxies that know nothing."""

import asyncio
import re
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import aiohttp
import trustme
from aiohttp import web

from tests.e2e.front import front
from tests.heads.scene import DEVPI, HOST, POLICIES, PYPISERVER, SERVICE, Way, answers
from tests.peers import wire
from tests.peers.haproxy import haproxy
from tests.peers.ports import LOOPBACK, Address, reserved_port
from tests.peers.proxy import Proxy, proxy
from tests.peers.recording import RecordingIndex, recording_index

RECIPE = Path(__file__).parents[2] / "deploy" / "haproxy" / "authproxy.cfg"
SETTINGS = {
    "reads": "key",
    "key_policies": POLICIES,
    "public_url": f"https://{HOST}/",
    "throttle": {"failures": 100_000},  # some heads have a wrong credential, all come from one address
}


@contextmanager
def _authproxy(folder: Path, index: RecordingIndex, **more: object) -> Iterator[tuple[Proxy, str]]:
    index.answer = answers
    with proxy(folder / "proxy", index.url, service=SERVICE, **SETTINGS, **more) as running:
        yield running, running.create_key().text


@contextmanager
def directly(folder: Path) -> Iterator[Way]:
    with recording_index() as index, _authproxy(folder, index) as (running, key):
        yield Way("directly", running.address, index, PYPISERVER, key, service=[wire.basic(*SERVICE)])


@contextmanager
def devpi_directly(folder: Path) -> Iterator[Way]:
    with recording_index() as index:
        account = {"username": SERVICE[0], "password": {"file": "backend-password"}}
        backend = {"flavour": "devpi", "url": index.url, "indexes": ["team/dev"], **account}
        with _authproxy(folder, index, backend=backend) as (running, key):
            service = [wire.basic(SERVICE[0], "session")]
            yield Way("directly, before devpi", running.address, index, DEVPI, key, service=service)


@contextmanager
def behind_nginx(folder: Path) -> Iterator[Way]:
    with recording_index() as index, _authproxy(folder, index, trusted_proxies=[LOOPBACK]) as (running, key):
        (folder / "packages").mkdir()
        with front(folder / "front", running.address, index.address, folder / "packages") as before:
            own = [wire.basic(*SERVICE)]
            yield Way("behind nginx", before.address, index, PYPISERVER, key, before.trust, own, behind=True)


@contextmanager
def behind_haproxy(folder: Path) -> Iterator[Way]:
    with recording_index() as index, _authproxy(folder, index, trusted_proxies=[LOOPBACK]) as (running, key):
        address, authority = (LOOPBACK, reserved_port()), trustme.CA()
        authority.issue_cert(LOOPBACK).private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        authority.cert_pem.write_to_path(folder / "ca.pem")
        recipe = RECIPE.read_text(encoding="utf-8")
        replaced = {
            "bind :443": f"bind {address[0]}:{address[1]}",
            "/etc/haproxy/pypi.example.com.pem": f"{folder}/server.pem",
            "server authproxy 127.0.0.1:8080": f"server authproxy {running.address[0]}:{running.address[1]}",
            # Harder than the recipe: every connection to us is shared, so that what a head leaves in one is found.
            "option http-ignore-probes": "option http-ignore-probes\n    http-reuse always",
        }
        for shipped, here in replaced.items():
            assert recipe.count(shipped) == 1, shipped
            recipe = recipe.replace(shipped, here)
        with haproxy(folder / "haproxy", recipe, address):
            trust = ssl.create_default_context(cafile=str(folder / "ca.pem"))
            own = [wire.basic(*SERVICE)]
            yield Way("behind HAProxy", address, index, PYPISERVER, key, trust, own, behind=True)


# Controls

Serve = Callable[[Address], AbstractAsyncContextManager[Address]]


@contextmanager
def _garbled(index: RecordingIndex) -> Iterator[None]:
    """What the double cannot read ends a thread of its; nothing but a control sends it that."""
    index.answer, usual = answers, threading.excepthook
    threading.excepthook = lambda _: None
    try:
        yield
    finally:
        threading.excepthook = usual


@contextmanager
def _running(serve: Serve, index: RecordingIndex) -> Iterator[Address]:
    """Run a server in a thread and a loop of its own until the `with` ends."""
    loop, stop, started = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    found: list[Address] = []

    async def run() -> None:
        async with serve(index.address) as address:
            found.append(address)
            started.set()
            await stop.wait()
        await asyncio.sleep(0.1)  # what is closing closes

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        thread = threading.Thread(target=runner.run, args=(run(),))
        thread.start()
        assert started.wait(10)
        try:
            yield found[0]
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(30)


@asynccontextmanager
async def _passing_on(index: Address) -> AsyncIterator[Address]:
    """What is written in an afternoon: aiohttp's server, aiohttp's client, and everything of the client's goes on."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            body = await request.read()
            url = f"http://{index[0]}:{index[1]}{request.raw_path}"
            async with session.request(request.method, url, headers=request.headers, data=body) as answer:
                target = answer.headers.get("X-Target", "")
                return web.Response(status=answer.status, body=await answer.read(), headers={"X-Target": target})

        runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, LOOPBACK, 0)
        await site.start()
        yield LOOPBACK, site.port
        await runner.cleanup()


@asynccontextmanager
async def _by_length(index: Address) -> AsyncIterator[Address]:
    """Older still: a head ends at an empty line and a body where the first Content-Length says; both go on as bytes."""
    tasks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(_serve_by_length(index, reader, writer)))

    async with await asyncio.start_server(begin, LOOPBACK, 0) as server:
        yield server.sockets[0].getsockname()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _serve_by_length(index: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    back, forth = await asyncio.open_connection(*index)

    async def answering() -> None:
        with suppress(OSError):
            while piece := await back.read(65_536):
                writer.write(piece)
        writer.close()

    passing = asyncio.ensure_future(answering())
    try:
        with suppress(OSError, EOFError, asyncio.LimitOverrunError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
                forth.write(head + await reader.readexactly(int(length[1]) if length else 0))
    finally:
        passing.cancel()
        forth.close()
        writer.close()


@contextmanager
def naively(_: Path) -> Iterator[Way]:
    with recording_index() as index, _garbled(index), _running(_passing_on, index) as address:
        yield Way("through aiohttp alone", address, index, PYPISERVER, "no-key")


@contextmanager
def bluntly(_: Path) -> Iterator[Way]:
    with recording_index() as index, _garbled(index), _running(_by_length, index) as address:
        yield Way("by length alone", address, index, PYPISERVER, "no-key")
