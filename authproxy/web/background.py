"""Work that goes on beside the requests for as long as a block runs. What the work is, others know."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None], stop: asyncio.Event | None = None) -> AsyncIterator[None]:
    """Do some work beside the block, and wait for its end when the block ends.

    It is cancelled then, wherever it is; or, with `stop`, it is told so by that and ends by itself.
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield
    finally:
        if stop is None:
            task.cancel()
        else:
            stop.set()
        with suppress(asyncio.CancelledError):
            await task
