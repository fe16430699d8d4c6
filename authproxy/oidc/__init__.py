"""OpenID Connect as far as a CI's token needs it: fixed issuers, their keys, and a token that becomes Claims.

Rule 1: the issuer is looked up among the configured ones before anything else, by the exact text of `iss`.
Rule 2: nothing in a token chooses how it is checked. The issuer's config fixes the algorithms, the key decides on one.
Rule 3: a token with two readings is refused (a key of JSON twice, a second spelling of base64, a part too many).
Rule 4: there is always an answer within the five seconds that uv and pdm wait; an issuer that hangs costs three.
Rule 5: the last good keys of an issuer that fails stay good for a stated time, and no longer.

Whether the claims allow anything is `domain.publishers`' business; that a token mints once, the store's.
"""

from authproxy.oidc.claims import Claims
from authproxy.oidc.issuers import Algorithm, Issuer
from authproxy.oidc.jwks import Keyrings
from authproxy.oidc.refusal import IssuerSilent, TokenCode, TokenRefused
from authproxy.oidc.tokens import Verifier

__all__ = ["Algorithm", "Claims", "Issuer", "IssuerSilent", "Keyrings", "TokenCode", "TokenRefused", "Verifier"]
