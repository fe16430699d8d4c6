"""YAML, strictly: a text becomes a Document.

The parser's events are read, not PyYAML's nodes or objects: only the events tell whether a tag or an anchor was
written, and reading them takes no recursion, so that a file of ten thousand brackets ends in a sentence. Aliases are
refused altogether: ten lines of them make a gigabyte, and nobody should have to look elsewhere to read a rule.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import yaml

from authproxy.config.document import Document, Loc
from authproxy.config.problem import ConfigProblems, Problem, named, sounds_secret
from authproxy.config.scalars import Surprise, plain
from authproxy.config.syntax import sentence_for
from authproxy.config.text import Text

# The deepest key of ours lies five deep.
DEPTH_LIMIT: Final = 16


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come."""

    value: Any
    loc: Loc
    key: str | None = None  # a mapping's key that waits for its value
    dropped: bool = False  # that value is read and forgotten: its key has a problem


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


class _Reader:
    def __init__(self, text: Text, words: frozenset[tuple[str, str]]) -> None:
        self.document = Document(text)
        self.words = words
        self.loader: Any = yaml.SafeLoader(text.content)
        self.open: list[_Open] = []
        self.started = False
        self.on: dict[type, Callable[[Any], None]] = {
            yaml.StreamStartEvent: self._nothing,
            yaml.DocumentStartEvent: self._document,
            yaml.DocumentEndEvent: self._nothing,
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.SequenceStartEvent: self._start,
            yaml.SequenceEndEvent: self._end,
            yaml.MappingStartEvent: self._start,
            yaml.MappingEndEvent: self._end,
        }

    def read(self) -> Document:
        try:
            while not isinstance(event := self.loader.get_event(), yaml.StreamEndEvent):
                self.on[type(event)](event)
        except yaml.MarkedYAMLError as exc:
            raise self._stop(*sentence_for(exc), began=exc.context_mark) from None
        except (ValueError, OverflowError):  # PyYAML hands "\U99999999" to chr() and long version numbers to int()
            raise self._stop("this is not YAML: the number is too large", self.loader.get_mark()) from None
        if not self.started:
            raise ConfigProblems([Problem(self.document.text.name, 0, 0, "the file is empty")])
        if not isinstance(self.document.top, dict):
            self.document.report((), "the file must be a mapping: keys with a colon and a value each")
        return self.document

    def _stop(self, sentence: str, mark: Any, *, began: Any = None) -> ConfigProblems:
        """Give up: behind a syntax error nothing can be told. What was found before it is told as well.

        The parser looks ahead, so that the key of the value in which it broke off need not have come yet: the lines
        above tell whether that value is a secret.
        """
        text, (line, column) = self.document.text, (mark.line + 1, mark.column + 1) if mark else (1, 1)
        over = [*(each.key for each in self.open), *text.above(line)]
        over += text.lines[began.line : began.line + 1] if began else ()
        secret = any(sounds_secret(each) for each in over)
        here = text.problem(line, column, sentence, hidden=1 if secret else None)
        return ConfigProblems([*self.document.problems, here])

    def _document(self, event: Any) -> None:
        if self.started:
            raise self._stop("a second document begins here: the file holds one", event.start_mark)
        self.started = True

    def _nothing(self, event: Any) -> None:
        """The start of the stream and the end of a document say nothing."""

    def _loc(self) -> Loc:
        if not self.open:
            return ()
        top = self.open[-1]
        return (*top.loc, len(top.value) if isinstance(top.value, list) else top.key or "")

    def _is_key(self) -> bool:
        return bool(self.open) and isinstance(self.open[-1].value, dict) and self.open[-1].key is None

    def _note(self, event: Any) -> Loc:
        """Remember where a value begins."""
        loc = self._loc()
        self.document.values.setdefault(loc, _place(event))
        self._bare(event, loc)
        return loc

    def _bare(self, event: Any, loc: Loc) -> None:
        """Refuse what may be written before a value or a key."""
        if event.anchor is not None:
            self.document.report(loc, "anchors (&) and aliases (*) are not allowed: write the value itself, or quotes")
        elif getattr(event, "tag", None) is not None:
            self.document.report(loc, "tags (!) are not allowed: write the value in quotes if it begins with !")

    def _alias(self, event: Any) -> None:
        self._note(event)
        self._put(None)

    def _start(self, event: Any) -> None:
        if len(self.open) >= DEPTH_LIMIT:
            raise self._stop(f"this lies more than {DEPTH_LIMIT} levels deep: no key of ours does", event.start_mark)
        loc = self._note(event)
        self.open.append(_Open([] if isinstance(event, yaml.SequenceStartEvent) else {}, loc))

    def _end(self, _event: Any) -> None:
        closed = self.open.pop()
        if self._is_key():
            self.document.report(closed.loc, "a list or a mapping cannot be a key")
        self._put(closed.value)

    def _scalar(self, event: Any) -> None:
        if self._is_key():
            self._key(event)
            return
        loc = self._note(event)
        if not event.value and event.style is None and loc in self.document.keys:
            self.document.values[loc] = self.document.keys[loc]
        self._put(self._value(event, loc))

    def _value(self, event: Any, loc: Loc) -> object:
        text: str = event.value
        if unseen := [char for char in text if not char.isprintable()]:
            self.document.report(loc, f"the value holds U+{ord(unseen[0]):04X}, which cannot be shown: take it out")
        # What might be a secret is refused as one by whoever knows the key, and its text stands in no sentence.
        if event.style is not None or (loc and (loc[-1], text) in self.words) or any(map(sounds_secret, loc)):
            return text
        try:
            return plain(self.loader, text)
        except Surprise as exc:
            self.document.report(loc, str(exc))
            return text

    def _key(self, event: Any) -> None:
        top, name = self.open[-1], event.value
        loc, place = (*top.loc, name), _place(event)
        if first := self.document.keys.get(loc):
            again = f"the key {named(name)} stands in line {first[0]} already: one of the two must go"
            hidden = place[1] if sounds_secret(name) else None
            self.document.problems.append(self.document.text.problem(*place, again, hidden=hidden))
            top.key, top.dropped = f"{name}\0", True  # no key of a file holds a NUL
            return
        self.document.keys[loc] = place
        top.key = name
        self._bare(event, loc)
        if event.style is None and not self._is_word(name):
            self.document.report(loc, "YAML reads this key as something else than text: write it in quotes", key=True)

    def _is_word(self, name: str) -> bool:
        try:
            return isinstance(plain(self.loader, name), str)
        except Surprise:
            return False

    def _put(self, value: object) -> None:
        if not self.open:
            self.document.top = value
            return
        top = self.open[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key is None:
            top.key, top.dropped = "", True
        else:
            if not top.dropped:
                top.value[top.key] = value
            top.key, top.dropped = None, False


def read(text: Text, words: frozenset[tuple[str, str]] = frozenset()) -> Document:
    """Read YAML. Raises ConfigProblems where nothing more can be said; other problems are in the document.

    `words` are pairs of a key and a plain word (`metadata`, `off`) that is that word there, whatever YAML 1.1 thinks.
    """
    return _Reader(text, words).read()
