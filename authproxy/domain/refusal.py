"""How this project says no: a value with a code and one sentence.

Inside, a refusal is a `Denial` that is returned. Where a reader of foreign bytes has nothing to return (a parser in
the middle of a body), and at the edge, it travels as `Refused`. `authproxy.web.errors` is the one place that turns
either into a response; the statuses stand there, because a status is HTTP and this room knows no HTTP.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """The machine-readable half of a refusal. Names may be added; none changes its meaning."""

    # who asks
    CREDENTIAL_MISSING = "credential-missing"
    CREDENTIAL_INVALID = "credential-invalid"
    PASSWORD_WRONG = "password-wrong"  # noqa: S105 - a code
    PASSWORD_ENDED = "password-ended"  # noqa: S105
    THROTTLED = "throttled"
    BUSY = "busy"
    # what is asked
    NOT_ALLOWED = "not-allowed"
    NO_RULE = "no-rule"
    NETWORK = "network"
    CREATE = "create"
    FILETYPE = "filetype"
    VERSION = "version"
    USES_SPENT = "uses-spent"
    RATE = "rate"
    CAVEAT = "caveat"
    ATTESTATION = "attestation"
    # what is sent
    REQUEST_INVALID = "request-invalid"
    NO_ROUTE = "no-route"
    LENGTH_REQUIRED = "length-required"
    TOO_LARGE = "too-large"
    FORM_INVALID = "form-invalid"
    NAME_INVALID = "name-invalid"
    MISMATCH = "mismatch"
    DIGEST = "digest"
    ARCHIVE_INVALID = "archive-invalid"
    NOT_THERE = "not-there"
    FILE_EXISTS = "file-exists"
    TIMEOUT = "timeout"
    # what the index and this machine answer
    INDEX_REFUSED = "index-refused"
    INDEX_UNREACHABLE = "index-unreachable"
    INDEX_TIMEOUT = "index-timeout"
    MISCONFIGURED = "misconfigured"
    STORAGE_FULL = "storage-full"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Denial:
    """A refusal: `reason` is one sentence that says what, which, and what is allowed instead.

    It never holds a secret. It may hold text of the request only where a check has bounded it to printable ASCII
    (`quoted` does that). `retry_after` is in seconds, for the refusals that pass by themselves.
    """

    code: Code
    reason: str
    retry_after: int | None = None


class Refused(Exception):
    """A `Denial` on its way to the edge."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.reason)
        self.denial = denial


def refuse(code: Code, reason: str, *, retry_after: int | None = None) -> Refused:
    """Build the exception for `raise refuse(...)`."""
    return Refused(Denial(code, reason, retry_after))


# Long enough for every name and filename that the standards allow in practice, short enough that three of them and
# a sentence fit into a reason phrase of 500 characters (twine, pip and flit show nothing else).
QUOTED_LIMIT = 80

# Where a key stands in place of a name, its public id may be said and its secret may not: of any prefix, in any case,
# with any separator. 16 characters are 95 bits, and no name that begins like a public id goes on so by chance. Of a
# derived key the caveats go too: behind them comes its tag.
_SECRET = re.compile(
    r"([a-z][a-z0-9]{1,9}[-_.][0-9a-z]{13}[-_.])(?:(?<=\.)[0-9a-z_-]{8,}\.[0-9a-z_-]{16,}|[0-9a-z]{16,})",
    re.ASCII | re.IGNORECASE,
)


def quoted(text: str, limit: int = QUOTED_LIMIT) -> str:
    """Text of a request as it may stand in a sentence: printable ASCII in single quotes, at most `limit` characters.

    The secret of a key is left out of it.
    """
    text = _SECRET.sub(r"\1...", text)
    shown = text if len(text) <= limit else text[: limit - 3] + "..."
    return "'" + "".join(c if " " <= c <= "~" and c not in "'\\" else "?" for c in shown) + "'"


# Three texts of this length and the rest of a sentence fit into a reason phrase of 500 characters.
_LISTED = 3
_LISTED_LENGTH = 60


def listed(texts: Sequence[str]) -> str:
    """Join the first few of them for a sentence."""
    shown = [text if len(text) <= _LISTED_LENGTH else text[: _LISTED_LENGTH - 3] + "..." for text in texts]
    more = f" and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
    return ", ".join(shown[:_LISTED]) + more or "nothing"
