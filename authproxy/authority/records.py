"""The records of keys that were asked for lately, no older than the last change of any key.

This room owns when a remembered record may be used. It never judges one: a revoked key's record is remembered like any.
"""

from typing import Final

from authproxy.authority.recent import Recent
from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.store import BUSY, Store

# As many as verified keys are remembered; a record takes about 1 KB, so 10 MB when full.
RECORDS_LIMIT: Final = 10_000


class KeyRecords:
    """Records by id. The store's generation is asked for at every look, which takes microseconds and no waiting."""

    def __init__(self, store: Store, limit: int = RECORDS_LIMIT) -> None:
        self._store = store
        self._records: Recent[KeyId, KeyRecord] = Recent(limit)
        self._generation: int | None = None

    async def read(self, key_id: KeyId) -> KeyRecord | None:
        """Return a record as it was committed when this was called, or later. Raises StoreError.

        Waits only while somebody is in the middle of a commit. What it then reads is not remembered: by the time it
        arrives, a change may have been seen and the memory cleared for it. Nor are unknown ids: strangers would fill
        the memory with them, and a look into the store without waiting is nearly as cheap.
        """
        generation = self._store.generation()
        if generation is BUSY:
            return await self._store.key(key_id)
        if generation != self._generation:
            self._records.clear()
            self._generation = generation
        record = self._records.get(key_id)
        if record is not None:
            return record
        found = self._store.peek(key_id)
        if found is BUSY:
            return await self._store.key(key_id)
        if found is not None:
            self._records.put(key_id, found)
        return found
