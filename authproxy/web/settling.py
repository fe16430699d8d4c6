"""What was begun and not completed, settled with the index: by a program that was killed, or that got no clear answer.

How the index is asked, and when an answer counts, `looks` knows. Here is the work on all that is open, for the command
line too, and the task that does it while the server runs: at start, then every minute, always behind the requests.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from authproxy.domain.names import ProjectName
from authproxy.domain.refusal import Denial, Refused
from authproxy.store import Alarm, StoreError
from authproxy.web.background import background
from authproxy.web.comparing import Noted
from authproxy.web.ledger import Ledger
from authproxy.web.looks import Round
from authproxy.web.metrics import Metrics

log: Final = logging.getLogger("authproxy.settling")

# Seconds between two rounds of the server: who waits for the outcome asks again sooner and settles it himself.
PERIOD: Final = 60.0


async def settle(ledger: Ledger, now: Callable[[], int], *, pause: float | None = None) -> Round:
    """Settle everything that nobody will complete. Raises StoreError, and nothing for what the index does.

    `pause` between two looks is in seconds, `looks.PAUSE` where it is left out.
    """
    intents, under_way = await ledger.store.unfinished.intents(now=now())
    done = await ledger.looks.settle(intents, now, pause=pause)
    done.under_way = under_way
    for intent, _ in done.settled:
        ledger.doubt(intent.row.index, ProjectName(intent.row.project))
    return done


async def look_again(ledger: Ledger) -> list[tuple[Alarm, Denial | None]]:
    """Ask the index about every standing alarm; return those that still stand, and why they could not be asked about.

    A file that is gone is forgotten and one that has become what was uploaded is known as that: neither is an alarm.
    Raises StoreError.
    """
    standing: list[tuple[Alarm, Denial | None]] = []
    for each in await ledger.store.unfinished.alarms():
        try:
            sha256 = await ledger.looks.held(each.row)
        except Refused as refused:
            standing.append((each, refused.denial))
            continue
        if sha256 is None:
            await ledger.store.forget(each.row)
        elif sha256 == each.sent:
            await ledger.store.unfinished.found(each.row, sha256, now=int(ledger.clock()))
        elif sha256 != each.row.sha256:
            await ledger.store.set_sha256(each.row, sha256)
        if sha256 not in {None, each.sent}:
            standing.append((replace(each, row=replace(each.row, sha256=sha256)), None))
    return standing


async def compare(ledger: Ledger) -> AsyncIterator[tuple[str, ProjectName, Noted | Denial]]:
    """Compare all files that are known with what the index lists of them now, a project at a time. Raises StoreError.

    A Denial says why a project could not be compared.
    """
    for index in ledger.backend.flavour.indexes:
        after = ""
        while names := await ledger.store.unfinished.projects(index, after=after):
            for name in map(ProjectName, names):
                try:
                    _, noted = await ledger.adopt(index, name, whole=True)
                except Refused as refused:
                    yield index, name, refused.denial
                else:
                    yield index, name, noted
            after = names[-1]


@asynccontextmanager
async def kept_settled(ledger: Ledger, metrics: Metrics, now: Callable[[], int]) -> AsyncIterator[None]:
    """Settle in the background for as long as the block lasts; nothing waits for it."""
    async with background(_keep(_Keeper(ledger, metrics, now))):
        yield


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
        await self.ledger.tell(done)
        for intent, outcome in done.settled:
            extra = {"record": intent.record_id, "action": intent.action, "outcome": outcome}
            log.info("settled what was left open", extra=extra)
        trouble = done.denial.reason if done.denial else None
        if trouble is not None and trouble != self.told:
            extra = {"open": len(done.unasked), "trouble": trouble}
            log.warning("what was left open cannot be settled yet", extra=extra)
        self.told = trouble
        self.metrics.intents_open.set(len(done.unasked) + len(done.changing))
        self.metrics.different_files.set(await self.ledger.store.unfinished.count_alarms())
