"""How many failures an address or a key may have before it has to wait. Time is a number passed in.

Only failures are counted, by two meters. One is per address: IPv4 /32, IPv6 /64, because a /64 is the least that one
customer gets (RFC 6177), and an IPv4 address written as IPv6 is that IPv4 address. One is per key id, for wrong secrets
of keys that exist.

The rate is a leaky bucket (GCRA, ITU-T I.371): `failures` at once, then one more per `window / failures` seconds. It
takes one number per entry, where a sliding window takes one per failure; the price is that the first window lets
almost twice as many through.

What an attacker can still do: who knows a key's id can fail it on purpose, and as long as that goes on, a server that
has not met the real key since its start answers 429 to it, too. A key that it has met is not throttled at all. Who
commands more addresses than a meter holds is not held by the address meter; the key meter and the bounded hashing pool
hold. Who knows many ids besides can keep that pool full with a few guesses at each: keys not met yet then get 503.
"""

from ipaddress import IPv4Address, IPv6Address
from math import ceil
from typing import Final, TypeVar

from authproxy.authority.recent import Recent
from authproxy.domain.keys import KeyId

# Per meter; about 0.25 KB each, so both stay under 10 MB. The addresses that fail within one window are far fewer in
# any installation; an attacker with more /64s than this evicts only entries that failed longer ago than his own.
THROTTLE_ENTRIES: Final = 16_384

K = TypeVar("K")

_INTERFACE_BITS: Final = 64  # the half of an IPv6 address that its holder chooses freely (RFC 4291, 2.5.1)


def _origin(address: IPv4Address | IPv6Address) -> tuple[int, int]:
    plain = (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
    return (6, int(plain) >> _INTERFACE_BITS) if isinstance(plain, IPv6Address) else (4, int(plain))


class Throttle:
    """`failures` in `window` seconds, per address and per key id. One per server: it is where failures add up."""

    def __init__(self, *, failures: int, window: int, entries: int = THROTTLE_ENTRIES) -> None:
        if failures < 1 or window < 1:
            raise ValueError(f"{failures} failures in {window} seconds is no rate: 1 is the least of both")
        self._window = window
        self._pace = window / failures  # seconds that one failure takes to leak out
        self._addresses: Recent[tuple[int, int], float] = Recent(entries)
        self._keys: Recent[KeyId, float] = Recent(entries)

    def __len__(self) -> int:
        """Return how many addresses and keys are remembered."""
        return len(self._addresses) + len(self._keys)

    def wait(self, address: IPv4Address | IPv6Address, key_id: KeyId | None, now: float) -> int:
        """Return the seconds until another attempt is heard, at least 1; 0 where it is heard now.

        Asking counts nothing: an attempt that is turned away does not prolong the wait that it was told.
        """
        empty_at = self._empty_at(self._addresses, _origin(address), now)
        if key_id is not None:
            empty_at = max(empty_at, self._empty_at(self._keys, key_id, now))
        over = empty_at - now + self._pace - self._window
        # Floats: a bucket that has leaked for exactly one pace must not be a millionth of a second over.
        return max(0, ceil(round(over, 6)))

    def failed_from(self, address: IPv4Address | IPv6Address, now: float) -> None:
        """Count a failed attempt from an address."""
        self._fill(self._addresses, _origin(address), now)

    def failed_for(self, key_id: KeyId, now: float) -> None:
        """Count a wrong secret for a key that exists. Unknown ids are never counted: strangers would fill the meter."""
        self._fill(self._keys, key_id, now)

    def forgive(self, key_id: KeyId, now: float) -> None:
        """Take back one failure of a key that was counted before it was known whether it would be one."""
        left = (self._keys.get(key_id) or 0.0) - self._pace
        if left > now:
            self._keys.put(key_id, left)
        else:
            self._keys.drop(key_id)

    def _empty_at(self, meter: Recent[K, float], name: K, now: float) -> float:
        empty_at = meter.get(name) or 0.0
        # A full bucket is empty one window from now. Anything later was counted before the clock was set back: it leaks
        # from now on, or it would stay full for as long as the clock was wrong.
        if empty_at > now + self._window:
            empty_at = now + self._window
            meter.put(name, empty_at)
        return empty_at

    def _fill(self, meter: Recent[K, float], name: K, now: float) -> None:
        left = min(max((meter.get(name) or 0.0) - now, 0.0), self._window)
        meter.put(name, now + min(left + self._pace, self._window))
