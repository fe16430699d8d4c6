"""One table for people, one file of samples for machines."""

import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

MISSING = "not installed"
# Writing back what a leg wrote is the kernel's work and not counted as ours: that much is always there.
QUIET = 0.08
HEADINGS = ("", "measured", "ratio", "target", "met")


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on a ratio, or on what `unit` says: at least, or at most."""

    bound: float
    at_least: bool
    unit: str = ""

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.bound:g}{self.unit}"

    def met(self, value: float) -> bool:
        """Whether the value keeps the bound."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. `samples` are one per round; a ratio is taken within each round before the median."""

    subject: str
    measured: str
    ratio: float | None = None
    against: str = ""
    target: Target | None = None
    samples: tuple[float, ...] = ()

    def cells(self) -> tuple[str, ...]:
        """What the table shows."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f} {self.against}".rstrip()
        if self.target is None:
            return (f"  {self.subject}", self.measured, ratio, "", "")
        met = "no value" if self.ratio is None else "yes" if self.target.met(self.ratio) else "NO"
        return (f"  {self.subject}", self.measured, ratio, str(self.target), met)


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: a title that says what runs where, its lines, and what explains them."""

    name: str
    title: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    neighbours: float = 0.0  # the part of all cores that went to other programs meanwhile

    def remarks(self) -> tuple[str, ...]:
        """The notes, and a warning where the machine was not ours."""
        if self.neighbours <= QUIET:
            return self.notes
        warning = f"other programs had {self.neighbours:.0%} of this machine meanwhile: these numbers say little"
        return (*self.notes, warning)


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over the rounds of the ratio within a round: what slows the machine slows both halves of a round."""
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))


def render(rows: Sequence[Row]) -> str:
    """The table as text."""
    cells = [line.cells() for row in rows for line in row.lines]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *cells, strict=True)]

    def laid_out(texts: Sequence[str]) -> str:
        return "  ".join(text.ljust(width) for text, width in zip(texts, widths, strict=True)).rstrip()

    out = [laid_out(HEADINGS)]
    for row in rows:
        out += ["-" * (sum(widths) + 2 * len(widths) - 2), row.title]
        out += [laid_out(line.cells()) for line in row.lines]
        out += [f"    {note}" for note in row.remarks()]
    return "\n".join(out)


def save(rows: Sequence[Row], directory: Path, mode: str) -> Path:
    """Write every sample and what the machine was; return the file."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{mode}.json"
    path.write_text(json.dumps({"machine": machine(), "mode": mode, "rows": [asdict(row) for row in rows]}, indent=1))
    return path


def machine() -> dict[str, str | float | int | None]:
    """What the numbers depend on."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
    }
