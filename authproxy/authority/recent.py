"""The most recently used entries of a mapping, and never more of them than a limit.

Everything the authority remembers between requests it remembers here, because strangers choose how many different
addresses and keys it gets to see. This room knows nothing of what is remembered.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A mapping of at most `limit` entries; a new one beyond that drops the one that was used least recently."""

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"a limit of {limit} entries can remember nothing: 1 is the least")
        self._limit = limit
        self.found = self.missed = 0  # how often what was asked for was here, and was not
        # A plain dict keeps the order too, but finding its first entry passes over every deleted one (CPython's
        # dictobject.c, entries are compacted on growth only); OrderedDict is linked, so dropping stays O(1).
        self._entries: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return what is remembered under `key`, which counts as a use; None where nothing is."""
        value = self._entries.get(key)
        if value is None:
            self.missed += 1
            return None
        self.found += 1
        self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember `value`, which counts as a use."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def drop(self, key: K) -> None:
        """Forget one entry, if there is one."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
