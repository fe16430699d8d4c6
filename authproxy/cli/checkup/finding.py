"""What a check says: a verdict, one sentence, and what to do. This room looks at nothing."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is. A problem: something does not work, or somebody may do what he should not."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice` is None where there is nothing to do."""

    name: str
    verdict: Verdict
    sentence: str
    advice: str | None = None


def ok(name: str, sentence: str) -> Finding:
    """Nothing is wrong."""
    return Finding(name, Verdict.OK, sentence)


def warning(name: str, sentence: str, advice: str) -> Finding:
    """It works, and ought to be mended all the same."""
    return Finding(name, Verdict.WARNING, sentence, advice)


def problem(name: str, sentence: str, advice: str) -> Finding:
    """It does not work, or is not safe."""
    return Finding(name, Verdict.PROBLEM, sentence, advice)
