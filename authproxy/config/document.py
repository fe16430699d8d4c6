"""What a YAML file says: plain values, and where each one stands. It knows no key of ours."""

from dataclasses import dataclass, field
from typing import Any

from authproxy.config.problem import Problem, sounds_secret
from authproxy.config.text import Text

Loc = tuple[str | int, ...]  # the way to a value from the top: ("packages", 0, "match")


@dataclass(slots=True)
class Document:
    """A file's values, and the problems found so far.

    `values` and `keys` are places: line and column, from 1. `bad` holds the values that have a problem already, and
    `bad_keys` the keys: what follows from that is not one more.
    """

    text: Text
    top: Any = None
    values: dict[Loc, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Loc, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    bad: set[Loc] = field(default_factory=set)
    bad_keys: set[Loc] = field(default_factory=set)

    def problem(self, loc: Loc, sentence: str, *, key: bool = False) -> Problem:
        """Make a problem of a value, or of its key; of the nearest one above where the file has neither."""
        while loc and loc not in self.keys and loc not in self.values:
            loc = loc[:-1]
        place = self.keys.get(loc) if key else None
        line, column = place or self.values.get(loc, (1, 1))
        hidden = column if any(map(sounds_secret, loc)) else None
        return self.text.problem(line, column, sentence, hidden=hidden)

    def report(self, loc: Loc, sentence: str, *, key: bool = False) -> None:
        """Note that something is wrong with a value or with its key, unless it is known to be bad already."""
        known = loc in self.bad_keys or self.is_bad(loc[:-1]) if key else self.is_bad(loc)
        if not known:
            self.problems.append(self.problem(loc, sentence, key=key))
            (self.bad_keys if key else self.bad).add(loc)

    def is_bad(self, loc: Loc) -> bool:
        """Whether this value, or one that holds it, has a problem."""
        return any(loc[:depth] in self.bad for depth in range(len(loc) + 1))

    def get(self, *loc: str | int) -> Any:
        """Look up a value that has no problem; None where there is none."""
        value = self.top
        for step in loc:
            if isinstance(step, int) and isinstance(value, list) and step < len(value):
                value = value[step]
            elif isinstance(step, str) and isinstance(value, dict):
                value = value.get(step)
            else:
                return None
        return None if self.is_bad(loc) else value
