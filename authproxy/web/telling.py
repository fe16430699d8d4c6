"""What a running proxy tells webhooks: a task for each of them that takes events from the store and brings them.

No request waits for it: events lie in the store, written with what they tell of, and a receiver that is slow or gone
holds up its own events alone. A webhook that is new in a reloaded config is served from then on; what waits for one
that is gone from it waits for its return, some days.

An event is taken away after it was brought, so a kill between the two brings it twice, with the same id.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from secrets import SystemRandom
from typing import Final

from authproxy.config import Webhook
from authproxy.store import Failure, Message, StoreError
from authproxy.web.background import background
from authproxy.web.courier import Courier
from authproxy.web.parts import Parts

log: Final = logging.getLogger("authproxy.webhooks")

# Seconds between two looks at a queue, and at the config; and between two looks at how long all queues are.
POLL: Final = 1.0
LOOK: Final = 10.0
# Seconds between two looks at the ends of all keys, and at the queues of webhooks that are gone.
HOUR: Final = 3600.0
# Messages that share one commit. Each may take ten seconds, so the commit does not wait for more than BATCH_SECONDS.
BATCH: Final = 50
BATCH_SECONDS: Final = 5.0
# The pauses after a failure differ by so much, so that a receiver for many proxies is not hit by all of them at once.
JITTER: Final = 0.25


class Telling:
    """The webhooks of one proxy. `parts` gives its parts as they are now: a reload may change the webhooks."""

    def __init__(self, parts: Callable[[], Parts], courier: Courier) -> None:
        self._parts = parts
        self._courier = courier
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._brought: dict[str, tuple[list[Message], Failure | None]] = {}  # the store is to know yet
        self._failing: dict[str, str] = {}
        self._dropped: dict[str, int] = {}

    def _webhook(self, name: str) -> Webhook | None:
        return next((each for each in self._parts().config.webhooks if each.name == name), None)

    async def run(self) -> None:
        """Serve all webhooks until the task is cancelled."""
        loop = asyncio.get_running_loop()
        hour = look = loop.time()
        try:
            while True:
                for webhook in self._parts().config.webhooks:
                    if webhook.name not in self._tasks:
                        self._tasks[webhook.name] = loop.create_task(self._serve(webhook.name))
                        hour = look = loop.time()
                if loop.time() >= hour:
                    hour = loop.time() + HOUR
                    await self._tried(self.hourly)
                if self._tasks and loop.time() >= look:
                    look = loop.time() + LOOK
                    await self._tried(self.look)
                await asyncio.sleep(POLL)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def hourly(self) -> None:
        """Write events about the ends of keys; give up what is too old and nobody brings. Raises StoreError."""
        parts = self._parts()
        await parts.store.webhooks.announce(now=parts.now())
        await parts.store.webhooks.drop_unknown(parts.config.wanted.keys(), now=parts.now())

    async def look(self) -> None:
        """Show how long the queues are, and say what was dropped. Raises StoreError."""
        parts = self._parts()
        for each in await parts.store.webhooks.standing():
            parts.metrics.webhooks.waiting.labels(each.name).set(each.waiting)
            parts.metrics.webhooks.dropped.labels(each.name).set(each.dropped)
            more = each.dropped - self._dropped.setdefault(each.name, each.dropped)
            self._dropped[each.name] = each.dropped
            if more > 0:
                extra = {"webhook": each.name, "dropped": more, "trouble": each.error}
                log.error("events for a webhook were dropped: its receiver did not take them", extra=extra)

    async def _serve(self, name: str) -> None:
        while (webhook := self._webhook(name)) is not None:
            if not await self._tried(partial(self.round, webhook)):
                await asyncio.sleep(POLL)
        del self._tasks[name]
        await self._tried(partial(self._parts().store.webhooks.release, name))

    async def round(self, webhook: Webhook) -> bool:
        """Bring what is due to one webhook; say whether there may be more at once. Raises StoreError."""
        parts = self._parts()
        await self._settle(parts, webhook.name)
        batch = await parts.store.webhooks.pending(webhook.name, BATCH, now=parts.now())
        sent: list[Message] = []
        failure: Failure | None = None
        deadline = asyncio.get_running_loop().time() + BATCH_SECONDS
        try:
            for message in batch:
                told = await self._courier.bring(webhook, message.id, message.body, now=parts.now())
                self._note(parts, webhook.name, told.trouble)
                if told.trouble is not None:
                    failure = Failure(message, told.trouble, 1 + SystemRandom().uniform(-JITTER, JITTER))
                    break
                sent.append(message)
                if asyncio.get_running_loop().time() >= deadline:
                    break
        finally:  # also where the proxy stops in the middle
            self._brought[webhook.name] = sent, failure
            await self._settle(parts, webhook.name)
        return bool(sent) and failure is None

    async def _settle(self, parts: Parts, name: str) -> None:
        """Let the store know what was brought; until it does, nothing more is: all would come again and again."""
        sent, failure = self._brought.get(name, ([], None))
        if sent or failure is not None:
            await parts.store.webhooks.settle(name, sent, failure, now=parts.now())
        self._brought.pop(name, None)

    def _note(self, parts: Parts, name: str, trouble: str | None) -> None:
        """Count a try; say in the log when a webhook begins to fail, fails in another way, and works again."""
        if trouble is None:
            parts.metrics.webhooks.sent.labels(name).inc()
            if self._failing.pop(name, None) is not None:
                log.info("a webhook takes events again", extra={"webhook": name})
            return
        parts.metrics.webhooks.failed.labels(name).inc()
        if self._failing.get(name) != trouble:
            self._failing[name] = trouble
            log.warning("a webhook does not take events, they wait", extra={"webhook": name, "trouble": trouble})

    @staticmethod
    async def _tried(work: Callable[[], Awaitable[bool | None]]) -> bool:
        """Do some work; what fails is told, and there is a pause after it, so that it is not told every second."""
        try:
            return bool(await work())
        except StoreError as exc:
            log.warning("webhooks are held up by the store", extra={"trouble": str(exc)})
        except Exception:
            log.exception("webhooks are held up")
        await asyncio.sleep(LOOK)
        return False


@asynccontextmanager
async def telling(parts: Callable[[], Parts]) -> AsyncIterator[Telling]:
    """Tell webhooks as long as the block runs; what is on its way then stays in the store."""
    async with Courier() as courier:
        made = Telling(parts, courier)
        async with background(made.run()):
            yield made
