"""Filenames, hostile and honest, as tables and as strategies; test_pypiserver_against_real reads them in every way."""

import pytest
from hypothesis import strategies as st

KELVIN = "\N{KELVIN SIGN}"

# Each is another package to some reader than to some other, or none to one of them.
HOSTILE = [
    pytest.param("foo-bar-2x-1.0.tar.gz", id="a number in the name, with a letter"),
    pytest.param("foo-2.x-1.0.tar.gz", id="a number in the name, with a dot"),
    pytest.param("victim-1.0-2.tar.gz", id="two versions, which pip takes for a post-release"),
    pytest.param("victim-1.0-2.zip", id="two versions in a zip"),
    pytest.param("victim-1a-x-1.0.tar.gz", id="a version in the middle"),
    pytest.param("victim-py3.8-x-1.0.tar.gz", id="a Python version in the middle"),
    pytest.param("victim-py2.7-1.0.zip", id="a Python version before the version"),
    pytest.param("victim.win32-py3.8.x-1.0.tar.gz", id="an installer's ending in the middle"),
    pytest.param("victim.tgz-1.0.egg.zip", id="an ending in the name"),
    pytest.param("foo-bar-v1.0.tar.gz", id="a v before the version, behind a hyphen"),
    pytest.param(f"{KELVIN}ey-1.0.tar.gz", id="a Kelvin sign in the name"),
    pytest.param(f"foo-1.0+{KELVIN}.tar.gz", id="a Kelvin sign in the version"),
    pytest.param("victim-1.0.TAR.GZ", id="an ending in upper case"),
    pytest.param("victim-1.0.Zip", id="an ending in mixed case"),
    pytest.param("victim-1.0-py3.8.egg", id="an egg"),
    pytest.param("victim-1.0.tar.bz2", id="another compression"),
    pytest.param("victim-1.0.tar.gz.asc", id="a signature"),
    pytest.param("victim-1.0.tar.gz\n", id="a newline at the end"),
    pytest.param("victim.tar.gz", id="no version"),
    pytest.param("foo-bar.baz-1.tar.gz", id="a lone number that the index takes for the name"),
    pytest.param("foo-1.0-win-1.0.tar.gz", id="a platform in the middle"),
]

# Honest names; those without a project the index reads differently, so no proxy in front of it can take them.
AGREED = [
    ("foo-1.0.tar.gz", "foo", "1.0"),
    ("Foo.Bar-1.0.zip", "foo-bar", "1.0"),
    ("foo-bar-1.0.tar.gz", "foo-bar", "1.0"),
    ("foo-bar-1.tar.gz", "foo-bar", "1"),
    ("foo_bar-2x-1.0.tar.gz", None, None),
    ("foo-v1.0.tar.gz", "foo", "1.0"),
    ("foo-1!2.0.tar.gz", "foo", "1!2.0"),
    ("foo-bar-1!2.0.tar.gz", "foo-bar", "1!2.0"),
    ("foo-bar-1_0.post1.tar.gz", None, None),
    ("foo-1.0+acme.1.tar.gz", "foo", "1.0+acme.1"),
    ("foo-1.0+linux.tar.gz", "foo", "1.0+linux"),
    ("foo-bar-1.0+acme.linux.tar.gz", None, None),
    ("foo-1.0rc1.tar.gz", "foo", "1.0rc1"),
    ("foo-1.0.post1.dev2.tar.gz", "foo", "1.0.post1.dev2"),
    ("foo-1.0.dev0+g1234567.d20260101.tar.gz", "foo", "1.0.dev0+g1234567.d20260101"),
    ("foo-1.0-py3-none-any.whl", "foo", "1.0"),
    ("foo_bar-1.0-12b-py3-none-any.whl", "foo-bar", "1.0"),
    ("Foo.Bar-1!2.0+acme.1-3-cp311-cp311-linux_x86_64.whl", "foo-bar", "1!2.0+acme.1"),
    ("foo-1.0rc1-py2.py3-none-any.whl", "foo", "1.0rc1"),
    ("foo-1.0.post1.dev2-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "foo", "1.0.post1.dev2"),
    ("foo-v1.0-py3-none-any.whl", None, None),
]

# Each word cuts a version short where the index reads it.
PLATFORMS = ["cp3", "py3", "macosx", "linux", "sunos", "solaris", "irix", "aix", "cygwin", "win"]
CUT_SHORT = [f"foo-bar-1.0{separator}{word}.tar.gz" for separator in ".-" for word in PLATFORMS]

pieces = st.sampled_from(
    ["foo", "Foo", "bar", "victim", "a", "x", "2x", "2", "1.0", "1.0.0", "v1.0", "1", "0", "1a", "rc1", "post1", "dev0", "1!2",
     "+acme", "+1", "py3", "py3.8", "py2.7", "cp311", "none", "any", "win", "win32", "win-amd64", "linux", "macosx_10", "aix",
     "-", "-", "-", "-", ".", "_", "!", "+", "--", ".-", KELVIN, "\N{ARABIC-INDIC DIGIT ONE}", " ", "%", "/"]
)  # fmt: skip
endings = st.sampled_from(
    [".tar.gz", ".tar.gz", ".zip", ".zip", "-py3-none-any.whl", "-1-cp311-none-any.whl", ".whl", ".TAR.GZ", ".ZIP", ".tgz", ".tar.bz2",
     ".tar.xz", ".egg", "-py3.8.egg", ".win32-py3.8.exe", ".win-amd64-py3.8.msi", ".asc", ".tar.gz.asc", ".whl.asc", "\n", ""]
)  # fmt: skip
mixed = st.builds(lambda parts, ending: "".join(parts) + ending, st.lists(pieces, max_size=9), endings)
alphabet = st.text("ab1.-_+!xpyzipwhltargcsne23" + KELVIN, max_size=24)
# Names that packaging reads, most of them: words that each could end a name or begin a version, and a version.
words = st.sampled_from(
    [
        "foo",
        "Bar",
        "a",
        "2",
        "2x",
        "1.0",
        "1!2",
        "1_0",
        "1+x",
        "v1",
        "py3",
        "py3.8",
        "py2.7",
        "win32",
        "linux",
        "x.y",
        "x_y",
    ]
)
versions = st.sampled_from(
    ["1.0", "1", "0.0.1", "v1.0", "1!2.0", "1.0+acme.linux", "1.0+x", "1.0rc1", "1.0.post1", "1.0.dev0+g1.d2026", "2x"]
)
common_endings = st.sampled_from([".tar.gz", ".zip", "-py3-none-any.whl", "-1-cp311-none-win32.whl"])
near_honest = st.builds(
    lambda parts, version, ending: "-".join([*parts, version]) + ending,
    st.lists(words, min_size=1, max_size=4),
    versions,
    common_endings,
)
hostile_names = near_honest | mixed | st.builds(str.__add__, alphabet, endings) | alphabet
