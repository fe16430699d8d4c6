"""Whether a key works, and if not why not: for the operator who holds the store and has the key in hand.

It tells what a 401 does not. Nothing is remembered, throttled or counted here.
"""

from authproxy.authority.derived import DerivedKeys
from authproxy.authority.hashing import HashingPool
from authproxy.authority.sealing import Unopened
from authproxy.authority.verdicts import Verification
from authproxy.domain.derived import UnverifiedDerived, lineage, parse_derived
from authproxy.domain.keys import KeyRecord, Secret, UnverifiedKey, parse
from authproxy.store import Store


async def verification(
    store: Store, hashing: HashingPool, derivations: DerivedKeys, text: str, prefix: str, now: int
) -> Verification:
    """Judge a key, or a derived one. `now` is unix seconds. Raises StoreError, and Refused as the pool does."""
    given = parse(text, prefix) or parse_derived(text, prefix)
    if given is None:
        return Verification("malformed")
    record = await store.key(given.unverified_id)
    if record is None:
        return Verification("unknown")
    secret = record.secret(given.unverified_public_id)
    if secret is None:
        return Verification("replaced", record)
    if isinstance(given, UnverifiedKey):
        right = await hashing.verify(secret.digest, given.secret.reveal())
        return Verification(_dead(record, secret, now) if right else "wrong secret", record)
    return await _of_derived(store, derivations, given, (record, secret), prefix, now)


async def _of_derived(
    store: Store,
    derivations: DerivedKeys,
    given: UnverifiedDerived,
    of: tuple[KeyRecord, Secret],
    prefix: str,
    now: int,
) -> Verification:
    record, secret = of
    opened = derivations.opened(given.unverified_public_id, secret)
    if isinstance(opened, Unopened):
        return Verification("sealed", record, why=opened.why)
    names = lineage(given, opened, prefix)
    if names is None:
        return Verification("wrong secret", record)
    caveats = derivations.understood(given)
    if caveats is None:
        return Verification("not understood", record)
    if await store.derivations.ended(names):
        return Verification("ended", record, caveats)
    return Verification(_dead(record, secret, now), record, caveats)


def _dead(record: KeyRecord, secret: Secret, now: int) -> str | None:
    return record.dead(now) or ("expired" if secret.dead(now) else None)
