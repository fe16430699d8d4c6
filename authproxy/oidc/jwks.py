"""The keys of every issuer, kept: fetched when one is wanted, by one request at a time, and seldom.

Three ages of a key set. Young (FRESH): it answers. Older: the next token waits for a new one, three seconds at most.
Too old (STALE): it answers no more. In between, an issuer that is down, or sends what is no key set, changes nothing:
the last good set stays.

A `kid` that the set does not have asks the issuer again, because that is how a rotation looks; but anybody can write a
`kid`, so never more than once a minute, however many tokens come. Time here is a monotonic clock's: a wall clock that
is set back would otherwise put off every fetch by as much.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from authproxy.domain.refusal import quoted
from authproxy.oidc.issuers import Issuer
from authproxy.oidc.keys import KeySet, VerifyingKey, read_keys
from authproxy.oidc.refusal import IssuerSilent, TokenCode, TokenRefused
from authproxy.oidc.source import Unavailable, key_set_of

log: Final = logging.getLogger("authproxy.oidc")

# Seconds until a set is fetched anew. GitHub and Google let theirs be cached for minutes to hours, and publish a key
# before they sign with it; a key that they withdraw is good here for so long.
FRESH: Final = 10 * 60
# Seconds for which a set answers while its issuer gives no other. An outage of a night's length is bridged; a key that
# was withdrawn meanwhile is not good for ever to who can keep us from the issuer.
STALE: Final = 12 * 60 * 60
# Seconds between two fetches from one issuer, whatever comes in between.
APART: Final = 60
# The same while there is no set at all: no token is good then, so that a job of the next minute should not pay for a
# connection that broke off as the server started.
APART_EMPTY: Final = 10

Fetch = Callable[[Issuer], Awaitable[bytes]]


@dataclass(slots=True)
class _Ring:
    """What is known of one issuer. Times are the clock's, in seconds."""

    keys: KeySet | None = None
    taken: float = -math.inf  # when `keys` came
    tried: float = -math.inf  # when the last fetch began
    trouble: str | None = None  # what was wrong with it
    flight: asyncio.Task[None] | None = None


class Keyrings:
    """The key sets of all issuers. `fetch` brings one or raises Unavailable, and never takes longer than its time."""

    def __init__(self, fetch: Fetch = key_set_of, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        # By the whole config of an issuer: one that is configured anew starts with nothing.
        self._rings: dict[Issuer, _Ring] = {}

    async def close(self) -> None:
        """End what is under way."""
        flights = [ring.flight for ring in self._rings.values() if ring.flight is not None]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def key(self, issuer: Issuer, kid: str) -> VerifyingKey:
        """Return the issuer's key of that name; waits as long as one fetch at most. Raises TokenRefused."""
        ring = self._rings.setdefault(issuer, _Ring())
        if (flight := self._flight(issuer, ring, kid)) is not None:
            # Shielded: whoever waits may leave, and the others still want it.
            await asyncio.shield(flight)
        if ring.keys is None or self._clock() - ring.taken >= STALE:
            raise IssuerSilent(TokenCode.TOKEN, self._without_keys(issuer, ring))
        found = ring.keys.usable.get(kid)
        if found is None:
            raise TokenRefused(TokenCode.TOKEN, _without_key(ring.keys, kid))
        return found

    def _flight(self, issuer: Issuer, ring: _Ring, kid: str) -> asyncio.Task[None] | None:
        """Return the fetch that this token has to wait for, if there is one."""
        now = self._clock()
        if ring.keys is not None and kid in ring.keys.usable and now - ring.taken < FRESH:
            return None
        if ring.flight is None and now - ring.tried >= (APART_EMPTY if ring.keys is None else APART):
            ring.tried = now
            ring.flight = asyncio.create_task(self._refreshed(issuer, ring))
        return ring.flight

    async def _refreshed(self, issuer: Issuer, ring: _Ring) -> None:
        try:
            ring.keys = read_keys(await self._fetch(issuer), issuer.algorithms)
        except Unavailable as exc:
            ring.trouble = str(exc)
        except ValueError as exc:
            ring.trouble = f"has a key set that {exc}"
        else:
            ring.taken, ring.trouble = self._clock(), None
        finally:
            ring.flight = None
        if ring.trouble is not None:
            kept = "its last good keys stay in use" if ring.keys is not None else "no token of it can be verified"
            log.warning("the issuer %s %s; %s", issuer.url, ring.trouble, kept)

    def _without_keys(self, issuer: Issuer, ring: _Ring) -> str:
        wait = max(1, math.ceil(ring.tried + (APART_EMPTY if ring.keys is None else APART) - self._clock()))
        return (
            f"the keys of {quoted(issuer.url)} cannot be had: it {ring.trouble}; "
            f"it is asked again in {wait} s, run the job again then"
        )


def _without_key(keys: KeySet, kid: str) -> str:
    if (reason := keys.unusable.get(kid)) is not None:
        return f"the issuer's key {quoted(kid)} cannot be used: {reason}"
    return (
        f"the issuer has no key {quoted(kid)}: let the job ask for a new token, "
        f"and try again in {APART} s where the issuer has just changed its keys"
    )
