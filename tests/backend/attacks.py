"""Uploads that say one thing to a careless proxy and another to the index, and the careless proxies that they beat.

A careless proxy may upload `evil` and nothing else. It checks the form as a person would who trusts a multipart library:
a multipart type, `:action` is file_upload, every `name` is evil, the file is called evil-something. Then it forwards
what it was sent. The index behind it holds a release of `victim` and one of `evil`; harm is whatever then differs from
"the file that was checked is there, with the bytes that were checked".
"""

import asyncio
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from multipart import MultipartError, MultipartParser, parse_options_header

from tests.backend.uploads import ACTION, FILE, NAME, Upload, honest, of
from tests.peers.forms import BOUNDARY, Part, body_of

HELD: Mapping[str, bytes] = {"victim-1.0.tar.gz": b"the victim's", "evil-0.9.tar.gz": b"an older one"}
DASHED = b"--" + BOUNDARY.encode()
# What the attacker wants stored under a name that is not theirs.
VICTIM = Part("content", b"not the victim's", "victim-1.0.tar.gz")
HIDDEN = VICTIM.encode()


@dataclass(frozen=True, slots=True)
class Read:
    """A part, as a library gives it: a file where it has a filename."""

    name: str | None
    filename: str | None
    value: bytes


@dataclass(frozen=True, slots=True)
class Passed:
    """What a proxy lets through: the files that it believes to be uploading, and the request that it sends on."""

    files: Mapping[str, bytes]
    request: Upload


Proxy = Callable[[Upload], Passed | None]


def by_multipart(upload: Upload) -> list[Read]:
    """The parts as multipart's high-level parser has them, in its default mode."""
    _, options = parse_options_header(upload.content_type)
    parser = MultipartParser(io.BytesIO(upload.body), options["boundary"])
    return [Read(part.name, part.filename, part.raw) for part in parser]


def by_aiohttp(upload: Upload) -> list[Read]:
    """The parts as aiohttp's reader has them."""
    return asyncio.run(_by_aiohttp(upload))


async def _by_aiohttp(upload: Upload) -> list[Read]:
    loop = asyncio.get_running_loop()
    stream = aiohttp.StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    stream.feed_data(upload.body)
    stream.feed_eof()
    return [
        Read(part.name, part.filename, bytes(await part.read()))
        async for part in aiohttp.MultipartReader({"Content-Type": upload.content_type}, stream)
        if isinstance(part, aiohttp.BodyPartReader)  # a form within the form has no name to check
    ]


# How the libraries say that a body is no form to them.
NO_FORM = (
    MultipartError,
    ValueError,
    LookupError,
    RuntimeError,
    AssertionError,
    aiohttp.ClientError,
    HttpProcessingError,
)


def careless(read: Callable[[Upload], list[Read]], which: int) -> Proxy:
    """A proxy that reads with this library and, of two fields, believes the first (0) or the last (-1)."""

    def proxy(upload: Upload) -> Passed | None:
        try:
            parts = read(upload)
        except NO_FORM:
            return None
        files = [part for part in parts if part.name == "content" and part.filename is not None]
        actions = [part.value for part in parts if part.name == ":action"]
        if not upload.content_type.startswith("multipart/") or not files or not actions:
            return None
        file, action = files[which], actions[which]
        if any(part.value != b"evil" for part in parts if part.name == "name"):
            return None
        if action != b"file_upload" or not file.filename.startswith("evil-"):
            return None
        signed = {part.filename: part.value for part in parts if part.filename == f"{file.filename}.asc"}
        return Passed({file.filename: file.value, **signed}, upload)

    return proxy


def rewriting(upload: Upload) -> Passed | None:
    """A careless proxy that writes the form anew, as its library decoded it, with quotes around the names."""
    passed = careless(by_multipart, 0)(upload)
    if passed is None:
        return None
    parts = [Part(part.name, part.value, part.filename) for part in by_multipart(upload)]
    return Passed(passed.files, Upload(body_of(parts)))


CARELESS: Mapping[str, Proxy] = {
    "multipart, first": careless(by_multipart, 0),
    "multipart, last": careless(by_multipart, -1),
    "aiohttp, first": careless(by_aiohttp, 0),
    "aiohttp, last": careless(by_aiohttp, -1),
    "rewriting": rewriting,
}


def disguised(disposition: str) -> Upload:
    """An honest form, and then the victim's file under a head that a library may not understand."""
    return honest_then(Part("", VICTIM.value, disposition=disposition))


def honest_then(*parts: Part) -> Upload:
    """An honest form with parts behind the file."""
    return of(NAME, ACTION, FILE, *parts)


def in_field(value: bytes, *, more: tuple[str, ...] = (), subtype: str = "form-data") -> Upload:
    """An honest form, and then a text field with this in it."""
    upload = honest_then(Part("summary", value, more=more))
    return Upload(upload.body, f"multipart/{subtype}; boundary={BOUNDARY}")


SWALLOWING = Part("summary", b"x=", more=("Content-Type: application/x-www-form-urlencoded",))
INNER = b"x\r\n" + DASHED + b"\r\n" + HIDDEN
# For the first of two boundaries an honest form whose summary holds, for the second, the victim's.
OUTER = body_of([NAME, ACTION, FILE, Part("summary", b"\r\n" + body_of([ACTION, VICTIM]))], "a")

# Each attack with the careless proxy that it beats (it may beat others too).
ATTACKS: Mapping[str, tuple[Upload, str]] = {
    "filename* beside filename": (
        disguised('form-data; name="content"; filename="victim-1.0.tar.gz"; filename*=UTF-8\'\'evil-1.0.tar.gz'),
        "aiohttp, last",
    ),
    "a second filename": (
        disguised('form-data; name="content"; filename="evil-1.0.tar.gz"; filename="victim-1.0.tar.gz"'),
        "aiohttp, last",
    ),
    "a second content": (honest_then(VICTIM), "multipart, first"),
    "a second :action, which deletes": (
        honest(Part("version", b"0.9"), Part(":action", b"remove_pkg")),
        "multipart, first",
    ),
    "an LF-only delimiter inside a field": (in_field(b"x\n" + DASHED + b"\n" + HIDDEN), "multipart, last"),
    "a delimiter where a field should begin": (in_field(DASHED + b"\r\n" + HIDDEN), "multipart, last"),
    "two boundary parameters": (
        Upload(OUTER, f"multipart/form-data; boundary=a; boundary={BOUNDARY}"),
        "aiohttp, last",
    ),
    "name* beside name": (
        disguised('form-data; name*=UTF-8\'\'summary; name="content"; filename="victim-1.0.tar.gz"'),
        "aiohttp, last",
    ),
    "a broken parameter": (
        disguised('form-data; name="content"; filename="victim-1.0.tar.gz"; broken'),
        "aiohttp, last",
    ),
    "a part Content-Length in multipart/mixed": (
        in_field(INNER, more=(f"Content-Length: {len(INNER)}",), subtype="mixed"),
        "aiohttp, last",
    ),
    "a urlencoded part that swallows the rest": (of(NAME, ACTION, VICTIM, SWALLOWING, FILE), "multipart, last"),
    "a last boundary that goes on": (
        Upload(body_of([NAME, ACTION, FILE]).removesuffix(b"\r\n") + b"x\r\n" + body_of([VICTIM])),
        "multipart, last",
    ),
    "a quote hidden behind a percent sign": (
        honest(Part("version", b"0.9"), Part("", b"remove_pkg", disposition='form-data; name=":action%22; x=%22"')),
        "rewriting",
    ),
}
