"""A gzipped tar, read so that every reader of it agrees (POSIX pax and ustar, and GNU's long names).

Readers of tar differ where the format has grown: which of two sizes counts, what a link's size means, what follows the
first empty block (CVE-2025-62518 was one such difference). A tar of files, folders and links needs none of that.

Rule 1. Every header is well-formed: checksum right, numbers octal, kind one of file, folder, link.
Rule 2. An extended header may give a name and times, never a size, a sparse map or a character set; one name, not two.
Rule 3. Nothing lies at or below a link that came before it: unpacking would write through the link.
Rule 4. One gzip stream, one tar, zeros behind it, to the end.

gzip cannot be entered in the middle, and the last of two members wins, so the whole file is unpacked, in pieces that
are thrown away; to stop at the first PKG-INFO would be to read what nobody installs. zlib writes 270 to 470 MiB/s, and
3,800 MiB/s of what gzip could not shrink (measured on one core): 0.35 s for an sdist of 1 GiB full of random bytes or
packed weights, 4.5 s for one of base64, 12 s for one of program text, which unpacks to 4.6 GiB. It frees the GIL.
"""

import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from authproxy.backend.members import MEMBERS_LIMIT, METADATA_LIMIT, Lookout, invalid, plain
from authproxy.domain.refusal import quoted

# Bytes that may come out of a file: a floor, so many times its size, and a ceiling. Sources shrink to a quarter, test
# data sometimes to a twentieth, deflate at most to a thousandth; the floor takes under a second, the ceiling about 25.
UNPACKED_FLOOR = 256 * 1024 * 1024
UNPACKED_RATIO = 16
UNPACKED_CEILING = 8 * 1024 * 1024 * 1024
# A member may have three headers before its own (pax, long name, long link). A header takes about 10 us.
HEADERS_LIMIT = 4 * MEMBERS_LIMIT
# Bytes of one path: Linux opens none that is longer (PATH_MAX, limits.h).
PATH_LIMIT = 4096
# Characters of all paths together, as many as a zip's directory may have bytes. They pack to almost nothing, and to
# walk over their segments takes 1 us for 10 of them at worst (measured): 1.7 s.
PATHS_LIMIT = 16 * 1024 * 1024
# Bytes and records of one extended header: a path, times and owners, and the comments of some tools.
EXTENDED_LIMIT = 64 * 1024
RECORDS_LIMIT = 32
# Bytes per step of unpacking.
PIECE = 1024 * 1024

_BLOCK = 512
_EMPTY = bytes(_BLOCK)
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*", re.ASCII)
_RECORD = re.compile(rb"([1-9][0-9]{0,4}) ([^=]+)=", re.ASCII)

_FILE, _FOLDER, _LINK = "file", "folder", "link"
_KINDS = {b"0": _FILE, b"\0": _FILE, b"5": _FOLDER, b"1": _LINK, b"2": _LINK}
_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK = b"x", b"g", b"L", b"K"
_EXTENDED = {_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK}


class _Member(NamedTuple):
    name: str
    kind: str
    size: int  # bytes


def read(file: BinaryIO, lookout: Lookout) -> bytes:
    """Return the bytes of the member that `lookout` picks; raise `Refused` where the file is not a tar by our rules."""
    stream = _Unpacked(file)
    content: bytes | None = None
    links = _Links()
    for member in _members(stream):
        links.check(member)
        if not lookout.sees(member.name):
            stream.skip(_padded(member.size))
            continue
        if member.kind != _FILE or member.size > METADATA_LIMIT:
            raise invalid(f"has a {lookout.wanted} that is no regular file, or has more than {METADATA_LIMIT} bytes")
        content = stream.take(_padded(member.size))[: member.size]
    lookout.finish()
    assert content is not None
    return content


class _Links:
    """Where the links lie that came so far, each remembered as one number.

    A path is walked once, from the top, and every segment is hashed once, together with the number of the folder that
    it stands in. A tree of the segments would take 230 bytes for each (measured), which is 2 GB for what PATHS_LIMIT
    lets in. Two paths with one number would refuse an archive and never pass one, and nobody outside can make two:
    Python's hash of text is keyed per process.
    """

    def __init__(self) -> None:
        self._places: set[int] = set()

    def check(self, member: _Member) -> None:
        """Raise `Refused` where a member lies at or below a link; remember it if it is one."""
        if not self._places and member.kind != _LINK:
            return
        place = 0
        for segment in plain(member.name).casefold().split("/"):
            place = hash((place, segment))
            if place in self._places:
                raise invalid(f"has a member, {quoted(member.name)}, at or below a link")
        if member.kind == _LINK:
            self._places.add(place)


def _padded(size: int) -> int:
    return size + -size % _BLOCK


def _members(stream: "_Unpacked") -> Iterator[_Member]:
    """Yield each member; the caller takes or skips its content, padded, before asking for the next."""
    extended: dict[bytes, str | None] = {}
    members = paths = 0
    for _ in range(HEADERS_LIMIT):
        block = stream.take(_BLOCK)
        if block == _EMPTY:
            stream.only_zeros_follow()
            return
        kind, size = _kind_and_size(block)
        if kind in _EXTENDED:
            if size > EXTENDED_LIMIT or kind in extended or (kind == _PAX_GLOBAL and extended):
                raise invalid(f"has an extended header of more than {EXTENDED_LIMIT} bytes, or two in a row")
            named = _named(kind, stream.take(_padded(size))[:size])
            if kind != _PAX_GLOBAL:
                extended[kind] = named
            continue
        member = _member(block, kind, size, [name for name in extended.values() if name is not None])
        paths += len(member.name)
        if paths > PATHS_LIMIT:
            raise invalid(f"has names of more than {PATHS_LIMIT} characters together")
        yield member
        extended = {}
        members += 1
        if members > MEMBERS_LIMIT:
            break
    raise invalid(f"has more than {MEMBERS_LIMIT} members, or {HEADERS_LIMIT} headers")


