"""What one run of the benchmark is: where it writes, how long it may take, who goes first."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Leg = TypeVar("Leg")


@dataclass(frozen=True, slots=True)
class Run:
    """`scratch` is emptied by whoever made it; a quick run has fewer and shorter rounds."""

    scratch: Path
    quick: bool

    @property
    def rounds(self) -> int:
        """How often every leg is repeated, interleaved with the others."""
        return 3 if self.quick else 9

    def turns(self, legs: Sequence[Leg], number: int) -> list[Leg]:
        """The legs of one round, each round beginning with another: none is always first after a pause."""
        shift = number % len(legs)
        return [*legs[shift:], *legs[:shift]]

    def say(self, what: str) -> None:
        """Progress, on stderr: stdout is the table's."""
        print(f"bench: {what}", file=sys.stderr, flush=True)
