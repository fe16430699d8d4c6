"""What was begun and not completed, settled with the index: by a program that was killed, or that got no clear answer.

The index is asked twice where its first answer frees a name or raises an alarm: a proxy that is killed while the index
takes the last byte leaves a file that is not there yet, or half of it (pypiserver writes under the final name). Only
what is there with the right bytes is settled at once.

Here is the work itself, for the command line too, and the task that does it while the server runs: at start, then every
minute, always behind the requests.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Final

from authproxy.backend.removal import of_release
from authproxy.domain.access import Outcome
from authproxy.domain.grants import Action
from authproxy.domain.names import ProjectName
from authproxy.domain.refusal import Denial, Refused
from authproxy.store import Alarm, Intent, StoreError
from authproxy.web.ledger import Ledger, alarm
from authproxy.web.metrics import Metrics

log: Final = logging.getLogger("authproxy.settling")

# Seconds between two looks. An index that has read the whole body writes the file at the speed of its disk.
PAUSE: Final = 5.0
# Seconds between two rounds of the server: who waits for the outcome asks again sooner and settles it himself.
PERIOD: Final = 60.0
# An index that could not be asked so many times in a row will not answer the next question either.
FAILURES: Final = 3

Seen = str | frozenset[str] | None  # the hash of a file; the identities that are left of a release; None: not there


@dataclass(slots=True)
class Round:
    """What became of everything that was open."""

    settled: list[tuple[Intent, Outcome]] = field(default_factory=list)
    changing: list[Intent] = field(default_factory=list)  # the index gave two answers: it is at it still
    unasked: list[tuple[Intent, Denial]] = field(default_factory=list)
    under_way: int = 0  # of a program that lives and will complete it

    @property
    def denial(self) -> Denial | None:
        """Why the index could not be asked about all."""
        return self.unasked[0][1] if self.unasked else None


async def settle(ledger: Ledger, now: Callable[[], int], *, pause: float | None = None) -> Round:
    """Settle everything that nobody will complete. Raises StoreError, and nothing for what the index does.

    `pause` is in seconds, PAUSE where it is left out.
    """
    done = Round()
    intents, done.under_way = await ledger.store.unfinished.intents(now=now())
    looks = await _look(ledger, intents, done)
    doubtful = []
    for intent, seen in looks:
        if _is_done(intent, seen):
            await _end(ledger, intent, seen, now(), done)
        else:
            doubtful.append((intent, seen))
    if doubtful:
        await asyncio.sleep(PAUSE if pause is None else pause)
        before = {intent.record_id: seen for intent, seen in doubtful}
        for intent, seen in await _look(ledger, [intent for intent, _ in doubtful], done):
            if _is_done(intent, seen) or seen == before[intent.record_id]:
                await _end(ledger, intent, seen, now(), done)
            else:
                done.changing.append(intent)
    return done


async def _look(ledger: Ledger, intents: list[Intent], done: Round) -> list[tuple[Intent, Seen]]:
    seen: list[tuple[Intent, Seen]] = []
    failures = 0
    for number, intent in enumerate(intents):
        try:
            seen.append((intent, await _seen(ledger, intent)))
            failures = 0
        except Refused as refused:
            done.unasked.append((intent, refused.denial))
            failures += 1
            if failures == FAILURES:
                done.unasked += [(each, refused.denial) for each in intents[number + 1 :]]
                break
    return seen


async def _seen(ledger: Ledger, intent: Intent) -> Seen:
    row = intent.row
    if intent.action != Action.DELETE:
        return await ledger.held(row)
    left = await of_release(ledger.backend, row.index, ProjectName(row.project), row.version)
    return None if left is None else frozenset(file.artifact.identity for file in left)


def _is_done(intent: Intent, seen: Seen) -> bool:
    """Whether the index has done what it was asked to: that does not change by waiting."""
    return seen is None if intent.action == Action.DELETE else seen == intent.row.sha256


async def _end(ledger: Ledger, intent: Intent, seen: Seen, now: int, done: Round) -> None:
    if intent.action == Action.DELETE:
        assert not isinstance(seen, str)
        outcome = await ledger.store.unfinished.settle_removal(intent, seen, now=now)
    else:
        assert not isinstance(seen, frozenset)
        outcome = await ledger.store.settle(intent.row, seen, now=now)
    ledger.doubt(intent.row.index, ProjectName(intent.row.project))
    if outcome is not None:
        done.settled.append((intent, outcome))


async def look_again(ledger: Ledger) -> list[tuple[Alarm, Denial | None]]:
    """Ask the index about every standing alarm; return those that still stand, and why they could not be asked about.

    A file that is gone is forgotten and one that has become what was uploaded is known as that: neither is an alarm.
    Raises StoreError.
    """
    standing: list[tuple[Alarm, Denial | None]] = []
    for each in await ledger.store.unfinished.alarms():
        try:
            sha256 = await ledger.held(each.row)
        except Refused as refused:
            standing.append((each, refused.denial))
            continue
        if sha256 is None:
            await ledger.store.forget(each.row)
        elif sha256 != each.row.sha256:
            await ledger.store.set_sha256(each.row, sha256)
        if sha256 not in {None, each.sent}:
            standing.append((replace(each, row=replace(each.row, sha256=sha256)), None))
    return standing


@asynccontextmanager
async def kept_settled(ledger: Ledger, metrics: Metrics, now: Callable[[], int]) -> AsyncIterator[None]:
    """Settle in the background for as long as the block lasts; nothing waits for it."""
    task = asyncio.get_running_loop().create_task(_keep(_Keeper(ledger, metrics, now)))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep(keeper: "_Keeper") -> None:
    while True:
        try:
            await keeper.round()
        except StoreError as exc:
            log.error("what was left open could not be settled", extra={"trouble": str(exc)})  # noqa: TRY400
        except Exception:
            log.exception("what was left open could not be settled")
        await asyncio.sleep(PERIOD)


@dataclass(slots=True)
class _Keeper:
    ledger: Ledger
    metrics: Metrics
    now: Callable[[], int]
    told: str | None = None  # that the index cannot be asked is told once, and not every minute

    async def round(self) -> None:
        await self.ledger.store.unfinished.tidy()
        done = await settle(self.ledger, self.now)
        for intent, outcome in done.settled:
            if outcome is Outcome.DIFFERENT:
                stored = await self.ledger.store.file(intent.row.index, intent.row.identity)
                alarm(intent.row, stored.sha256 if stored else None)
            extra = {"record": intent.record_id, "action": intent.action, "outcome": outcome}
            log.info("settled what was left open", extra=extra)
        trouble = done.denial.reason if done.denial else None
        if trouble is not None and trouble != self.told:
            extra = {"open": len(done.unasked), "trouble": trouble}
            log.warning("what was left open cannot be settled yet", extra=extra)
        self.told = trouble
        self.metrics.different_files.set(await self.ledger.store.unfinished.count_alarms())
