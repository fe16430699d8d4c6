"""A zip is read only where all of its readers would read the same."""

import io
import struct
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.backend import zipmembers
from authproxy.backend.members import MEMBERS_LIMIT, METADATA_LIMIT, Lookout
from authproxy.domain.names import artifact
from authproxy.domain.refusal import Code, Refused
from tests.backend.archives import EVIL, IN_SDIST, IN_WHEEL, METADATA, WHEEL, ZIP_SDIST, Entry, zipped, zipped64


def read(content: bytes, filename: str = WHEEL) -> bytes:
    return zipmembers.read(io.BytesIO(content), Lookout(artifact(filename)))


def refusal(content: bytes, filename: str = WHEEL) -> str:
    with pytest.raises(Refused) as caught:
        read(content, filename)
    assert caught.value.denial.code is Code.ARCHIVE_INVALID
    assert caught.value.denial.reason.isascii()
    assert len(caught.value.denial.reason) <= 400
    return caught.value.denial.reason


MODULE = Entry(b"foo/__init__.py", b"x = 1\n" * 50)
GOOD = Entry(IN_WHEEL, METADATA)
ZIP64_SIZES = struct.pack("<2H2Q", 1, 16, len(METADATA), len(GOOD.packed))
FULL = {"size": 0xFFFFFFFF, "packed": 0xFFFFFFFF, "extra": ZIP64_SIZES}
UNICODE_PATH = struct.pack("<2HBL", 0x7075, 5 + len(IN_WHEEL), 1, zlib.crc32(b"foo/x")) + IN_WHEEL
BOMB = zlib.compressobj(9, wbits=-15)
BOMB_BYTES = BOMB.compress(bytes(METADATA_LIMIT * 4)) + BOMB.flush()


def python_zip(method: int, *, zip64: bool = False) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("foo/\N{GREEK SMALL LETTER ALPHA}.py", b"x = 1\n" * 50)
        with archive.open(IN_WHEEL.decode(), "w", force_zip64=zip64) as member:
            member.write(METADATA)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(zipped(GOOD), id="METADATA alone"),
        pytest.param(zipped(MODULE, GOOD), id="METADATA last"),
        pytest.param(zipped(GOOD, MODULE), id="METADATA first"),
        pytest.param(zipped(Entry(b"foo/", method=0, mode=0o40755), MODULE, GOOD), id="with a folder"),
        pytest.param(zipped(Entry(IN_WHEEL, METADATA, method=0)), id="stored"),
        pytest.param(zipped(Entry(IN_WHEEL, METADATA, mode=0)), id="without a Unix mode"),
        pytest.param(zipped(Entry(IN_WHEEL, METADATA, flags=0x0806)), id="with the flags of another packer"),
        pytest.param(zipped(Entry(b"foo/\x80.py", b"x"), GOOD), id="a name in cp437"),
        pytest.param(zipped(Entry(b"foo/x", b"x", method=14), GOOD), id="a module packed by another method"),
        pytest.param(zipped(Entry(IN_WHEEL, METADATA, local=FULL)), id="zip64 sizes in the local header"),
        pytest.param(zipped(Entry(IN_WHEEL, METADATA, local=FULL, central=FULL)), id="zip64 sizes in both headers"),
        pytest.param(zipped(Entry(IN_WHEEL, METADATA, local={"extra": ZIP64_SIZES})), id="zip64 sizes repeated in the local header"),
        pytest.param(zipped64(MODULE, GOOD), id="a zip64 end record"),
        pytest.param(zipped64(MODULE, GOOD, short=2), id="a zip64 end record that the short one repeats in part"),
        pytest.param(python_zip(zipfile.ZIP_DEFLATED), id="by zipfile, deflated"),
        pytest.param(python_zip(zipfile.ZIP_STORED), id="by zipfile, stored"),
        pytest.param(python_zip(zipfile.ZIP_DEFLATED, zip64=True), id="by zipfile, with zip64 sizes"),
    ],
)  # fmt: skip
def test_a_plain_zip_is_read(content):
    """What builders write, and what zipfile reads the same."""
    assert read(content) == METADATA
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read(IN_WHEEL.decode()) == METADATA


