"""Descriptors: the limit is raised, some are kept, the longest idle makes room, and the log stays short."""

import asyncio
import logging
import resource
import socket
import ssl
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from authproxy.web.descriptors import LOOKED_AT, Room, keep_quiet, raise_limit, room_of
from authproxy.web.entrance import Entrance, Tls
from authproxy.web.protocol import ProxyServer
from tests.peers.wire import Conversation, get, head
from tests.web.conftest import Running
from tests.web.test_entrance import pair


@dataclass(eq=False)
class Caller:
    is_waiting: bool = True
    aborted: bool = False

    def abort(self) -> None:
        self.aborted = True


def full(most: int, *waiting: bool) -> tuple[Room, list[Caller]]:
    room, callers = Room(most), [Caller(each) for each in waiting]
    for each in callers:
        room.take(each, each)
    return room, callers


def test_all_have_room_who_fit() -> None:
    """Nobody leaves before it is full."""
    _, callers = full(3, True, True, True)
    assert not any(each.aborted for each in callers)


def test_who_waits_longest_makes_room() -> None:
    """Not whoever is being served, and not the newcomer."""
    _, callers = full(3, False, True, True, True)
    assert [each.aborted for each in callers] == [False, True, False, False]


def test_the_newcomer_leaves_where_all_are_served() -> None:
    """What has begun goes on."""
    _, callers = full(2, False, False, False)
    assert [each.aborted for each in callers] == [False, False, True]


def test_whoever_left_makes_room() -> None:
    """An end is an end, twice too."""
    room, callers = full(2, True, True)
    room.leave(callers[0])
    room.leave(callers[0])
    newcomer = Caller()
    room.take(newcomer, newcomer)
    assert not any(each.aborted for each in (*callers, newcomer))


def test_the_look_is_bounded() -> None:
    """Behind so many that are served nobody is looked for."""
    _, callers = full(LOOKED_AT + 1, *[False] * LOOKED_AT, True, False)
    assert [each.aborted for each in callers] == [*[False] * (LOOKED_AT + 1), True]


def test_the_log_has_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """A flood of connections is no flood of lines."""
    full(1, *[True] * 500)
    assert [each.levelno for each in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize(("descriptors", "room"), [(20_000, 15_000), (1_024, 768), (200, 136), (64, 16), (10, 16)])
def test_some_are_kept_for_the_work(descriptors: int, room: int) -> None:
    """A quarter, at least so many that a dozen uploads have theirs."""
    assert room_of(descriptors) == room


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    """In a program of its own, since a limit cannot be lowered and raised again at will."""
    script = (
        "import resource; hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1];"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard));"
        "from authproxy.web.descriptors import raise_limit; assert raise_limit() == hard;"
        "assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0
    assert raise_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[1]


async def test_what_asyncio_repeats_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Two hundred times a second its accept loop says so (measured); anything else is told as ever (control)."""
    loop = asyncio.get_running_loop()
    keep_quiet(loop)
    for _ in range(300):
        loop.call_exception_handler({"message": "socket.accept() out of system resource", "exception": OSError(24, "")})
    assert [each.name for each in caplog.records] == ["authproxy.descriptors"]
    for _ in range(3):
        loop.call_exception_handler({"message": "another fault"})
    assert len(caplog.records) == 4


def test_a_limit_that_may_not_be_raised_is_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox that forbids the call keeps no server from starting."""

    def forbidden(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", forbidden)
    assert raise_limit() == 1024


async def test_an_idle_connection_makes_room_and_a_busy_one_stays(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over real sockets: of a half head, a kept connection and an upload under way, the oldest idle one ends."""
    monkeypatch.setattr("authproxy.web.protocol.room_of", lambda _: 2)
    server = ProxyServer(running.app)
    loop = asyncio.get_running_loop()
    async with await loop.create_server(server, "127.0.0.1", 0) as listening:
        address = listening.sockets[0].getsockname()
        await asyncio.to_thread(_three_come, address)


def _three_come(address: tuple[str, int]) -> None:
    upload = [("Content-Type", "multipart/form-data; boundary=a"), ("Content-Length", "50")]
    with Conversation(address) as busy, Conversation(address) as idle:
        busy.send(head("POST", "/", upload))
        idle.send(head("GET", "/-/healthz"))
        assert idle.answer().status == 200
        with Conversation(address) as newcomer:
            newcomer.send(get("/-/healthz"))
            assert newcomer.answer().status == 200
            assert idle.is_closed()
        busy.send(b"x" * 50)
        assert busy.answer().status == 401


async def test_silence_before_a_handshake_takes_no_more_room_than_any(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With TLS of its own: of so many that say nothing the oldest leave, and a newcomer is served at once."""
    monkeypatch.setattr("authproxy.web.protocol.room_of", lambda _: 4)
    files, authority = pair(tmp_path, "localhost")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    server = ProxyServer(running.app)
    entrance = Entrance(server, lambda: running.app.parts.config, Tls(files), server.room)
    door = socket.create_server(("127.0.0.1", 0))
    door.setblocking(False)
    address = door.getsockname()
    await entrance.open([door])
    try:
        ended, status = await asyncio.to_thread(_silent_and_one_that_asks, address, context)
        assert (ended >= 8, status) == (True, 200)
    finally:
        await entrance.close()
        await server.shutdown()


def _silent_and_one_that_asks(address: tuple[str, int], context: ssl.SSLContext) -> tuple[int, int]:
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(address, timeout=10)) for _ in range(12)]
        plain = stack.enter_context(socket.create_connection(address, timeout=10))
        asking = stack.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
        asking.sendall(get("/-/healthz"))
        status = int(asking.recv(65536).split()[1])
        for each in silent:
            each.settimeout(0.5)
        return sum(_is_over(each) for each in silent), status


def _is_over(connection: socket.socket) -> bool:
    try:
        return not connection.recv(1)
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
