"""Whether an upload could pass now, asked at most every few seconds however many ask.

Anybody may ask, and an answer costs the index a request with our account; so askers share one, and a recent one serves.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Final

from authproxy.backend.client import Backend
from authproxy.backend.standing import trouble_of
from authproxy.store import Store, StoreError

log: Final = logging.getLogger("authproxy.readiness")

# Seconds an answer is good for: a load balancer asks every five or ten.
FRESH: Final = 3.0


class Readiness:
    """What is missing, in sentences for whoever asks; details that name paths go to the log alone."""

    def __init__(self, store: Store, backend: Backend) -> None:
        self._store = store
        self._backend = backend
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._missing: tuple[str, ...] = ()

    async def missing(self) -> tuple[str, ...]:
        """Return what is missing; empty where an upload could pass."""
        async with self._asking:
            if time.monotonic() - self._asked_at >= FRESH:
                self._missing = tuple([each async for each in self._troubles()])
                self._asked_at = time.monotonic()
            return self._missing

    async def _troubles(self) -> AsyncIterator[str]:
        try:
            await self._store.ping()
        except StoreError as exc:
            log.warning("not ready: the store", extra={"trouble": str(exc)})
            yield "store: it does not answer, the log says why"
        trouble = await trouble_of(self._backend)
        if trouble is not None:
            log.warning("not ready: the index", extra={"trouble": trouble})
            yield f"index: {trouble}"
