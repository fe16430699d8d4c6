"""What a running proxy does by the clock, beside its requests: write down last uses, warn of ends, pause unused keys.

No request waits for any of it, and what fails here ends nothing: it is told in the log and tried again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from authproxy.domain.endings import DAY, THRESHOLDS, in_days, threshold
from authproxy.store import Ending, StoreError
from authproxy.web.background import background
from authproxy.web.parts import Parts

log: Final = logging.getLogger("authproxy.keys")

FLUSH: Final = 20.0  # seconds between two flushes of last uses: they are at most a minute late
ROUND: Final = 3600.0  # seconds between two looks at all keys
# Lines that the warnings of one day may take; what is more is one line that says how many.
LINES: Final = 100


class Chores:
    """The chores of one proxy. `parts` gives its parts as they are now: a reload may change what keys are paused.

    Of several processes of one server, one `announces` what ends; the rest is safe in each of them.
    """

    def __init__(self, parts: Callable[[], Parts], *, announces: bool = True) -> None:
        self._parts = parts
        self._announces = announces
        self._day = 0
        self._told: set[tuple[str, object]] = set()
        self._noted: frozenset[str] = frozenset()

    async def round(self) -> None:
        """Look at all keys: count and announce those that end, pause those that nobody uses."""
        parts = self._parts()
        now = parts.now()
        expired, within = await parts.store.ends(THRESHOLDS, now=now)
        parts.metrics.expired.set(expired)
        for days, count in within.items():
            parts.metrics.expiring.labels(f"{days}d").set(count)
        if now // DAY != self._day:
            self._day, self._told = now // DAY, set()
        if self._announces:
            await self._announce_keys(parts, now, max(within.values()))
            await self._announce_secrets(parts, now)
        await self._pause(parts, now)
        await parts.store.derivations.sweep(now=now)
        swept = await parts.store.minting.sweep(now=now)
        if swept.keys:
            log.info("minted keys that ended long ago were taken away", extra={"keys": swept.keys})

    async def note_publishers(self) -> None:
        """Note since when each trusted publisher is in the config: one that may create ends if nobody uses it.

        And end the keys of those that left it.
        """
        parts = self._parts()
        await parts.publishers.end_strays(now=parts.now())
        labels = frozenset(parts.policy.publishers)
        if labels - self._noted:
            await parts.store.minting.note(labels, now=parts.now())
        self._noted = labels

    async def _announce_keys(self, parts: Parts, now: int, count: int) -> None:
        async for ending in parts.store.endings(until=now + max(THRESHOLDS) * DAY, now=now):
            days = threshold(ending.key.created, ending.end, now)
            if days is None or not self._first((ending.key.id, days)):
                continue
            if len(self._told) > LINES:
                if self._first(("", "more")):
                    log.warning("more keys expire within %d days than are told here: %d", max(THRESHOLDS), count)
                return
            log.warning("a key expires %s", in_days(ending.end - now), extra={**_named(ending), "within_days": days})

    async def _announce_secrets(self, parts: Parts, now: int) -> None:
        """Say which old secrets are in use on their last day."""
        async for ending in parts.store.endings(now=now):
            if ending.end > now + DAY or len(self._told) > LINES:
                return
            uses = (await parts.store.last_uses([ending.key.id])).get(ending.key.id, ())
            ends = {secret.slot for secret in ending.key.secrets if secret.expires == ending.end}
            used = next((use for use in uses if use.slot in ends and use.time > now - DAY), None)
            if used is not None and self._first((ending.key.id, "secret")):
                told = {"address": used.address, "client": used.client, "project": used.project}
                log.warning("the old secret of a key ends within a day and is in use", extra=_named(ending) | told)

    def _first(self, what: tuple[str, object]) -> bool:
        """Say whether this is news today."""
        news = what not in self._told
        self._told.add(what)
        return news

    async def _pause(self, parts: Parts, now: int) -> None:
        policies = parts.policy.key_policies.items()
        allowed = {name: policy.pause_unused for name, policy in policies if policy.pause_unused is not None}
        await parts.uses.flush()
        while paused := await parts.store.pause_idle(allowed, now=now):
            for each in paused:
                days = allowed[each.policy] // DAY
                log.warning(
                    "a key was paused: nobody has used it for %d days",
                    days,
                    extra={"key": each.id, "owner": each.owner, "policy": each.policy},
                )

    async def run(self, stop: asyncio.Event) -> None:
        """Do the chores until `stop`, and then write down what is left to."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not stop.is_set():
            if loop.time() >= due:
                due = loop.time() + ROUND
                await self._tried(self.round)
            await self._tried(self.note_publishers)
            events = stop, self._parts().uses.full, self._parts().publishers.changed
            waits = [asyncio.ensure_future(each.wait()) for each in events]
            await asyncio.wait(waits, timeout=FLUSH, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            await self._tried(self._parts().uses.flush)

    @staticmethod
    async def _tried(chore: Callable[[], Awaitable[None]]) -> None:
        try:
            await chore()
        except StoreError as exc:
            log.warning("the keys were not looked at, they will be", extra={"trouble": str(exc)})
        except Exception:
            log.exception("a chore failed")


def _named(ending: Ending) -> dict[str, object]:
    key = ending.key
    return {"key": key.id, "owner": key.owner, "policy": key.policy, "note": key.note, "ends": ending.end}


@asynccontextmanager
async def chores(parts: Callable[[], Parts], *, announces: bool = True) -> AsyncIterator[Chores]:
    """Do the chores as long as the block runs. What was noted until its end is written down."""
    made, stop = Chores(parts, announces=announces), asyncio.Event()
    async with background(made.run(stop), stop):
        yield made
