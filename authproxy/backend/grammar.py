"""The lines that may introduce an upload form and each part of it: an allow-list, matched whole.

All upload clients write the same plain form of these lines (tests/vectors/uploads); whatever else RFC 2046, 2183, 2231
and 7578 would permit is where two readers begin to differ: `filename*` beside `filename`, a second boundary, a quoted
quote, `%22` that one reader decodes and the next does not. Nothing is interpreted: a line is one of these or refused.

This room looks at single lines. Where they begin and end is `framing`'s business, what the fields mean is `form`'s.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from authproxy.domain.refusal import Code, Refused, quoted, refuse

# Field names of the upload API are lower-case words; the longest in use, `description_content_type`, has 24 letters.
# `:action` is the only one with a colon.
FIELD_NAME: Final = r":action|[a-z][a-z0-9_]{0,63}"
# Printable ASCII but for the three characters that some readers unquote: `"`, `\` and `%`. 255 bytes is NAME_MAX of
# every file system an index would store the file on.
FILENAME: Final = r"[ !#$&-\[\]-~]{1,255}"
# RFC 2046's alphabet and length, without the space: FieldStorage strips white space at the end of a line.
_BARE_BOUNDARY: Final = r"[A-Za-z0-9'+_.-]{1,70}"
_QUOTED_BOUNDARY: Final = r"[A-Za-z0-9'()+_,./:=?-]{1,70}"
_MEDIA_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"  # RFC 6838, section 4.2

_CONTENT_TYPE: Final = re.compile(
    rf'multipart/form-data[ \t]*;[ \t]*boundary=(?:({_BARE_BOUNDARY})|"({_QUOTED_BOUNDARY})")',
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Header:
    grammar: re.Pattern[str]
    plain: str  # what a person reads who sent something else


_HEADERS: Final[Mapping[str, _Header]] = {
    "content-disposition": _Header(
        re.compile(
            rf'(?i:content-disposition): form-data; name="({FIELD_NAME})"(?:; filename="({FILENAME})")?', re.ASCII
        ),
        'form-data; name="..." in small letters and, for a file, filename="..." in plain ASCII',
    ),
    "content-type": _Header(
        re.compile(
            rf'content-type: ({_MEDIA_NAME}/{_MEDIA_NAME})(?:; ?charset=("?)({_MEDIA_NAME})\2)?',
            re.ASCII | re.IGNORECASE,
        ),
        "a media type and at most a charset",
    ),
}
# A part of one of these types is taken apart once more, by FieldStorage or by readers made for mail.
_UNPACKED: Final = re.compile(r"multipart/.*|message/.*|application/x-www-form-urlencoded", re.IGNORECASE)
# Values are read as UTF-8 by us and by every index; another charset would be another reading.
_CHARSETS: Final = frozenset({"utf-8", "us-ascii"})


class PartHead(NamedTuple):
    """What the header lines of one part say: its field, and its filename where it is a file."""

    name: str
    filename: str | None


def boundary_of(content_type: str) -> str:
    """The boundary that a request's Content-Type names: multipart/form-data, one boundary, no other parameter.

    Raises Refused (form-invalid).
    """
    if (match := _CONTENT_TYPE.fullmatch(content_type)) is None:
        reason = "an upload's Content-Type must be multipart/form-data with one boundary and no other parameter"
        raise refuse(Code.FORM_INVALID, f"{reason}, not {quoted(content_type)}")
    return match[1] or match[2]


def part_head(lines: Sequence[bytes], part: int) -> PartHead:
    """Read the header lines of a part, as they came but without their CRLF. `part` counts from 1.

    Raises Refused (form-invalid).
    """
    found: dict[str, re.Match[str]] = {}
    for raw in lines:
        line = raw.decode("latin-1")  # one character for each byte; the patterns then take ASCII alone
        name = line.partition(":")[0].lower()
        if (header := _HEADERS.get(name)) is None:
            raise _wrong(part, f"has the header {quoted(name)}: allowed are Content-Disposition and Content-Type")
        if name in found:
            raise _wrong(part, f"has two {name} headers: allowed is one")
        if (match := header.grammar.fullmatch(line)) is None:
            raise _wrong(part, f"has the header {quoted(line)}: allowed is {header.plain}")
        found[name] = match
    if (disposition := found.get("content-disposition")) is None:
        raise _wrong(part, "has no Content-Disposition header: every part must name its field")
    if (media := found.get("content-type")) is not None:
        _check_media(media[1], media[3], part)
    return PartHead(disposition[1], disposition[2])


def _check_media(media: str, charset: str | None, part: int) -> None:
    if _UNPACKED.fullmatch(media):
        raise _wrong(part, f"is of type {quoted(media)}: allowed is what is no form or message itself")
    if charset is not None and charset.lower() not in _CHARSETS:
        raise _wrong(part, f"is in the charset {quoted(charset)}: allowed is utf-8")


def _wrong(part: int, what: str) -> Refused:
    return refuse(Code.FORM_INVALID, f"part {part} of the upload form {what}")
