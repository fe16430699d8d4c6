"""A gzipped tar is read only where all of its readers would read, and unpack, the same."""

import gzip
import io
import tarfile
import tempfile
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.backend import tarmembers
from authproxy.backend.members import MEMBERS_LIMIT, METADATA_LIMIT, Lookout
from authproxy.backend.tarmembers import (
    EXTENDED_LIMIT,
    HEADERS_LIMIT,
    PATH_LIMIT,
    PATHS_LIMIT,
    RECORDS_LIMIT,
    UNPACKED_FLOOR,
)
from authproxy.domain.names import artifact
from authproxy.domain.refusal import Code, Refused
from tests.backend.archives import EVIL, IN_SDIST, METADATA, SDIST, member, packed, pax

GOOD = member(IN_SDIST, METADATA)
LONG = b"foo-1.0/" + b"d" * 120 + b"/x.py"


def read(content: bytes) -> bytes:
    return tarmembers.read(io.BytesIO(content), Lookout(artifact(SDIST)))


def refusal(content: bytes) -> str:
    with pytest.raises(Refused) as caught:
        read(content)
    assert caught.value.denial.code in {Code.ARCHIVE_INVALID, Code.MISMATCH}
    assert caught.value.denial.reason.isascii()
    assert len(caught.value.denial.reason) <= 400
    return caught.value.denial.reason


def python_tar(format_: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", format=format_) as archive:
        for name, content in (
            (LONG.decode(), b"x" * 700),
            ("foo-1.0/\N{GREEK SMALL LETTER ALPHA}.py", b""),
            (IN_SDIST.decode(), METADATA),
        ):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), 1_577_836_800.25
            archive.addfile(entry, io.BytesIO(content))
        for name, kind in (
            ("foo-1.0/d", tarfile.DIRTYPE),
            ("foo-1.0/s", tarfile.SYMTYPE),
            ("foo-1.0/h", tarfile.LNKTYPE),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, LONG.decode()
            archive.addfile(entry)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(packed(GOOD), id="PKG-INFO alone"),
        pytest.param(packed(member(b"foo-1.0/", kind=b"5"), GOOD, member(b"foo-1.0/x.py", b"x" * 2_000)), id="PKG-INFO first"),
        pytest.param(packed(member(b"foo-1.0/x.py", b"x" * 2_000), GOOD), id="PKG-INFO last"),
        pytest.param(packed(GOOD, end=bytes(512)), id="one empty block at the end"),
        pytest.param(packed(GOOD, end=bytes(10_240 * 200)), id="many empty blocks at the end"),
        pytest.param(packed(member(IN_SDIST, METADATA, b"\0", magic=b"")), id="an old tar"),
        pytest.param(packed(member(IN_SDIST, METADATA, magic=b"ustar  \0")), id="GNU's kind"),
        pytest.param(packed(member(b"PKG-INFO", METADATA, prefix=b"foo-1.0")), id="a name in two halves"),
        pytest.param(packed(member(IN_SDIST, METADATA, size=b"%12o" % len(METADATA))), id="a size with spaces before it"),
        pytest.param(packed(pax((b"comment", b"0" * 40), kind=b"g"), GOOD), id="a global comment, as git writes it"),
        pytest.param(packed(pax((b"mtime", b"1.5"), (b"path", IN_SDIST)), member(b"x", METADATA)), id="a name in an extended header"),
        pytest.param(packed(member(b"L", IN_SDIST + b"\0", b"L"), member(b"x", METADATA)), id="GNU's long name"),
        pytest.param(packed(GOOD, member(b"foo-1.0/link", kind=b"2", link=b"PKG-INFO"), member(b"foo-1.0/link2", b"x")), id="a link to PKG-INFO that nothing goes through"),
        pytest.param(packed(GOOD, member(b"foo-1.0/a/b", kind=b"2", link=b"."), member(b"foo-1.0/a/bc", b"x"), member(b"foo-1.0/b", b"x"), member(b"foo-1.0/a", kind=b"5")), id="members beside and above a link"),
        pytest.param(packed(pax((b"path", b"foo-1.0/" + b"x/" * 100 + b"y" * (PATH_LIMIT - 208))), member(b"x", b"x"), GOOD), id="a path as long as a path may be"),
        pytest.param(packed(GOOD, member(b"foo-1.0/\xff\xfe.py", b"x")), id="a name that is no UTF-8"),
        pytest.param(python_tar(tarfile.USTAR_FORMAT) if len(LONG) < 100 else python_tar(tarfile.PAX_FORMAT), id="by tarfile, pax"),
        pytest.param(python_tar(tarfile.GNU_FORMAT), id="by tarfile, GNU"),
    ],
)  # fmt: skip
def test_a_plain_tar_is_read(content):
    """What builders write, and what tarfile reads the same."""
    assert read(content) == METADATA
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert archive.extractfile(IN_SDIST.decode()).read() == METADATA


