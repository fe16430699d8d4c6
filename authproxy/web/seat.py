"""A worker's line to its supervisor: that it serves, that it lives and what it has counted, that it ends.

One JSON document a line, in both directions. A worker whose supervisor has gone ends as if it had been told to: nobody
would restart it, and its socket would stand in the way of the next server.
"""

import asyncio
import contextlib
import json
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Self

from aiohttp.web import BaseRequest, Response
from prometheus_client import CollectorRegistry

from authproxy.web.adding import Sample, page, sampled, shown

# Seconds between two signs of life; what was counted since the last one is lost with a process that is killed.
BEAT: Final = 2.0
# Seconds that a scrape waits for the supervisor before it gets the counts of one worker: it has nothing else to do.
PATIENCE: Final = 2.0
# Bytes of a line: some hundred counts take 30 KiB.
LINE_LIMIT: Final = 16 * 1024 * 1024

READY: Final = "ready"
LEAVING: Final = "leaving"
ALIVE: Final = "alive"
TOTAL: Final = "total"


class Seat:
    """The worker's end. It speaks like `Service`, to the supervisor; `number` begins at 0."""

    watchdog: Final = 2 * BEAT

    def __init__(self, number: int, line: socket.socket) -> None:
        self.number = number
        self.registry: CollectorRegistry | None = None
        self._line = line
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._asked: deque[asyncio.Future[Sample]] = deque()

    async def take(self, gone: Callable[[], object]) -> Self:
        """Open the line; `gone` is called when the supervisor is not there any more."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self._line, limit=LINE_LIMIT)
        self._listening = asyncio.get_running_loop().create_task(self._listen(reader, gone))
        return self

    async def leave(self) -> None:
        """Say how far the counts are, for the last time, and close the line."""
        self.alive()
        assert self._writer is not None, "it was taken"
        assert self._listening is not None, "it was taken"
        self._listening.cancel()
        with contextlib.suppress(OSError):
            await self._writer.drain()
        self._writer.close()

    def ready(self, _status: str) -> None:
        """Say that it serves, for the first time or with a new configuration."""
        self._say(READY)

    def reloading(self) -> None:
        """Say nothing: it was the supervisor who asked for it."""

    def stopping(self, _status: str) -> None:
        """Say that it takes no more connections, so that another may take its place."""
        self._say(LEAVING)

    def alive(self) -> None:
        """Give a sign of life, with all counts."""
        self._say(ALIVE, self._counts())

    async def show(self, request: BaseRequest) -> Response:
        """Answer a scrape with the counts of all workers."""
        return shown(request, page(await self.total()))

    async def total(self) -> Sample:
        """Ask the supervisor for the counts of all; those of this worker alone where it does not answer."""
        counts = self._counts()
        answer: asyncio.Future[Sample] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        self._say(TOTAL, counts)
        try:
            async with asyncio.timeout(PATIENCE):
                return await answer
        except (TimeoutError, ConnectionError):
            return counts

    def _counts(self) -> Sample:
        return sampled(self.registry) if self.registry is not None else []

    def _say(self, *words: Any) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(json.dumps(words).encode() + b"\n")

    async def _listen(self, reader: asyncio.StreamReader, gone: Callable[[], object]) -> None:
        # A line with what is no answer on it (half of one, where the supervisor gave up telling it) is lost, too.
        with contextlib.suppress(OSError, ValueError, IndexError):
            while line := await reader.readline():
                answer = self._asked.popleft()
                if not answer.done():
                    answer.set_result(json.loads(line))
        gone()
