"""A zip file, read so that every reader of it agrees (PKWARE's APPNOTE.TXT 6.3.10; the sections below are its own).

Installers read a zip in two ways: by the central directory at its end, or from one local header to the next. Where the
two differ, one file is two packages; PyPI refuses such files since 2025 by the same rules.

Rule 1. The file is: members, each right behind the one before; their directory; its end record. No comment, no gap.
Rule 2. Each member's local header says what the directory says of it.
Rule 3. No two members of one name, and no member with a second name.
Rule 4. What makes a size unknown before it is read is refused: data descriptors, encryption, patches, several disks.

The directory is read whole, the members' headers one by one, of the members' bytes only the metadata's.
"""

import re
import stat
import struct
import zlib
from typing import BinaryIO, NamedTuple

from authproxy.backend.members import MEMBERS_LIMIT, METADATA_LIMIT, Heavy, Lookout, invalid
from authproxy.domain.refusal import Refused, quoted

# Bytes of the central directory, which is held in memory: 65,535 members with paths of 200 characters.
DIRECTORY_LIMIT = 16 * 1024 * 1024

# What may be read at once, on the event loop: so many members, so many bytes of metadata, and as many of the directory
# and of all local headers as `BRIEF` says. The worst that could be made of it takes a millisecond (measured).
FEW = 100
SHORT = 32 * 1024
BRIEF = 8 * 1024

_END = struct.Struct("<4s4H2LH")  # 4.3.16
_END64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
_LOCATOR64 = struct.Struct("<4sLQL")  # 4.3.15
_CENTRAL = struct.Struct("<4s6H3L5H2L")  # 4.3.12
_LOCAL = struct.Struct("<4s5H3L2H")  # 4.3.7

_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF  # "look into the zip64 record"
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 0x0001, 0x0008, 0x0800  # 4.4.4
_ALLOWED_FLAGS = 0x0006 | _UTF8  # the bits 1 and 2 tell how hard deflate tried
_STORED, _DEFLATED = 0, 8  # 4.4.5
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075  # 4.5.2, 4.6.9
_NEWEST = 63  # 4.4.3: version 6.3 of the format; zipfile reads nothing that asks for more
_CONTROLS = re.compile(rb"[\0-\x1f\x7f]")


class _Member(NamedTuple):
    """What directory and local header must agree on, and where the header is. Sizes and offsets in bytes."""

    offset: int
    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int


def read(file: BinaryIO, lookout: Lookout, *, at_once: bool = False) -> bytes:
    """Return the bytes of the member that `lookout` picks; raise `Refused` where the file is not a zip by our rules.

    `at_once` it raises Heavy where that takes long. What it refuses is refused either way.
    """
    count, start, length = _end_record(file)
    if at_once and (count > FEW or length > BRIEF):
        raise Heavy
    members, wanted = _directory(_read_at(file, start, length), count, lookout)
    if at_once and max(wanted.size, wanted.packed) > SHORT:
        raise Heavy
    _check_local_headers(file, members, start, BRIEF if at_once else None)
    return _content(file, wanted)


def _read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    found = file.read(length)
    if len(found) != length:
        raise invalid("is cut short")
    return found


def _end_record(file: BinaryIO) -> tuple[int, int, int]:
    """Return how many members the directory has, and its offset and length."""
    end = file.seek(0, 2) - _END.size
    if end < 0:
        raise invalid("is too short for a zip file")
    magic, disk, first_disk, here, count, length, start, comment = _END.unpack(_read_at(file, end, _END.size))
    if magic != b"PK\5\6" or comment:
        raise invalid("does not end as a zip file without a comment does: nothing may follow its directory")
    if count == _FULL16 or _FULL32 in {length, start}:
        end, here, count, length, start = _end_record64(file, end, (here, count, length, start))
    if (disk, first_disk) != (0, 0) or here != count:
        raise invalid("is one of several disks of a zip file")
    if count > MEMBERS_LIMIT or length > DIRECTORY_LIMIT:
        raise invalid(f"has more than {MEMBERS_LIMIT} members, or names for them of more than {DIRECTORY_LIMIT} bytes")
    if start + length != end:
        raise invalid("has bytes before its first member or behind its directory: it must be a zip file alone")
    return count, start, length