HOSTILE = [
    pytest.param(b"", "cut short", id="nothing"),
    pytest.param(b"no gzip" * 99, "no gzip file", id="no gzip"),
    pytest.param(zlib.compress(GOOD), "no gzip file", id="zlib's kind of stream"),
    pytest.param(gzip.compress(b"no tar" * 999), "no tar file", id="no tar"),
    pytest.param(packed(GOOD)[:-9], "cut short", id="gzip cut short"),
    pytest.param(packed(GOOD)[:-8] + bytes(8), "damaged", id="gzip with a wrong checksum"),
    pytest.param(packed(GOOD) + b"\0", "behind the end of its gzip", id="a byte behind the gzip stream"),
    pytest.param(packed(GOOD) + packed(member(IN_SDIST, EVIL)), "behind the end of its gzip", id="two gzip streams"),
    pytest.param(packed(GOOD, end=b""), "cut short", id="no end"),
    pytest.param(packed(GOOD[:-512], end=b""), "cut short", id="cut short in a member"),
    pytest.param(packed(GOOD, end=bytes(512) + member(IN_SDIST, EVIL) + bytes(1024)), "behind the end of its tar", id="PKG-INFO behind one empty block"),
    pytest.param(packed(GOOD, end=bytes(3 << 20) + b"x"), "behind the end of its tar", id="a byte far behind the end"),
    pytest.param(packed(GOOD, GOOD), "twice", id="PKG-INFO twice"),
    pytest.param(packed(GOOD, member(b"x" * 90, b"x" * 3_000_000, prefix=b"foo-1.0"), member(IN_SDIST, EVIL)), "twice", id="PKG-INFO twice, far apart"),
    pytest.param(packed(GOOD, member(b"foo-1.0/pkg-info", EVIL)), "twice", id="PKG-INFO twice, once in lower case"),
    pytest.param(packed(GOOD, pax((b"path", IN_SDIST)), member(b"x", EVIL)), "twice", id="PKG-INFO twice, once by an extended header"),
    pytest.param(packed(GOOD, member(b"L", IN_SDIST + b"\0x", b"L"), member(b"x", EVIL)), "twice", id="PKG-INFO twice, once by a long name"),
    pytest.param(packed(GOOD, member(b"PKG-INFO", EVIL, prefix=b"foo-1.0")), "twice", id="PKG-INFO twice, once in two halves"),
    pytest.param(packed(GOOD, member(IN_SDIST, kind=b"2", link=b"evil")), "twice", id="PKG-INFO and a link in its place"),
    pytest.param(packed(member(b"foo-1.0/evil", EVIL), member(IN_SDIST, kind=b"2", link=b"evil")), "no regular file", id="PKG-INFO as a symbolic link"),
    pytest.param(packed(member(b"foo-1.0/evil", EVIL), member(IN_SDIST, kind=b"1", link=b"foo-1.0/evil")), "no regular file", id="PKG-INFO as a hard link"),
    pytest.param(packed(member(IN_SDIST, kind=b"5")), "no regular file", id="PKG-INFO as a folder"),
    pytest.param(packed(GOOD, member(b"foo-1.0/a", kind=b"2", link=b"."), member(b"foo-1.0/a/PKG-INFO", EVIL)), "below a link", id="PKG-INFO through a link to its folder"),
    pytest.param(packed(GOOD, member(b"foo-1.0/a", kind=b"1", link=IN_SDIST), member(b"foo-1.0/a", EVIL)), "at or below a link", id="PKG-INFO through a hard link to it"),
    pytest.param(packed(GOOD, member(b"foo-1.0/a/b", kind=b"2", link=b"."), member(b"foo-1.0/a", kind=b"5"), member(b"foo-1.0//a/./B/c/PKG-INFO", EVIL)), "below a link", id="PKG-INFO far below a link, in another spelling"),
    pytest.param(packed(GOOD, member(b"foo-1.0/a", kind=b"2", link=b"PKG-INFO"), member(b"foo-1.0/A", EVIL)), "at or below a link", id="PKG-INFO through a link, where case does not count"),
    pytest.param(packed(member(b"foo-1.0/foo.egg-info/PKG-INFO", METADATA)), "has no", id="PKG-INFO in a nested folder alone"),
    pytest.param(packed(member(b"PKG-INFO", METADATA)), "both must name one project", id="PKG-INFO in no folder"),
    pytest.param(packed(GOOD, member(b"other/x")), "two folders at its top", id="two folders"),
    pytest.param(packed(), "has no", id="no members"),
    pytest.param(packed(member(b"foo-1.0/x", METADATA, checksum=b"000000\0 "), GOOD), "checksum is wrong", id="a wrong checksum"),
    pytest.param(packed(member(b"foo-1.0/x", checksum=b"+00777\0 "), GOOD), "octal", id="a checksum with a sign, which Python takes"),
    pytest.param(packed(member(b"foo-1.0/x", size=b"-1"), GOOD), "octal", id="a negative size"),
    pytest.param(packed(member(b"foo-1.0/x", size=b"0o10"), GOOD), "octal", id="a size as Python writes octal"),
    pytest.param(packed(member(b"foo-1.0/x", size=b"1_0"), GOOD), "octal", id="a size with an underscore, which Python takes"),
    pytest.param(packed(member(b"foo-1.0/x", size=b"\x80" + bytes(10) + b"\1"), GOOD), "octal", id="a size in base 256"),
    pytest.param(packed(member(b"foo-1.0/x", size=b"77777777777"), GOOD), "cut short", id="a member larger than the file"),
    pytest.param(packed(member(b"foo-1.0/x", kind=b"S"), GOOD), "of the kind 'S'", id="a sparse file"),
    pytest.param(packed(member(b"foo-1.0/x", kind=b"3"), GOOD), "of the kind '3'", id="a device"),
    pytest.param(packed(member(b"foo-1.0/x", kind=b"\xff"), GOOD), "of the kind '?'", id="a kind that nobody knows"),
    pytest.param(packed(member(b"foo-1.0/x", GOOD, b"1", link=b"foo-1.0/y")), "a link with content", id="a link with a size, in which a member hides"),
    pytest.param(packed(member(b"foo-1.0/x", GOOD, b"5")), "a folder or a link with content", id="a folder with a size"),
    pytest.param(packed(member(b"foo-1.0/x/", GOOD, b"0")), "a folder or a link with content", id="a file with a folder's name"),
    pytest.param(packed(pax((b"path", b"foo-1.0/x")), member(b"foo-1.0/x/", GOOD, b"\0")), "a folder or a link with content", id="a folder to Python, a file to others"),
    pytest.param(packed(member(b"PKG-INFO", METADATA, prefix=b"foo-1.0", magic=b"ustar  \0")), "one reader sees times", id="a prefix where GNU keeps times"),
    pytest.param(packed(member(b""), GOOD), "name is empty", id="no name"),
    pytest.param(packed(pax((b"path", b"foo-1.0/x\0y")), member(b"x"), GOOD), "NUL in it", id="a NUL in a long name"),
    pytest.param(packed(pax((b"path", b"")), member(b"x"), GOOD), "name is empty", id="an empty long name"),
    pytest.param(packed(pax((b"path", b"foo-1.0/" + b"x" * (PATH_LIMIT - 7))), member(b"x"), GOOD), "more than 4096 bytes", id="a path longer than any system takes"),
    pytest.param(packed(member(b"L", b"foo-1.0/" + b"a/" * 9_000 + b"b", b"L"), member(b"x"), GOOD), "more than 4096 bytes", id="the same by GNU's long name"),
    pytest.param(packed(pax((b"size", b"0")), GOOD), "'size'", id="a second size, as in CVE-2025-62518"),
    pytest.param(packed(pax((b"GNU.sparse.name", b"foo-1.0/x")), GOOD), "'GNU.sparse.name'", id="a second name for a sparse file"),
    pytest.param(packed(pax((b"hdrcharset", b"BINARY")), GOOD), "'hdrcharset'", id="another character set"),
    pytest.param(packed(pax((b"path", IN_SDIST), kind=b"g"), member(b"x", METADATA)), "every member one name", id="a name for all members"),
    pytest.param(packed(pax((b"path", b"a")), pax((b"path", b"b")), GOOD), "two in a row", id="two extended headers"),
    pytest.param(packed(pax((b"path", b"a")), pax((b"comment", b"b"), kind=b"g"), GOOD), "two in a row", id="a global header between a name and its member"),
    pytest.param(packed(pax((b"path", b"foo-1.0/a")), member(b"L", b"foo-1.0/b", b"L"), GOOD), "two long names", id="two long names of two kinds"),
    pytest.param(packed(pax((b"path", b"a"), (b"path", b"b")), GOOD), "one record twice", id="a name twice in one header"),
    pytest.param(packed(pax(*((b"a%d" % n, b"") for n in range(RECORDS_LIMIT + 1))), GOOD), "or more than 32", id="too many records"),
    pytest.param(packed(pax((b"a", b"x" * EXTENDED_LIMIT)), GOOD), "more than 65536 bytes", id="too long an extended header"),
    pytest.param(packed(member(b"x", b"path=a\n", b"x"), GOOD), "broken", id="no record in an extended header"),
    pytest.param(packed(member(b"x", b"99 path=a\n", b"x"), GOOD), "broken", id="a record longer than its header"),
    pytest.param(packed(member(b"x", b"8 path=a\n\n", b"x"), GOOD), "broken", id="a record shorter than it is"),
    pytest.param(packed(member(b"x", b"0 path=a\n", b"x"), GOOD), "broken", id="a record of no length"),
    pytest.param(packed(member(IN_SDIST, bytes(METADATA_LIMIT + 1))), "more than 4194304 bytes", id="too much metadata"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "says"), HOSTILE)
