"""From a CI's token to a key of minutes: verified, matched, minted; each step in its own room, this is their order.

It knows no HTTP. Whatever is wrong leaves as TokenRefused, and then nothing was stored: all that writes is the one
transaction at the end (`store.minting`).
"""

import json
from typing import Final

from authproxy.authority.minting import ForPublisher, Minted, Minter
from authproxy.authority.throttle import Throttle
from authproxy.config import Config
from authproxy.config.settings import IssuerSettings
from authproxy.domain.publishers import Matched, Unmatched, match
from authproxy.domain.rules import Policy
from authproxy.oidc import Algorithm, Claims, Issuer, Keyrings, TokenCode, TokenRefused, Verifier
from authproxy.store import NotMinted, Store

# How often a token is matched anew because two first uses of one publisher came at once; each time one of them wins.
MATCHES: Final = 5

REUSED: Final = "a key was minted for this token before, and a token is good for one: let the job ask for a new token"
CONTENDED: Final = "many tokens of this publisher came at once: let the job ask for a new token and try again"


class Publishers:
    """Mints for the trusted publishers of whatever config is in force. One per server.

    `throttle` counts tokens that were no good, by address. It is not the one of keys: a job that is set up wrongly
    must not lock the keys out that come from the same address.
    """

    def __init__(self, store: Store, keyrings: Keyrings, minter: Minter, throttle: Throttle) -> None:
        self._store = store
        self._keyrings = keyrings
        self._verifier: tuple[Config, Verifier] | None = None
        self.minter = minter
        self.throttle = throttle

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
