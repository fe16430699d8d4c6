"""A refusal is a code and a sentence, and what a request wrote stands in it only as bounded, printable ASCII."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain.refusal import QUOTED_LIMIT, Code, Denial, Refused, listed, quoted, refuse


@given(st.text(max_size=300))
def test_quoted_text_is_printable_bounded_and_stays_in_its_quotes(text: str) -> None:
    """Whatever is quoted: one line of ASCII, two quotes and no third, no more than the limit between them."""
    shown = quoted(text)
    assert re.fullmatch(r"'[ -&(-\[\]-~]*'", shown)
    assert len(shown) <= QUOTED_LIMIT + 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("acme-core", "'acme-core'", id="a name as it is"),
        pytest.param("", "''", id="nothing"),
        pytest.param("a'b\\c", "'a?b?c'", id="a quote and a backslash"),
        pytest.param("a\r\nSet-Cookie: x", "'a??Set-Cookie: x'", id="a line break, which would split a header"),
        pytest.param("\x1b]0;x\x07", "'?]0;x?'", id="what a terminal would obey"),
        pytest.param("\u212a\u202e", "'??'", id="letters that look like others"),
        pytest.param(f"apx_{'A' * 13}_{'s' * 49}", f"'apx_{'A' * 13}_...'", id="a key, but for its secret"),
        pytest.param(f"1.0+APX.{'a' * 13}.{'s' * 16}", f"'1.0+APX.{'a' * 13}....'", id="a key as a version spells it"),
        pytest.param(f"apx_{'A' * 13}.W1swLDIs.-_{'s' * 41}", f"'apx_{'A' * 13}....'", id="a derived key, but for its tag"),
        pytest.param(f"x apx_{'A' * 13}.{'Wz-_' * 9}.{'s' * 43}/y", f"'x apx_{'A' * 13}..../y'", id="one in a text"),
        pytest.param("apx_configuration_libraries", "'apx_configuration_libraries'", id="a name that is no key"),
        pytest.param("a" * QUOTED_LIMIT, f"'{'a' * QUOTED_LIMIT}'", id="as long as may be"),
        pytest.param("a" * (QUOTED_LIMIT + 1), f"'{'a' * (QUOTED_LIMIT - 3)}...'", id="one character too long"),
    ],
)  # fmt: skip
def test_how_a_text_is_quoted(text: str, shown: str) -> None:
    """A name is shown as it is; whatever could do something becomes a question mark."""
    assert quoted(text) == shown


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        ([], "nothing"),
        (["a"], "a"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
        (["a" * 60, "b" * 61], f"{'a' * 60}, {'b' * 57}..."),
    ],
)
def test_a_list_in_a_sentence(texts: list[str], shown: str) -> None:
    """The first few, each bounded, and how many there are besides."""
    assert listed(texts) == shown


def test_a_refusal_travels_with_its_denial() -> None:
    """`refuse` builds what is raised; its text is the sentence, its denial the whole answer."""
    refused = refuse(Code.RATE, "too often", retry_after=60)
    assert isinstance(refused, Refused)
    assert str(refused) == "too often"
    assert refused.denial == Denial(Code.RATE, "too often", 60)


def test_codes_are_words_that_can_stand_in_a_log() -> None:
    """Lower-case words with hyphens, each once: the record, the log and the documentation call them so."""
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in Code)
    assert all(code.name == code.value.replace("-", "_").upper() for code in Code)
