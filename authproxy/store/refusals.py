"""How many refusals of one holder are worth a row: whoever holds a key may not fill the disk with what it may not do.

The first of a minute are written, each; of the rest the last one is, once the minute is over, with their number. Until
then they are counted in memory alone: a program that is killed has not told how many there were.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from authproxy.store.verdicts import Entry

# A pipeline that is set up wrong is refused for each of its files, and each is a line that helps. Sixty in a minute,
# for ever, are 12 GB in a year.
PER_MINUTE: Final = 60
MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal as it goes on record."""

    entry: Entry
    code: str
    reason: str


@dataclass(slots=True)
class _Minute:
    began_ms: int
    written: int = 0
    more: int = 0
    last: Refusal | None = None

    def rest(self) -> Refusal | None:
        if self.last is None or self.more == 1:
            return self.last
        return replace(self.last, reason=f"and {self.more} more within a minute, this is the last: {self.last.reason}")


class Refusals:
    """The refusals of the current minute, by whom they are of. Used from the event loop's thread alone."""

    def __init__(self) -> None:
        self._minutes: dict[tuple[str, str | None], _Minute] = {}

    def take(self, refusal: Refusal) -> list[Refusal]:
        """Take one, and return those that are to be written now."""
        entry = refusal.entry
        holder = entry.principal, entry.key_id or entry.owner
        due = list(self._over(holder, entry.time_ms))
        minute = self._minutes.setdefault(holder, _Minute(entry.time_ms))
        if minute.written < PER_MINUTE:
            minute.written += 1
            return [*due, refusal]
        minute.more += 1
        minute.last = refusal
        return due

    def over(self, now_ms: int | None) -> list[Refusal]:
        """Return what is left to write of the minutes that are over by then; None: of all."""
        return [rest for holder in list(self._minutes) for rest in self._over(holder, now_ms)]

    def _over(self, holder: tuple[str, str | None], now_ms: int | None) -> Iterator[Refusal]:
        minute = self._minutes.get(holder)
        # A clock that was set back ends a minute too, or it would last until then.
        if minute is None or (now_ms is not None and 0 <= now_ms - minute.began_ms < MINUTE_MS):
            return
        del self._minutes[holder]
        if (rest := minute.rest()) is not None:
            yield rest
