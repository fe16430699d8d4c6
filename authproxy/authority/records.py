"""The records of keys that were asked for lately, no older than the last change of any key.

This room owns when a remembered record may be used. It never judges one: a revoked key's record is remembered like any.
"""

import asyncio
from typing import Any, Final

from authproxy.authority.recent import Recent
from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.store import BUSY, Store, StoreLost

# As many as verified keys are remembered; a record takes about 1 KB, so 10 MB when full.
RECORDS_LIMIT: Final = 10_000


class KeyRecords:
    """Records by id. The store's generation is asked for at every look, which takes microseconds and no waiting."""

    def __init__(self, store: Store, limit: int = RECORDS_LIMIT) -> None:
        self._store = store
        self._records: Recent[KeyId, KeyRecord] = Recent(limit)
        self._generation: int | None = None
        self._asked = False  # whether `stands` has asked in this turn of the event loop

    @property
    def memory(self) -> Recent[Any, Any]:
        """What is remembered, for who counts it."""
        return self._records

    def stands(self, record: KeyRecord) -> bool:
        """Say whether a record that was read here is as it was committed since the request came that is being answered.

        The store is asked once in a turn of the event loop: with a rollback journal that takes 15 us, a third of the
        answer to a web server (measured). It loses nothing. A turn runs the tasks that were woken before, then reads
        the sockets (asyncio and uvloop alike, a test holds both to it); a request that is read wakes its task for the
        next turn, so the store is asked after it came. Only who sends a second request before the first is answered can
        be a turn ahead, and no web server does that to what stands behind it.
        """
        if not self._asked:
            generation = self._store.generation()
            if generation is BUSY:
                return False
            self._follow(generation)
            self._asked = True
            asyncio.get_running_loop().call_soon(self._end_turn)
        return self._records.get(record.id) is record

    def forget(self) -> None:
        """Drop all records, so that whatever was proved with one has to be proved again."""
        self._records.clear()

    def _end_turn(self) -> None:
        self._asked = False

    def _follow(self, generation: int) -> None:
        if generation != self._generation:
            self._records.clear()
            self._generation = generation

    async def read(self, key_id: KeyId) -> KeyRecord | None:
        """Return a record as it was committed when this was called, or later. Raises StoreError.

        Waits while somebody is in the middle of a commit, and for a database that only answers to who waits. Unknown
        ids are not remembered: strangers would fill the memory with them.
        """
        return (await self.read_at(key_id))[0]

    async def read_at(self, key_id: KeyId) -> tuple[KeyRecord | None, int | None]:
        """Read a record as `read` does; and the generation at which it was, None where that cannot be said."""
        generation = self._store.generation()
        if generation is BUSY:
            return await self._bridged(key_id), None
        self._follow(generation)
        record = self._records.get(key_id)
        if record is not None:
            return record, generation
        found = self._store.peek(key_id)
        if found is BUSY:
            found = await self._bridged(key_id)
            # By the time it arrives a change may have been seen, here or by another call, and the memory cleared.
            if self._store.generation() != generation or self._generation != generation:
                return found, None
        if found is not None:
            self._records.put(key_id, found)
        return found, generation

    async def _bridged(self, key_id: KeyId) -> KeyRecord | None:
        """Ask the store; where it has just been lost, a record that was remembered may do, if the operator says so."""
        try:
            return await self._store.key(key_id)
        except StoreLost:
            record = self._records.get(key_id)
            if record is None or not self._store.within_grace():
                raise
            return record
