"""Who may report keys that leaked, and what is done about them, read and frozen."""

from dataclasses import dataclass
from enum import StrEnum


class LeakAction(StrEnum):
    """What becomes of a key that somebody reported to have found."""

    REVOKE = "revoke"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class ReportKey:
    """A public key that reports of found keys are signed with."""

    id: str
    pem: bytes | None  # None: it was not read
    file: str  # as the configuration names it


@dataclass(frozen=True, slots=True)
class LeakReports:
    """Whose reports of found keys are believed. It is on where there are keys."""

    action: LeakAction = LeakAction.REVOKE
    keys: tuple[ReportKey, ...] = ()
