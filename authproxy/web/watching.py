"""Readiness as a metric: asked twice a minute where metrics are shown, so that an alert needs no probe of its own."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from authproxy.web.background import background
from authproxy.web.parts import Parts
from authproxy.web.readiness import INDEX, SPOOL, STORE

log: Final = logging.getLogger("authproxy.watching")

# Seconds between two questions, each of them a request to the index; the first comes after one.
PERIOD: Final = 30.0


async def look(parts: Parts) -> None:
    """Ask once, and show what was said."""
    missing = {each.what for each in await parts.readiness.troubles(parts.config) if not each.remark}
    for what in (STORE, SPOOL, INDEX):
        parts.metrics.not_ready.labels(what).set(int(what in missing))


async def _watch(parts: Callable[[], Parts]) -> None:
    while True:
        await asyncio.sleep(PERIOD)
        try:
            await look(parts())
        except Exception:
            log.exception("readiness could not be asked for")


@asynccontextmanager
async def watched(parts: Callable[[], Parts]) -> AsyncIterator[None]:
    """Watch as long as the block runs."""
    async with background(_watch(parts)):
        yield
