"""A record stands for a turn of the event loop, and a request is answered after the store was asked for it."""

import asyncio
import socket

import pytest
import uvloop

from authproxy.authority.records import KeyRecords
from authproxy.domain.keys import KeyId, KeyRecord
from tests.authority.conftest import NOW


class Counted:
    """A store in which nothing changes."""

    def generation(self):
        return 1


class Woken(asyncio.Protocol):
    """What a server's protocol does with a request: it wakes who handles it."""

    def __init__(self):
        self.woken = asyncio.get_running_loop().create_future()

    def data_received(self, _data):
        self.woken.set_result(None)


async def seen_by_a_request(records, record):
    """Whether a request that came after the store was asked, in the same turn, is answered by that look."""
    left, right = socket.socketpair()
    transport, protocol = await asyncio.get_running_loop().connect_accepted_socket(Woken, right)

    async def answered():
        await protocol.woken
        return records._asked

    answering = asyncio.create_task(answered())
    await asyncio.sleep(0.01)
    records.stands(record)
    assert records._asked
    left.send(b"x")
    seen = await answering
    transport.abort()
    left.close()
    return seen


LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS.keys())
def test_a_request_is_answered_after_the_store_was_asked_for_it(loop):
    """What the loops' order of things is relied on for: a task that a socket woke runs after the last turn's end."""
    record = KeyRecord(KeyId("AAAAAAAAAAAA"), "o", "", "p", (), (), None, 0, NOW, None, False, None, ())
    with asyncio.Runner(loop_factory=loop) as runner:
        assert not runner.run(seen_by_a_request(KeyRecords(Counted()), record))


def test_a_turn_without_an_end_is_seen():
    """The control: a look that held for longer would answer a request that came after it."""
    record = KeyRecord(KeyId("AAAAAAAAAAAA"), "o", "", "p", (), (), None, 0, NOW, None, False, None, ())
    records = KeyRecords(Counted())
    records._end_turn = lambda: None
    with asyncio.Runner() as runner:
        assert runner.run(seen_by_a_request(records, record))
