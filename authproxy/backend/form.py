"""The upload form: which fields it may have, how often, how large; decoded from pieces of a body as they arrive.

The file's bytes go to a `Spool` and nowhere else: each piece handed over is a `bytes` object that the decoder neither
keeps nor copies (the very piece that was fed, where it lies within the file as a whole). Text fields and a signature
are small and stay in the `Form`. Hashing is the spool's business, because it may have a thread for it; what the form
claims of the file's digests, `Form.digests` says.

This room knows no project, no version and no key: fields are text that can be read in one way, no more.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from authproxy.backend.framing import END, PART_LIMIT, Framing
from authproxy.backend.grammar import PartHead
from authproxy.domain.refusal import Code, Denial, Refused, quoted, refuse
from authproxy.domain.sizes import exact

ACTION: Final = ":action"
CONTENT: Final = "content"
SIGNATURE: Final = "gpg_signature"
FILE_UPLOAD: Final = "file_upload"
REMOVE: Final = "remove_pkg"

# A part for each line of metadata: boto3-stubs 1.44, with 439 extras, has 1,341 lines that repeat.
PARTS: Final = 4096
# Bytes of all text fields together, held in memory while the file comes in. boto3-stubs has 0.2 MiB.
TEXT: Final = 4 * 1024 * 1024
# Bytes of one text field: a README, drawings in it as data URLs included, or a file's attestations.
FIELD: Final = 2 * 1024 * 1024
# Bytes of a detached signature, PyPI's limit while it took them; armoured ones have under one KiB.
SIGNATURE_SIZE: Final = 8 * 1024
# pypiserver's FieldStorage opens a temporary file for each field over 1,000 bytes (measured): 4,000 of them used up its
# descriptors, and an index without descriptors lists no files. Real forms have a description, attestations and
# a handful of long requirements.
LONG: Final = 1000
LONG_FIELDS: Final = 32
# Bytes of a field that means something to an index or to us. FieldStorage reads lines in pieces of 64 KiB and garbles a
# character that straddles two, so what matters has to be shorter than that.
SHORT: Final = 1024

# Fields of consequence come at most once, because an index takes the last of two; with each, its limit in bytes.
# The others (classifiers, requires_dist, project_urls, whatever core metadata adds) are lists or mere description.
ONCE: Final[Mapping[str, int]] = {
    ACTION: SHORT,
    "attestations": FIELD,
    "blake2_256_digest": SHORT,
    CONTENT: 0,  # its limit is the operator's: FormLimits.max_content
    "description": FIELD,
    "filetype": SHORT,
    SIGNATURE: SIGNATURE_SIZE,
    "md5_digest": SHORT,
    "metadata_version": SHORT,
    "name": SHORT,
    "protocol_version": SHORT,
    "pyversion": SHORT,
    "requires_python": SHORT,
    "sha256_digest": SHORT,
    "version": SHORT,
}
FILES: Final = frozenset({CONTENT, SIGNATURE})


@dataclass(frozen=True, slots=True)
class _Digest:
    name: str  # hashlib's; blake2b is meant with digest_size=32
    hexadecimal: re.Pattern[str]


_DIGESTS: Final[Mapping[str, _Digest]] = {
    "sha256_digest": _Digest("sha256", re.compile(r"[0-9a-fA-F]{64}", re.ASCII)),
    "md5_digest": _Digest("md5", re.compile(r"[0-9a-fA-F]{32}", re.ASCII)),
    "blake2_256_digest": _Digest("blake2b", re.compile(r"[0-9a-fA-F]{64}", re.ASCII)),
}


@dataclass(frozen=True, slots=True)
class FormLimits:
    """How much a form may hold; all sizes in bytes. `max_content` is the file itself."""

    max_content: int
    max_parts: int = PARTS
    max_text: int = TEXT

    @property
    def max_body(self) -> int:
        """No body within the limits is longer than this."""
        return self.max_content + self.max_text + (self.max_parts + 1) * PART_LIMIT


@dataclass(frozen=True, slots=True)
class FilePart:
    """The file of a form; its bytes lie in the spool. `size` is in bytes."""

    filename: str
    size: int


@dataclass(frozen=True, slots=True)
class Form:
    """An upload form that can be read in one way.

    `fields` are the text fields in the order they came, but `:action` last, which is where our own encoding has it.
    """

    fields: tuple[tuple[str, str], ...]
    content: FilePart
    signature: tuple[str, bytes] | None = None  # filename, bytes

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a text field, in order."""
        return tuple(value for field, value in self.fields if field == name)

    def one(self, name: str) -> str | None:
        """The value of a text field, None where it did not come. Raises Refused (form-invalid) where several did."""
        values = self.all(name)
        if len(values) > 1:
            raise _twice(name)
        return values[0] if values else None

    def digests(self) -> dict[str, str]:
        """What the client says the file's digests are: hashlib's name to lower-case hex, where a field claims one."""
        claims = ((_DIGESTS[field].name, value.lower()) for field, value in self.fields if field in _DIGESTS)
        return dict(claims)


