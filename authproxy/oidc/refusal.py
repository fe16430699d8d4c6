"""How trusted publishing says no: one of PyPI's codes, and one sentence for the person whose job failed.

The clients print both (uv the description, pdm and the publishing action of GitHub the list). The HTTP status is 422
for all of them and stands in the web room.
"""

from enum import StrEnum


class TokenCode(StrEnum):
    """The codes as PyPI has them, because clients and their documentation know these."""

    PAYLOAD = "invalid-payload"
    NOT_ENABLED = "not-enabled"
    TOKEN = "invalid-token"  # noqa: S105 - a code
    PUBLISHER = "invalid-publisher"
    PENDING_PUBLISHER = "invalid-pending-publisher"
    REUSED = "invalid-reuse-token"


class TokenRefused(Exception):
    """A token that mints nothing. `description` is printable ASCII and holds text of the token only as `quoted`."""

    def __init__(self, code: TokenCode, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


class IssuerSilent(TokenRefused):
    """The issuer has no keys to give just now: the token may be as good as any, and its sender did nothing wrong."""
