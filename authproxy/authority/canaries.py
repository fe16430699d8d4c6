"""Canaries: keys that never work and are put where only a thief would look. Whoever uses one has been there.

The answer to a canary is that to any dead key, and as quick: its secret lies in the store as a SHA-256, so that to know
it takes no Argon2, whose 25 ms would tell a thief that this key is another kind (`minting` says why that is enough).
The alarm is a line in the log, and in the background a row on record and an event; nobody waits for those.

A flood of one canary is one alarm a minute. All uses are counted.
"""

import asyncio
import logging
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from authproxy.audit import Origin, of_key
from authproxy.authority.hashing import DECOY, matches_fast
from authproxy.authority.recent import Recent
from authproxy.domain.access import PrincipalKind
from authproxy.domain.caveats import write_derivation
from authproxy.domain.events import Event
from authproxy.domain.keys import KeyId, KeyKind, KeyRecord, PublicId, UnverifiedKey
from authproxy.store import Derivation, Find, Remedy, Store, StoreError

log: Final = logging.getLogger("authproxy.keys")

ACTION: Final = "canary"  # on record
QUIET: Final = 60  # seconds between two alarms of one canary
# Canaries that were used lately. Each was made by the operator: there are tens of them.
REMEMBERED: Final = 1_000


class Canaries:
    """The canaries of one store. For one event loop. `used` is called for every use."""

    def __init__(self, store: Store, used: Callable[[], None]) -> None:
        self._store = store
        self._used = used
        self._alarmed: Recent[KeyId, int] = Recent(REMEMBERED)  # when, in unix seconds
        self._telling: set[asyncio.Task[None]] = set()

    def look(self, record: KeyRecord | None, key: UnverifiedKey, address: IPv4Address | IPv6Address, now: int) -> bool:
        """Say whether this is a canary that lives, and raise the alarm then. `now` is unix seconds."""
        if record is None or record.dead(now) != KeyKind.CANARY:
            return False
        secret = record.secret(key.unverified_public_id)
        if secret is None or not matches_fast(secret.digest, key.secret.reveal()):
            return False
        self.alarm(record, key.unverified_public_id, address, now)
        return True

    def decoy(
        self, record: KeyRecord | None, key: UnverifiedKey, address: IPv4Address | IPv6Address, now: int
    ) -> str | None:
        """Name what to hash a wrong secret of a canary against: it must look, and last, like one of a living key.

        Otherwise whoever found a key could tell by guesses that it is one, and never use it. None for everything else;
        of a canary's own secret, with the alarm, for then there is nothing left to hide.
        """
        if self.look(record, key, address, now) or record is None or record.dead(now) != KeyKind.CANARY:
            return None
        return DECOY

    def alarm(
        self,
        record: KeyRecord,
        public_id: PublicId,
        address: IPv4Address | IPv6Address,
        now: int,
        *,
        derived: str | None = None,
    ) -> None:
        """Raise the alarm about a canary, or what was derived from it, whose text somebody has."""
        self._used()
        last = self._alarmed.get(record.id)
        if last is not None and 0 <= now - last < QUIET:  # a clock that was set back ends the quiet
            return
        self._alarmed.put(record.id, now)
        named = {"key": record.id, "public_id": public_id, "derived": derived, "owner": record.owner}
        log.error("a canary key was used", extra=named | {"note": record.note, "address": str(address)})
        find = _find(record, public_id, address, now, derived)
        task = asyncio.get_running_loop().create_task(self._tell(find, now))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def close(self) -> None:
        """Finish what is being told."""
        if self._telling:
            await asyncio.wait(self._telling)

    async def _tell(self, find: Find, now: int) -> None:
        try:
            await self._store.leaks.respond(find, now=now)
        except StoreError as exc:
            log.error("the use of a canary is not on record", extra={"key": find.key_id, "trouble": str(exc)})  # noqa: TRY400


def _find(
    record: KeyRecord, public_id: PublicId, address: IPv4Address | IPv6Address, now: int, derived: str | None
) -> Find:
    origin = Origin("", now * 1000, str(address), "")
    written = None if derived is None else write_derivation(derived, ())
    entry = of_key(origin, ACTION, PrincipalKind.KEY, record, public_id, derived=written)
    name = None if derived is None else Derivation(derived, None)
    more = {"public_id": public_id, "address": str(address)}
    return Find(record.id, entry, Remedy.NOTHING, "", name, Event.KEY_CANARY, more)
