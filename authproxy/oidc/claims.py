"""What a token has to say whoever sends it: for whom it is, from when to when, and what it is called.

Pure: the clock is an argument. Which repository, job or account may do what is `domain.publishers`' business.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from authproxy.domain.refusal import quoted
from authproxy.oidc.compact import UnverifiedToken
from authproxy.oidc.issuers import Issuer
from authproxy.oidc.refusal import TokenCode, TokenRefused

# Seconds that the clocks of issuer and proxy may differ.
LEEWAY: Final = 30
# Seconds from `iat` to `exp`. GitHub gives 5 minutes; Google, CircleCI, Jenkins and Forgejo an hour; GitLab as long as
# the job may run.
LONGEST: Final = 60 * 60
# Seconds past the last one of a token for which its id is kept, so that it stays used: more than the clocks of several
# proxies over one store may differ.
MARGIN: Final = 5 * 60
# The one constant of how long an id is kept: from `exp` on.
KEPT: Final = LEEWAY + MARGIN
# The end of 9999: past it, no date can be written.
LAST_TIME: Final = 253_402_300_799
# A UUID has 36 characters; what an issuer needs 300 for is no id.
JTI_LIMIT: Final = 300


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a token whose signature, audience and times were checked.

    `assertion_id` names the token for as long as it could be replayed, `kept_until` (unix seconds) says how long: 64
    hexadecimal digits that hold nothing of the token's text.
    """

    issuer: Issuer
    values: Mapping[str, object]
    assertion_id: str
    expires: int  # unix seconds
    kept_until: int


def judged(token: UnverifiedToken, issuer: Issuer, audience: str, *, now: int) -> Claims:
    """Judge the claims that every token has; TokenRefused (invalid-token). `now` and all times are unix seconds."""
    values = token.unverified_claims
    expected = issuer.audience or audience
    if values.get("aud") != ([expected] if issuer.audience_in_list else expected):
        raise _refused(
            f"the token is not for {quoted(expected)} alone: let the job ask for an ID token with that audience "
            "('aud') and no other"
        )
    expires, issued = _time(values, "exp"), _time(values, "iat")
    if now >= expires + LEEWAY:
        raise _refused(
            f"the token ended at {_clock(expires)} and the clock here says {_clock(now)}: let the job ask for a new one"
        )
    begins = max(issued, _time(values, "nbf") if "nbf" in values else issued)
    if begins > now + LEEWAY:
        raise _refused(
            f"the token begins at {_clock(begins)} and the clock here says {_clock(now)}: set the clock that is wrong"
        )
    if not 0 < expires - issued <= LONGEST:
        raise _refused(
            f"the token is good for {expires - issued} s and {LONGEST} s are accepted: "
            "let the job ask for a shorter one (on GitLab: give the job a timeout of an hour)"
        )
    return Claims(issuer, values, _assertion_id(token), expires, expires + KEPT)


def _time(values: Mapping[str, object], claim: str) -> int:
    found = values.get(claim)
    # bool is an int to Python. RFC 7519 allows fractions; no issuer writes them, and they give a second two readings.
    if type(found) is not int or not 0 <= found <= LAST_TIME:
        raise _refused(f"the token's {claim!r} is not a time in whole unix seconds, and every token has to have one")
    return found


def _assertion_id(token: UnverifiedToken) -> str:
    """Name a token: by its `jti`, which is unique within its issuer alone, or by what was signed.

    Not by the whole text: an ECDSA signature (r, s) can be rewritten by anybody as (r, -s), and that token would have
    a name of its own.
    """
    values = token.unverified_claims
    if "jti" not in values:
        return hashlib.sha256(b"jwt\0" + token.signed).hexdigest()
    jti = values["jti"]
    if not isinstance(jti, str) or not 0 < len(jti) <= JTI_LIMIT:
        raise _refused(f"the token's id ('jti') is not a text of at most {JTI_LIMIT} characters, and it has to be")
    return hashlib.sha256(b"jti\0" + f"{values['iss']}\0{jti}".encode()).hexdigest()


def _clock(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _refused(description: str) -> TokenRefused:
    return TokenRefused(TokenCode.TOKEN, description)
