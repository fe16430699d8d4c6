"""Who holds a key: issues keys and proves that a credential is one.

This room owns the order in which a key string is judged, cheapest first, and all that is remembered between requests:
which keys were verified, their records, who failed lately. It knows no HTTP, and not what a key may do: that is asked
of `domain.policy`.

1. Layout and checksum. A key that is not one costs microseconds.
2. The verified-key cache: who passed Argon2 before is never throttled and never hashed again.
3. The throttle: failures only, per address and per key id.
4. The record: an unknown, revoked, paused or expired key is refused without hashing. That takes less time than a wrong
   secret does and so tells whether an id is live; ids are no secret (logs and error messages show them).
5. Argon2. The same secret is hashed once for all who wait with it; another secret joins nobody. The key's meter is
   charged before and given back where the secret was right, so guesses that arrive together are no cheaper.
6. The record once more: it may have been revoked meanwhile.

A derived key goes the same way, without 5: `derived` proves it by its chain. A wrong one counts against the address
alone, never against the key that it names: nobody guesses 256 bits, and whoever knows an id must not lock its key out.

Every kind of bad key gets one and the same sentence. What is remembered of a record is good as long as the store's
generation stands, and that is asked at every request; so a revoked key is refused from the first request after the
revocation was committed.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from authproxy.authority.canaries import Canaries
from authproxy.authority.derived import DerivedKeys, lasts, live_secret
from authproxy.authority.hashing import HashingPool, sha256_digest
from authproxy.authority.presented import Presented
from authproxy.authority.records import KeyRecords
from authproxy.authority.sealing import Masters
from authproxy.authority.throttle import Throttle
from authproxy.authority.verdicts import NewKey, Rotated, Verification
from authproxy.authority.verified import VerifiedKeys
from authproxy.authority.verifying import verification
from authproxy.domain.access import Principal, PrincipalKind
from authproxy.domain.derived import UnverifiedDerived, parse_derived
from authproxy.domain.endings import current
from authproxy.domain.keys import (
    KEY_ID_ENTROPY,
    SECRET_ENTROPY,
    SLOTS,
    KeyId,
    KeyKind,
    KeyRecord,
    PublicId,
    Secret,
    UnverifiedKey,
    mint,
    name_key,
    name_secret,
    next_slot,
    parse,
)
from authproxy.domain.policy import DEAD_KEY
from authproxy.domain.refusal import Code, Denial, Refused
from authproxy.store import Rotate, Store, StoreError, Unchanged

__all__ = ["Authority", "NewKey", "Rotated", "Verification"]

# Two ids of 71 random bits are equal once in a billion years of minting. Twice in a row is a broken source of entropy.
MINT_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class _Flight:
    """One Argon2 under way, and the digest that it is about."""

    digest: str = field(repr=False)
    task: "asyncio.Task[bool | Denial]"


class Authority:
    """Issues and authenticates the keys of one store. For one event loop.

    `prefix` is what keys start with; `process_key` is 32 random bytes of this start of the server; without `masters`
    derived keys are not taken. `alarm` is called for every use of a canary. `entropy` returns as many random bytes as
    it is asked for.
    """

    def __init__(
        self,
        store: Store,
        *,
        prefix: str,
        process_key: bytes,
        hashing: HashingPool,
        throttle: Throttle,
        masters: Masters | None = None,
        alarm: Callable[[], None] = lambda: None,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._hashing, self._throttle = hashing, throttle
        self._entropy = entropy
        self._verified = VerifiedKeys(process_key)
        self._records = KeyRecords(store)
        self.canaries = Canaries(store, alarm)
        self.derivations = DerivedKeys(store, self._records, masters or Masters(), prefix, self.canaries)
        self._presented = Presented(process_key)
        caches = (("headers", self._presented), ("keys", self._verified), ("records", self._records))
        self.caches = {name: each.memory for name, each in caches}
        self._flights: dict[tuple[PublicId, bytes], _Flight] = {}  # by public id and proof of the secret

    def recall(self, header: str, address: IPv4Address | IPv6Address, *, now: int) -> Principal | None:
        """Return whom this very header proved from this address, and would now (unix seconds); None says nothing."""
        known = self._presented.get(header, address)
        return known if known is not None and self.still_holds(known, now=now) else None

    def remember(self, header: str, principal: Principal) -> None:
        """Note that this header, and nothing beside it, proved a key; one that is still to be sealed comes again."""
        if not self.derivations.to_seal(principal):
            self._presented.put(header, principal)

    def still_holds(self, principal: Principal, *, now: int) -> bool:
        """Say whether the key that a principal proved would prove it now, without waiting. `now` is unix seconds.

        Yes means that no key was changed since, and that neither this one nor what was derived from it has expired. No
        says nothing: `authenticate` does.
        """
        key, public_id = principal.key, principal.public_id
        if key is None or public_id is None or not self._records.stands(key):
            return False
        return live_secret(key, PublicId(public_id), now) is not None and lasts(principal, now)

    async def authenticate(self, text: str, address: IPv4Address | IPv6Address, *, now: int) -> Principal | Denial:
        """Prove a key string. `now` is unix seconds.

        Denials: CREDENTIAL_INVALID; THROTTLED and BUSY with the seconds after which to come back; INTERNAL where what
        is stored of the key is broken. Raises StoreError where the store cannot answer.
        """
        key = parse(text, self._prefix)
        if key is None:
            return await self._of_derived(parse_derived(text, self._prefix), address, now)
        key_id, public_id = key.unverified_id, key.unverified_public_id
        proof = self._verified.proof(key.secret)
        while True:
            known = self._verified.knows(public_id, proof)
            joins = (public_id, proof) in self._flights  # costs no hash of its own
            if not known and not joins and (denial := self.turned_away(address, now, key_id)):
                self.canaries.look(await self._records.read(key_id), key, address, now)
                return denial
            record = await self._records.read(key_id)
            secret = live_secret(record, public_id, now)
            if record is None or secret is None:
                decoy = self.canaries.decoy(record, key, address, now)
                wrong = None if decoy is None else await self._hashed(key, proof, decoy, address, now)
                return wrong if isinstance(wrong, Denial) else self._failed(address, now)
            digest = secret.digest
            if self._verified.holds(public_id, proof, digest):
                self.derivations.seal_soon(record, public_id, key.secret, now)
                return Principal(PrincipalKind.KEY, address, record, public_id)
            right = await self._hashed(key, proof, digest, address, now)
            if isinstance(right, Denial):
                return right
            if not right:
                return self._failed(address, now)

    async def _of_derived(
        self, derived: UnverifiedDerived | None, address: IPv4Address | IPv6Address, now: int
    ) -> Principal | Denial:
        fit = None if derived is None else self.derivations.fit(derived)
        if fit is None and (denial := self.turned_away(address, now)):
            await self.derivations.look(derived, address, now)
            return denial
        proved = None if derived is None else await self.derivations.prove(derived, fit, address, now)
        return proved or self._failed(address, now)

    async def issue(self, spec: NewKey, *, now: int) -> tuple[KeyRecord, str]:
        """Make a key and store it; return its record and the key string, which is nowhere else and cannot be had again.

        Raises StoreError, and Refused(BUSY) where too many keys are being verified.
        """
        attempt = 1
        while True:
            record, text = await self._minted(spec, now)
            try:
                await self._store.add_key(record)
            except StoreError:
                if attempt == MINT_ATTEMPTS or await self._store.key(record.id) is None:
                    raise
                attempt += 1
            else:
                return record, text

    async def rotate(
        self, key_id: KeyId, overlap: int, *, now: int, again: bool = False, force: bool = False
    ) -> Rotated | Unchanged:
        """Give a key a second secret; the one it has ends after `overlap` seconds. `now` is unix seconds.

        The new secret is nowhere else and cannot be had again: `again` replaces it while the old one still works, with
        `force` even where it has been used. Once it is handed over, `Store.change_key` wants to know (`Shown`).
        Raises StoreError, and Refused(BUSY).
        """
        done = Unchanged("changed")
        for _ in range(MINT_ATTEMPTS):
            record = await self._store.key(key_id)
            newest = current(record) if record is not None else None
            if newest is None:
                return done if record else Unchanged("unknown")
            secret, text = await self._secret(key_id, next_slot(newest.slot), now)
            step = Rotate(secret, newest.slot, overlap, again=again, force=force)
            stored = await self._store.change_key(key_id, step, now=now)
            if isinstance(stored, KeyRecord):
                return Rotated(stored, name_secret(key_id, secret.slot), text)
            done = stored
            if done.reason != "changed":
                break
        return done

    async def verify(self, text: str, *, now: int) -> Verification:
        """Say whether a key string works, and if not, why. For operators only: it tells what a 401 does not.

        Raises StoreError, and Refused(BUSY) where too many keys are being verified.
        """
        return await verification(self._store, self._hashing, self.derivations, text, self._prefix, now)

    @property
    def seals(self) -> bool:
        """Whether there is a master key, so that something can be derived from new keys."""
        return self.derivations.seals

    def under(self, masters: Masters) -> None:
        """Take other master keys from now on; what was proved with those before is proved again."""
        self.derivations.under(masters)
        self._records.forget()

    def turned_away(self, address: IPv4Address | IPv6Address, now: int, key_id: KeyId | None = None) -> Denial | None:
        """Say whether an address, or who tries a key, has to wait before it is heard again. `now` is unix seconds."""
        wait = self._throttle.wait(address, key_id, now)
        return Denial(Code.THROTTLED, f"too many failed attempts: try again in {wait} seconds", wait) if wait else None

    def presented_wrong(self, address: IPv4Address | IPv6Address, now: int) -> None:
        """Count what somebody else found to be wrong, the index's own passwords."""
        self._throttle.failed_from(address, now)

    async def close(self) -> None:
        """Finish the hashing that is under way. Closing twice is fine."""
        if self._flights:
            await asyncio.wait([flight.task for flight in self._flights.values()])
        await self.derivations.close()
        await self.canaries.close()
        self._hashing.close()

    def _failed(self, address: IPv4Address | IPv6Address, now: int) -> Denial:
        self._throttle.failed_from(address, now)
        return DEAD_KEY

    async def _hashed(
        self, key: UnverifiedKey, proof: bytes, digest: str, address: IPv4Address | IPv6Address, now: int
    ) -> bool | Denial:
        """Hash, or wait for who hashes the same. True: look at the record and the verified keys again."""
        name = key.unverified_public_id, proof
        flight = self._flights.get(name)
        if flight is None:
            # Others may have failed while the record was read, or the secret that was known was replaced.
            if denial := self.turned_away(address, now, key.unverified_id):
                return denial
            self._throttle.failed_for(key.unverified_id, now)
            task = asyncio.create_task(self._fly(key, proof, digest, now))
            flight = self._flights[name] = _Flight(digest, task)
        # Shielded: a client that hangs up must not take the hash away from the others that wait for it.
        right = await asyncio.shield(flight.task)
        return right if flight.digest == digest else True

    async def _fly(self, key: UnverifiedKey, proof: bytes, digest: str, now: int) -> bool | Denial:
        right: bool | Denial
        try:
            right = await self._hashing.verify(digest, key.secret.reveal())
        except Refused as refused:
            right = refused.denial
        finally:
            del self._flights[key.unverified_public_id, proof]
        if right is True:
            self._verified.remember(key.unverified_public_id, proof, digest)
        if right is not False:
            self._throttle.forgive(key.unverified_id, now)
        return right

    async def _minted(self, spec: NewKey, now: int) -> tuple[KeyRecord, str]:
        key_id = name_key(self._entropy(KEY_ID_ENTROPY))
        secret, text = await self._secret(key_id, SLOTS[0], now, slowly=spec.kind is not KeyKind.CANARY)
        return spec.record(key_id, secret, now), text

    async def _secret(self, key_id: KeyId, slot: str, now: int, *, slowly: bool = True) -> tuple[Secret, str]:
        text = mint(self._prefix, name_secret(key_id, slot), self._entropy(SECRET_ENTROPY))
        key = parse(text, self._prefix)
        assert key is not None, "parse reads what mint writes"
        sealed = self.derivations.sealed(key.unverified_public_id, key.secret)
        shown = key.secret.reveal()
        digest = await self._hashing.hash(shown) if slowly else sha256_digest(shown)
        return Secret(slot, digest, now, None, sealed), text
