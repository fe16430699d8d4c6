"""Names, versions and filenames: what is taken, what is not, and which files are one and the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name, canonicalize_version, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from authproxy.domain.names import (
    FILENAME_LIMIT,
    PROJECT_LIMIT,
    TAGS_LIMIT,
    VERSION_LIMIT,
    Artifact,
    Filetype,
    artifact,
    project_name,
    release_identity,
    same_version,
    version_text,
)
from authproxy.domain.refusal import Code, Refused

KELVIN = "\N{KELVIN SIGN}"
LONG_S = "\N{LATIN SMALL LETTER LONG S}"
ARABIC_ONE = "\N{ARABIC-INDIC DIGIT ONE}"

ascii_names = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,12}[A-Za-z0-9])?", fullmatch=True)
versions = st.from_regex(
    r"(v)?([0-9]!)?[0-9]{1,3}(\.[0-9]{1,2}){0,3}((a|b|rc|alpha|c|pre)[0-9]{0,2})?(\.post[0-9]|-[0-9]|r[0-9])?"
    r"(\.dev[0-9])?(\+[a-z0-9]{1,4}([._-][a-z0-9]{1,3})?)?",
    fullmatch=True,
)
anything = st.text(max_size=40) | st.text("abK-_.019+!xyz" + KELVIN, max_size=40)


def refused(call: object, *arguments: str) -> Refused:
    with pytest.raises(Refused) as caught:
        call(*arguments)  # type: ignore[operator]
    assert caught.value.denial.code is Code.NAME_INVALID
    reason = caught.value.denial.reason
    assert reason.isascii()
    assert reason.isprintable()
    assert len(reason) <= 400
    return caught.value


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        pytest.param("acme", "acme", id="a plain name stays"),
        pytest.param("Acme_Core", "acme-core", id="case and underscore go"),
        pytest.param("acme.-_core", "acme-core", id="a run of separators is one hyphen"),
        pytest.param("0", "0", id="one digit is a name"),
        pytest.param("a" * PROJECT_LIMIT, "a" * PROJECT_LIMIT, id="a name at the limit"),
    ],
)
def test_a_name_has_one_normal_form(raw, normal):
    """PEP 503 over PEP 508."""
    assert project_name(raw) == normal


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="nothing"),
        pytest.param("-", id="a lone separator, under which our own paths live"),
        pytest.param("-acme", id="a separator in front"),
        pytest.param("acme_", id="a separator behind"),
        pytest.param("acme core", id="a space"),
        pytest.param("acme\n", id="a newline at the end, which $ forgives"),
        pytest.param("acme/core", id="a slash"),
        pytest.param(f"{KELVIN}ey", id="a Kelvin sign, a k to case-insensitive patterns"),
        pytest.param(f"acme{LONG_S}", id="a long s, likewise"),
        pytest.param(f"acme{ARABIC_ONE}", id="a digit of another script"),
        pytest.param("\N{CYRILLIC SMALL LETTER A}cme", id="a letter that looks like an a"),
        pytest.param("a" * (PROJECT_LIMIT + 1), id="a name beyond the limit"),
        pytest.param("*", id="a pattern"),
    ],
)
def test_what_is_no_name_is_refused(raw):
    """Nothing but the grammar's ASCII is a name, and the refusal can stand in a reason phrase."""
    refused(project_name, raw)


@given(ascii_names)
def test_a_normal_form_is_its_own(raw):
    """Normalising twice is normalising once, and packaging agrees."""
    once = project_name(raw)
    assert project_name(once) == once == canonicalize_name(raw)


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        pytest.param("1.0", "1.0", id="plain"),
        pytest.param("v1.0", "1.0", id="a leading v goes"),
        pytest.param("1.0-1", "1.0.post1", id="an implicit post-release"),
        pytest.param("1.0_RC.1", "1.0rc1", id="case and separators go"),
        pytest.param("1!2.0+Ubuntu-1", "1!2.0+ubuntu.1", id="an epoch and a local version"),
    ],
)
def test_a_version_has_one_canonical_form(raw, canonical):
    """PEP 440."""
    assert version_text(raw) == canonical


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="nothing"),
        pytest.param("one", id="a word"),
        pytest.param(" 1.0", id="white space, which packaging strips"),
        pytest.param("1.0\n", id="a newline, likewise"),
        pytest.param(f"1.{ARABIC_ONE}", id="a digit of another script"),
        pytest.param(f"1.0.po{LONG_S}t1", id="a long s, an s to case-insensitive patterns"),
        pytest.param("1" * (VERSION_LIMIT + 1), id="beyond the limit"),
        pytest.param("9" * 5_000, id="more digits than int() takes"),
    ],
)
def test_what_is_no_version_is_refused(raw):
    """A version is ASCII, whole, and not long."""
    refused(version_text, raw)
    refused(same_version, raw, "1.0")
    refused(same_version, "1.0", raw)