def _end_record64(file: BinaryIO, end: int, short: tuple[int, int, int, int]) -> tuple[int, int, int, int, int]:
    """Return where the long end record stands and what it says; the short one may only repeat that or say "full"."""
    at = end - _LOCATOR64.size - _END64.size
    if at < 0:
        raise invalid("lacks the zip64 record that it points to")
    found = _read_at(file, at, _END64.size + _LOCATOR64.size)
    magic, rest, _, _, disk, first_disk, *values = _END64.unpack_from(found)
    locator = _LOCATOR64.unpack_from(found, _END64.size)
    full = (_FULL16, _FULL16, _FULL32, _FULL32)
    fits = all(a in (b, c) for a, b, c in zip(short, values, full, strict=True))
    if (magic, rest, disk, first_disk) != (b"PK\6\6", 44, 0, 0) or locator != (b"PK\6\7", 0, at, 1) or not fits:
        raise invalid("has a zip64 end record that does not fit the other one")
    here, count, length, start = values
    return at, here, count, length, start


def _directory(directory: bytes, count: int, lookout: Lookout) -> tuple[dict[int, _Member], _Member]:
    """Return all members by where they stand in the file, and the one that `lookout` picks."""
    members: dict[int, _Member] = {}
    names: set[bytes] = set()
    wanted: _Member | None = None
    at = 0
    for _ in range(count):
        member, mode, at = _entry(directory, at)
        if member.name in names:
            raise invalid(f"has two members called {quoted(_text(member))}")
        names.add(member.name)
        if member.offset in members:
            raise _misplaced(member)
        members[member.offset] = member
        if lookout.sees(_text(member)):
            if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
                raise invalid(f"has a {lookout.wanted} that is no regular file")
            wanted = member
    if at != len(directory):
        raise invalid("has a directory that is longer than its members need")
    lookout.finish()
    assert wanted is not None
    return members, wanted


def _entry(directory: bytes, at: int) -> tuple[_Member, int, int]:
    """Return one member, its Unix mode, and where the next one's entry begins."""
    try:
        magic, *fields = _CENTRAL.unpack_from(directory, at)
    except struct.error:
        raise invalid("has a directory that is cut short") from None
    _, needed, flags, method, _, _, crc, packed, size, name_length, extra_length, comment, disk, _, mode, offset = (
        fields
    )
    name_end = at + _CENTRAL.size + name_length
    end = name_end + extra_length
    name, extra = directory[at + _CENTRAL.size : name_end], directory[name_end:end]
    if magic != b"PK\1\2" or comment or disk or end > len(directory) or needed & 0xFF > _NEWEST:
        raise invalid("has a directory entry that is none, has a comment, is too new, or points to another disk")
    if _CONTROLS.search(name) or not name:
        raise invalid("has a member whose name is empty or has control characters")  # Python cuts a name at NUL
    size, packed, offset = _long((size, packed, offset), extra)
    member = _Member(offset, name, flags, method, crc, packed, size)
    if flags & ~_ALLOWED_FLAGS:
        raise invalid(f"has a member, {quoted(_text(member))}, {_why(flags)}")
    return member, mode >> 16, end


def _why(flags: int) -> str:
    if flags & _ENCRYPTED:
        return "that is encrypted"
    if flags & _DESCRIPTOR:
        return "whose size follows it (a data descriptor): write the file with a tool that can seek in it"
    return "with flags that no wheel or sdist needs"


def _text(member: _Member) -> str:
    try:
        return member.name.decode("utf-8" if member.flags & _UTF8 else "cp437")
    except UnicodeDecodeError:
        raise invalid("has a member whose name is not UTF-8 although it says so") from None


