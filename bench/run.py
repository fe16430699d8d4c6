"""What one run of the benchmark is: where it writes, how long it may take, who goes first."""

import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Leg = TypeVar("Leg")
TICKS = os.sysconf("SC_CLK_TCK")


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


class Neighbours:
    """Whatever else runs on this machine: it makes numbers noisy, so the table says how much of it there was."""

    def __init__(self) -> None:
        self._busy, self._own, self._since = _busy_seconds(), _own_seconds(), time.monotonic()

    def share(self) -> float:
        """The part of all cores that went to other programs since this was made."""
        others = (_busy_seconds() - self._busy) - (_own_seconds() - self._own)
        return max(0.0, others / (time.monotonic() - self._since) / (os.cpu_count() or 1))


def _busy_seconds() -> float:
    """Of all cores: user, nice, system and interrupts (proc(5), the first line of /proc/stat)."""
    user, nice, system, _idle, _iowait, *interrupts = Path("/proc/stat").read_text().split("\n")[0].split()[1:8]
    return sum(map(int, (user, nice, system, *interrupts))) / TICKS


def _own_seconds() -> float:
    """Of this program and of everything that it started and saw end."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