def test_versions_are_compared_as_versions():
    """1.0 is 1.0.0 and is not 1.0.post0."""
    assert same_version("1.0", "v1.0.0")
    assert not same_version("1.0", "1.0.post0")


FILES = [
    ("foo-1.0-py3-none-any.whl", "foo", "1.0", Filetype.WHEEL, "foo 1 wheel  py3-none-any"),
    ("Foo.Bar-1.0-py3-none-any.whl", "foo-bar", "1.0", Filetype.WHEEL, "foo-bar 1 wheel  py3-none-any"),
    ("foo-1!2.0-py3-none-any.whl", "foo", "1!2.0", Filetype.WHEEL, "foo 1!2 wheel  py3-none-any"),
    ("foo-1.0+acme.1-py3-none-any.whl", "foo", "1.0+acme.1", Filetype.WHEEL, "foo 1+acme.1 wheel  py3-none-any"),
    (
        "foo-1.0-2b-cp311-cp311-linux_x86_64.whl",
        "foo",
        "1.0",
        Filetype.WHEEL,
        "foo 1 wheel 2b cp311-cp311-linux_x86_64",
    ),
    ("foo-1.0.tar.gz", "foo", "1.0", Filetype.SDIST, "foo 1 sdist"),
    ("Foo-Bar-1.0rc1.zip", "foo-bar", "1.0rc1", Filetype.SDIST, "foo-bar 1rc1 sdist"),
    ("foo-1.0.dev3.tar.gz", "foo", "1.0.dev3", Filetype.SDIST, "foo 1.dev3 sdist"),
]


@pytest.mark.parametrize(
    ("filename", "project", "version", "filetype", "identity"), FILES, ids=[row[0] for row in FILES]
)
def test_a_filename_is_read_by_the_standards(filename, project, version, filetype, identity):
    """PEP 427 and PEP 625, with the spellings of older tools; the filename itself is kept."""
    assert artifact(filename) == Artifact(filename, project, version, filetype, identity)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("victim-1.0.tar.gz", "Victim-1.0.tar.gz", id="case of the name"),
        pytest.param("a_b-1.0.tar.gz", "a.b-1.0.tar.gz", id="separator of the name"),
        pytest.param("a-1.0.tar.gz", "a-1.0.0.tar.gz", id="zeros of the version"),
        pytest.param("a-1.0rc1.tar.gz", "a-1.0.RC.1.tar.gz", id="spelling of a release candidate"),
        pytest.param("a-1.0.tar.gz", "a-1.0.zip", id="kind of archive"),
        pytest.param("a-1.0-py2.py3-none-any.whl", "a-1.0-py3.py2-none-any.whl", id="order of tags"),
        pytest.param("a-1.0-py3-none-any.whl", "a-1.0-py3.py3-none-any.whl", id="a tag twice"),
        pytest.param("a-1.0-py3-none-any.whl", "A-1.0.0-PY3-none-ANY.whl", id="case of tags"),
        pytest.param("a-1.0-1A-py3-none-any.whl", "a-1.0-01a-py3-none-any.whl", id="zeros and case of a build"),
    ],
)
def test_two_spellings_of_a_file_are_one_file(one, other):
    """Whoever may not overwrite the one may not upload the other beside it."""
    assert artifact(one).identity == artifact(other).identity
    assert artifact(one) != artifact(other)
    ours = [release_identity(file.project, file.version) for file in map(artifact, (one, other))]
    assert ours[0] == ours[1]
    assert artifact(one).identity.startswith(f"{ours[0]} ")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("a-1.0.tar.gz", "a-1.0-py3-none-any.whl", id="sdist and wheel"),
        pytest.param("a-1.0-py3-none-any.whl", "a-1.0-1-py3-none-any.whl", id="a build and none"),
        pytest.param("a-1.0.tar.gz", "a-1.0.post0.tar.gz", id="a post-release"),
        pytest.param("a-1.0.tar.gz", "a-1!1.0.tar.gz", id="an epoch"),
        pytest.param("a-1.0.tar.gz", "a-1.0+1.tar.gz", id="a local version"),
        pytest.param("a-1-py2-none-any.whl", "a-1-py3-none-any.whl", id="another Python"),
    ],
)
def test_two_files_are_two(one, other):
    """Nothing that an installer tells apart is taken for the same."""
    assert artifact(one).identity != artifact(other).identity