def _long(values: tuple[int, ...], extra: bytes, *, repeats: bool = False) -> list[int]:
    """Replace the values that say "full" by those of the zip64 extra field (4.5.3), which must have just these.

    Where none says so, the field may repeat them all with `repeats`: Python before 3.11.4 writes local headers so.
    """
    if not extra and _FULL32 not in values:
        return list(values)
    wide = [n for n, value in enumerate(values) if value == _FULL32]
    found = list(values)
    payload = _extras(extra).get(_ZIP64, b"")
    if repeats and not wide and payload == struct.pack(f"<{len(values)}Q", *values):
        return found
    if len(payload) != 8 * len(wide):
        raise invalid("has a member whose zip64 sizes do not fit its other ones")
    for n, value in zip(wide, struct.unpack(f"<{len(wide)}Q", payload), strict=True):
        found[n] = value
    return found


def _extras(extra: bytes) -> dict[int, bytes]:
    """Read a list of extra fields (4.5.1)."""
    fields: dict[int, bytes] = {}
    at = 0
    while at < len(extra):
        if at + 4 > len(extra):
            raise invalid("has a member with a broken extra field")
        kind, length = struct.unpack_from("<2H", extra, at)
        if at + 4 + length > len(extra) or kind in fields or kind == _UNICODE_PATH:
            raise invalid("has a member with a broken extra field, one field twice, or a second name in one")
        fields[kind] = extra[at + 4 : at + 4 + length]
        at += 4 + length
    return fields


def _check_local_headers(file: BinaryIO, members: dict[int, _Member], end: int, brief: int | None) -> None:
    """Compare each with what the directory says. Raises Heavy where they have more than so many bytes together.

    They are taken out one by one, each from where the one before ends: to sort 65,000 of them held up the whole program
    for 60 ms, in whatever thread (measured).
    """
    at = seen = 0
    while members:
        member = members.pop(at, None)
        if member is None:
            raise _misplaced(members[min(members)])
        header = _LOCAL.unpack(_read_at(file, at, _LOCAL.size))
        magic, _, flags, method, _, _, crc, packed, size, name_length, extra_length = header
        if magic != b"PK\3\4":
            raise _contradicted(member)
        seen += _LOCAL.size + name_length + extra_length
        if brief is not None and seen > brief:
            raise Heavy
        rest = file.read(name_length + extra_length)
        size, packed = _long((size, packed), rest[name_length:], repeats=True)
        local = _Member(at, rest[:name_length], flags, method, crc, packed, size)
        if local != member:
            raise _contradicted(member)
        at += _LOCAL.size + name_length + extra_length + packed
    if at != end:
        raise invalid("has bytes before its directory that belong to no member, or to two")


def _contradicted(member: _Member) -> Refused:
    return invalid(f"says two different things of its member {quoted(_text(member))}")


def _misplaced(member: _Member) -> Refused:
    return invalid(f"has bytes before {quoted(_text(member))} that belong to no member, or to two")


def _content(file: BinaryIO, member: _Member) -> bytes:
    if max(member.size, member.packed) > METADATA_LIMIT:
        raise invalid(f"has metadata of more than {METADATA_LIMIT} bytes")
    header = _LOCAL.unpack(_read_at(file, member.offset, _LOCAL.size))
    content = _read_at(file, member.offset + _LOCAL.size + header[-2] + header[-1], member.packed)
    if member.method == _DEFLATED:
        content = _inflated(content, member.size)
    elif member.method != _STORED:
        raise invalid("has metadata that is packed by another method than deflate")
    if len(content) != member.size or zlib.crc32(content) != member.crc:
        raise invalid("has metadata that is damaged: its size or its checksum is wrong")
    return content


def _inflated(packed: bytes, size: int) -> bytes:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflate.decompress(packed, size + 1)  # one more than it may have: a bomb stops there
    except zlib.error:
        raise invalid("has metadata that cannot be unpacked") from None
    if not inflate.eof or inflate.unused_data:
        raise invalid("has metadata that unpacks to another size than it says")
    return content
