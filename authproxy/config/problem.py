"""A problem of the file: where, what, and the line it stands in with a caret under it.

The line is shown to a terminal and may end up in a log, so it is made harmless here, once: no control character, no
line of a thousand columns, and nothing of a line that may hold a secret.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from authproxy.domain.refusal import QUOTED_LIMIT

# So much of a line around the caret fits a terminal.
_SHOWN_BEFORE: Final = 60
_SHOWN_AFTER: Final = 50
_TAB: Final = "    "
_INDENT: Final = "    "
_HIDDEN: Final = "(not shown)"

_SECRET_WORD: Final = re.compile(r"pass|pwd|secret|token|credential|(?:api|master)[-_]?key", re.IGNORECASE)
# From here on a line may hold a secret: after a key that sounds like one, or in front of the @ of a URL.
_SECRET_PLACES: Final = (
    re.compile(rf"(?:{_SECRET_WORD.pattern})[\w-]*[\"']?\s*[:=]\s?", re.IGNORECASE),
    re.compile(r"://(?=[^\s/]*@)"),
    re.compile(r"\b[a-z][a-z0-9]{1,9}_[0-9A-Za-z]{13}_(?=[0-9A-Za-z]{16})"),
)
# A reference to a secret is none, and what is wrong with it can be seen.
_REFERENCE: Final = re.compile(
    r"\s*(?:(?:password|master_key|-?\s*secret):\s*)?\{?\s*(?:file|env|credential):\s*[^\s,{}:\"']+\s*\}?\s*(?:#.*)?"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. Line and column count from 1; 0 where it is the file as a whole."""

    file: str
    line: int
    column: int
    sentence: str
    excerpt: str = ""  # the line and its caret, harmless; empty where there is none to show

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.sentence}" + (f"\n{self.excerpt}" if self.excerpt else "")


class ConfigProblems(Exception):
    """All that is wrong with a file, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda each: (each.line, each.column)))
        super().__init__("\n".join(str(each) for each in self.problems))


def printable(text: str) -> str:
    """Text of the file or of its name as it may reach a terminal: what cannot be shown is a question mark."""
    return "".join(char if char.isprintable() else "?" for char in text)


def named(text: str) -> str:
    """A word of the file in a sentence: in quotes, and short."""
    return f"'{text}'" if len(text) <= QUOTED_LIMIT else f"'{text[: QUOTED_LIMIT - 3]}...'"


def sounds_secret(word: object) -> bool:
    """Whether a key of this name would hold a secret, in our file or in one that somebody mistook for ours."""
    return isinstance(word, str) and _SECRET_WORD.search(word) is not None


def _without_secret(line: str, hidden: int | None) -> str:
    ends = [found.end() for place in _SECRET_PLACES if (found := place.search(line))]
    if hidden is not None:
        indent = len(line) - len(line.lstrip())
        ends.append(max(hidden - 1, indent))
    return line if not ends or _REFERENCE.fullmatch(line) else line[: min(ends)] + _HIDDEN


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def excerpt(line: str, column: int, hidden: int | None = None) -> str:
    """Show a line with a caret under the column; from the column `hidden` on it is not shown.

    Columns are characters, counted from 1.
    """
    shown = _without_secret(line, hidden)
    at = min(column - 1, len(shown))
    if shown != line:
        at = min(at, len(shown) - len(_HIDDEN))
    start, end = max(0, at - _SHOWN_BEFORE), at + _SHOWN_AFTER
    before = ("..." if start else "") + printable(shown[start:at].replace("\t", _TAB))
    after = printable(shown[at:end].replace("\t", _TAB)) + ("..." if end < len(shown) else "")
    caret = " " * sum(map(_width, before)) + "^"
    return f"{_INDENT}{before}{after}".rstrip() + f"\n{_INDENT}{caret}"
