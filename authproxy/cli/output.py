"""The one way to print: data on stdout or in a file, talk on stderr.

Everything that comes from a store, a file or a command line passes `printable` before a terminal sees it: an owner
with an escape sequence in it must not drive the terminal of the operator who lists the keys (CWE-150). JSON needs no
such care, `ensure_ascii` escapes it all. This room does not know what a key or a policy is.
"""

import contextlib
import io
import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TextIO

import click

from authproxy.cli.failures import Failure

Row = Mapping[str, object]

# The last column of a table is never narrower; the lines of a table that is too wide are broken by the terminal.
LAST_COLUMN = 12

# What `-o FILE` may be read by: it may hold a key.
PRIVATE = 0o600


def printable(text: str) -> str:
    """`text` with every character that a terminal could obey written as an escape.

    `str.isprintable` is false for the control characters of ASCII and Latin-1, for surrogates, and for the format
    characters of Unicode, among them those that reverse the reading direction.
    """
    return "".join(c if c.isprintable() else escaped(c) for c in text)


def escaped(character: str) -> str:
    """A character as `printable` writes one that it does not let through."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def moment(seconds: int | None) -> str | None:
    """A time as everything here prints it: RFC 3339 in UTC; None stays None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: `1 file`, `2 files`; `many` where the plural is another than by an s."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def client_name(client: str) -> str:
    """What a client calls itself, for a person: uv and pip write a description of the machine behind it, as JSON."""
    return client.partition(" {")[0]


def coloured(stream: TextIO) -> bool:
    """Whether `stream` wants colours: a terminal that is not dumb, and no NO_COLOR (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, stream: TextIO, *, colour: str | None = None, bold: bool = False) -> str:
    """`text` in a colour, where `stream` wants one. The text must be printable already."""
    plain = not text or not (colour or bold)
    return text if plain or not coloured(stream) else click.style(text, fg=colour, bold=bold or None)


def say(text: str, *, colour: str | None = None, bold: bool = False) -> None:
    """Talk to the person: lines on stderr, never data."""
    for line in text.split("\n"):
        print(styled(printable(line), sys.stderr, colour=colour, bold=bold), file=sys.stderr)  # noqa: T201


@dataclass(frozen=True, slots=True)
class Output:
    """Where one command's data goes and in which of the two forms."""

    json: bool
    stream: TextIO
    file: Path | None = None  # where `stream` leads, if it is not stdout

    def done(self, sentence: str) -> None:
        """Say what was done, where all that was printed is in a file now and nobody sees it. Raises OSError."""
        if self.file is not None:
            self.settle()
            say(f"{sentence}: {self.file}")

    def document(self, document: Row, lines: Iterable[str]) -> None:
        """Print one thing: as a JSON object, or as lines for a person."""
        if self.json:
            self._write(json.dumps(document, indent=2))
        else:
            for line in lines:
                self._write(printable(line))

    def line(self, document: Row, cells: Iterable[object]) -> None:
        """Print one of many things as it comes: JSON on a line of its own, or cells between tabs. Raises OSError.

        When this returns, the line has arrived.
        """
        self._write(json.dumps(document) if self.json else "\t".join(map(_cell, cells)))
        self.settle()

    def listing(self, columns: Sequence[str], **heads: str) -> "Listing":
        """Begin a list of things that all have `columns`; `heads` are those that a person reads under another name."""
        return Listing(self, tuple(columns), heads)

    def settle(self) -> None:
        """Wait until what was printed has arrived; for what cannot be printed again. Raises OSError."""
        self.stream.flush()
        with contextlib.suppress(io.UnsupportedOperation):
            descriptor = self.stream.fileno()
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.fsync(descriptor)

    def _write(self, line: str) -> None:
        print(line, file=self.stream)


@dataclass(slots=True)
class Listing:
    """Rows as they come, batch by batch, so that a million keys need no more memory than one batch.

    JSON is one array with one object a line. For a person at a terminal each batch is a table; for a pipe the rows
    are separated by tabs, which `cut` and `awk` take as they are (`printable` leaves no tab inside a cell).
    """

    output: Output
    columns: tuple[str, ...]
    heads: Mapping[str, str]
    rows: int = field(default=0, init=False)

    def __enter__(self) -> Self:
        if self.output.json:
            self.output.stream.write("[")
        elif not self.output.stream.isatty():
            self._tabbed([self._head(column) for column in self.columns])
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Half a list stays half: a closing bracket would make it look whole to whoever reads it.
        if self.output.json and kind is None:
            self.output.stream.write("\n]\n" if self.rows else "]\n")

    def add(self, rows: Sequence[Row]) -> None:
        """Print a batch."""
        if self.output.json:
            for number, row in enumerate(rows, start=self.rows):
                self.output.stream.write(("," if number else "") + "\n  " + json.dumps(row))
        elif self.output.stream.isatty():
            self._table(rows)
        else:
            for row in rows:
                self._tabbed([_cell(row[column]) for column in self.columns])
        self.rows += len(rows)

    def _head(self, column: str) -> str:
        return self.heads.get(column, column)

    def _tabbed(self, cells: Sequence[str]) -> None:
        self.output.stream.write("\t".join(cells) + "\n")

    def _table(self, rows: Sequence[Row]) -> None:
        # Imported here: rich costs more than every other import of a command together.
        from rich.cells import cell_len
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        *fixed, last = self.columns
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in fixed:
            table.add_column(self._head(column), no_wrap=True)
        table.add_column(Text(self._head(last), no_wrap=True, overflow="ellipsis"))
        for row in rows:
            # Text, not str: in a str rich would obey [markup] that somebody wrote into a note. The last column, free
            # text, makes room for the others: an id or a time in two lines cannot be copied.
            cells = [Text(_cell(row[column])) for column in fixed]
            table.add_row(*cells, Text(_cell(row[last]), no_wrap=True, overflow="ellipsis"))
        console = Console(file=self.output.stream, no_color=not coloured(self.output.stream), highlight=False)
        texts = ((self._head(name), *(_cell(row[name]) for row in rows)) for name in fixed)
        widths = (max(map(cell_len, column)) for column in texts)
        console.width = max(console.width, sum(widths) + len(fixed) + LAST_COLUMN)
        console.print(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return printable(" ".join(str(item) for item in value)) or "-"
    return printable(str(value)) or "-"


@contextlib.contextmanager
def destination(path: Path | None, *, keep: bool = False) -> Iterator[TextIO]:
    """Yield stdout, or a new file that nobody else may read and that is removed again where the command fails.

    With `keep` only an empty file is removed: what stands in it may be all that there is of a new key.

    The file must not exist: what stands there may be the only copy of another key. It is made before the command
    does its work, so that a key is never minted for a path that cannot be written.
    """
    if path is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    except FileExistsError:
        raise Failure(f"{path} exists already: name another file, or remove that one") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(descriptor, PRIVATE)  # a umask of 0777 would leave a file that not even its owner reads
            yield stream
            stream.flush()
            os.fsync(descriptor)
    except BaseException:
        if not keep or not path.exists() or path.stat().st_size == 0:
            path.unlink(missing_ok=True)
        raise
