"""A worker's line, with the test at its other end."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry, Counter

from authproxy.web import seat as room
from authproxy.web.adding import Sample
from authproxy.web.seat import Seat


@dataclass
class Line:
    """Both ends."""

    seat: Seat
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    gone: asyncio.Event

    async def heard(self) -> list[object]:
        """What the worker says next."""
        return json.loads(await asyncio.wait_for(self.reader.readline(), 5))

    def answer(self, sample: Sample) -> None:
        self.writer.write(json.dumps(sample).encode() + b"\n")


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    """A worker that has counted three."""
    here, there = socket.socketpair()
    gone, seat = asyncio.Event(), Seat(1, there)
    seat.registry = CollectorRegistry()
    Counter("a_reads", "Reads.", registry=seat.registry).inc(3)
    reader, writer = await asyncio.open_unix_connection(sock=here)
    await seat.take(gone.set)
    yield Line(seat, reader, writer, gone)
    await seat.leave()
    writer.close()


def total(number: float) -> Sample:
    return [["a_reads", "Reads.", "counter", [["a_reads_total", [], number]]]]


async def test_a_life_is_told(line: Line) -> None:
    """Ready, alive with all counts, ready again, leaving; of a reload nothing, since it was the supervisor's wish."""
    line.seat.ready("x")
    line.seat.alive()
    line.seat.reloading()
    line.seat.ready("x")
    line.seat.stopping("x")
    assert await line.heard() == ["ready"]
    word, counts = await line.heard()
    assert word == "alive"
    assert counts[0][3][0] == ["a_reads_total", [], 3.0]
    assert await line.heard() == ["ready"]
    assert await line.heard() == ["leaving"]


async def test_a_scrape_shows_what_the_supervisor_adds_up(line: Line) -> None:
    """It is asked with the counts of this moment; two scrapes at once get their own answers, in order."""
    asked = [asyncio.create_task(line.seat.total()) for _ in range(2)]
    for number in (7, 8):
        word, counts = await line.heard()
        assert (word, counts[0][3][0][2]) == ("total", 3.0)
        line.answer(total(number))
    assert [(await each)[0][3][0][2] for each in asked] == [7, 8]


async def test_without_an_answer_it_shows_its_own(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A late answer belongs to the question that was late."""
    monkeypatch.setattr(room, "PATIENCE", 0.05)
    assert (await line.seat.total())[0][3][0][2] == 3.0
    monkeypatch.setattr(room, "PATIENCE", 5.0)
    line.answer(total(7))
    await asyncio.sleep(0.05)
    asked = asyncio.create_task(line.seat.total())
    await asyncio.sleep(0.05)
    line.answer(total(8))
    assert (await asked)[0][3][0][2] == 8


async def test_a_supervisor_that_has_gone_is_noticed(line: Line) -> None:
    """The worker ends then; what it says into the void ends nothing."""
    line.writer.close()
    await asyncio.wait_for(line.gone.wait(), 5)
    line.seat.alive()
    line.seat.ready("x")


@pytest.mark.parametrize(
    "said", [b'[["a_reads", "Rea[]\n', b"[]\n[]\n"], ids=["half an answer", "one that nobody asked for"]
)
async def test_a_line_that_cannot_be_understood_is_none(line: Line, said: bytes) -> None:
    """The worker ends as it does without a supervisor: it would not notice the end of this one, either."""
    asked = asyncio.create_task(line.seat.total())
    await line.heard()
    line.writer.write(said)
    await asyncio.wait_for(line.gone.wait(), 5)
    asked.cancel()


async def test_its_last_words_are_its_counts(line: Line) -> None:
    """What it counted since the last sign of life is not lost with it."""
    await line.seat.leave()
    word, _ = await line.heard()
    assert word == "alive"
    assert await line.reader.read() == b""