def test_a_tar_of_two_readings_is_refused(content, says):
    """Where two readers could differ, where unpacking would replace PKG-INFO, and where nobody could read."""
    assert says in refusal(content)


def test_a_tar_cut_short_anywhere_is_refused():
    """No prefix of an sdist is an sdist."""
    content = packed(GOOD)
    for length in range(len(content)):
        refusal(content[:length])


def test_a_bomb_is_refused():
    """A megabyte of zeros, packed to a thousandth and written a thousand times, ends at the limit; PKG-INFO came first."""
    deflate = zlib.compressobj(9, wbits=31)
    start = deflate.compress(GOOD + member(b"foo-1.0/x", size=b"77777777777")[:512]) + deflate.flush(zlib.Z_FULL_FLUSH)
    piece = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    bomb = start + piece * (UNPACKED_FLOOR // (1 << 20) + 64)
    assert len(bomb) < 1 << 20
    assert "unpacks to more than" in refusal(bomb)


def test_many_members_are_refused():
    """200,000 members end at the limit, and so do headers without members, and names that are deep behind a link."""
    assert f"more than {MEMBERS_LIMIT} members" in refusal(packed(GOOD, member(b"foo-1.0/x") * 200_000))
    assert f"{HEADERS_LIMIT} headers" in refusal(packed(GOOD, member(b"x", kind=b"g") * (HEADERS_LIMIT + 1)))
    deep = pax((b"path", b"foo-1.0/" + b"a/" * 2_000 + b"b")) + member(b"x")
    bomb = packed(GOOD, member(b"foo-1.0/l", kind=b"2", link=b"x"), deep * 6_000)
    assert len(bomb) < 1 << 18
    assert f"names of more than {PATHS_LIMIT} characters" in refusal(bomb)


def test_links_take_no_more_room_than_their_names():
    """Links as deep and as many as names allow: their places are numbers. A tree of their segments took 2 GB."""
    links = [f"foo-1.0/{n}/" + "a/" * 100 + "b" for n in range(2_000)]
    places = tarmembers._Links()
    tracemalloc.start()
    for link in links:
        places.check(tarmembers._Member(link, "link", 0))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < sum(map(len, links))


A, IN_A, PKG_INFO = b"foo-1.0/a", b"foo-1.0/a/PKG-INFO", b"PKG-INFO"
# What could replace PKG-INFO, alone or in the right order.
MOVES = [
    member(IN_SDIST, EVIL),
    member(A, EVIL),
    member(IN_A, EVIL),
    member(A, kind=b"1", link=IN_SDIST),
    member(A, kind=b"2", link=PKG_INFO),
    member(A, kind=b"2", link=b"."),
    member(A, kind=b"5"),
    pax((b"path", IN_A)) + member(A, EVIL),
    member(b"L", IN_A, b"L") + member(A, EVIL),
    pax((b"path", b"foo-1.0/b")) + member(IN_SDIST, EVIL),
]
ODD_NAMES = [
    b"foo-1.0/pkg-info",
    b"./foo-1.0/PKG-INFO",
    b"foo-1.0//PKG-INFO",
    b"foo-1.0/b/../PKG-INFO",
    b"foo-1.0/b",
    b"foo-1.0",
]
ODD_KINDS = [b"0", b"\0", b"1", b"2", b"5"]
odd_members = st.builds(
    lambda name, kind, link: member(name, EVIL if kind in {b"0", b"\0"} else b"", kind, link=link),
    st.sampled_from([*ODD_NAMES, IN_SDIST, A]), st.sampled_from(ODD_KINDS), st.sampled_from([PKG_INFO, IN_SDIST, b".", A, b"a"]),
)  # fmt: skip
odd_blocks = st.lists(st.sampled_from(MOVES) | odd_members, max_size=2).flatmap(
    lambda odd: st.permutations([member(IN_SDIST, METADATA), *odd])
)
plots = st.lists(st.sampled_from(MOVES), max_size=3).map(lambda moves: [member(IN_SDIST, METADATA), *moves])
ends = st.sampled_from([bytes(1024)] * 5 + [bytes(512), b"", bytes(512) + member(IN_SDIST, EVIL) + bytes(1024)])
tars = st.builds(lambda made, end: packed(*made, end=end), plots | odd_blocks, ends)


# Python before 3.11.4, Debian 12's among them, has no filters; all names and links here stay in the folder.
FILTER = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}

