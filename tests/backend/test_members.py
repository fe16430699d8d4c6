"""Which member is the metadata, by its name alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.backend.members import Lookout, plain
from authproxy.domain.names import artifact
from authproxy.domain.refusal import Code, Refused
from tests.backend.archives import SDIST, WHEEL, ZIP_SDIST


def picked(filename: str, names: list[str]) -> list[str]:
    lookout = Lookout(artifact(filename))
    found = [name for name in names if lookout.sees(name)]
    lookout.finish()
    return found


@pytest.mark.parametrize(
    ("filename", "names", "found"),
    [
        pytest.param(WHEEL, ["foo/a.py", "foo-1.0.dist-info/METADATA"], "foo-1.0.dist-info/METADATA", id="a wheel"),
        pytest.param(WHEEL, ["./foo-1.0.dist-info/METADATA"], "./foo-1.0.dist-info/METADATA", id="a wheel packed from its folder"),
        pytest.param(WHEEL, ["foo-1.0.0.dist-info/METADATA"], "foo-1.0.0.dist-info/METADATA", id="an equal version"),
        pytest.param(WHEEL, ["foo-1.0.dist-info/METADATA", "foo-1.0.dist-info/METADATA.json"], "foo-1.0.dist-info/METADATA", id="a file of a longer name"),
        pytest.param(WHEEL, ["foo-1.0.dist-info/", "foo-1.0.dist-info/METADATA"], "foo-1.0.dist-info/METADATA", id="a wheel with folders"),
        pytest.param(WHEEL, ["a/b-1.0.dist-info/METADATA", "foo-1.0.dist-info/METADATA"], "foo-1.0.dist-info/METADATA", id="another package's, deeper"),
        pytest.param(WHEEL, ["../x", "/y", "foo-1.0.dist-info/METADATA"], "foo-1.0.dist-info/METADATA", id="names that lead elsewhere"),
        pytest.param("Foo.Bar-1.0-py3-none-any.whl", ["Foo.Bar-1.0.dist-info/METADATA"], "Foo.Bar-1.0.dist-info/METADATA", id="a name that is not normalised"),
        pytest.param(SDIST, ["foo-1.0/PKG-INFO", "foo-1.0/foo.egg-info/PKG-INFO"], "foo-1.0/PKG-INFO", id="an sdist of setuptools"),
        pytest.param(SDIST, ["./", "./foo-1.0/", "./foo-1.0/PKG-INFO"], "./foo-1.0/PKG-INFO", id="an sdist packed from its folder"),
        pytest.param("foo-bar-1.0.tar.gz", ["Foo.Bar-1.0/PKG-INFO"], "Foo.Bar-1.0/PKG-INFO", id="a folder that is not normalised"),
        pytest.param("foo-bar-1.0.tar.gz", ["foo-bar-1.0/PKG-INFO"], "foo-bar-1.0/PKG-INFO", id="a folder with a hyphen in the name"),
        pytest.param(ZIP_SDIST, ["foo-1.0/PKG-INFO"], "foo-1.0/PKG-INFO", id="an sdist in a zip"),
    ],
)  # fmt: skip
def test_the_metadata_is_picked(filename, names, found):
    """One member, in the one folder that names the project and version."""
    assert picked(filename, names) == [found]


@pytest.mark.parametrize(
    ("filename", "names", "code"),
    [
        pytest.param(WHEEL, [], Code.ARCHIVE_INVALID, id="no member at all"),
        pytest.param(WHEEL, ["foo/METADATA"], Code.ARCHIVE_INVALID, id="none in a .dist-info folder"),
        pytest.param(WHEEL, ["foo-1.0.dist-info/WHEEL"], Code.ARCHIVE_INVALID, id="a folder without it"),
        pytest.param(WHEEL, ["foo-1.0.dist-info/METADATA"] * 2, Code.ARCHIVE_INVALID, id="twice"),
        pytest.param(WHEEL, ["foo-1.0.dist-info/METADATA", "foo-1.0.dist-info/metadata"], Code.ARCHIVE_INVALID, id="twice where case does not count"),
        pytest.param(WHEEL, ["foo-1.0.dist-info/METADATA", "./foo-1.0.dist-info/METADATA"], Code.ARCHIVE_INVALID, id="twice, once with a dot"),
        pytest.param(WHEEL, ["foo-1.0.dist-info/METADATA", "/foo-1.0.dist-info/METADATA"], Code.ARCHIVE_INVALID, id="twice, once absolute"),
        pytest.param(WHEEL, ["foo-1.0.dist-info/METADATA", "../foo-1.0.dist-info/METADATA"], Code.ARCHIVE_INVALID, id="twice, once climbing"),
        pytest.param(WHEEL, ["foo-1.0.dist-info/METADATA", "foo/../foo-1.0.dist-info/METADATA"], Code.ARCHIVE_INVALID, id="twice, once by a detour"),
        pytest.param(WHEEL, ["foo-1.0.dist-info/METADATA", "foo-1.0.dist-info//METADATA"], Code.ARCHIVE_INVALID, id="twice, once with two slashes"),
        pytest.param(WHEEL, ["foo-1.0.dist-info/METADATA", "foo-1.0.dist-info\\METADATA"], Code.ARCHIVE_INVALID, id="twice, once as Windows writes it"),
        pytest.param(WHEEL, ["foo-1.0.dist-info/METADATA", "foo-1.0.dist-info/METADATA/"], Code.ARCHIVE_INVALID, id="twice, once a folder"),
        pytest.param(WHEEL, ["foo-1.0.dist-info/METADATA", "victim-1.0.dist-info/METADATA"], Code.ARCHIVE_INVALID, id="two packages"),
        pytest.param(WHEEL, ["foo-1.0.dist-info/METADATA", "FOO-1.0.DIST-INFO/x"], Code.ARCHIVE_INVALID, id="two folders that are one where case does not count"),
        pytest.param(WHEEL, ["foo-1.0.dist-info/metadata"], Code.ARCHIVE_INVALID, id="lower case alone"),
        pytest.param(WHEEL, ["foo-1.0.dist-info\\METADATA"], Code.ARCHIVE_INVALID, id="a backslash alone"),
        pytest.param(WHEEL, ["/foo-1.0.dist-info/METADATA"], Code.ARCHIVE_INVALID, id="an absolute name alone"),
        pytest.param(WHEEL, ["victim-1.0.dist-info/METADATA"], Code.MISMATCH, id="another project's folder"),
        pytest.param(WHEEL, ["foo-1.1.dist-info/METADATA"], Code.MISMATCH, id="another version's folder"),
        pytest.param(WHEEL, ["foo.dist-info/METADATA"], Code.MISMATCH, id="a folder without a version"),
        pytest.param(WHEEL, ["foo-1.0.DIST-INFO/METADATA"], Code.MISMATCH, id="a folder's ending in upper case"),
        pytest.param(WHEEL, [".dist-info/METADATA"], Code.MISMATCH, id="a folder without a name"),
        pytest.param(SDIST, ["PKG-INFO"], Code.MISMATCH, id="an sdist without a folder"),
        pytest.param(SDIST, ["foo-1.0/foo.egg-info/PKG-INFO"], Code.ARCHIVE_INVALID, id="only a nested one"),
        pytest.param(SDIST, ["foo-1.0/PKG-INFO", "victim-1.0/PKG-INFO"], Code.ARCHIVE_INVALID, id="two folders in an sdist"),
        pytest.param(SDIST, ["foo-1.0/PKG-INFO", "._foo-1.0"], Code.ARCHIVE_INVALID, id="a file beside the folder"),
        pytest.param(SDIST, ["foo-1.0/PKG-INFO", "../victim-1.0/PKG-INFO"], Code.ARCHIVE_INVALID, id="a climb out of the folder"),
        pytest.param(SDIST, ["victim-1.0/PKG-INFO"], Code.MISMATCH, id="another project's sdist"),
    ],
)  # fmt: skip
def test_a_second_reading_is_refused(filename, names, code):
    """No member is the metadata to one reader and not to another."""
    with pytest.raises(Refused) as caught:
        picked(filename, names)
    assert caught.value.denial.code is code
    assert caught.value.denial.reason.isascii()
    assert len(caught.value.denial.reason) <= 400


def test_the_longest_names_fit_into_a_sentence():
    """A refusal can stand in a reason phrase, whatever an archive calls its members."""
    lookout = Lookout(artifact(f"{'a' * 100}-1.0.tar.gz"))
    with pytest.raises(Refused) as caught:
        lookout.sees("b" * 5_000 + "-1.0/PKG-INFO")
    assert len(caught.value.denial.reason) <= 400


@pytest.mark.parametrize(
    ("name", "path"),
    [("a/b", "a/b"), ("a/b/", "a/b"), ("./a", "a"), ("/a", "a"), ("//a", "a"), ("a//b", "a/b"), ("a/../b", "b"), ("../../a", "a"), ("a\\b", "a/b"), (".", ""), ("", "")],
)  # fmt: skip
def test_a_path_has_one_plain_form(name, path):
    """Where a generous extractor would write."""
    assert plain(name) == path


@given(st.text(max_size=30))
def test_a_plain_form_is_its_own(name):
    """Every name has one, and it leads nowhere else."""
    assert plain(plain(name)) == plain(name)
    assert ".." not in plain(name).split("/")