def test_an_sdist_in_a_zip_is_read():
    """The same reader, another member."""
    assert read(zipped(Entry(IN_SDIST, METADATA), Entry(b"foo-1.0/foo.py")), ZIP_SDIST) == METADATA


HOSTILE = [
    pytest.param(b"", "too short", id="nothing"),
    pytest.param(b"PK\5\6", "too short", id="half an end record"),
    pytest.param(bytes(500), "does not end as a zip", id="zeros"),
    pytest.param(zipped(GOOD, comment=b"a"), "does not end as a zip", id="a trailing comment"),
    pytest.param(zipped(GOOD, comment=zipped(Entry(IN_WHEEL, EVIL))), "before its first member", id="a whole zip as a comment"),
    pytest.param(zipped(Entry(IN_WHEEL, EVIL)) + zipped(GOOD), "before its first member", id="two zips, one behind the other"),
    pytest.param(b"#!/bin/sh\n" + zipped(GOOD), "before its first member", id="bytes in front, as a self-extractor has"),
    pytest.param(zipped(GOOD, prefix=b"x" * 9), "belong to no member", id="bytes in front that the offsets count"),
    pytest.param(zipped(GOOD, gap=b"x"), "belong to no member", id="bytes before the directory"),
    pytest.param(zipped(MODULE, Entry(IN_WHEEL, METADATA, before=zipped(Entry(IN_WHEEL, EVIL))[:99])), "belong to no member", id="a member that the directory hides"),
    pytest.param(zipped(Entry(b"foo/x", b"x", behind=b"yy"), GOOD), "belong to no member", id="bytes behind a member"),
    pytest.param(zipped(GOOD, Entry(b"foo/x", central={"offset": 0})), "belong to no member, or to two", id="two members in one place"),
    pytest.param(zipped(GOOD, Entry(b"foo/x", central={"offset": 9_999})), "belong to no member, or to two", id="a member beyond the end"),
    pytest.param(zipped(Entry(b"x", central={"packed": 9_999}, local={"packed": 9_999}), Entry(IN_WHEEL, METADATA, central={"offset": 10_030})), "cut short", id="a member larger than the file"),
    pytest.param(zipped(GOOD, GOOD), "two members called", id="METADATA twice"),
    pytest.param(zipped(MODULE, MODULE, GOOD), "two members called", id="a module twice"),
    pytest.param(zipped(GOOD, Entry(b"./" + IN_WHEEL, EVIL)), "twice", id="METADATA twice, once with a dot"),
    pytest.param(zipped(Entry(IN_WHEEL, EVIL, local={"name": b"foo-1.0.dist-info/README__"})), "two different things", id="another name in the local header"),
    pytest.param(zipped(Entry(b"foo/x", EVIL, local={"name": IN_WHEEL}), Entry(IN_WHEEL, METADATA)), "two different things", id="METADATA in a local header alone"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, local={"size": 1})), "two different things", id="another size in the local header"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, local={"packed": 1})), "two different things", id="another packed size in the local header"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, local={"method": 0})), "two different things", id="another method in the local header"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, local={"crc": 1})), "two different things", id="another checksum in the local header"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, local={"flags": 1})), "two different things", id="another flag in the local header"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, local={"magic": b"PK\3\5"})), "two different things", id="no local header"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, flags=1)), "encrypted", id="an encrypted member"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, flags=8, local={"size": 0, "packed": 0, "crc": 0}, behind=bytes(12))), "data descriptor", id="a data descriptor"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, flags=0x20)), "no wheel or sdist needs", id="a patch"),
    pytest.param(zipped(Entry(b"foo/x", flags=0x2000), GOOD), "no wheel or sdist needs", id="masked headers"),
    pytest.param(zipped(Entry(b"foo/\xff", flags=0x0800), GOOD), "not UTF-8", id="a name that is not what its flag says"),
    pytest.param(zipped(Entry(b"foo\0/x"), GOOD), "control characters", id="a NUL in a name, at which zipfile cuts it"),
    pytest.param(zipped(Entry(b"foo\n/x"), GOOD), "control characters", id="a newline in a name"),
    pytest.param(zipped(Entry(b""), GOOD), "empty", id="an empty name"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, mode=0o120777)), "no regular file", id="a symbolic link"),
    pytest.param(zipped(Entry(b"x", central={"extra": UNICODE_PATH}, local={"extra": UNICODE_PATH}), GOOD), "second name", id="a second name in an extra field"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, central={"extra": b"\1"})), "broken extra field", id="an extra field that is cut short"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, central={"extra": b"\7\0\4\0"})), "broken extra field", id="an extra field longer than it is"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, central={"extra": b"\7\0\0\0" * 2})), "one field twice", id="an extra field twice"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, central={"extra": ZIP64_SIZES})), "zip64 sizes", id="zip64 sizes where nothing asks for them"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, local={"extra": ZIP64_SIZES[:4] + bytes(16)})), "zip64 sizes", id="zip64 sizes that repeat others"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, local={"size": 0xFFFFFFFF})), "zip64 sizes", id="a size that asks for what is not there"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, central={"disk": 1})), "another disk", id="a member on another disk"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, central={"comment": b"a"})), "comment", id="a member with a comment"),
    pytest.param(zipped(GOOD).replace(b"PK\1\2\x1e\3\x14", b"PK\1\2\x1e\3\x40"), "too new", id="a member for which zipfile is too old"),
    pytest.param(zipped(GOOD, disk=1), "several disks", id="the second disk"),
    pytest.param(zipped(GOOD, here=0), "several disks", id="members on other disks"),
    pytest.param(zipped(GOOD, here=2, count=2), "cut short", id="a member less than counted"),
    pytest.param(zipped(GOOD, MODULE, here=1, count=1), "longer than its members", id="a member more than counted"),
    pytest.param(zipped(start=0xFFFFFFFF), "lacks the zip64", id="a zip64 record that is not there, in a short file"),
    pytest.param(zipped(MODULE, GOOD, length=0xFFFFFFFF), "zip64 end record", id="a zip64 record that is not there"),
    pytest.param(zipped64(GOOD, at=0), "zip64 end record", id="a zip64 record somewhere else"),
    pytest.param(zipped64(GOOD, rest=45), "zip64 end record", id="a zip64 record with more in it"),
    pytest.param(zipped64(GOOD, short=9), "zip64 end record", id="two end records that differ"),
    pytest.param(zipped64(GOOD, start=1), "before its first member", id="a directory somewhere else"),
    pytest.param(zipped64(GOOD, here=70_000, count=70_000), "more than 65535 members", id="too many members"),
    pytest.param(zipped64(GOOD, length=1 << 40), "names for them", id="too long a directory"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, method=12)), "another method", id="METADATA packed by bzip2"),
    pytest.param(zipped(Entry(IN_WHEEL, bytes(METADATA_LIMIT + 1))), "more than 4194304 bytes", id="too much metadata"),
    pytest.param(zipped(Entry(IN_WHEEL, BOMB_BYTES, method=0, central={"method": 8, "size": 99}, local={"method": 8, "size": 99})), "another size", id="a bomb that says it is small"),
    pytest.param(zipped(Entry(IN_WHEEL, b"\xff" * 9, method=0, central={"method": 8}, local={"method": 8})), "cannot be unpacked", id="no deflate stream"),
    pytest.param(zipped(Entry(IN_WHEEL, GOOD.packed + b"x", method=0, central={"method": 8, "size": len(METADATA)}, local={"method": 8, "size": len(METADATA)})), "another size", id="bytes behind the deflate stream"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, central={"crc": 1}, local={"crc": 1})), "checksum", id="a wrong checksum"),
    pytest.param(zipped(Entry(IN_WHEEL, METADATA, central={"size": 99}, local={"size": 99})), "damaged", id="a wrong size"),
    pytest.param(zipped(), "has no", id="no members"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "says"), HOSTILE)
