"""Who has a key: the text proved, whether the key lives or not, for whoever gives it up or has found it.

Nothing is let in here, so what is dead is proved as well: a key that is paused or expired may be given up for good.

Whoever sends a text must not learn from the time that it takes what it was. So every text that is not a derived key
costs one Argon2, if need be of nothing: a key, one that nobody knows, a minted one and a canary, whose own digests take
none, and what is no key at all. The hashing is done in a pool of its own, so that who sends many texts holds up others
who send texts, and not the keys that upload.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from authproxy.authority.canaries import Canaries
from authproxy.authority.derived import DerivedKeys
from authproxy.authority.hashing import DECOY, FAST, HashingPool, matches_fast
from authproxy.authority.sealing import Unopened
from authproxy.domain.caveats import LEEWAY, Lifetime, read_caveat, shortened, write_derivation
from authproxy.domain.derived import UnverifiedDerived, lineage, parse_derived
from authproxy.domain.keys import KeyKind, KeyRecord, PublicId, UnverifiedKey, parse
from authproxy.store import Derivation, Store

# As many may wait as one thread hashes in half a second; a client that waits longer is told to come back.
QUEUE: Final = 16

_NOBODY: Final = "0" * 43


@dataclass(frozen=True, slots=True)
class Possession:
    """A key that somebody has. `derivation` is of what was derived from it, where that is what they have.

    `over` says that the text itself is worth nothing any more, whatever becomes of its key: its secret was replaced and
    has ended, or it was derived and has ended.
    """

    record: KeyRecord
    public_id: PublicId
    derivation: Derivation | None = None
    written: str | None = None  # the same for the record: name and caveats, JSON
    over: bool = False
    caveats: int = 0  # how many it has

    @property
    def canary(self) -> bool:
        """Whether it is there to be found."""
        return self.record.kind is KeyKind.CANARY


class Possessions:
    """Proves texts. For one event loop. `prefix` is what keys start with."""

    def __init__(
        self, store: Store, derivations: DerivedKeys, canaries: Canaries, prefix: str, hashing: HashingPool
    ) -> None:
        self._store = store
        self._derivations = derivations
        self._canaries = canaries
        self._prefix = prefix
        self._hashing = hashing

    async def of(
        self, text: str, address: IPv4Address | IPv6Address, *, now: int, evenly: bool = True
    ) -> Possession | None:
        """Say what a text proves; None: nothing. A canary raises its alarm. `now` is unix seconds.

        `evenly` is for whoever must not learn that from the time that it takes. Raises StoreError, and Refused as the
        hashing pool does.
        """
        key = parse(text, self._prefix)
        derived = None if key is not None else parse_derived(text, self._prefix)
        if derived is not None:
            found = await self._of_derived(derived, now)
        else:
            found = None if key is None and not evenly else await self._of_key(key, evenly, now)
        if found is not None and found.record.dead(now) == KeyKind.CANARY:
            name = found.derivation.name if found.derivation else None
            self._canaries.alarm(found.record, found.public_id, address, now, derived=name)
        return found

    def close(self) -> None:
        """Finish what is being hashed, then take no more."""
        self._hashing.close()

    async def _of_key(self, key: UnverifiedKey | None, evenly: bool, now: int) -> Possession | None:  # noqa: FBT001
        record = None if key is None else await self._store.key(key.unverified_id)
        secret = None if key is None or record is None else record.secret(key.unverified_public_id)
        slow = secret is not None and not secret.digest.startswith(FAST)
        right = False
        if slow or evenly:
            digest = secret.digest if secret is not None and slow else DECOY
            right = await self._hashing.verify(digest, _NOBODY if key is None else key.secret.reveal())
        if key is None or record is None or secret is None:
            return None
        if not (right if slow else matches_fast(secret.digest, key.secret.reveal())):
            return None
        return Possession(record, key.unverified_public_id, over=secret.dead(now))

    async def _of_derived(self, derived: UnverifiedDerived, now: int) -> Possession | None:
        public_id, record = derived.unverified_public_id, await self._store.key(derived.unverified_id)
        secret = None if record is None else record.secret(public_id)
        if record is None or secret is None:
            return None
        opened = self._derivations.opened(public_id, secret)
        names = None if isinstance(opened, Unopened) else lineage(derived, opened, self._prefix)
        if names is None:
            return None
        caveats = [each for each in map(read_caveat, derived.caveats) if each is not None]
        until = min((each.expires + LEEWAY for each in caveats if isinstance(each, Lifetime)), default=None)
        over = secret.dead(now) or (until is not None and now >= until) or await self._store.derivations.ended(names)
        written = shortened(write_derivation(names[-1], caveats))
        return Possession(record, public_id, Derivation(names[-1], until), written, over, len(names))

    async def listen(self, text: str, address: IPv4Address | IPv6Address, *, now: int) -> None:
        """Raise the alarm where a text is a canary, or of one, and no more. Never hashes slowly. Raises StoreError."""
        key = parse(text, self._prefix)
        if key is not None:
            record = await self._store.key(key.unverified_id)
            self._canaries.look(record, key, address, now)
            if record is None or record.kind is not KeyKind.CANARY:
                matches_fast(DECOY, key.secret.reveal())  # a canary must not take longer than a key
        elif (derived := parse_derived(text, self._prefix)) is not None:
            await self._derivations.look(derived, address, now)
