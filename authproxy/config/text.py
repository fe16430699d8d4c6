"""The file as lines of text, or the one sentence that says why it is none."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from authproxy.config.problem import ConfigProblems, Problem, excerpt, printable

# Twenty thousand package rules fit. PyYAML reads some 400 KB/s, so that a larger file would hold up a reload.
FILE_LIMIT: Final = 1024 * 1024

# What YAML calls non-printable (YAML 1.1, 5.1), and the line breaks that YAML counts and no editor does: behind one of
# them every line number would be wrong. The byte order mark is one only at the start.
_FORBIDDEN: Final = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


@dataclass(frozen=True, slots=True)
class Text:
    """A file that could be read. `name` is how messages call it."""

    name: str
    content: str
    lines: tuple[str, ...]

    def problem(self, line: int, column: int, sentence: str, *, hidden: int | None = None) -> Problem:
        """Make a problem of a place in this file; from the column `hidden` on, its line is not shown."""
        there = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return Problem(self.name, line, column, printable(sentence), excerpt(there, column, hidden))

    def above(self, line: int) -> Iterator[str]:
        """The lines that this one stands under: those before it, each indented less than the one behind it."""
        depth = _depth(self.lines[line - 1]) if 0 < line <= len(self.lines) else 0
        for each in reversed(self.lines[: max(line - 1, 0)]):
            if each.strip() and _depth(each) < depth:
                depth = _depth(each)
                yield each


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def text_of(name: str, raw: bytes) -> Text:
    """Decode the bytes of a file. Raises ConfigProblems."""
    shown = printable(name)
    if len(raw) > FILE_LIMIT:
        raise ConfigProblems(
            [Problem(shown, 0, 0, f"the file has more than {FILE_LIMIT} bytes: that is no configuration")]
        )
    if b"\0" in raw:
        raise ConfigProblems([Problem(shown, 0, 0, "the file is binary: the configuration is YAML, in UTF-8")])
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        read: bytes = exc.object  # behind the byte order mark, where there is one
        before = read[: exc.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        sentence = f"the byte 0x{read[exc.start]:02x} is not UTF-8: save the file in UTF-8"
        raise ConfigProblems([Problem(shown, line, column, sentence)]) from None
    content = content.replace("\r\n", "\n")
    text = Text(shown, content, tuple(content.split("\n")))
    if found := _FORBIDDEN.search(content):
        line, start = content.count("\n", 0, found.start()) + 1, content.rfind("\n", 0, found.start())
        sentence = f"the character U+{ord(found[0]):04X} may not stand in the file: take it out"
        raise ConfigProblems([text.problem(line, found.start() - start, sentence)])
    return text


def read_text(path: Path) -> Text:
    """Read a file. Raises ConfigProblems."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_LIMIT + 1)
    except IsADirectoryError:
        sentence = "this is a directory: name the file in it"
    except FileNotFoundError:
        sentence = "there is no such file"
    except OSError as exc:
        sentence = f"the file cannot be read: {(exc.strerror or 'it fails').lower()}"
    except ValueError:  # a NUL in the name
        sentence = "no file can have such a name"
    else:
        return text_of(str(path), raw)
    raise ConfigProblems([Problem(printable(str(path)), 0, 0, sentence)])