def test_a_zip_of_two_readings_is_refused(content, says):
    """Where a reader by the directory and one by local headers could differ, and where neither could read."""
    assert says in refusal(content)


def test_a_zip_cut_short_anywhere_is_refused():
    """No prefix of a wheel is a wheel."""
    content = zipped(MODULE, GOOD)
    for length in range(len(content)):
        refusal(content[:length])


def test_many_members_are_refused_before_they_are_read():
    """200,000 members end at the count; 65,000 are read."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 0x031E, 20, 0, 0, 0, 33, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0)
    directory = b"".join(entry + b"%06d" % n for n in range(200_000))
    end = struct.pack(
        "<4sQ2H2L4Q4sLQL",
        b"PK\6\6",
        44,
        45,
        45,
        0,
        0,
        200_000,
        200_000,
        len(directory),
        0,
        b"PK\6\7",
        0,
        len(directory),
        1,
    )
    short = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
    assert f"more than {MEMBERS_LIMIT} members" in refusal(directory + end + short)
    modules = [Entry(b"foo/%05d" % n, method=0) for n in range(65_000)]
    assert read(zipped(*modules, GOOD)) == METADATA


def by_local_headers(content: bytes) -> dict[bytes, bytes]:
    """What a reader finds that goes from one local header to the next and never looks at the directory."""
    found: dict[bytes, bytes] = {}
    at = 0
    while content[at : at + 4] == b"PK\3\4":
        method, packed, name, extra = struct.unpack_from("<8xH8xL4x2H", content, at)
        data = content[at + 30 + name + extra :][:packed]
        found.setdefault(content[at + 30 :][:name], zlib.decompress(data, -15) if method == 8 else data)
        at += 30 + name + extra + packed
    return found


CHANGED = zipped(Entry(b"foo/x", b"xy", method=0), Entry(IN_WHEEL, METADATA, method=0))


@given(st.lists(st.tuples(st.integers(0, len(CHANGED) - 1), st.integers(0, 255)), max_size=4), st.integers(0, 3))
def test_readers_agree_on_what_is_read(changes, cut):
    """Any bytes changed or cut: refused, or read the same by zipfile and from header to header; nothing else is raised."""
    content = bytearray(CHANGED)
    for at, byte in changes:
        content[at] = byte
    content = bytes(content[: len(content) - cut])
    try:
        ours = read(content)
    except Refused:
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read(IN_WHEEL.decode()) == ours
    assert by_local_headers(content)[IN_WHEEL] == ours


EVIL_ZIP = zipped(Entry(IN_WHEEL, EVIL))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(EVIL_ZIP + zipped(GOOD), id="two zips in one"),
        pytest.param(zipped(Entry(IN_WHEEL, METADATA, before=EVIL_ZIP[: EVIL_ZIP.index(b"PK\1\2")])), id="a member that the directory hides"),
    ],
)  # fmt: skip
def test_the_check_catches_a_naive_reader(content):
    """The control: zipfile alone is content with these, and a reader by local headers finds another project in them."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read(IN_WHEEL.decode()) == METADATA
    assert by_local_headers(content)[IN_WHEEL] == EVIL
    refusal(content)


def test_members_may_stand_in_any_order_in_the_directory() -> None:
    """And are looked at in that of the file; nothing of it sorts them, which in one go holds up every other thread."""
    entries = [Entry(b"foo/%d" % number, b"x" * number) for number in range(50)]
    content = zipped(*entries, GOOD)
    start = content.index(b"PK\1\2")
    end = content.index(b"PK\5\6")
    pieces = [b"PK\1\2" + piece for piece in content[start:end].split(b"PK\1\2")[1:]]
    assert len(pieces) == 51
    shuffled = content[:start] + b"".join(pieces[::-1]) + content[end:]
    assert shuffled != content
    assert read(shuffled) == read(content) == METADATA