@pytest.mark.parametrize(
    "filename",
    [
        pytest.param("", id="nothing"),
        pytest.param("foo-1.0.TAR.GZ", id="an ending in upper case"),
        pytest.param("foo-1.0-py3-none-any.WHL", id="a wheel's ending in upper case"),
        pytest.param("foo-1.0-py3.11.egg", id="an egg"),
        pytest.param("foo-1.0.tar.bz2", id="another compression"),
        pytest.param("foo-1.0.tar.gz.asc", id="a signature"),
        pytest.param("foo.tar.gz", id="no version"),
        pytest.param("-1.0.tar.gz", id="no name"),
        pytest.param("foo-one.tar.gz", id="a version that is none"),
        pytest.param("foo-1.0.tar.gz.zip", id="two endings"),
        pytest.param("foo_-1.0.tar.gz", id="a name that ends in a separator"),
        pytest.param("foo--1.0.tar.gz", id="two hyphens"),
        pytest.param(f"{KELVIN}ey-1.0.tar.gz", id="a Kelvin sign"),
        pytest.param(f"foo-1.{ARABIC_ONE}.tar.gz", id="a digit of another script"),
        pytest.param("foo-1.0.tar.gz\n", id="a newline at the end"),
        pytest.param("../foo-1.0.tar.gz", id="a path"),
        pytest.param("a\\foo-1.0.tar.gz", id="a path of Windows"),
        pytest.param(".foo-1.0.tar.gz", id="a hidden file"),
        pytest.param("foo 1-1.0.tar.gz", id="a space"),
        pytest.param("foo%2B-1.0.tar.gz", id="an escape"),
        pytest.param("foo-1.0-py3-none.whl", id="a wheel with a tag too few"),
        pytest.param("foo-1.0-1-2-py3-none-any.whl", id="a wheel with a part too many"),
        pytest.param("foo-1.0-x1-py3-none-any.whl", id="a build that does not begin with a digit"),
        pytest.param("foo-1.0-1+2-py3-none-any.whl", id="a build with a plus"),
        pytest.param("foo__bar-1.0-py3-none-any.whl", id="a wheel's name that PEP 427 does not allow"),
        pytest.param("foo_-1.0-py3-none-any.whl", id="a wheel's name that PEP 508 does not allow"),
        pytest.param("foo-one-py3-none-any.whl", id="a wheel's version that is none"),
        pytest.param("foo-1.0-py3..py2-none-any.whl", id="an empty tag"),
        pytest.param("foo-1.0-3py-none-any.whl", id="a Python tag that begins with a digit"),
        pytest.param("a" * 100 + "-1.0" + "0" * 150 + ".tar.gz", id="beyond the limit"),
        pytest.param("a" * 101 + "-1.0.tar.gz", id="a name beyond its limit"),
        pytest.param("a-1." + "0" * 100 + ".tar.gz", id="a version beyond its limit"),
        pytest.param("a-1." + "0" * 100 + "-py3-none-any.whl", id="a wheel's version beyond its limit"),
    ],
)
def test_what_is_no_package_file_is_refused(filename):
    """What two readers would read differently, and what some would not read at all."""
    refused(artifact, filename)


def test_the_longest_filename_leaves_room_for_its_signature():
    """NAME_MAX is 255, and the signature of a file is stored under its name and `.asc`."""
    longest = "a-1.0-" + "b" * (FILENAME_LIMIT - len("a-1.0--none-any.whl")) + "-none-any.whl"
    assert artifact(longest).filename == longest
    assert len(longest + ".asc") == 255
    refused(artifact, "b" + longest)


def test_a_bomb_of_tags_is_refused_before_it_is_built():
    """Three lists of 26 tags are 17,576 of them to packaging; a longer name would make more."""
    tags = ".".join(f"a{n:02}"[-2:] for n in range(26)).replace("0", "b")
    bomb = f"a-1-{'.'.join('abcdefghijklmnopqrstuvwxyz')}-{tags}-{'.'.join('abcdefghijklmnopqrstuvwxyz')}.whl"
    assert len(bomb) <= FILENAME_LIMIT
    assert len(parse_wheel_filename(bomb)[3]) > TAGS_LIMIT
    refused(artifact, bomb)


@given(versions, versions)
def test_identities_are_equal_where_versions_are(one, other):
    """The text under which versions are kept agrees with PEP 440's equality; a cut text would not."""
    assert (canonicalize_version(one) == canonicalize_version(other)) == (Version(one) == Version(other))


@given(ascii_names, versions, st.sampled_from([".tar.gz", ".zip", "-py3-none-any.whl"]))
def test_what_is_accepted_is_what_packaging_reads(name, version, ending):
    """Our grammar only takes away: name and version are those of the packaging standards."""
    filename = f"{name}-{version}{ending}"
    try:
        read = artifact(filename)
    except Refused:
        return
    parse = parse_wheel_filename if ending.endswith(".whl") else parse_sdist_filename
    assert (read.project, Version(read.version)) == parse(filename)[:2]
    assert read.identity.isascii()


@given(anything)
def test_any_text_is_read_or_refused(text):
    """No text makes a reader fail in another way than by a refusal."""
    codes = set()
    for read in (project_name, version_text, artifact):
        try:
            read(text)
        except Refused as refusal:
            codes.add(refusal.denial.code)
    assert codes <= {Code.NAME_INVALID}


def test_the_naive_reading_would_have_taken_a_kelvin_sign():
    """The control: packaging alone takes names that `artifact` refuses, and makes a plain `k` of the sign."""
    assert parse_sdist_filename(f"{KELVIN}ey-1.0.tar.gz")[0] == "key"
    refused(artifact, f"{KELVIN}ey-1.0.tar.gz")
