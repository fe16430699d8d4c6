"""The name and the version in a METADATA or PKG-INFO file (core metadata, PEP 566 and its successors).

The format is that of mail headers, and every reader has its own idea of where a line and the headers end: Python's
`email` takes a bare CR as the end of a line, older ones form feeds and U+2028 too, some stop at the first line that
is no header. So `Name` and `Version` must each be there once, on a line of their own, for the most generous reader.
What stands below the first empty line is a description and is not looked at.
"""

import re
from collections.abc import Mapping
from itertools import islice
from types import MappingProxyType
from typing import Final

from authproxy.backend.members import invalid
from authproxy.domain.names import ProjectName, project_name, version_text

# Bytes above the first empty line. Without a description they are a few KiB; old tools fold the whole description into
# a header, and the longest on PyPI are about 1 MiB. Reading them takes up to six times as much memory.
HEADERS_LIMIT: Final = 1024 * 1024
# Characters of a name or a version, white space around them included: both have far lower limits of their own.
VALUE_LIMIT: Final = 1000

_EMPTY_LINE: Final = re.compile(rb"(?:\A|\n)\r?\n")
# What ends a line for `str.splitlines`, the most generous of all.
_ENDS: Final = r"\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
_END: Final = re.compile(f"[{_ENDS}]")
# A header as it should be, and as a generous reader sees it: a byte order mark before it, white space before its colon.
_STRICT: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {key: re.compile(rf"\n{key}:") for key in ("Name", "Version")}
)
_GENEROUS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {key: re.compile(rf"[{_ENDS}]\ufeff?{key}[ \t]*:", re.IGNORECASE | re.ASCII) for key in _STRICT}
)


def name_and_version(content: bytes) -> tuple[ProjectName, str]:
    """Return the project and the canonical version. Raises Refused (archive-invalid, name-invalid)."""
    headers = _headers(content)
    return project_name(_only(headers, "Name")), version_text(_only(headers, "Version"))


def _headers(content: bytes) -> str:
    """Return the header block, with LF before and behind every line."""
    found = _EMPTY_LINE.search(content, 0, HEADERS_LIMIT)
    if found is None and len(content) > HEADERS_LIMIT:
        raise invalid(f"has metadata with more than {HEADERS_LIMIT} bytes of headers: the description goes below them")
    block = b"\n%b\n" % content[: found.end() if found else None].replace(b"\r\n", b"\n")
    if b"\r" in block:
        raise invalid("has metadata with a bare carriage return in its headers: end lines with LF or CRLF")
    try:
        return block.decode()
    except UnicodeDecodeError:
        raise invalid("has metadata that is not UTF-8") from None


def _only(headers: str, key: str) -> str:
    """Return the value of a header that is there once, whoever counts."""
    seen = list(islice(_GENEROUS[key].finditer(headers), 2))
    if not seen:
        raise invalid(f"has metadata without a {key}")
    plain = _STRICT[key].match(headers, seen[0].start())
    end = headers.index("\n", seen[0].end())
    if len(seen) > 1 or plain is None or _END.search(headers, plain.end(), end):
        raise invalid(f"has metadata that can be read as having two of {key}: write one plain line '{key}: ...'")
    if headers.startswith((" ", "\t"), end + 1):
        raise invalid(f"has metadata whose {key} goes on in a second line: write it in one")
    if end - plain.end() > VALUE_LIMIT:
        raise invalid(f"has metadata whose {key} has more than {VALUE_LIMIT} characters")
    return headers[plain.end() : end].strip(" \t")
