"""A few places for everybody, of which nobody has more than one at a time.

Whoever comes twice waits behind themselves, and not in the common queue: that is as long as there are people in it,
however much one of them sends. This room knows nothing of what is done in a place.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final


@dataclass(slots=True)
class _Own:
    """Somebody's own queue."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    present: int = 0  # who waits in it, who waits behind it in the common one, and who has a place


class Turns:
    """Places that are taken in turn."""

    def __init__(self, places: int) -> None:
        self._places: Final = asyncio.Semaphore(places)
        self._own: Final[dict[str, _Own]] = {}

    @asynccontextmanager
    async def turn(self, whose: str) -> AsyncIterator[None]:
        """Wait for a place and have it until the block ends. `whose` names who asks."""
        own = self._own.setdefault(whose, _Own())
        own.present += 1
        try:
            async with own.turn, self._places:
                yield
        finally:
            own.present -= 1
            if not own.present:
                del self._own[whose]

    def __len__(self) -> int:
        """How many are known: nobody who neither waits nor has a place."""
        return len(self._own)
