"""Command lines of others: what program is called, by whatever name, and its words apart from its options.

Reads a command line as its program will, given which options take a value. Knows no program.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

_MODULE: Final = re.compile(r"-[A-Za-z]*m")
_PYTHON: Final = re.compile(r"python[0-9.]*|pypy[0-9.]*|py")
# What runs another program in an environment of its own, which sees ours all the same.
_RUNNERS: Final = (
    ("uvx",),
    ("uv", "tool", "run"),
    ("uv", "run"),
    ("pipx", "run"),
    ("poetry", "run"),
    ("pdm", "run"),
    ("hatch", "run"),
)


def called(argv: Sequence[str]) -> tuple[str, ...]:
    """Return the program's plain name and its arguments, without the interpreter or the runner that starts it."""
    if not argv:
        return ()
    name = PurePath(argv[0]).name.removesuffix(".exe")
    rest = tuple(argv[1:])
    if _PYTHON.fullmatch(name) and (inner := _module_or_script(rest)):
        return called(inner)
    for runner in _RUNNERS:
        if (name, *rest[: len(runner) - 1]) == runner and (inner := rest[len(runner) - 1 :]) and inner[0][:1] != "-":
            return called(inner)
    if name == "__main__.py":  # python -m NAME, as the program itself sees it
        name = PurePath(argv[0]).parent.name
    return name.removesuffix(".py"), *rest


def _module_or_script(rest: tuple[str, ...]) -> tuple[str, ...]:
    """What an interpreter runs; empty where that has no name. Of its options -W and -X take a value."""
    at = 0
    while at < len(rest) and rest[at].startswith("-"):
        if _MODULE.fullmatch(rest[at]):
            return rest[at + 1 :]
        if rest[at] in {"-c", "-"}:
            return ()
        at += 2 if rest[at] in {"-W", "-X"} else 1
    return rest[at:]


@dataclass(frozen=True, slots=True)
class Line:
    """A command line, read. `options` have the spelling of the table; a flag's value is empty."""

    words: tuple[str, ...]
    options: Mapping[str, str]

    def first(self, *names: str) -> str | None:
        """The value of the first of these options that is there."""
        return next((self.options[name] for name in names if name in self.options), None)


def line(arguments: Sequence[str], values: frozenset[str], flags: frozenset[str], *, abbreviates: bool = False) -> Line:
    """Read arguments: `values` are the options that take one, `flags` those of the others that matter.

    Unknown options are flags. `abbreviates`: the program takes the beginning of a long option for it, as argparse does.
    """
    words: list[str] = []
    options: dict[str, str] = {}
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word == "--":
            words += left
            break
        if not word.startswith("-") or word == "-":
            words.append(word)
        elif word.startswith("--"):
            name, equals, value = word.partition("=")
            name = _whole(name, values | flags) if abbreviates else name
            options[name] = value if equals or name not in values else _next(left)
        else:
            _short(word[1:], values, options, left)
    return Line(tuple(words), options)


def _whole(name: str, known: frozenset[str]) -> str:
    if name in known:
        return name
    begun = [each for each in known if each.startswith(name)]
    return begun[0] if len(begun) == 1 else name


def _short(letters: str, values: frozenset[str], options: dict[str, str], left: list[str]) -> None:
    """Read `-rNAME`, `-r NAME` and `-vr NAME`."""
    for at, letter in enumerate(letters, start=1):
        name = f"-{letter}"
        if name in values:
            options[name] = letters[at:].removeprefix("=") or _next(left)
            return
        options[name] = ""


def _next(left: list[str]) -> str:
    return left.pop(0) if left else ""
