"""A token as text: three parts, strictly read, and nothing of them believed yet.

The form is RFC 7515's compact serialisation with a JWT (RFC 7519) in it. What is refused here could be read in two
ways, or is a way for a token to say how it wants to be verified (RFC 8725, sections 2 and 3).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn

from authproxy.domain.refusal import quoted
from authproxy.oidc.issuers import Issuer
from authproxy.oidc.keys import KID_LIMIT
from authproxy.oidc.refusal import TokenCode, TokenRefused
from authproxy.oidc.strict import json_object, unpacked

# Tokens of real issuers have 1 to 3 KB. Past 32 KiB nobody's CI is speaking.
TOKEN_LIMIT: Final = 32 * 1024
SIGNED_PARTS: Final = 3
ENCRYPTED_PARTS: Final = 5  # RFC 7516, section 3.1

# Parameters that bring a key along, or change what is signed. `x5t` is a mere thumbprint (GitHub and Azure DevOps
# write it) and nobody reads it.
_FORBIDDEN: Final = ("crit", "jku", "x5u", "jwk", "x5c", "b64", "enc", "zip")


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """What a token says. `signed` are the bytes under its `signature`."""

    unverified_header: Mapping[str, object]
    unverified_claims: Mapping[str, object]
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def read_token(text: str) -> UnverifiedToken:
    """Read a token's form. Raises TokenRefused (invalid-payload)."""
    if len(text) > TOKEN_LIMIT:
        _refuse(f"the token has {len(text)} characters and {TOKEN_LIMIT} are read: send the ID token of the job alone")
    parts = text.encode("utf-8", "replace").split(b".")
    if len(parts) == ENCRYPTED_PARTS:
        _refuse("the token is encrypted (a JWE of five parts): send a signed ID token, which has three")
    if len(parts) != SIGNED_PARTS:
        _refuse(f"an ID token has three parts between dots and this text has {len(parts)}: send it whole and alone")
    header, claims = _object(parts[0], "header"), _object(parts[1], "payload")
    try:
        signature = unpacked(parts[2])
    except ValueError as exc:
        _refuse(f"the token's signature cannot be read: {exc}; send the token as the CI gave it")
    return UnverifiedToken(header, claims, parts[0] + b"." + parts[1], signature)


def _object(part: bytes, what: str) -> dict[str, object]:
    try:
        return json_object(unpacked(part))
    except ValueError as exc:
        _refuse(f"the token's {what} cannot be read: {exc}; send the token as the CI gave it")


def key_named(header: Mapping[str, object], issuer: Issuer) -> str:
    """Judge a header and return its `kid`. Raises TokenRefused (invalid-token)."""
    for parameter in _FORBIDDEN:
        if parameter in header:
            raise TokenRefused(
                TokenCode.TOKEN, f"the token's header has {quoted(parameter)}, which no token here may have"
            )
    kind = header.get("typ", "JWT")
    # RFC 8725, section 3.11: access tokens (at+jwt), logout tokens and the like are JWTs for another purpose.
    if not isinstance(kind, str) or kind.upper() != "JWT":
        raise TokenRefused(TokenCode.TOKEN, "the token's type is not JWT: send the job's ID token, no other kind")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in issuer.algorithms:
        allowed = " or ".join(sorted(issuer.algorithms))
        raise TokenRefused(TokenCode.TOKEN, f"the token is not signed with {allowed}, as this issuer's tokens have to")
    kid = header.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= KID_LIMIT:
        raise TokenRefused(TokenCode.TOKEN, "the token's header does not name the issuer's key ('kid'), and it has to")
    return kid


def _refuse(description: str) -> NoReturn:
    raise TokenRefused(TokenCode.PAYLOAD, description)
