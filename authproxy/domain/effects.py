"""In which direction something changes. This room knows the directions, not what changes."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from authproxy.domain.grants import Grant

_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


class Effect(StrEnum):
    """What a change does to what may be done."""

    WIDENS = "widens"
    NARROWS = "narrows"
    CHANGES = "changes"  # both, or nobody can tell which
    NOTES = "notes"  # no answer changes, but what is noted about a yes does
    SAME = "same"  # nothing but which rule says it


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs, in a sentence for the operator. `name` is a word for machines."""

    effect: Effect
    name: str
    sentence: str
    grant: Grant | None = None  # that came or went


def together(effects: Iterable[Effect]) -> Effect:
    """Say what several changes do together."""
    found = set(effects)
    moving = found - {Effect.NOTES, Effect.SAME}
    if len(moving) > 1:
        return Effect.CHANGES
    return next(iter(moving), Effect.NOTES if Effect.NOTES in found else Effect.SAME)


def by_count(before: int | None, after: int | None) -> Effect:
    """Compare two limits that differ; None is no limit."""
    return Effect.WIDENS if after is None or (before is not None and after > before) else Effect.NARROWS


def by_set(before: AbstractSet[str], after: AbstractSet[str]) -> Effect:
    """Compare what is taken, where the two differ."""
    if before < after:
        return Effect.WIDENS
    return Effect.NARROWS if after < before else Effect.CHANGES


def limit(value: object) -> str:
    """Write a limit, or that there is none."""
    return "unlimited" if value is None else str(value)


def period(seconds: int | None) -> str:
    """Write a limit of time as the configuration does."""
    if seconds is None:
        return limit(None)
    unit, name = next(each for each in _UNITS if seconds % each[0] == 0)
    return f"{seconds // unit}{name}"
