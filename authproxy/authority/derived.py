"""Who holds a derived key: proves one by the MAC key of the secret that it was made of, which costs no Argon2.

1. The record, and the secret that the public id names: where the key is revoked, paused, expired or rotated away, so is
   everything that was ever made of it.
2. The MAC key of that secret, opened once and remembered as long as what is sealed stays the same.
3. The chain. 4. Each caveat is one that this version understands. 5. Nothing of its lineage was ended.

What the caveats mean for a request is asked of `domain.policy`. Nothing is remembered of a derived key itself: whoever
has a tag may make any number of them, and proving one costs a few microseconds.

A key that was made while there was no master key has nothing sealed. It gets it when it proves itself the next time,
which is the one moment in which its secret is here.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from authproxy.authority.canaries import Canaries
from authproxy.authority.recent import Recent
from authproxy.authority.records import KeyRecords
from authproxy.authority.sealing import Masters, Unopened
from authproxy.domain.access import Principal, PrincipalKind
from authproxy.domain.caveats import Caveat, Lifetime, read_caveat
from authproxy.domain.derived import UnverifiedDerived, lineage, mac_key
from authproxy.domain.keys import KeyKind, KeyRecord, PublicId, SecretText
from authproxy.domain.keys import Secret as StoredSecret
from authproxy.store import BUSY, SealedKey, Store, StoreError

log: Final = logging.getLogger("authproxy.keys")

# MAC keys of secrets, 0.3 KB each: as many as records are remembered.
OPENED_LIMIT: Final = 10_000
# Keys whose derived ones are refused for want of a MAC key, each told once: ids are no secret, and a stranger who knows
# some must not fill the log.
TOLD_LIMIT: Final = 1_000
# Seconds after which sealing is tried again where the store did not take it, a full disk.
AGAIN: Final = 60

NOT_UNDERSTOOD: Final = "a caveat in it is not understood, update authproxy or derive with this version"


@dataclass(frozen=True, slots=True)
class _Opened:
    sealed: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fit:
    """What was made of a MAC key that is remembered: what that was opened from, and the lineage."""

    sealed: bytes
    names: tuple[str, ...]


class DerivedKeys:
    """The derived keys of one store. For one event loop. `prefix` is what keys start with."""

    def __init__(self, store: Store, records: KeyRecords, masters: Masters, prefix: str, canaries: Canaries) -> None:
        self._store = store
        self._records = records
        self._masters = masters
        self._prefix = prefix
        self._canaries = canaries
        self._opened: Recent[PublicId, _Opened] = Recent(OPENED_LIMIT)
        self._told: Recent[PublicId, bool] = Recent(TOLD_LIMIT)
        self._sealing: dict[PublicId, asyncio.Task[None]] = {}
        self._calm: int | None = None  # a generation at which no derived key was ended by itself
        self._not_before = 0  # unix seconds; nothing is sealed by the way until then

    @property
    def seals(self) -> bool:
        """Whether there is a master key to seal under."""
        return self._masters.head is not None

    def under(self, masters: Masters) -> None:
        """Seal and open with these master keys from now on."""
        self._masters = masters
        self._opened.clear()
        self._told.clear()

    def fit(self, derived: UnverifiedDerived) -> Fit | None:
        """Say, of memory alone, whether this was made of a secret whose MAC key is remembered."""
        opened = self._opened.get(derived.unverified_public_id)
        names = None if opened is None else lineage(derived, opened.key, self._prefix)
        return None if opened is None or names is None else Fit(opened.sealed, names)

    async def prove(
        self, derived: UnverifiedDerived, fit: Fit | None, address: IPv4Address | IPv6Address, now: int
    ) -> Principal | None:
        """Return who holds this, None where it does not work. `now` is unix seconds. Raises StoreError.

        `fit` is what `fit` said of it.
        """
        public_id = derived.unverified_public_id
        record, generation = await self._records.read_at(derived.unverified_id)
        secret = live_secret(record, public_id, now)
        names = None if secret is None else self._names(derived, secret, fit)
        if names is None:
            self._look(record, derived, address, now)
            return None
        caveats = self.understood(derived)
        if caveats is None:
            # Its holder is known by now, so that no stranger can cause this line.
            log.warning("a derived key was refused: %s", NOT_UNDERSTOOD, extra={"public_id": public_id})
            return None
        if generation is None or generation != self._calm:
            if await self._any_ended(names):
                return None
            # Asked after the generation: whoever is ended from now on raises it.
            self._calm = generation if self._store.derivations.peek_calm() is True else None
        return Principal(
            PrincipalKind.KEY, address, record, public_id, caveats=caveats, derived=names[-1], lineage=names
        )

    async def look(self, derived: UnverifiedDerived | None, address: IPv4Address | IPv6Address, now: int) -> None:
        """Raise the alarm where this was made of a canary, though nobody is let in now. Raises StoreError."""
        if derived is not None:
            self._look(await self._records.read(derived.unverified_id), derived, address, now)

    def sealed(self, public_id: PublicId, secret: SecretText) -> bytes | None:
        """Seal the MAC key of a secret; None where there is no master key."""
        return self._masters.seal(public_id, mac_key(secret)) if self.seals else None

    def seal_soon(self, record: KeyRecord, public_id: PublicId, secret: SecretText, now: int) -> None:
        """Seal the MAC key of a secret that has just been proved and has none yet; nobody waits for it."""
        stored = record.secret(public_id)
        if stored is None or stored.sealed is not None or public_id in self._sealing or now < self._not_before:
            return
        made = self.sealed(public_id, secret)
        if made is not None:
            self._sealing[public_id] = asyncio.create_task(self._seal(SealedKey(public_id, made), now))

    def to_seal(self, principal: Principal) -> bool:
        """Say whether the MAC key of the secret that somebody proved is still to be sealed."""
        key, public_id = principal.key, principal.public_id
        secret = None if key is None or public_id is None else key.secret(PublicId(public_id))
        return self.seals and secret is not None and secret.sealed is None

    async def close(self) -> None:
        """Finish the sealing that is under way."""
        if self._sealing:
            await asyncio.wait(self._sealing.values())

    async def _seal(self, made: SealedKey, now: int) -> None:
        try:
            await self._store.derivations.seal(made)
        except StoreError as exc:
            self._not_before = now + AGAIN
            log.warning("a key's MAC key was not sealed, it will be", extra={"trouble": str(exc)})
        finally:
            del self._sealing[made.public_id]

    def opened(self, public_id: PublicId, secret: StoredSecret) -> bytes | Unopened:
        """Open the MAC key of a secret, or remember it."""
        remembered = self._opened.get(public_id)
        if remembered is not None and remembered.sealed == secret.sealed:
            return remembered.key
        key = self._masters.open(public_id, secret.sealed)
        if secret.sealed is not None and isinstance(key, bytes):
            self._opened.put(public_id, _Opened(secret.sealed, key))
        return key

    def _tell(self, public_id: PublicId, why: str) -> None:
        if self._told.get(public_id) is None:
            self._told.put(public_id, value=True)
            log.warning("a derived key was refused: %s", why, extra={"public_id": public_id})

    @staticmethod
    def understood(derived: UnverifiedDerived) -> tuple[Caveat, ...] | None:
        """Read the caveats; None where one of them says nothing to this version."""
        read = [read_caveat(each) for each in derived.caveats]
        caveats = tuple(each for each in read if each is not None)
        return caveats if len(caveats) == len(read) else None

    def _names(self, derived: UnverifiedDerived, secret: StoredSecret, fit: Fit | None) -> tuple[str, ...] | None:
        """Return the lineage of what was made of this secret, None where it was not."""
        if fit is not None and fit.sealed == secret.sealed:
            return fit.names
        key = self.opened(derived.unverified_public_id, secret)
        if isinstance(key, Unopened):
            self._tell(derived.unverified_public_id, key.why)
            return None
        return lineage(derived, key, self._prefix)

    def _look(
        self, record: KeyRecord | None, derived: UnverifiedDerived, address: IPv4Address | IPv6Address, now: int
    ) -> None:
        """Raise the alarm where this was made of a canary."""
        secret = None if record is None else record.secret(derived.unverified_public_id)
        if record is not None and secret is not None and record.dead(now) == KeyKind.CANARY:
            names = self._names(derived, secret, None)
            if names is not None:
                self._canaries.alarm(record, derived.unverified_public_id, address, now, derived=names[-1])

    async def _any_ended(self, names: tuple[str, ...]) -> bool:
        found = self._store.derivations.peek_ended(names)
        return await self._store.derivations.ended(names) if found is BUSY else found


def live_secret(record: KeyRecord | None, public_id: PublicId, now: int) -> StoredSecret | None:
    """Find the secret that a public id names, where it and its key work now. `now` is unix seconds."""
    secret = record.secret(public_id) if record is not None and record.dead(now) is None else None
    return secret if secret is not None and not secret.dead(now) else None


def lasts(principal: Principal, now: int) -> bool:
    """Say whether what a derived key was allowed may be said again without asking what its caveats mean.

    Stricter by the leeway than they are; and yes for the key itself.
    """
    return all(each.not_before <= now < each.expires for each in principal.caveats or () if isinstance(each, Lifetime))
