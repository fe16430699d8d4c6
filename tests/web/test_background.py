"""Work beside a block: it ends with it, and by itself where it is asked to."""

import asyncio

import pytest

from authproxy.web.background import background


async def test_work_goes_on_beside_the_block_and_is_cancelled_at_its_end() -> None:
    """The block does not wait for the work, and when it is over nothing of the work goes on."""
    said: list[str] = []

    async def work() -> None:
        said.append("began")
        try:
            await asyncio.sleep(3600)
        finally:
            said.append("ended")

    async with background(work()):
        await asyncio.sleep(0)
        assert said == ["began"]
    assert said == ["began", "ended"]


async def test_work_that_is_told_to_stop_comes_to_its_own_end() -> None:
    """With `stop` nothing is cancelled: what the work does last is done, and the block's end waits for it."""
    said: list[str] = []
    stop = asyncio.Event()

    async def work() -> None:
        await stop.wait()
        await asyncio.sleep(0.01)
        said.append("written down")

    async with background(work(), stop):
        await asyncio.sleep(0)
    assert said == ["written down"]


async def test_work_ends_where_the_block_fails() -> None:
    """What the block raises is what comes out, and the work has ended by then."""
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async def failing() -> None:
        async with background(work()):
            await asyncio.sleep(0)
            raise LookupError("the block")

    with pytest.raises(LookupError, match="the block"):
        await failing()
    assert ended.is_set()


async def test_what_the_work_failed_of_is_not_lost() -> None:
    """Work that broke off for a reason of its own is no work that was cancelled: the block's end raises it."""

    async def work() -> None:
        raise LookupError("the work")

    async def beside() -> None:
        async with background(work()):
            await asyncio.sleep(0)

    with pytest.raises(LookupError, match="the work"):
        await beside()
