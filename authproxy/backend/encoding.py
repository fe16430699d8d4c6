"""The upload form as we write it: what an index reads of it is what was decoded, whatever reader it uses.

Law 1. Every reader of forms finds in it the fields of the `Form`, with their exact values and nothing else.
Law 2. `:action` comes last: an index that stores what came of a body that broke off (pypiserver does, under wsgiref and
       under gunicorn) finds no action in it and stores nothing.
Law 3. The boundary occurs in no value. In text that is checked; in the file it cannot be, because the file is not here,
       so the boundary has to be long, random and drawn anew when the last byte of the file has arrived.

Names are written without quoting, so they must be of the grammar under which quoting changes nothing. A form from
`FormDecoder` always is; one that is not is a fault of ours, and a ValueError.
"""

import re
from dataclasses import dataclass
from typing import Final

from authproxy.backend.form import ACTION, CONTENT, SIGNATURE, Form
from authproxy.backend.grammar import FIELD_NAME, FILENAME

# Hexadecimal digits of 128 bits at least: what is guessed less often than that needs no comparison with the file.
_BOUNDARY: Final = re.compile(r"[A-Za-z0-9]{32,70}", re.ASCII)
_FIELD_NAME: Final = re.compile(FIELD_NAME, re.ASCII)
_FILENAME: Final = re.compile(FILENAME, re.ASCII)
_FILE: Final = b"Content-Type: application/octet-stream\r\n"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A body with a gap: `head`, then the bytes of the file, then `tail`. `length` is that of all three, in bytes."""

    head: bytes
    tail: bytes
    length: int
    content_type: str


def encode(form: Form, boundary: str) -> Encoded:
    """Write a form anew. `boundary`: 32 to 70 letters and digits, fresh and random.

    Raises ValueError where the boundary is of another kind or occurs in the form, or a name is not of our grammar.
    """
    if not _BOUNDARY.fullmatch(boundary):
        raise ValueError("a boundary of ours has 32 to 70 letters and digits")
    delimiter = f"--{boundary}\r\n".encode("ascii")
    pieces = [b"%s%s\r\n%s\r\n" % (delimiter, _disposition(n), v.encode()) for n, v in form.fields if n != ACTION]
    if form.signature is not None:
        filename, signature = form.signature
        pieces.append(b"%s%s%s\r\n%s\r\n" % (delimiter, _disposition(SIGNATURE, filename), _FILE, signature))
    pieces.append(b"%s%s%s\r\n" % (delimiter, _disposition(CONTENT, form.content.filename), _FILE))
    actions = [b"%s%s\r\n%s\r\n" % (delimiter, _disposition(n), v.encode()) for n, v in form.fields if n == ACTION]
    head = b"".join(pieces)
    tail = b"\r\n" + b"".join(actions) + f"--{boundary}--\r\n".encode("ascii")
    if (head + tail).count(boundary.encode("ascii")) != len(pieces) + len(actions) + 1:
        raise ValueError("the boundary occurs in the form: draw another")
    length = len(head) + form.content.size + len(tail)
    return Encoded(head, tail, length, f"multipart/form-data; boundary={boundary}")


def _disposition(name: str, filename: str | None = None) -> bytes:
    """One header line, with its CRLF."""
    if not _FIELD_NAME.fullmatch(name) or (filename is not None and not _FILENAME.fullmatch(filename)):
        raise ValueError("a name of the form is not of the plain grammar")
    said = f'Content-Disposition: form-data; name="{name}"'
    return (said if filename is None else f'{said}; filename="{filename}"').encode("ascii") + b"\r\n"
