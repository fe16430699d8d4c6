"""What is remembered between requests that give keys up, and between reports of leaked ones.

Ending derived keys writes a row each, and whoever has one can make any number of others of it. So they are counted by
key as well, and apart by how many caveats they have: what is made of one has more of them than it, so that whoever
captured one cannot hold up its end by ending others. A key itself can be ended however many of its derived ones were.
"""

import asyncio
from typing import Final

from authproxy.authority.possession import Possession, Possessions
from authproxy.authority.recent import Recent
from authproxy.authority.throttle import Throttle
from authproxy.domain.keys import KeyId
from authproxy.domain.refusal import Code, refuse
from authproxy.web.head import Address

# How many derived keys of one key, with one number of caveats, may be ended by themselves in five minutes: more than a
# job ever makes. With 16 caveats at most these are 1,600 rows.
DERIVED_LIMIT: Final = 100
DERIVED_WINDOW: Final = 300
# Reports that were answered lately, by the hash of their body.
ANSWERED: Final = 10_000


class Revocations:
    """What is counted of requests to revoke. One per server.

    The meter of addresses is not that of logins: a pipeline that gives its keys up must not lock its keys out.
    """

    def __init__(self, possessions: Possessions, throttle: Throttle) -> None:
        self.possessions = possessions
        self._addresses = throttle
        self._derived = Throttle(failures=DERIVED_LIMIT, window=DERIVED_WINDOW)

    def count(self, address: Address, now: int) -> None:
        """Count a request. Raises Refused (throttled)."""
        self.hear(address, now)
        self.failed(address, now)

    def failed(self, address: Address, now: int) -> None:
        """Count what was sent."""
        self._addresses.failed_from(address, now)

    def hear(self, address: Address, now: int) -> None:
        """Count nothing yet. Raises Refused (throttled) where the address has to wait."""
        if wait := self._addresses.wait(address, None, now):
            raise refuse(Code.THROTTLED, f"too many keys were sent: try again in {wait} seconds", retry_after=wait)

    def count_derived(self, found: Possession, address: Address, now: int) -> None:
        """Count a derived key that is to be ended, among those with as many caveats. Raises Refused (throttled)."""
        counted = KeyId(f"{found.record.id}.{found.caveats}")
        if wait := self._derived.wait(address, counted, now):
            told = f"too many derived keys of this one were ended: try again in {wait} seconds, or revoke the key"
            raise refuse(Code.THROTTLED, told, retry_after=wait)
        self._derived.failed_for(counted, now)


class AnsweredReports:
    """The reports that were answered. One per server; each is answered by itself."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()  # two copies of one report must not both be news
        self._answered: Recent[bytes, bool] = Recent(ANSWERED)

    def __contains__(self, digest: bytes) -> bool:
        return self._answered.get(digest) is not None

    def add(self, digest: bytes) -> None:
        """Remember that this one is answered."""
        self._answered.put(digest, value=True)
