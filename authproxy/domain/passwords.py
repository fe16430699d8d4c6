"""The index's own passwords, while people move over to keys: whether an upload may still be made with one.

A password grants nothing here: whoever has one may upload what the package rules let in and what the index itself lets
its user do, and nothing besides. This room reads the operator's words and the calendar; whether a password is right,
the index says.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final

from authproxy.domain.refusal import Code, Denial


class Passwords(StrEnum):
    """What becomes of an upload with a password."""

    ALLOW = "allow"
    WARN = "warn"  # taken, and the user and the record are told that it will end
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class PasswordRule:
    """What holds where a package rule says nothing of its own; `until` is the last day (UTC) and holds everywhere."""

    uploads: Passwords = Passwords.REFUSE
    until: date | None = None

    def over(self, now: int) -> Denial | None:
        """Say whether the last day has passed at `now`, in unix seconds."""
        if self.until is None or datetime.fromtimestamp(now, UTC).date() <= self.until:
            return None
        return Denial(Code.PASSWORD_ENDED, f"passwords upload nothing since {self.until} has passed: {WAY_OVER}")

    @property
    def warning(self) -> str:
        """What a user reads whose password still works."""
        return f"this password uploads until {self.until}: {WAY_OVER}" if self.until else f"passwords end: {WAY_OVER}"


# What holds where nobody said anything.
NO_PASSWORDS: Final = PasswordRule()

WAY_OVER: Final = "ask the operator for a key, and upload as user __token__ with the key as the password"
