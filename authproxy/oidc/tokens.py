"""A token becomes Claims: issuer, form, header, claims, and the signature last, because it may cost a fetch.

What is refused before the signature is refused whoever signed it; so a token that has expired, or is for another
audience, never makes us ask an issuer for its keys. The signature is checked by PyJWT's algorithms, each of which can
do one thing; its reader of tokens is not used, because a token that is read twice can be read in two ways.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

import jwt

from authproxy.domain.refusal import quoted
from authproxy.oidc.claims import Claims, judged
from authproxy.oidc.compact import UnverifiedToken, key_named, read_token
from authproxy.oidc.issuers import Algorithm, Issuer
from authproxy.oidc.keys import VerifyingKey
from authproxy.oidc.refusal import TokenCode, TokenRefused

# Returns the issuer's key of a name, or raises TokenRefused.
Keys = Callable[[Issuer, str], Awaitable[VerifyingKey]]

FORGED: Final = "the token's signature is not the issuer's: send the token as the CI gave it, unchanged"


class Verifier:
    """Verifies tokens of the issuers of one config, for its audience. Cheap to make: a reload makes a new one."""

    def __init__(self, issuers: Iterable[Issuer], audience: str, keys: Keys) -> None:
        """Raise ValueError where one issuer stands twice in the config with different settings."""
        found: dict[str, Issuer] = {}
        for issuer in issuers:
            if found.setdefault(issuer.url, issuer) != issuer:
                raise ValueError(f"the issuer {issuer.url} has two different settings")
        self._issuers: Mapping[str, Issuer] = found
        self._audience = audience
        self._keys = keys
        self._signatures = {algorithm: jwt.get_algorithm_by_name(algorithm.value) for algorithm in Algorithm}

    async def verified(self, token: str, *, now: int) -> Claims:
        """Return what the token's issuer says; raises TokenRefused. `now` is in unix seconds.

        Takes as long as one fetch of keys at most.
        """
        unverified = read_token(token)
        issuer = self._issuer(unverified.unverified_claims)
        kid = key_named(unverified.unverified_header, issuer)
        claims = judged(unverified, issuer, self._audience, now=now)
        self._check(unverified, await self._keys(issuer, kid))
        return claims

    def _issuer(self, claims: Mapping[str, object]) -> Issuer:
        named = claims.get("iss")
        if not isinstance(named, str):
            raise TokenRefused(TokenCode.PAYLOAD, "the token does not name its issuer ('iss'), and it has to")
        issuer = self._issuers.get(named)
        if issuer is None:
            raise TokenRefused(
                TokenCode.PAYLOAD,
                f"nothing here trusts the issuer {quoted(named)}: the config needs a publisher of exactly that issuer",
            )
        return issuer

    def _check(self, token: UnverifiedToken, key: VerifyingKey) -> None:
        algorithm = key.algorithm
        if token.unverified_header["alg"] != algorithm:
            raise TokenRefused(TokenCode.TOKEN, f"the token names another algorithm than its key's, {algorithm}")
        if not self._signatures[algorithm].verify(token.signed, key.public, token.signature):
            raise TokenRefused(TokenCode.TOKEN, FORGED)
