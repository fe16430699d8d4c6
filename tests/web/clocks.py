"""A clock that a test sets, over a proxy that has had its own first round of chores."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from authproxy.domain.endings import DAY
from authproxy.domain.keys import KeyId
from authproxy.web.chores import Chores
from authproxy.web.parts import Parts
from tests.web.conftest import Running
from tests.web.ledgers import KEY


class Clock:
    """A clock that a test sets; the parts of a proxy that go by it."""

    def __init__(self, running: Running) -> None:
        self.parts: Parts = replace(running.app.parts, clock=lambda: self.now)
        self.now = running.app.parts.now()
        self.chores = Chores(lambda: self.parts)

    async def key(self, name: str, days: float, **changes: Any) -> KeyId:
        key_id = KeyId(name.ljust(12, "0"))
        made = {"created": self.now - 200 * DAY, "expires": self.now + int(days * DAY)} | changes
        await self.parts.store.add_key(replace(KEY, id=key_id, **made))
        return key_id


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await true():
            await asyncio.sleep(0.01)
