"""The name and the version in a METADATA or PKG-INFO file (core metadata, PEP 566 and its successors).

The format is that of mail headers, and every reader has its own idea of where a line and the headers end: Python's
`email` takes a bare CR as the end of a line, older ones form feeds and U+2028 too, some stop at the first line that
is no header. So `Name` and `Version` must each be there once, on a line of their own, for the most generous reader.
What stands below the first empty line is a description and is not looked at.
"""

import re

from authproxy.backend.members import invalid
from authproxy.domain.names import ProjectName, project_name, version_text

# A header as a generous reader sees it: a byte order mark before it, white space before its colon.
_NAMING = re.compile(r"\ufeff?(?P<key>name|version)[ \t]*:", re.IGNORECASE | re.ASCII)


def name_and_version(content: bytes) -> tuple[ProjectName, str]:
    """Return the project and the canonical version. Raises Refused (archive-invalid, name-invalid)."""
    headers = _headers(content)
    strict, generous = headers.split("\n"), headers.splitlines()
    return project_name(_only(strict, generous, "Name")), version_text(_only(strict, generous, "Version"))


def _headers(content: bytes) -> str:
    """Return the header block, with LF at the end of every line."""
    block, _, _ = ("\n" + content.replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape")).partition("\n\n")
    if "\r" in block:
        raise invalid("has metadata with a bare carriage return in its headers: end lines with LF or CRLF")
    try:
        block.encode("utf-8")
    except UnicodeEncodeError:
        raise invalid("has metadata that is not UTF-8") from None
    return block.removeprefix("\n")


def _only(strict: list[str], generous: list[str], key: str) -> str:
    """Return the value of a header that is there once, whoever counts."""
    at = [number for number, line in enumerate(strict) if line.startswith(f"{key}:")]
    seen = [line for line in generous if (found := _NAMING.match(line)) and found["key"].lower() == key.lower()]
    if not seen:
        raise invalid(f"has metadata without a {key}")
    if len(at) != 1 or len(seen) != 1 or strict[at[0]] != seen[0]:
        raise invalid(f"has metadata that can be read as having two of {key}: write one plain line '{key}: ...'")
    if any(line.startswith((" ", "\t")) for line in strict[at[0] + 1 : at[0] + 2]):
        raise invalid(f"has metadata whose {key} goes on in a second line: write it in one")
    return seen[0].removeprefix(f"{key}:").strip(" \t")
