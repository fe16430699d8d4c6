"""What a client presents: the Authorization header, read once, into a key or something foreign.

devpi-client logs in by a header of its own, which holds what stands behind `Basic`. A key in it is heard as it would be
there; somebody's session with the index is not, since that header goes to no index.

This room tells the two apart and judges neither. The line between them is drawn on one side: whatever could be a key
of ours, broken, quoted or in the wrong place, is a key, because a foreign header may be passed on to an index and a key
must never be. A key that stands where no form below puts it is refused.

    Basic __token__:KEY    Basic KEY:    Basic :KEY    Bearer KEY    token KEY

The scheme is read in any case (RFC 9110, section 11.1) and white space around the key is stripped: secrets in CI end
in newlines.
"""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from authproxy.domain.keys import looks_like_key
from authproxy.domain.policy import DEAD_KEY
from authproxy.domain.refusal import Code, Refused, refuse

# What nginx, Apache and aiohttp take for one header line. Kerberos tickets, the largest credentials in use, stay below.
HEADER_LIMIT: Final = 8 * 1024  # bytes

TOKEN_USER: Final = "__token__"  # noqa: S105 - PyPI's user name for "the password is a token"

# RFC 9110, section 5.5, without obs-text: no scheme in use needs more, and this may go out again.
_HEADER: Final = re.compile(r"[\t -~]*", re.ASCII)

# RFC 7617, section 2, forbids control characters in both halves. (UTF-16 in disguise shows as NUL.)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

# Longer user names are nobody's, and the record holds them.
_USER: Final = re.compile(r"[!-9;-~](?:[ -9;-~]{0,98}[!-9;-~])?", re.ASCII)

# A key inside other text (quotes, a byte order mark, `password=apx_...`): the prefix and as many characters as its
# public id has. Fewer would make foreign user names such as `team-apx_ci` into keys.
_KEY_INSIDE: Final = r"_[0-9A-Za-z]{13}"


@dataclass(frozen=True, slots=True)
class Credential:
    """One credential. Exactly one of the two is set, so a header that holds a key cannot be passed on by mistake."""

    key_text: str | None = field(default=None, repr=False)  # meant as a key of ours; not even parsed yet
    foreign: str | None = field(default=None, repr=False)  # the header's value as it came: someone else's credential


def credential_of(header_values: Sequence[str], prefix: str, *, header: str = "Authorization") -> Credential | None:
    """Read all values of a request's Authorization headers; None where there are none.

    `prefix` is that of the keys; `header` is what a refusal calls the header. Raises Refused: REQUEST_INVALID for two
    headers and for one that is too long, CREDENTIAL_INVALID for one that no form fits, with the sentence that every bad
    key gets.
    """
    if not header_values:
        return None
    if len(header_values) > 1:
        raise refuse(Code.REQUEST_INVALID, f"there are two {header} headers: send one")
    [value] = header_values
    if len(value.encode("utf-8", "surrogateescape")) > HEADER_LIMIT:
        raise refuse(Code.REQUEST_INVALID, f"the {header} header is too long: {HEADER_LIMIT} bytes are taken")
    scheme, _, rest = value.strip().partition(" ")
    read = _SCHEMES.get(scheme.lower())
    presented = rest.strip()
    if not presented or not _HEADER.fullmatch(value):
        raise Refused(DEAD_KEY)
    key_text = read(presented, prefix) if read else None
    if key_text is not None:
        return Credential(key_text=key_text)
    if any(_holds_key(text, prefix) for text in (value, presented, _decoded(presented))):
        raise Refused(DEAD_KEY)
    return Credential(foreign=value)


def with_session(
    shown: Credential | None, session_values: Sequence[str], prefix: str, *, header: str
) -> Credential | None:
    """Read the values of devpi-client's own header beside what the Authorization header showed.

    The same credential in both is one (`devpi use` with the key in the URL, and then `devpi login`); of two different
    ones nobody could say which counts. A foreign one alone is None: it is the index's, and passed on to nobody.
    Raises Refused as `credential_of` does.
    """
    if not session_values:
        return shown
    try:
        session = credential_of([f"Basic {value}" for value in session_values], prefix, header=header)
    except Refused:
        if shown is None:
            raise
        session = None
    if shown is None:
        return session if session is not None and session.key_text is not None else None
    if shown != session:
        raise refuse(
            Code.REQUEST_INVALID,
            f"the Authorization and {header} headers hold two different credentials: send one (`devpi logoff` forgets "
            "a login, `devpi use` with a URL replaces what stands in it)",
        )
    return shown


def key_of_login(user: str, password: str, prefix: str) -> str | None:
    """Find the key in a user name and a password, read as they would be behind Basic; None where neither is one.

    Raises Refused (credential-invalid) for what could not be one.
    """
    return _key_of_pair(f"{user}:{password}", prefix)


def password_of(credential: Credential) -> tuple[str, str] | None:
    """Read the user name and the password of a foreign credential; None where it has none, or no readable name.

    Names are printable ASCII: one that we and the index decode differently would be somebody else in the record.
    """
    scheme, _, rest = (credential.foreign or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    user, _, password = _base64_text(rest.strip()).partition(":")
    return (user, password) if _USER.fullmatch(user) else None


def _holds_key(text: str, prefix: str) -> bool:
    # A key that was escaped for a URL is a key: it must not go out as somebody's password.
    found = re.search(re.escape(prefix) + _KEY_INSIDE, unquote(text), re.ASCII | re.IGNORECASE)
    return found is not None or looks_like_key(text.strip().lower(), prefix)


def _basic(presented: str, prefix: str) -> str | None:
    try:
        pair = _base64_text(presented)
    except ValueError:
        raise Refused(DEAD_KEY) from None
    return _key_of_pair(pair, prefix)


def _key_of_pair(pair: str, prefix: str) -> str | None:
    user, colon, password = pair.partition(":")
    user, stripped = user.strip(), password.strip()
    if not colon or _CONTROL.search(user + stripped):
        raise Refused(DEAD_KEY)
    if not stripped and user in ("", TOKEN_USER):
        raise Refused(DEAD_KEY)
    if user == TOKEN_USER:
        return stripped
    keys = [half for half in (user, stripped) if _holds_key(half, prefix)]
    if len(keys) > 1:
        raise Refused(DEAD_KEY)
    return keys[0] if keys else None


def _bare(presented: str, prefix: str) -> str | None:
    return presented if _holds_key(presented, prefix) else None


def _base64_text(presented: str) -> str:
    # Padding may be missing (base64 by hand, RFC 4648, section 3.2); nothing else may differ from what an encoder
    # writes, since indexes skip what they do not know and would read another credential than we did.
    digits = presented.rstrip("=")
    padded = digits + "=" * (-len(digits) % 4)
    decoded = base64.b64decode(padded)
    if presented not in (digits, padded) or base64.b64encode(decoded) != padded.encode():
        raise ValueError("not base64 as an encoder writes it")
    return decoded.decode("utf-8")


def _decoded(presented: str) -> str:
    # `Bearer` before what belongs behind `Basic` is how npm-minded tools write it: such a key must not go out either.
    try:
        return _base64_text(presented)
    except ValueError:
        return ""


_SCHEMES: Final[dict[str, Callable[[str, str], str | None]]] = {"basic": _basic, "bearer": _bare, "token": _bare}
