"""The record as the rooms above see it: read, verified, pruned. Uploads, deletes and refusals put rows into it."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from authproxy.store import chain, pruning, trail
from authproxy.store.chain import Head
from authproxy.store.pruning import Pruned
from authproxy.store.trail import About, Decision, Wanted
from authproxy.store.verification import Flaw, Sound, Walk
from authproxy.store.worker import Worker

# Seconds between two batches of a pruning, so that uploads, of another program too, get their turns.
PAUSE: Final = 0.02
# Rows about one file that are held at once: of a name that was refused more often, the youngest refusals are shown.
ABOUT_LIMIT: Final = 1000

EVERYTHING: Final = Wanted()


class Record:
    """The record of one open store. Its coroutines raise StoreError."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def rows(self, wanted: Wanted = EVERYTHING) -> AsyncIterator[list[Decision]]:
        """Read rows in the order in which they were written, a batch per transaction; a batch may be empty."""
        after: int | None = 0
        while after is not None:
            page, after = await self._worker.read(partial(trail.next_page, wanted=wanted, after=after))
            yield page

    async def row(self, number: int) -> Decision | None:
        """Read one row."""
        return await self._worker.read(lambda connection: trail.one(connection, number))

    async def latest(self, count: int) -> tuple[list[Decision], int]:
        """Read the youngest rows, the youngest last, and where `since` goes on."""
        return await self._worker.read(lambda connection: trail.latest(connection, count))

    async def since(self, link: int) -> tuple[list[Decision], int]:
        """Read the rows that were written or ended after that, in the order of events, and where to go on."""
        return await self._worker.read(lambda connection: trail.since(connection, link))

    async def about_file(self, *, identity: str | None = None, sha256: str | None = None) -> About:
        """Read what is known of a file, by its identity or else by its hash."""
        asked = partial(trail.about_file, identity=identity, sha256=sha256, limit=ABOUT_LIMIT)
        return await self._worker.read(asked)

    async def standing(self) -> tuple[Head, int]:
        """Read where the chain ends, and how many rows have been written, pruned ones too."""
        return await self._worker.read(lambda connection: (chain.head(connection), trail.count(connection)))

    async def verify(self, expected: Head | None = None) -> Sound | Flaw:
        """Walk the whole chain; `expected` is a link that must be in it. In constant memory, a page per transaction."""
        walk = Walk(expected)
        while walk.result is None:
            await self._worker.read(walk.step)
        return walk.result

    async def verify_young(self) -> Flaw | None:
        """Look at the last thousand links alone: quick, for who asks whether the store can be used at all."""
        return await self._worker.read(Walk().young)

    async def prune(self, before_ms: int, now_ms: int) -> AsyncIterator[Pruned]:
        """Take away what is older than `before_ms`, a batch per transaction. Times are unix milliseconds."""
        while True:
            batch = await self._worker.write(partial(pruning.prune, before_ms=before_ms, now_ms=now_ms))
            yield batch
            if batch.done:
                return
            await asyncio.sleep(PAUSE)