@dataclass(frozen=True, slots=True)
class RemovalForm:
    """A form that asks for a release to be deleted. Both are text that has not been read yet."""

    name: str
    version: str


class Spool(Protocol):
    """Where the bytes of `content` go, in order, each once."""

    def write(self, piece: bytes, /) -> object:
        """Take the next piece, never an empty one; it is the spool's to keep."""


class FormDecoder:
    """Pieces of a request body in, one `Form` out.

    After a refusal, or a fault of the spool in the middle of a piece, every further call refuses: half a form is none.
    With `removals` a form may also ask for a delete, which `removal` tells.
    """

    def __init__(self, boundary: str, spool: Spool, limits: FormLimits, *, removals: bool = False) -> None:
        self._framing = Framing(boundary)
        self._spool = spool
        self._limits = limits
        self._actions = (FILE_UPLOAD, REMOVE) if removals else (FILE_UPLOAD,)
        self._action = ""
        self._denial: Denial | None = None
        self._seen: set[str] = set()
        self._head = PartHead("", None)
        self._value = bytearray()  # of the part that is being read, if it is not the file
        self._text = 0  # bytes of all text fields so far
        self._long = 0  # how many of them are long
        self._size = 0  # bytes of the file so far
        self._fields: list[tuple[str, str]] = []
        self._content: FilePart | None = None
        self._signature: tuple[str, bytes] | None = None

    def feed(self, piece: bytes) -> None:
        """Read the next piece of the body, of any length. Raises Refused (form-invalid, too-large, digest)."""
        self._go_on()
        self._denial = _BROKEN_OFF  # what a fault of the spool leaves behind
        try:
            for event in self._framing.feed(piece):
                if isinstance(event, bytes):
                    self._take(event)
                elif event is END:
                    self._end()
                else:
                    self._begin(event)
        except Refused as refused:
            self._denial = refused.denial
            raise
        self._denial = None

    def finish(self) -> Form:
        """Say that the body has ended; return what it was. Raises Refused (form-invalid)."""
        self._go_on()
        self._framing.finish()
        if self._content is None:
            raise refuse(Code.FORM_INVALID, "the upload form has no file: a part named content with a filename is due")
        if self._action != FILE_UPLOAD:
            raise refuse(Code.FORM_INVALID, f"the upload form has no :action: {FILE_UPLOAD} is due")
        if self._signature is not None and self._signature[0] != f"{self._content.filename}.asc":
            reason = f"the signature is called {quoted(self._signature[0])}: allowed is the file's name and .asc"
            raise refuse(Code.FORM_INVALID, reason)
        return Form((*self._fields, (ACTION, FILE_UPLOAD)), self._content, self._signature)

    def removal(self) -> RemovalForm | None:
        """Say at the end of the body what it asks to be deleted, None where it does not. Raises Refused (form-invalid).

        Such a form has three fields and no file: what else it might mean, nobody shall have to ask.
        """
        if self._action != REMOVE:
            return None
        self._go_on()
        self._framing.finish()
        fields = dict(self._fields)
        if self._seen != {ACTION, "name", "version"}:
            reason = f"a form with the :action {REMOVE} has the fields name and version, and nothing else"
            raise refuse(Code.FORM_INVALID, reason)
        return RemovalForm(fields["name"], fields["version"])

    def _go_on(self) -> None:
        if self._denial is not None:
            raise Refused(self._denial)

    def _begin(self, head: PartHead) -> None:
        name = head.name
        if self._framing.parts > self._limits.max_parts:
            raise refuse(Code.TOO_LARGE, f"the upload form has more than {self._limits.max_parts} parts")
        if name in FILES and head.filename is None:
            raise refuse(Code.FORM_INVALID, f"the field {name} of the upload form must be a file: it has no filename")
        if name not in FILES and head.filename is not None:
            reason = f"the field {quoted(name)} of the upload form has a filename: allowed on content and gpg_signature"
            raise refuse(Code.FORM_INVALID, reason)
        if name in ONCE and name in self._seen:
            raise _twice(name)
        self._seen.add(name)
        self._head = head
        self._value = bytearray()

    def _take(self, piece: bytes) -> None:
        name = self._head.name
        if name == CONTENT:
            self._size += len(piece)
            if self._size > self._limits.max_content:
                most = exact(self._limits.max_content)
                raise refuse(Code.TOO_LARGE, f"the file is larger than the {most} that this proxy takes")
            self._spool.write(piece)
            return
        self._text += len(piece)
        limit = ONCE.get(name, FIELD)
        if len(self._value) + len(piece) > limit:
            raise refuse(Code.TOO_LARGE, f"the field {name} of the upload form is larger than {limit} bytes")
        if self._text > self._limits.max_text:
            raise refuse(Code.TOO_LARGE, f"the fields of the upload form have more than {self._limits.max_text} bytes")
        if len(self._value) <= LONG < len(self._value) + len(piece):
            self._long += 1
            if self._long > LONG_FIELDS:
                reason = f"the upload form has more than {LONG_FIELDS} fields over {LONG} bytes"
                raise refuse(Code.TOO_LARGE, reason)
        self._value += piece

    def _end(self) -> None:
        name, filename = self._head.name, self._head.filename
        if filename is None:
            self._keep(name, _text(name, bytes(self._value)))
        elif name == CONTENT:
            self._content = FilePart(filename, self._size)
        else:
            self._signature = (filename, bytes(self._value))

    def _keep(self, name: str, value: str) -> None:
        if name == ACTION:
            self._action = _action(value, self._actions)
            return
        if name in _DIGESTS and not _DIGESTS[name].hexadecimal.fullmatch(value):
            raise refuse(Code.DIGEST, f"the field {name} of the upload form is not a digest in hexadecimal digits")
        self._fields.append((name, value))


_BROKEN_OFF: Final = Denial(Code.FORM_INVALID, "the upload form was not read to its end: send it again")


def _text(name: str, value: bytes) -> str:
    if 0 in value:
        raise refuse(Code.FORM_INVALID, f"the field {name} of the upload form contains a NUL: text has none")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise refuse(Code.FORM_INVALID, f"the field {name} of the upload form is not valid UTF-8") from exc


def _action(value: str, taken: tuple[str, ...]) -> str:
    if value not in taken:
        reason = f"the upload form's :action is {quoted(value)}: this proxy takes {' and '.join(taken)} only"
        raise refuse(Code.FORM_INVALID, reason)
    return value


def _twice(name: str) -> Refused:
    return refuse(Code.FORM_INVALID, f"the field {name} comes more than once in the upload form: allowed is once")
