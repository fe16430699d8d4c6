"""The end of a server: what is on its way on a kept connection arrives, what has begun is finished, nobody else is waited for."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from authproxy.config import load
from authproxy.web import protocol, server
from tests.peers.forms import body_of, parts_of, post
from tests.peers.packages import wheel
from tests.peers.ports import Address
from tests.peers.wire import Closed, Conversation
from tests.web.conftest import Running


@pytest.fixture
async def ending(running: Running) -> AsyncIterator[tuple[Address, asyncio.Event]]:
    """Another server, and what makes it end."""
    stop, began = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def serving() -> None:
        async with server.listening(load(running.file)) as (_, url):
            began.set_result(url)
            await stop.wait()

    task = asyncio.create_task(serving())
    where = urlsplit(await began)
    assert where.hostname is not None
    assert where.port is not None
    yield (where.hostname, where.port), stop
    stop.set()
    await asyncio.wait_for(task, 10)


MEANWHILE = 0.3  # seconds
ASKED = b"GET /-/healthz HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_a_kept_connection_may_ask_once_more_while_the_server_ends(
    ending: tuple[Address, asyncio.Event],
) -> None:
    """A balancer that has just had an answer sends the next request; it is answered, and told that it was the last."""
    address, stop = ending
    with Conversation(address) as conversation:
        conversation.send(ASKED)
        first = await asyncio.to_thread(conversation.answer)
        assert (first.status, first.header("connection")) == (200, None)
        stop.set()
        await asyncio.sleep(MEANWHILE)
        conversation.send(ASKED)
        last = await asyncio.to_thread(conversation.answer)
        assert (last.status, last.header("connection")) == (200, "close")
        assert await asyncio.to_thread(conversation.is_closed)


async def test_a_kept_connection_that_asks_nothing_is_ended_soon(ending: tuple[Address, asyncio.Event]) -> None:
    """The server does not wait for whoever has nothing to ask."""
    address, stop = ending
    with Conversation(address) as conversation:
        conversation.send(ASKED)
        await asyncio.to_thread(conversation.answer)
        began = time.monotonic()
        stop.set()
        assert await asyncio.to_thread(conversation.is_closed)
        assert time.monotonic() - began < protocol.FAREWELL + 2


async def test_control_a_server_that_ends_at_once_loses_the_next_request(
    ending: tuple[Address, asyncio.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the farewell is for."""
    monkeypatch.setattr(protocol, "FAREWELL", 0.0)
    address, stop = ending
    with Conversation(address) as conversation:
        conversation.send(ASKED)
        await asyncio.to_thread(conversation.answer)
        stop.set()
        await asyncio.sleep(MEANWHILE)
        conversation.send_what_it_takes(ASKED)
        with pytest.raises((Closed, ConnectionError)):
            await asyncio.to_thread(conversation.answer)


async def test_an_upload_that_has_just_begun_is_waited_for(running: Running) -> None:
    """When the idle are ended, one whose body is still on its way is not: aiohttp's end would drop the rest of it."""
    made = protocol.ProxyServer(running.app)
    raw = post(body_of(parts_of(wheel("acme-core", payload=os.urandom(20_000)))), key=None)
    async with await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0) as listener:
        with Conversation(listener.sockets[0].getsockname()) as conversation:
            conversation.send(raw[:-5_000])
            await asyncio.sleep(MEANWHILE)
            parting = asyncio.create_task(made.parted())
            await asyncio.sleep(MEANWHILE)
            assert not parting.done()
            conversation.send(raw[-5_000:])
            assert (await asyncio.to_thread(conversation.answer)).status == 401
            await asyncio.wait_for(parting, 5)
        await made.shutdown(1)
