"""From a CI's token to a key of minutes: verified, matched, minted; each step in its own room, this is their order.

It knows no HTTP. Whatever is wrong leaves as TokenRefused, and then nothing was stored: all that writes is the one
transaction at the end (`store.minting`).
"""

import asyncio
import json
import logging
from typing import Final

from authproxy.authority.minting import ForPublisher, Minted, Minter
from authproxy.authority.throttle import Throttle
from authproxy.config import Config
from authproxy.config.settings import IssuerSettings
from authproxy.domain.keys import KeyKind
from authproxy.domain.publishers import Matched, Unmatched, match
from authproxy.domain.rules import Policy, followed
from authproxy.oidc import Algorithm, Claims, Issuer, Keyrings, TokenCode, TokenRefused, Verifier
from authproxy.store import NO_POLICY, KeyState, NotMinted, Store

log: Final = logging.getLogger("authproxy.publishing")

# How often a token is matched anew because two first uses of one publisher came at once; each time one of them wins.
MATCHES: Final = 5

REUSED: Final = "a key was minted for this token before, and a token is good for one: let the job ask for a new token"
# Seconds for which keys are held against a new config: longer than a mint may take that matched by the old one.
UNDER_WAY: Final = 10
# So many keys and publishers stand in one line of the log.
TOLD: Final = 20

CONTENDED: Final = "many tokens of this publisher came at once: let the job ask for a new token and try again"


class Publishers:
    """Mints for the trusted publishers of whatever config is in force. One per server.

    `throttle` counts tokens that were no good, by address. It is not the one of keys: a job that is set up wrongly
    must not lock the keys out that come from the same address.

    A key whose publisher is not in the config, or is with other ids than the key's token had, does nothing; and it is
    ended for good, or it would do everything again when the config says once more what it said before. `changed` is
    set where a config came whose keys nobody has looked at.
    """

    def __init__(self, store: Store, keyrings: Keyrings, minter: Minter, throttle: Throttle) -> None:
        self._store = store
        self._keyrings = keyrings
        self._verifier: tuple[Config, Verifier] | None = None
        self._unjudged: list[tuple[Policy, int]] = []
        self.changed = asyncio.Event()
        self.minter = minter
        self.throttle = throttle

    def follow(self, policy: Policy, *, now: int) -> None:
        """Take note of a config that is in force from now on: `end_strays` holds the keys against it."""
        self._unjudged.append((policy, now))
        self.changed.set()

    async def end_strays(self, *, now: int) -> None:
        """End the minted keys that were there when a config came which has no publisher of theirs. Raises StoreError.

        What it could not do it does the next time; also then what was being minted while the config changed.
        """
        self.changed.clear()
        for policy, since in tuple(self._unjudged):
            strays = [
                key
                for state in (KeyState.LIVE, KeyState.PAUSED)
                async for key in self._store.keys(policy=NO_POLICY, state=state, kinds={KeyKind.MINTED}, now=now)
                if key.created <= since and followed(policy, key) is None
            ]
            if strays and await self._store.minting.end([key.id for key in strays], now=now):
                whose = sorted({key.publisher or "" for key in strays})
                told = {"count": len(strays), "keys": [key.id for key in strays][:TOLD], "publishers": whose[:TOLD]}
                log.warning("minted keys were revoked: the config has no publisher that is theirs", extra=told)
            if now >= since + UNDER_WAY:
                self._unjudged.remove((policy, since))

    async def verified(self, config: Config, token: str, *, now: int) -> Claims:
        """Verify a token. Raises TokenRefused, after one fetch of the issuer's keys at most."""
        if self._verifier is None or self._verifier[0] is not config:
            self._verifier = config, verifier_of(config, self._keyrings)
        return await self._verifier[1].verified(token, now=now)

    async def minted(self, policy: Policy, claims: Claims, uses: int | None, *, now: int) -> Minted:
        """Find whose token it is, and mint. `uses` is how many uploads the key shall be good for; None: any number.

        Raises TokenRefused and StoreError.
        """
        for _ in range(MATCHES):
            found = match(policy.publishers.values(), claims.values, await self._store.minting.pins(), now=now)
            if isinstance(found, Unmatched):
                raise TokenRefused(_code(found), found.reason)
            done = await self.minter.mint_for(_order(found, claims, uses), now=now)
            if isinstance(done, Minted):
                return done
            if done is NotMinted.REUSED:
                raise TokenRefused(TokenCode.REUSED, REUSED)
        raise TokenRefused(TokenCode.NOT_ENABLED, CONTENDED)


def verifier_of(config: Config, keyrings: Keyrings) -> Verifier:
    """Make what verifies the tokens of this config's publishers."""
    trusted = config.trusted_publishing
    return Verifier([_issuer(each) for each in trusted.issuers], trusted.audience, keyrings.key)


def _issuer(settings: IssuerSettings) -> Issuer:
    return Issuer(
        settings.url,
        frozenset(Algorithm(each) for each in settings.algorithms),
        settings.keys_url,
        settings.ca_file,
        settings.audience,
        settings.audience_in_list,
    )


def _order(found: Matched, claims: Claims, uses: int | None) -> ForPublisher:
    publisher = found.publisher
    pin = found.asked.pins.get(publisher.label)
    return ForPublisher(
        publisher=publisher.label,
        claims=json.dumps({"iss": publisher.issuer, **publisher.recorded(claims.values)}, separators=(",", ":")),
        lifetime=publisher.lifetime,
        assertion=claims.assertion_id,
        until=claims.kept_until,
        seen={} if pin is None else pin.claims,
        pin=found.pin,
        uses=uses,
    )


def _code(found: Unmatched) -> TokenCode:
    """Say whether nobody takes the token, or only a publisher that has ended because it was never used."""
    ended = any(trial.unmet == ("create",) for trial in found.asked.trials())
    return TokenCode.PENDING_PUBLISHER if ended else TokenCode.PUBLISHER
