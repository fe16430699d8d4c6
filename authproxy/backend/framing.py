"""Where the parts of an upload body begin and end, with nothing beside them.

The search is done by `multipart.PushMultipartParser`, which is fast and forgiving. What it forgives is refused here:

Rule 1. The body begins with its boundary line: no preamble, not even an empty line.
Rule 2. Header lines are judged as they came: the parser would fold, strip and re-case them first.
Rule 3. The boundary occurs in no part, after a line feed or anywhere else: FieldStorage takes LF for CRLF, takes a
        boundary at the very start of a part, and drops white space behind it.
Rule 4. After the last boundary comes nothing, or one CRLF: the parser drops whatever follows.
Rule 5. A body that ends before its last boundary is no form.

The parser's lenient mode, because its strict mode refuses that last CRLF where it comes in a chunk of its own. Rules 2
and 4 stand on an account of bytes: each byte fed is either in an event or still held, and no more than `_HELD` can be.

This room knows neither fields nor limits of their values; it hands on heads, bytes and ends.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from authproxy.backend.grammar import PartHead, part_head
from authproxy.domain.refusal import Code, Refused, refuse

# Bytes of one header line: the longest that the grammar allows have 371 (Content-Disposition) and 408 (Content-Type).
HEADER_LIMIT: Final = 512
# Content-Disposition and Content-Type.
HEADER_LINES: Final = 2
# The bytes of a part beside its value: its header lines, an empty line, CRLF, two hyphens, a boundary of 70, CRLF.
PART_LIMIT: Final = HEADER_LINES * (HEADER_LIMIT + 2) + 2 + 2 + 2 + 70 + 2
# What may be held back between two calls: all header lines of a part but for its empty line, or less than a delimiter.
_HELD: Final = HEADER_LINES * (HEADER_LIMIT + 2) + 2


class PartEnd(Enum):
    """The end of a part, as an event."""

    END = "end"


END: Final = PartEnd.END
Event = PartHead | bytes | PartEnd


class _RawHeads(PushMultipartParser):
    """The parser, made to keep header lines as they came and to leave reading them to our grammar.

    Both methods are the library's own; should it ever stop calling them, `lines` stays empty, and a part without lines
    is refused.
    """

    def __init__(self, boundary: str) -> None:
        super().__init__(boundary, max_header_size=HEADER_LIMIT)
        self.lines: list[bytes] = []

    def _on_segment_headerline(self, line: bytes) -> None:
        if len(self.lines) == HEADER_LINES or len(line) > HEADER_LIMIT:
            allowed = f"allowed are {HEADER_LINES}, of at most {HEADER_LIMIT} bytes"
            raise refuse(
                Code.FORM_INVALID, f"a part of the upload form has too many header lines, or too long: {allowed}"
            )
        self.lines.append(line)

    def _create_segment(self, headerlist: list[tuple[str, str]]) -> MultipartSegment:
        return MultipartSegment(headerlist)


class Framing:
    """Pieces of a body in, events out; a body is read once and in order.

    Any cut of the same body into pieces gives the same heads, the same ends and the same bytes between them.
    """

    def __init__(self, boundary: str) -> None:
        self._parser = _RawHeads(boundary)
        self._dashed = b"--" + boundary.encode("ascii")
        self._opening = self._dashed + b"\r\n"  # what of the first line has not come yet
        self._held = -len(self._opening)  # bytes fed that no event has accounted for; the first line is no event
        self._ending = b""  # the last two bytes fed
        self._seam = b""  # the end of the part so far, too short to hold a whole boundary
        self._in_part = False
        self.parts = 0

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Read the next piece; the events must be taken to their end. Raises Refused (form-invalid)."""
        if not piece:
            return
        self._match_opening(piece)
        self._held += len(piece)
        self._ending = (self._ending + piece[-2:])[-2:]
        try:
            for event in self._parser.parse(piece):
                yield self._event(event)
        except MultipartError as exc:
            raise self._malformed() from exc
        if self._held > _HELD:
            raise _after_the_end()

    def finish(self) -> None:
        """Say that the body has ended. Raises Refused (form-invalid) where it is not whole, or more than whole."""
        try:
            list(self._parser.parse(b""))  # the library's word for the end of input
        except MultipartError as exc:
            raise refuse(Code.FORM_INVALID, "the upload's body ended before its last boundary: send it again") from exc
        if self._held and (self._held, self._ending) != (2, b"\r\n"):
            raise _after_the_end()

    def _match_opening(self, piece: bytes) -> None:
        expected, self._opening = self._opening[: len(piece)], self._opening[len(piece) :]
        if not piece.startswith(expected):
            raise refuse(
                Code.FORM_INVALID,
                "the upload's body must begin with its boundary, two hyphens before and CRLF behind it",
            )

    def _event(self, event: MultipartSegment | bytes | None) -> Event:
        if event is None:
            self._in_part = False
            self._held -= len(self._dashed) + 4  # a CRLF before it; a CRLF or two hyphens behind
            return END
        if isinstance(event, MultipartSegment):
            return self._head()
        self._held -= len(event)
        self._search(event)
        return event

    def _head(self) -> PartHead:
        self.parts += 1
        lines, self._parser.lines = self._parser.lines, []
        self._held -= sum(len(line) + 2 for line in lines) + 2
        self._in_part, self._seam = True, b""
        return part_head(lines, self.parts)

    def _search(self, piece: bytes) -> None:
        """Rule 3; the seam catches a boundary that two pieces share."""
        overlap = len(self._dashed) - 1
        # `find`, since `in` costs CPython 3.11 an exception for each question: bytes may be asked for a number.
        if piece.find(self._dashed) >= 0 or (self._seam and (self._seam + piece[:overlap]).find(self._dashed) >= 0):
            raise refuse(Code.FORM_INVALID, f"{self._here()} contains the form's boundary: choose another boundary")
        self._seam = piece[-overlap:] if len(piece) >= overlap else (self._seam + piece)[-overlap:]

    def _malformed(self) -> Refused:
        reason = f"{self._here()} ends in a boundary without CRLF or two hyphens behind it"
        if not self._in_part:
            reason = f"part {self.parts + 1} of the upload form has a header line without CRLF in {HEADER_LIMIT} bytes"
        return refuse(Code.FORM_INVALID, reason)

    def _here(self) -> str:
        return f"part {self.parts} of the upload form"


def _after_the_end() -> Refused:
    return refuse(Code.FORM_INVALID, "the upload's body goes on after its last boundary: allowed is one CRLF")