# A link to itself is a RecursionError to tarfile.
NOT_UNPACKED = (OSError, KeyError, RecursionError, tarfile.TarError)


def unpacked(content: bytes) -> bytes:
    """What stands in PKG-INFO once tarfile has unpacked everything, as pip does. Raises one of NOT_UNPACKED."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder, **FILTER)
        return (Path(folder) / IN_SDIST.decode()).read_bytes()


@given(tars)
def test_what_is_read_is_what_is_unpacked(content):
    """Whatever we read of a tar that can be unpacked, stands there when it has been unpacked."""
    try:
        ours, theirs = read(content), unpacked(content)
    except (Refused, *NOT_UNPACKED):
        return  # refused by us or by an installer
    assert theirs == ours


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(packed(GOOD, member(IN_SDIST, EVIL)), id="a second PKG-INFO"),
        pytest.param(packed(GOOD, member(b"foo-1.0/a", kind=b"2", link=b"."), member(b"foo-1.0/a/PKG-INFO", EVIL)), id="a link to the folder"),
        pytest.param(packed(GOOD, member(b"foo-1.0/a", kind=b"1", link=IN_SDIST), member(b"foo-1.0/a", EVIL)), id="a hard link"),
        pytest.param(packed(GOOD, pax((b"path", IN_SDIST)), member(b"foo-1.0/a", EVIL)), id="an extended header"),
    ],
)  # fmt: skip
def test_the_check_catches_a_naive_reader(content):
    """The control: the first PKG-INFO that tarfile finds is not what stands there when all has been unpacked."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        first = archive.extractfile(next(iter(archive))).read()
    assert first == METADATA
    assert unpacked(content) != first
    refusal(content)
