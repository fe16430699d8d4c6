"""Nobody waits for more than one turn of each other."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from authproxy.web.turns import Turns
from tests.peers.forms import upload
from tests.peers.packages import sdist, wheel
from tests.web.conftest import Running

Take = Callable[[str], AbstractAsyncContextManager[None]]


async def order_of(take: Take, *whose: str) -> list[str]:
    """In which order turns end that are asked for in this one, each as soon as it has begun."""
    ended: list[str] = []

    async def one(name: str) -> None:
        async with take(name):
            await asyncio.sleep(0)
            ended.append(name)

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        for name in whose:
            tasks.create_task(one(name))
    return ended


FLOOD = ["mallory"] * 30


async def test_who_comes_often_waits_behind_themselves() -> None:
    """An honest upload behind thirty of one other key waits for one of them, with one place; and with two for none."""
    turns = Turns(1)
    ended = await order_of(turns.turn, *FLOOD, "alice", "bob")
    assert set(ended[:3]) == {"mallory", "alice", "bob"}
    assert ended.count("mallory") == len(FLOOD)
    assert len(turns) == 0


async def test_one_queue_for_all_is_caught() -> None:
    """The control: a semaphore alone lets thirty go first."""
    places = asyncio.Semaphore(1)

    @asynccontextmanager
    async def in_line(_whose: str) -> Any:
        async with places:
            yield

    ended = await order_of(in_line, *FLOOD, "alice", "bob")
    assert ended[-2:] == ["alice", "bob"]


@pytest.mark.parametrize("places", [1, 2, 3])
async def test_nobody_has_two_places_and_no_place_is_made(places: int) -> None:
    """Whatever is asked for at once."""
    turns, inside = Turns(places), list[str]()

    async def one(name: str) -> None:
        async with turns.turn(name):
            inside.append(name)
            assert len(inside) <= places
            assert len(set(inside)) == len(inside)
            await asyncio.sleep(0)
            inside.remove(name)

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        for number in range(60):
            tasks.create_task(one(f"key {number % 5}"))
    assert len(turns) == 0


async def test_nothing_is_kept_of_who_gave_up() -> None:
    """Whether they had a place, waited for one, or waited behind themselves; and a block that fails gives its place."""
    turns = Turns(1)

    async def stay(name: str) -> None:
        async with turns.turn(name):
            await asyncio.sleep(60)

    tasks = [asyncio.create_task(stay(name)) for name in ("alice", "alice", "bob", "bob")]
    await asyncio.sleep(0.01)
    assert len(turns) == 2
    for task in tasks[::-1]:
        task.cancel()
    assert all(
        isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*tasks, return_exceptions=True)
    )
    with suppress(ZeroDivisionError):
        async with turns.turn("carol"):
            raise ZeroDivisionError
    assert len(turns) == 0
    assert await order_of(turns.turn, "alice", "bob") == ["alice", "bob"]


async def test_archives_are_read_in_turn(running: Running) -> None:
    """While one archive of a key is read its others wait, and those of another key do not; what is light waits for none."""
    turns = Turns(2)
    running.app.parts = replace(running.app.parts, archives=turns)
    busy, other = await running.key(), await running.key()
    async with turns.turn(busy.split("_")[1][:-1]):
        waiting = [
            asyncio.create_task(running.ask(upload(sdist("acme-core", f"1.{number}"), busy))) for number in range(3)
        ]
        await asyncio.sleep(0.5)
        for package, key in ((sdist("acme-docs", "1.0"), other), (wheel("acme-core", "1.0"), busy)):
            answer = await running.ask(upload(package, key))
            assert (answer.status, answer.text) == (200, "uploaded\n")
        assert not any(task.done() for task in waiting)
    assert [(await task).status for task in waiting] == [200] * 3
    assert len(turns) == 0
