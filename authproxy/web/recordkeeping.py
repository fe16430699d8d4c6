"""What the record needs by the clock: the refusals that were counted are written down, and what is too old leaves.

No request waits for it. The pruning goes in small batches with pauses between them, so that uploads get their turns.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from authproxy.store import StoreError
from authproxy.web.background import background
from authproxy.web.parts import Parts

log: Final = logging.getLogger("authproxy.record")

# Seconds between two looks at what was counted.
MINUTE: Final = 60.0
DAY: Final = 24 * 60 * MINUTE


class Keeping:
    """The record of one proxy. `parts` gives its parts as they are now: a reload may change how long rows are kept."""

    def __init__(self, parts: Callable[[], Parts]) -> None:
        self._parts = parts

    async def prune(self) -> None:
        """Take away what is older than the configuration says. Raises StoreError."""
        parts = self._parts()
        keep = parts.config.record.keep
        if keep is None:
            return
        now_ms = int(parts.clock() * 1000)
        gone = kept = damaged = 0
        async for batch in parts.store.record.prune(now_ms - keep * 1000, now_ms):
            gone, kept = gone + batch.rows, kept + batch.kept
            if batch.flaw is not None:
                damaged = 1
                log.error("the record is not pruned: something does not fit", extra={"trouble": batch.flaw})
        parts.metrics.record_damaged.set(damaged)
        if gone:
            log.info("the record was pruned", extra={"rows": gone, "kept": kept})

    async def run(self) -> None:
        """Keep the record until the task is cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if loop.time() >= due:
                due = loop.time() + DAY
                await self._tried(self.prune)
            await asyncio.sleep(MINUTE)
            await self._tried(self.write)

    async def write(self) -> None:
        """Write down the refusals that were counted in minutes that are over. Raises StoreError."""
        parts = self._parts()
        await parts.store.finish_refusals(int(parts.clock() * 1000))

    @staticmethod
    async def _tried(work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StoreError as exc:
            log.warning("the record could not be kept in order", extra={"trouble": str(exc)})
        except Exception:
            log.exception("the record could not be kept in order")


@asynccontextmanager
async def recordkeeping(parts: Callable[[], Parts]) -> AsyncIterator[Keeping]:
    """Keep the record as long as the block runs. What was counted until its end is written down."""
    keeping = Keeping(parts)
    try:
        async with background(keeping.run()):
            yield keeping
    finally:
        try:
            await parts().store.finish_refusals()
        except StoreError as exc:
            log.warning("how many more refusals there were is not on record", extra={"trouble": str(exc)})