def _kind_and_size(block: bytes) -> tuple[bytes, int]:
    if sum(block) - sum(block[148:156]) + 8 * ord(" ") != _number(block[148:156]):
        raise invalid("is no tar file, or is damaged: a header's checksum is wrong")
    kind = block[156:157]
    if kind not in _KINDS and kind not in _EXTENDED:
        raise invalid(f"has a member of the kind {quoted(kind.decode('latin-1'))}: it takes files, folders and links")
    return kind, _number(block[124:136])


def _number(field: bytes) -> int:
    found = _OCTAL.fullmatch(field)
    if found is None:
        raise invalid("is no tar file, or is damaged: a header's size or checksum is not in octal digits")
    return int(found[1] or b"0", 8)


def _member(block: bytes, kind: bytes, size: int, long_names: list[str]) -> _Member:
    if len(long_names) > 1:
        raise invalid("has a member with two long names")
    name = long_names[0] if long_names else _name(block)
    # An old tar marks a folder by the slash behind its name; Python looks at the short name for that, others at the
    # long one, and who sees a folder does not skip its content.
    folder = name.endswith("/") or (kind == b"\0" and block[:100].rstrip(b"\0").endswith(b"/"))
    if size and (folder or _KINDS[kind] != _FILE):
        raise invalid(f"has a folder or a link with content, {quoted(name)}")
    return _Member(name, _KINDS[kind], size)


def _name(block: bytes) -> str:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0]
    if prefix and block[257:263] != b"ustar\0":
        # GNU keeps times where ustar has the first half of a long name; Python reads them as a name all the same.
        raise invalid("has a header in which one reader sees times and another a name")
    return _decoded(prefix + b"/" + name if prefix else name)


def _decoded(name: bytes) -> str:
    if b"\0" in name or not name:
        raise invalid("has a member whose name is empty or has a NUL in it")
    if len(name) > PATH_LIMIT:
        raise invalid(f"has a member whose name has more than {PATH_LIMIT} bytes")
    return name.decode("utf-8", "surrogateescape")


def _named(kind: bytes, payload: bytes) -> str | None:
    """Return the name that an extended header gives to the member behind it, if it gives one."""
    if kind == _LONG_NAME:
        return _decoded(payload.partition(b"\0")[0])
    if kind == _LONG_LINK:
        return None
    records = _records(payload)
    path = records.pop(b"path", None)
    if kind == _PAX_GLOBAL and (path is not None or b"linkpath" in records):
        raise invalid("has a global header that gives every member one name")
    for key in records:
        if key in {b"size", b"hdrcharset"} or key.startswith(b"GNU.sparse."):
            raise invalid(
                f"has an extended header with {quoted(key.decode('latin-1'))}, which readers read differently"
            )
    return None if path is None else _decoded(path)


def _records(payload: bytes) -> dict[bytes, bytes]:
    """Read `LENGTH KEY=VALUE` lines; LENGTH counts all of its line."""
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(payload):
        found = _RECORD.match(payload, at)
        end = at + int(found[1]) if found else 0
        if found is None or not found.end() < end <= len(payload) or payload[end - 1 : end] != b"\n":
            raise invalid("has an extended header that is broken")
        if found[2] in records or len(records) == RECORDS_LIMIT:
            raise invalid(f"has an extended header with one record twice, or more than {RECORDS_LIMIT}")
        records[found[2]] = payload[found.end() : end - 1]
        at = end
    return records


class _Unpacked:
    """What comes out of a gzip file, front to back, within a limit."""

    def __init__(self, file: BinaryIO) -> None:
        size = file.seek(0, 2)
        file.seek(0)
        self._file = file
        self._limit = min(UNPACKED_FLOOR + UNPACKED_RATIO * size, UNPACKED_CEILING)
        self._left = self._limit
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)  # gzip's head and checksum, and no other
        self._piece = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        """Return the next bytes, exactly so many."""
        return b"".join(self._pass(count))

    def skip(self, count: int) -> None:
        """Throw the next bytes away, exactly so many."""
        for _ in self._pass(count):
            pass

    def only_zeros_follow(self) -> None:
        """Read to the end; raise `Refused` where a second archive, or anything else, follows the first."""
        while True:
            if self._piece[self._at :].strip(b"\0"):
                raise invalid("has something behind the end of its tar")
            self._piece, self._at = self._more(), 0
            if not self._piece:
                return

    def _pass(self, count: int) -> Iterator[memoryview]:
        while count:
            if self._at == len(self._piece):
                self._piece, self._at = self._more(), 0
                if not self._piece:
                    raise invalid("is cut short")
            passed = memoryview(self._piece)[self._at : self._at + count]
            self._at += len(passed)
            count -= len(passed)
            yield passed

    def _more(self) -> bytes:
        """Return the next piece, empty at the end of the file."""
        while not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._file.read(PIECE // 16)
            if not packed:
                raise invalid("is cut short")
            try:
                piece = self._inflate.decompress(packed, PIECE)
            except zlib.error:
                raise invalid("is no gzip file, or is damaged") from None
            self._left -= len(piece)
            if self._left < 0:
                raise invalid(f"unpacks to more than {self._limit} bytes, which is too much for its size")
            if piece:
                return piece
        if self._inflate.unused_data or self._file.read(1):
            raise invalid("has something behind the end of its gzip stream")
        return b""
