"""The name and the version in metadata, for every way of cutting it into lines."""

import email
import email.policy
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.metadata import parse_email

from authproxy.backend.coremetadata import HEADERS_LIMIT, VALUE_LIMIT, name_and_version
from authproxy.backend.members import METADATA_LIMIT
from authproxy.domain.refusal import Code, Refused
from tests.backend.archives import METADATA


@pytest.mark.parametrize(
    ("content", "read"),
    [
        pytest.param(METADATA, ("foo", "1.0"), id="plain"),
        pytest.param(METADATA.replace(b"\n", b"\r\n"), ("foo", "1.0"), id="with CRLF"),
        pytest.param(b"Name: Foo.Bar\nVersion: v1.0.RC.1", ("foo-bar", "1.0rc1"), id="spelled otherwise, no newline at the end"),
        pytest.param(b"Name:foo\nVersion:\t1.0 \n", ("foo", "1.0"), id="white space around the values"),
        pytest.param(METADATA + b"Name: victim\nVersion: 9\n", ("foo", "1.0"), id="a name in the description"),
        pytest.param(METADATA + b"\xff\xfe\r", ("foo", "1.0"), id="a description that is no UTF-8"),
        pytest.param(b"Name: foo\nVersion: 1\nDescription: a\n        Name: victim\n       |Version: 9\n", ("foo", "1"), id="a name in a folded description"),
        pytest.param(b"Name: foo\nVersion: 1\nAuthor: Jos\xc3\xa9\n", ("foo", "1"), id="an author in UTF-8"),
        pytest.param(b"Name: foo\nVersion: 1\nLicense: GPL\n\x0c\n and more\n", ("foo", "1"), id="a form feed in the licence"),
        pytest.param(METADATA + b"x\n" * HEADERS_LIMIT, ("foo", "1.0"), id="a description of 2 MiB"),
        pytest.param(b"Name: foo\nVersion: 1\nUsername: victim\nProvides: Name: x\n", ("foo", "1"), id="other headers with the word in them"),
    ],
)  # fmt: skip
def test_metadata_is_read(content, read):
    """One name, one version, in their normal forms."""
    assert name_and_version(content) == read


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", Code.ARCHIVE_INVALID, id="nothing"),
        pytest.param(b"\n" + METADATA, Code.ARCHIVE_INVALID, id="an empty line first, so all of it is description"),
        pytest.param(b"Version: 1.0\n", Code.ARCHIVE_INVALID, id="no name"),
        pytest.param(b"Name: foo\n", Code.ARCHIVE_INVALID, id="no version"),
        pytest.param(b"Name: foo\n\nVersion: 1.0\n", Code.ARCHIVE_INVALID, id="a version in the description alone"),
        pytest.param(b"Name: foo\r\n\r\nVersion: 1.0\r\n", Code.ARCHIVE_INVALID, id="the same with CRLF"),
        pytest.param(b"Name: foo\nName: victim\nVersion: 1\n", Code.ARCHIVE_INVALID, id="two names"),
        pytest.param(b"Name: foo\nName: foo\nVersion: 1\n", Code.ARCHIVE_INVALID, id="one name twice"),
        pytest.param(b"Name: foo\nVersion: 1\nVersion: 2\n", Code.ARCHIVE_INVALID, id="two versions"),
        pytest.param(b"Name: foo\nNAME: victim\nVersion: 1\n", Code.ARCHIVE_INVALID, id="two names, one in upper case"),
        pytest.param(b"name: foo\nVersion: 1\n", Code.ARCHIVE_INVALID, id="a name in lower case alone"),
        pytest.param(b"Name: foo\nName : victim\nVersion: 1\n", Code.ARCHIVE_INVALID, id="two names, one with a space before its colon"),
        pytest.param(b"Name : foo\nVersion: 1\n", Code.ARCHIVE_INVALID, id="a space before the colon"),
        pytest.param(b"\xef\xbb\xbfName: foo\nVersion: 1\n", Code.ARCHIVE_INVALID, id="a byte order mark before the name"),
        pytest.param(b"\xef\xbb\xbfName: victim\nName: foo\nVersion: 1\n", Code.ARCHIVE_INVALID, id="a byte order mark hides the first name"),
        pytest.param(b"Name: foo\n bar\nVersion: 1\n", Code.ARCHIVE_INVALID, id="a folded name"),
        pytest.param(b"Name: foo\n \nVersion: 1\n", Code.ARCHIVE_INVALID, id="a name folded to white space"),
        pytest.param(b"Name:\n foo\nVersion: 1\n", Code.ARCHIVE_INVALID, id="a name in the second line alone"),
        pytest.param(b"Name: foo\nVersion: 1\n\t.0\n", Code.ARCHIVE_INVALID, id="a folded version"),
        pytest.param(b"Summary: a\rName: victim\nName: foo\nVersion: 1\n", Code.ARCHIVE_INVALID, id="a bare CR, a line's end to some"),
        pytest.param(b"Summary: a\x0cName: victim\nName: foo\nVersion: 1\n", Code.ARCHIVE_INVALID, id="a form feed, a line's end to some"),
        pytest.param("Summary: a\u2028Name: victim\nName: foo\nVersion: 1\n".encode(), Code.ARCHIVE_INVALID, id="U+2028, a line's end to some"),
        pytest.param("Name: foo\x85Version: 2\nVersion: 1\n".encode(), Code.ARCHIVE_INVALID, id="U+0085 inside the name's line"),
        pytest.param(b"Name: foo\nno header\nName: victim\nVersion: 1\n", Code.ARCHIVE_INVALID, id="a line that is no header between two names"),
        pytest.param(b"Author: \xff\nName: foo\nVersion: 1\n", Code.ARCHIVE_INVALID, id="headers that are no UTF-8"),
        pytest.param(b"Name: \nVersion: 1\n", Code.NAME_INVALID, id="an empty name"),
        pytest.param(b"Name: =?utf-8?q?victim?=\nVersion: 1\n", Code.NAME_INVALID, id="a name encoded as in mail"),
        pytest.param("Name: \N{KELVIN SIGN}ey\nVersion: 1\n".encode(), Code.NAME_INVALID, id="a Kelvin sign"),
        pytest.param(b"Name: foo\0\nVersion: 1\n", Code.NAME_INVALID, id="a NUL"),
        pytest.param(b"Name: foo (x)\nVersion: 1\n", Code.NAME_INVALID, id="a name with more behind it"),
        pytest.param(b"Name: foo\nVersion: one\n", Code.NAME_INVALID, id="a version that is none"),
        pytest.param(b"\xff\xfeN\0a\0m\0e\0", Code.ARCHIVE_INVALID, id="UTF-16"),
        pytest.param(b"Name: foo\nVersion: 1\n" + b"a:\n" * (HEADERS_LIMIT // 3), Code.ARCHIVE_INVALID, id="headers without an end"),
        pytest.param(b"Name: foo" + b" " * VALUE_LIMIT + b"\nVersion: 1\n", Code.ARCHIVE_INVALID, id="a name with a thousand spaces"),
        pytest.param(b"\r\nName: foo\nVersion: 1\n", Code.ARCHIVE_INVALID, id="an empty line first, with CRLF"),
        pytest.param(b"Name: foo\n\r\r\nVersion: 1\n", Code.ARCHIVE_INVALID, id="an empty line with a bare CR in it"),
    ],
)  # fmt: skip
def test_metadata_of_two_readings_is_refused(content, code):
    """Wherever some reader would find another name or none, there is none."""
    with pytest.raises(Refused) as caught:
        name_and_version(content)
    assert caught.value.denial.code is code
    assert caught.value.denial.reason.isascii()


