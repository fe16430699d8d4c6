"""Wheels and sdists made by hand, byte by byte, so that each byte can be wrong.

zipfile and tarfile write what is right and refuse to write most of what is not; here nothing is refused.
"""

import gzip
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

METADATA = b"Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n\nA description.\n"
EVIL = METADATA.replace(b"foo", b"victim")
WHEEL, SDIST, ZIP_SDIST = "foo-1.0-py3-none-any.whl", "foo-1.0.tar.gz", "foo-1.0.zip"
IN_WHEEL, IN_SDIST = b"foo-1.0.dist-info/METADATA", b"foo-1.0/PKG-INFO"


@dataclass
class Entry:
    """One member of a zip. `local` and `central` replace what that header says; `before` stands in front of it."""

    name: bytes
    content: bytes = b""
    method: int = 8
    flags: int = 0
    mode: int = 0o100644
    before: bytes = b""
    behind: bytes = b""
    local: dict[str, Any] = field(default_factory=dict)
    central: dict[str, Any] = field(default_factory=dict)

    @property
    def packed(self) -> bytes:
        if self.method != 8:
            return self.content
        deflate = zlib.compressobj(wbits=-15)
        return deflate.compress(self.content) + deflate.flush()

    def said(self, which: dict[str, Any]) -> dict[str, Any]:
        return {
            "name": self.name,
            "flags": self.flags,
            "method": self.method,
            "crc": zlib.crc32(self.content),
            "packed": len(self.packed),
            "size": len(self.content),
            "extra": b"",
            "comment": b"",
            "disk": 0,
            **which,
        }


def zipped(*entries: Entry, prefix: bytes = b"", gap: bytes = b"", comment: bytes = b"", **end: int) -> bytes:
    """A zip of these members; `gap` stands before the directory, `end` replaces fields of the end record."""
    body, directory = bytearray(prefix), bytearray()
    for entry in entries:
        body += entry.before
        said = entry.said(entry.central)
        offset = said.get("offset", len(body))
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 0x031E, 20, said["flags"], said["method"], 0, 33, said["crc"], said["packed"], said["size"],
            len(said["name"]), len(said["extra"]), len(said["comment"]), said["disk"], 0, entry.mode << 16, offset,
        )  # fmt: skip
        directory += said["name"] + said["extra"] + said["comment"]
        said = entry.said(entry.local)
        body += struct.pack(
            "<4s5H3L2H", said.get("magic", b"PK\3\4"), 20, said["flags"], said["method"], 0, 33, said["crc"], said["packed"], said["size"],
            len(said["name"]), len(said["extra"]),
        )  # fmt: skip
        body += said["name"] + said["extra"] + entry.packed + entry.behind
    body += gap
    says = {"disk": 0, "here": len(entries), "count": len(entries), "length": len(directory), "start": len(body), **end}
    record = struct.pack(
        "<4s4H2LH", b"PK\5\6", says["disk"], 0, says["here"], says["count"], says["length"], says["start"], len(comment)
    )
    return bytes(body + directory + record + comment)


def zipped64(*entries: Entry, **end: int) -> bytes:
    """The same with a zip64 end record, and a short one that says "full" everywhere; `end` replaces fields of the long one."""
    plain = zipped(*entries)
    start, length = (
        struct.unpack_from("<L", plain, len(plain) - 6)[0],
        struct.unpack_from("<L", plain, len(plain) - 10)[0],
    )
    says = {
        "rest": 44,
        "here": len(entries),
        "count": len(entries),
        "length": length,
        "start": start,
        "at": start + length,
        **end,
    }
    record = struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", says["rest"], 45, 45, 0, 0, says["here"], says["count"], says["length"], says["start"]
    )
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, says["at"], 1)
    short = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, says.get("short", 0xFFFF), 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return plain[:-22] + record + locator + short


def member(
    name: bytes,
    content: bytes = b"",
    kind: bytes = b"0",
    *,
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
    size: bytes | None = None,
    checksum: bytes | None = None,
) -> bytes:
    """One member of a tar: its header and its content in blocks. `size` and `checksum` are fields as written."""
    written = f"{len(content):011o}\0".encode() if size is None else size.ljust(12, b"\0")
    head = struct.pack("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x", name, b"0000644\0", b"0000000\0", b"0000000\0", written,
                       b"00000000000\0", b" " * 8, kind, link, magic, b"", b"", b"", b"", prefix)  # fmt: skip
    summed = f"{sum(head):06o}\0 ".encode() if checksum is None else checksum
    return head[:148] + summed + head[156:] + content + bytes(-len(content) % 512)


def pax(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    """An extended header of these records."""
    return member(b"pax", b"".join(record(key, value) for key, value in records), kind)


def record(key: bytes, value: bytes) -> bytes:
    """One line of an extended header, which counts its own length."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def packed(*blocks: bytes, end: bytes = bytes(1024)) -> bytes:
    """A gzipped tar of these blocks and an end."""
    return gzip.compress(b"".join(blocks) + end, compresslevel=1, mtime=0)
