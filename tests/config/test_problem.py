"""The report: where, what, the line and a caret, and nothing that a terminal or an eavesdropper could use."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.config.problem import ConfigProblems, Problem, excerpt, named, printable, sounds_secret


def caret_of(shown: str) -> tuple[str, int]:
    """The line that is shown, without its indentation, and the cell under which the caret stands."""
    line, caret = shown.split("\n")
    assert re.fullmatch(r" +\^", caret)
    return line[4:], len(caret) - 5


def cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


@pytest.mark.parametrize(
    ("line", "column", "shown", "cell"),
    [
        pytest.param("reads: nobody", 8, "reads: nobody", 7, id="plain text"),
        pytest.param("reads: nobody", 1, "reads: nobody", 0, id="the first column"),
        pytest.param("reads:", 7, "reads:", 6, id="one behind the end"),
        pytest.param("", 1, "", 0, id="an empty line"),
        pytest.param("a:\tb", 4, "a:    b", 6, id="behind a tab, which is four columns"),
        pytest.param("ä: é", 4, "ä: é", 3, id="behind letters beyond ASCII"),
        pytest.param("日本: x", 5, "日本: x", 6, id="behind wide letters"),
        pytest.param("e\u0301: x", 5, "e\u0301: x", 3, id="behind a combining accent"),
        pytest.param("a\x1b[31m: x", 8, "a?[31m: x", 7, id="behind a terminal escape"),
        pytest.param("a\u202e: x", 5, "a?: x", 4, id="behind a right-to-left override"),
    ],
)
def test_the_caret_stands_under_the_column(line: str, column: int, shown: str, cell: int) -> None:
    """Columns are characters, carets are cells."""
    assert caret_of(excerpt(line, column)) == (shown, cell)


@given(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=300), st.integers(1, 320))
def test_every_excerpt_is_harmless(line: str, column: int) -> None:
    """Two printable lines of bounded length, the caret never beyond the cell behind the text."""
    first, second = excerpt(line, column).split("\n")
    assert first.isprintable()
    assert len(first) < 4 * 130
    assert len(second) <= cells(first + line[len(line.rstrip()) :]) * 4 + 8


def test_a_long_line_is_cut_around_the_caret() -> None:
    """A line of ten thousand columns shows what stands around the problem."""
    shown, cell = caret_of(excerpt("x" * 5000 + "!" + "y" * 5000, 5001))
    assert len(shown) < 130
    assert shown[cell] == "!"
    assert shown.startswith("...x")
    assert shown.endswith("y...")


SECRET = "hunter2hunter2"
HIDDEN = [
    pytest.param(f"  password: {SECRET}", id="a password"),
    pytest.param(f'  "password": "{SECRET}"', id="in quotes"),
    pytest.param(f"backend: {{url: x, password: {SECRET}}}", id="inside braces"),
    pytest.param(f"  Passwort: {SECRET}", id="in German"),
    pytest.param(f"  db_pwd: {SECRET}", id="abbreviated"),
    pytest.param(f"  secret_key_base: {SECRET}", id="a secret"),
    pytest.param(f"  auth-token: {SECRET}", id="a token"),
    pytest.param(f"  api_key = {SECRET}", id="an API key, not even YAML"),
    pytest.param(f"  password: {{value: {SECRET}}}", id="a mapping that is no reference"),
    pytest.param(f"  password: {{file: x, value: {SECRET}}}", id="a reference with more in it"),
    pytest.param(f"  password: {{file: {SECRET} }} password: {SECRET}", id="a reference and something behind it"),
    pytest.param(f"# password: {SECRET}", id="in a comment"),
    pytest.param(f"url: https://user:{SECRET}@host/", id="in a URL"),
    pytest.param(f"note: apx_0123456789AbC_{SECRET}{SECRET}", id="a key of ours"),
]


@pytest.mark.parametrize("line", HIDDEN)
def test_a_secret_is_not_echoed(line: str) -> None:
    """Wherever in such a line the problem is, the secret is not shown."""
    for column in range(1, len(line) + 2):
        assert SECRET not in excerpt(line, column)
        assert "(not shown)" in excerpt(line, column)


@pytest.mark.parametrize("line", HIDDEN)
def test_a_naive_excerpt_is_caught(line: str) -> None:
    """Negative control: the same check fails for an excerpt that only prints the line."""
    assert SECRET in f"{printable(line)}\n{' ' * 3}^"


def test_a_secret_on_a_line_of_its_own_is_hidden() -> None:
    """Where the key stands in another line, whoever knows the key says from which column on to hide."""
    assert caret_of(excerpt(f"    {SECRET}", 5, 5)) == ("    (not shown)", 4)
    assert caret_of(excerpt(f"    {SECRET}", 5, 1)) == ("    (not shown)", 4)
    assert caret_of(excerpt(f"a: {SECRET} x", 9, 4)) == ("a: (not shown)", 3)


@pytest.mark.parametrize(
    "line",
    ["  password: {file: backend-password}", "password: {env: PW}  # of the index", "  credential: pw", "  - file: x"],
)
def test_a_reference_is_shown(line: str) -> None:
    """A reference is no secret, and its reader must see what is wrong with it."""
    hidden = None if "- file" in line else 1
    assert caret_of(excerpt(line, 1, hidden))[0] == line


def test_the_report_is_in_the_order_of_the_file() -> None:
    """Sorted by line and column; what is about the file as a whole comes first and has no numbers."""
    problems = [Problem("f", 10, 1, "c"), Problem("f", 2, 9, "b"), Problem("f", 0, 0, "a"), Problem("f", 10, 5, "d")]
    assert str(ConfigProblems(problems)) == "f: a\nf:2:9: b\nf:10:1: c\nf:10:5: d"


def test_words_in_sentences_are_short_and_words_that_sound_secret_are_known() -> None:
    """A key of a thousand letters does not drown the sentence; list positions never sound secret."""
    assert named("reads") == "'reads'"
    assert len(named("x" * 1000)) < 90
    assert sounds_secret("backend_password")
    assert not sounds_secret("packages")
    assert not sounds_secret(0)
