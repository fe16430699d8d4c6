"""A release stays as it is in its index while it is copied from there into another one.

The store keeps out whoever would change it through a proxy on the same database (`store.holds`); here the hold is
taken, after what nobody saw the end of is settled with the index, and let go. Who goes past us is not kept out.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from authproxy.domain.refusal import Code, quoted, refuse
from authproxy.store import FileBusy, Hold, Passing, StoreError
from authproxy.web.ledger import ATTEMPTS
from authproxy.web.parts import Parts
from authproxy.web.verdicts import AGAIN

log: Final = logging.getLogger("authproxy.holding")

# How long a push waits for uploads to end, and how often it looks, in seconds: whoever uploads without a pause shall
# not keep it out by that alone, and no upload that lasts is waited for.
PATIENCE: Final = 2.0
LOOK: Final = 0.05


@dataclass(slots=True)
class Held:
    """A release that is held. `surely`: the index is done with it, or has not begun."""

    surely: bool = True


@asynccontextmanager
async def held(parts: Parts, passing: Passing) -> AsyncIterator[Held]:
    """Hold a release until the block ends; what is not surely over then stays held.

    Raises Refused (busy; index-unreachable, index-timeout, misconfigured where something is to be settled), StoreError.
    """
    hold = await _taken(parts, passing)
    state = Held()
    try:
        yield state
    finally:
        await asyncio.shield(_ended(parts, hold, surely=state.surely))


async def _ended(parts: Parts, hold: Hold, *, surely: bool) -> None:
    try:
        await parts.store.holds.end(hold, surely=surely)
    except StoreError as exc:
        # The index has answered, and its answer is the client's; the hold ends at its deadline.
        log.error("a release was not let go in the store", extra={"trouble": str(exc)})  # noqa: TRY400


async def _taken(parts: Parts, passing: Passing) -> Hold:
    loop = asyncio.get_running_loop()
    until, settled = loop.time() + PATIENCE, 0
    while True:
        answer = await parts.store.holds.take(passing, now=parts.now())
        if isinstance(answer, Hold):
            return answer
        if not isinstance(answer, FileBusy) and settled < ATTEMPTS:
            settled += 1
            await parts.ledger.settle(*answer)
            continue
        if loop.time() >= until:
            what = f"release {passing.version} of {quoted(passing.project)}"
            why = f"is being changed in {passing.source}, or pushed to {passing.target} already, try again"
            raise refuse(Code.BUSY, f"{what} {why}", retry_after=AGAIN)
        await asyncio.sleep(LOOK)
