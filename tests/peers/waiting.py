"""Waiting for what others do in their own time: a program, the event loop, a replica."""

import asyncio
import time
from collections.abc import Callable

# Seconds: a machine that has other things to do as well needs some.
PATIENCE = 20.0


def wait_until(
    condition: Callable[[], object],
    why: str | Callable[[], str] = "it did not happen in time",
    within: float = PATIENCE,
) -> float:
    """Wait for it; how many seconds it took. `why` is what a test that waits in vain fails with."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within, why if isinstance(why, str) else why()
        time.sleep(0.01)
    return time.monotonic() - began


async def until(condition: Callable[[], object], within: float = PATIENCE) -> float:
    """Let the event loop run until then; how many seconds it took."""
    began = time.monotonic()
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.002)
    return time.monotonic() - began
