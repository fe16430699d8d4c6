"""What a wheel or an sdist says of itself is what its filename says, or it is refused."""

import io
import os
import struct
import tarfile
import warnings
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.backend.archive import metadata_of
from authproxy.backend.members import Heavy
from authproxy.backend.zipmembers import BRIEF, FEW, SHORT
from authproxy.domain.names import artifact
from authproxy.domain.refusal import Code, Refused
from tests.backend.archives import (
    EVIL,
    IN_SDIST,
    IN_WHEEL,
    METADATA,
    SDIST,
    WHEEL,
    ZIP_SDIST,
    Entry,
    member,
    packed,
    zipped,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pip._internal.utils.wheel import parse_wheel


def heard(filename: str, content: bytes, *, at_once: bool) -> object:
    try:
        return metadata_of(io.BytesIO(content), artifact(filename), at_once=at_once)
    except Refused as refused:
        return refused.denial


def states(filename: str, content: bytes) -> tuple[str, str]:
    """What is read; at once it says the same, or that it takes too long for that."""
    with suppress(Heavy):
        assert heard(filename, content, at_once=True) == heard(filename, content, at_once=False)
    return metadata_of(io.BytesIO(content), artifact(filename))


def refusal(filename: str, content: bytes, code: Code) -> str:
    with pytest.raises(Refused) as caught:
        states(filename, content)
    assert caught.value.denial.code is code
    assert caught.value.denial.reason.isascii()
    assert caught.value.denial.reason.isprintable()
    assert len(caught.value.denial.reason) <= 400
    return caught.value.denial.reason


def by_zipfile(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def by_tarfile(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def named(name: str, version: str) -> bytes:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()


@pytest.mark.parametrize(
    ("filename", "content", "stated"),
    [
        pytest.param(WHEEL, by_zipfile(("foo/__init__.py", b""), (IN_WHEEL.decode(), METADATA)), ("foo", "1.0"), id="a wheel"),
        pytest.param(SDIST, by_tarfile((IN_SDIST.decode(), METADATA), ("foo-1.0/foo.py", b"")), ("foo", "1.0"), id="an sdist"),
        pytest.param(ZIP_SDIST, by_zipfile((IN_SDIST.decode(), METADATA)), ("foo", "1.0"), id="an sdist in a zip"),
        pytest.param("Foo_Bar-1!2.0.0+a.1-3-py3-none-any.whl", by_zipfile(("foo.bar-1!2.0+a.1.dist-info/METADATA", named("FOO-bar", "1!2.0+a-1"))), ("foo-bar", "1!2.0+a.1"), id="four spellings of one name and version"),
        pytest.param("foo-bar-1.0.tar.gz", by_tarfile(("Foo.Bar-1.0/PKG-INFO", named("Foo.Bar", "1.0"))), ("foo-bar", "1.0"), id="an sdist of old setuptools"),
        pytest.param(WHEEL, by_zipfile((IN_WHEEL.decode(), METADATA.replace(b"\n", b"\r\n"))), ("foo", "1.0"), id="metadata with CRLF"),
    ],
)  # fmt: skip
def test_what_agrees_passes(filename, content, stated):
    """Names are compared by their normal form, versions by PEP 440."""
    assert states(filename, content) == stated


@pytest.mark.parametrize(
    ("filename", "content", "code", "says"),
    [
        pytest.param(WHEEL, by_zipfile((IN_WHEEL.decode(), EVIL)), Code.MISMATCH, ["'victim 1.0'", "'foo 1.0'"], id="another project in a wheel"),
        pytest.param(SDIST, by_tarfile((IN_SDIST.decode(), EVIL)), Code.MISMATCH, ["'victim 1.0'", "'foo 1.0'"], id="another project in an sdist"),
        pytest.param(ZIP_SDIST, by_zipfile((IN_SDIST.decode(), EVIL)), Code.MISMATCH, ["'victim 1.0'", "'foo 1.0'"], id="another project in a zip"),
        pytest.param(WHEEL, by_zipfile((IN_WHEEL.decode(), named("foo", "1.1"))), Code.MISMATCH, ["'foo 1.1'", "'foo 1.0'"], id="another version in a wheel"),
        pytest.param(SDIST, by_tarfile((IN_SDIST.decode(), named("foo", "1.0.post1"))), Code.MISMATCH, ["'foo 1.0.post1'"], id="another version in an sdist"),
        pytest.param(WHEEL, by_zipfile(("victim-1.0.dist-info/METADATA", METADATA)), Code.MISMATCH, ["'victim-1.0.dist-info'"], id="another project's folder"),
        pytest.param(SDIST, by_zipfile((IN_SDIST.decode(), METADATA)), Code.ARCHIVE_INVALID, ["no gzip file"], id="a zip that is called a tar"),
        pytest.param(ZIP_SDIST, by_tarfile((IN_SDIST.decode(), METADATA)), Code.ARCHIVE_INVALID, ["zip file"], id="a tar that is called a zip"),
        pytest.param(WHEEL, by_zipfile((IN_WHEEL.decode(), b"Name: foo\n")), Code.ARCHIVE_INVALID, ["without a Version"], id="no version in the metadata"),
        pytest.param(WHEEL, by_zipfile((IN_WHEEL.decode(), named("foo bar", "1.0"))), Code.NAME_INVALID, ["'foo bar'"], id="no name in the metadata"),
        pytest.param("a" * 100 + "-1.0.tar.gz", by_tarfile(("a" * 100 + "-1.0/PKG-INFO", named("b" * 100, "1." + "0" * 98))), Code.MISMATCH, ["bbb", "aaa"], id="long names on both sides"),
    ],
)  # fmt: skip
def test_what_differs_is_refused(filename, content, code, says):
    """The sentence names both readings."""
    reason = refusal(filename, content, code)
    assert [word for word in says if word not in reason] == []


def test_a_wheel_is_what_pip_takes_it_for():
    """pip finds the same folder in a wheel that passes."""
    content = by_zipfile(
        (IN_WHEEL.decode(), METADATA), ("foo-1.0.dist-info/WHEEL", b"Wheel-Version: 1.0\n"), ("foo/x.py", b"")
    )
    assert states(WHEEL, content) == ("foo", "1.0")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        folder, _ = parse_wheel(archive, "foo")
        assert archive.read(f"{folder}/METADATA") == METADATA


def test_bombs_beside_the_metadata_are_not_unpacked():
    """A member of a wheel that would unpack to a gigabyte costs nothing here: its bytes are never looked at."""
    deflate = zlib.compressobj(9, wbits=-15)
    start = deflate.compress(b"") + deflate.flush(zlib.Z_FULL_FLUSH)
    bomb = start + (deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)) * 1024
    says = {"method": 8, "size": 1 << 30}
    assert states(
        WHEEL, zipped(Entry(b"foo/x", bomb, method=0, local=says, central=says), Entry(IN_WHEEL, METADATA))
    ) == ("foo", "1.0")


def test_a_large_sdist_passes_wherever_its_metadata_stands(tmp_path):
    """16 MiB before PKG-INFO or behind it, and what gzip could not shrink costs next to nothing to read."""
    weight = member(b"foo-1.0/weights.bin", os.urandom(1 << 20) * 16)
    for blocks in ((weight, member(IN_SDIST, METADATA)), (member(IN_SDIST, METADATA), weight)):
        path = Path(tmp_path) / SDIST
        path.write_bytes(packed(*blocks))
        with path.open("rb") as file:
            assert metadata_of(file, artifact(SDIST)) == ("foo", "1.0")


def test_the_position_of_the_file_does_not_matter():
    """A spool that was written, or read before, is read from its start."""
    for filename, content in ((WHEEL, zipped(Entry(IN_WHEEL, METADATA))), (SDIST, packed(member(IN_SDIST, METADATA)))):
        file = io.BytesIO(content)
        file.seek(7)
        assert metadata_of(file, artifact(filename)) == ("foo", "1.0")
        assert metadata_of(file, artifact(filename)) == ("foo", "1.0")


@given(st.sampled_from([WHEEL, SDIST, ZIP_SDIST]), st.binary(max_size=600))
def test_any_bytes_are_read_or_refused(filename, content):
    """Noise is refused, with nothing else raised; so is noise behind the first bytes of a real archive."""
    start = packed(member(IN_SDIST, METADATA))[:40] if filename == SDIST else zipped(Entry(IN_WHEEL, METADATA))[:60]
    for noise in (content, start + content):
        with pytest.raises(Refused):
            states(filename, noise)


def test_the_naive_reading_would_have_passed_a_lie():
    """The control: a proxy that goes by the filename alone takes this wheel, whose inside is another project's."""
    content = by_zipfile((IN_WHEEL.decode(), EVIL))
    assert artifact(WHEEL).project == "foo"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert b"Name: victim" in archive.read(IN_WHEEL.decode())
    refusal(WHEEL, content, Code.MISMATCH)


# As many extra fields as are too many to be read at once; each is of another kind.
EXTRAS = b"".join(struct.pack("<2H", kind, 0) for kind in range(0x4000, 0x4000 + BRIEF // 4 + 1))


def of_weight(members: int, metadata: int) -> bytes:
    """A wheel of so many members and so many bytes of metadata, which pack well."""
    described = METADATA + b"\n" + b"x" * (metadata - len(METADATA) - 1)
    return by_zipfile((IN_WHEEL.decode(), described), *((f"foo/{number}.py", b"") for number in range(members - 1)))


@pytest.mark.parametrize(
    ("content", "heavy"),
    [
        pytest.param(of_weight(FEW, SHORT), False, id="just light enough"),
        pytest.param(of_weight(FEW + 1, 100), True, id="many members"),
        pytest.param(of_weight(2, SHORT + 1), True, id="long metadata"),
        pytest.param(of_weight(2, 4_000_000), True, id="4 KiB that unpack to 4 MB"),
        pytest.param(zipped(Entry(IN_WHEEL, METADATA, central={"extra": EXTRAS})), True, id="many extra fields"),
        pytest.param(zipped(Entry(IN_WHEEL, METADATA, local={"extra": EXTRAS})), True, id="many in a local header"),
    ],
)
def test_what_takes_long_is_not_read_at_once(content: bytes, *, heavy: bool) -> None:
    """A wheel of 4 KiB held everybody up for 54 ms, once; in a thread it is what any other is."""
    file, seen = io.BytesIO(content), artifact(WHEEL)
    if heavy:
        with pytest.raises(Heavy):
            metadata_of(file, seen, at_once=True)
    else:
        assert metadata_of(file, seen, at_once=True) == ("foo", "1.0")
    assert metadata_of(file, seen) == ("foo", "1.0")


def test_an_sdist_is_not_read_at_once() -> None:
    """All of it has to be unpacked."""
    with pytest.raises(Heavy):
        metadata_of(io.BytesIO(by_tarfile((IN_SDIST.decode(), METADATA))), artifact(SDIST), at_once=True)
