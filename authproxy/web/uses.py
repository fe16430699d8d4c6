"""Who used which secret last: noted in memory while a request is answered, written down in batches by `chores`.

This is bookkeeping. A note costs a look into a dict, nothing here waits or fails where a request could notice, and what
is lost when the process is killed is the last half minute; uploads are on record whatever happens.
"""

import asyncio
import logging
from typing import Final, NamedTuple

from aiohttp import hdrs
from aiohttp.web import BaseRequest

from authproxy.backend.flavour import Asked
from authproxy.domain.access import Principal
from authproxy.domain.keys import KEY_ID_LENGTH, KeyId
from authproxy.store import LastUse, Store, StoreError
from authproxy.web.head import CLIENT_LIMIT, Address, plain

log: Final = logging.getLogger("authproxy.uses")

# Secrets noted between two flushes, 0.5 KB each. Who comes when it is full is noted after the flush that this starts.
LIMIT: Final = 10_000
# Rows in one transaction: some 5 ms, for which an upload may have to wait.
BATCH: Final = 500


class _Use(NamedTuple):  # made for every upload and read: half the price of a dataclass
    time: int
    action: str
    project: str
    address: Address | str  # written out at the flush, as `client` is made plain there: that costs more than the note
    client: str


class Uses:
    """The last use of each secret since the last flush."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: dict[str, _Use] = {}
        self.full = asyncio.Event()  # wants a flush before its time

    def __len__(self) -> int:
        return len(self._noted)

    def seen(self, principal: Principal, now: int) -> bool:
        """Say whether a read by this secret needs no note: there was one in this second, or it is no key."""
        if principal.public_id is None:
            return True
        use = self._noted.get(principal.public_id)
        return use is not None and use.time >= now

    def read(self, reader: Principal, asked: Asked, request: BaseRequest, now: int) -> None:
        """Note a read, once a second for each secret: installers ask hundreds of times."""
        if not self.seen(reader, now):
            said = request.headers.get(hdrs.USER_AGENT, "")[:CLIENT_LIMIT]
            self.note(reader, asked.action, asked.project, reader.address, said, now)

    def note(
        self, principal: Principal, action: str, project: str | None, address: Address | str, client: str, now: int
    ) -> None:
        """Note a use by a key; `now` is unix seconds. Nothing is noted of who holds none."""
        public_id = principal.public_id
        if public_id is None:
            return
        if len(self._noted) >= LIMIT and public_id not in self._noted:
            self.full.set()
            return
        self._noted[public_id] = _Use(now, action, project or "", address, client)

    async def flush(self) -> None:
        """Write down what was noted. Where the store does not take it, it is kept for the next time."""
        taken, self._noted = self._noted, {}
        self.full.clear()
        rows = [_row(public_id, use) for public_id, use in taken.items()]
        try:
            for start in range(0, len(rows), BATCH):
                await self._store.note_uses(rows[start : start + BATCH])
        except StoreError as exc:
            log.warning("the last uses of keys were not written down, they will be", extra={"trouble": str(exc)})
            # What was noted meanwhile is younger, and what the limit leaves out is noted again when it is used again.
            kept = taken | self._noted
            self._noted = dict(list(kept.items())[-LIMIT:])


def _row(public_id: str, use: _Use) -> LastUse:
    key_id, slot = KeyId(public_id[:KEY_ID_LENGTH]), public_id[KEY_ID_LENGTH:]
    return LastUse(key_id, slot, use.time, use.action, use.project, str(use.address), plain(use.client))
