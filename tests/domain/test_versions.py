"""Version patterns: what a person may write, and which versions one means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from authproxy.domain.refusal import Code, Refused
from authproxy.domain.versions import VERSION_PATTERN_LIMIT, version_pattern


@pytest.mark.parametrize(
    ("raw", "version", "answer"),
    [
        pytest.param("1.0", "1.0", True, id="a version is itself"),
        pytest.param("1.0", "1.0.0", True, id="a version is itself however spelled"),
        pytest.param("v1.0", "1.0", True, id="a version may be written in PEP 440's loose ways"),
        pytest.param("1.0", "1.0.1", False, id="a version is no other"),
        pytest.param("1.0", "1.0+local", False, id="a version is not its local build"),
        pytest.param("1.*", "1.2.3", True, id="a glob takes what begins so"),
        pytest.param("1.*", "10.0", False, id="1.* is not 10"),
        pytest.param("1.*", "1!1.0", False, id="1.* is in no other epoch"),
        pytest.param("*", "1!2.0.dev3+x", True, id="a star takes everything"),
        pytest.param("*.dev*", "1.0.dev1", True, id="a glob for development releases"),
        pytest.param("*.dev*", "1.0", False, id="and for nothing else"),
        pytest.param(">=1.0,<2", "1.5", True, id="specifiers"),
        pytest.param(">=1.0,<2", "2.0", False, id="specifiers end"),
        pytest.param(">=1.0,<2", "1.5rc1", True, id="pre-releases are versions"),
        pytest.param("~=1.4", "1.9", True, id="compatible release"),
        pytest.param("==1.*", "1.7", True, id="a glob inside a specifier"),
        pytest.param("!=1.5", "1.5", False, id="all but one"),
        pytest.param(">=1.0", "1.0+local", True, id="a specifier takes local builds"),
    ],
)
def test_a_version_pattern_matches(raw: str, version: str, answer: bool) -> None:
    """The table of what a version pattern takes."""
    assert version_pattern(raw).matches(version) is answer


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="nothing"),
        pytest.param("one", id="a word"),
        pytest.param(">=", id="a specifier without its version"),
        pytest.param(">=1.0 <2", id="a comma forgotten"),
        pytest.param("=1.0", id="one equals sign"),
        pytest.param("1.*\n", id="a newline at the end"),
        pytest.param("1.[0-9]*", id="a character class"),
        pytest.param("V1.*", id="capitals in a glob, which no canonical version has"),
        pytest.param("\u0661.*", id="a digit beyond ASCII"),
        pytest.param("1" * (VERSION_PATTERN_LIMIT + 1), id="longer than any version"),
    ],
)
def test_what_is_no_version_pattern(raw: str) -> None:
    """A pattern that could mean nothing is refused with a sentence."""
    with pytest.raises(Refused) as caught:
        version_pattern(raw)
    assert caught.value.denial.code is Code.NAME_INVALID


SPECIFIERS = st.sampled_from(["==", ">=", "<=", "!=", "~=", ">", "<"])
VERSIONS = st.from_regex(r"[0-3]\.[0-3](\.[0-3])?((a|rc|\.post|\.dev)[0-3])?", fullmatch=True)


@given(SPECIFIERS, VERSIONS, VERSIONS)
def test_specifiers_mean_what_packaging_says(sign: str, wanted: str, version: str) -> None:
    """What is stored of a specifier reads back to the same set of versions."""
    expected = SpecifierSet(sign + wanted).contains(version, prereleases=True)
    assert version_pattern(sign + wanted).matches(str(Version(version))) is expected


@pytest.mark.parametrize("raw", ["1.*", "1.0", ">=1.0,<2", "1.0-rc1", "~= 1.4"])
def test_a_version_pattern_reads_back(raw: str) -> None:
    """The text that a pattern keeps is itself a pattern, the same one: `config show` can be loaded."""
    once = version_pattern(raw)
    assert version_pattern(once.text) == once