FULL = HEADERS_LIMIT - 100
WIDE = "\N{PILE OF POO}\n".encode()  # makes Python hold every character in four bytes
HUNGRY = {
    "headers without an end": b"a:\n" * (METADATA_LIMIT // 3),
    "short headers": b"a:\n" * (FULL // 3) + METADATA,
    "short headers with CRLF": b"a:\r\n" * (FULL // 4) + METADATA,
    "short headers and a wide character": b"a:\n" * (FULL // 3) + WIDE + METADATA,
    "a wide character first": WIDE + b"a:\n" * (FULL // 3) + METADATA,
    "nothing but names": b"Name:\n" * (FULL // 6),
    "line ends of some": b"Name: " + b"\x0c" * FULL + b"\nVersion: 1\n",
    "a name without an end": b"Name: " + b"x" * FULL + WIDE + b"Version: 1\n",
    "a long description": METADATA + b"a:\n" * (METADATA_LIMIT // 3),
}


@pytest.mark.parametrize("content", HUNGRY.values(), ids=HUNGRY.keys())
def test_no_metadata_takes_much_room(content):
    """It packs to 4 KB; as a list of its lines it took 198 MiB."""
    tracemalloc.start()
    with suppress(Refused):
        name_and_version(content)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10 * 1024 * 1024


lines = st.lists(
    st.sampled_from(
        ["Name: foo", "Name: victim", "Version: 1", "Version: 2", "name: victim", "Name : victim", " Name: victim", "\ufeffName: victim", "Summary: a",
         "Summary: a\x0cName: victim", "Summary: a\x1eVersion: 2", "no header", " folded", "", "\r", "From x", "Description: b"]
    ),
    max_size=7,
)  # fmt: skip
contents = st.tuples(lines, st.sampled_from(["\n", "\r\n", "\r"])).map(lambda made: made[1].join(made[0]).encode())


def readings(content: bytes) -> set[tuple[str, str]]:
    """What readers in use make of it: old and new `email`, first header and last, packaging, and a reader of plain lines."""
    text = content.decode()
    found = set()
    for message in (
        email.message_from_string(text),
        email.message_from_bytes(content),
        email.message_from_string(text, policy=email.policy.default),
    ):
        for at in (0, -1):
            names, versions = message.get_all("Name", []), message.get_all("Version", [])
            if names and versions:
                found.add((str(names[at]), str(versions[at])))
    raw, _ = parse_email(content)
    if "name" in raw and "version" in raw:
        found.add((raw["name"], raw["version"]))
    plain: dict[str, list[str]] = {"name": [], "version": []}
    for line in text.splitlines():
        if not line:
            break
        key, colon, value = line.lstrip("\ufeff").partition(":")
        if colon and key == key.lstrip():
            plain.setdefault(key.strip().lower(), []).append(value.strip())
    if plain["name"] and plain["version"]:
        found |= {(plain["name"][at], plain["version"][at]) for at in (0, -1)}
    return found


@given(contents)
def test_no_reader_finds_another_name(content):
    """Whatever we read, every other reader that finds a name and a version finds the same."""
    try:
        read = name_and_version(content)
    except Refused:
        return
    assert readings(content) <= {(str(read[0]), read[1])}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"Name: foo\nName: victim\nVersion: 1\n", id="two names"),
        pytest.param(b"Name: foo\nVersion: 1\nSummary: a\x0cName: victim\n", id="a second one behind a form feed"),
        pytest.param(b"Name: foo\nVersion: 1\nName : victim\n", id="a second one with a space before its colon"),
    ],
)
def test_the_check_catches_a_naive_reader(content):
    """The control: a reader that takes the first header that `email` finds is not the only one."""
    message = email.message_from_bytes(content)
    assert not readings(content) <= {(message["Name"], message["Version"])}
