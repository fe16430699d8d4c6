"""The strict reading of YAML: what is refused besides what the grammar refuses, and that everything else is as it was."""

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from authproxy.config.problem import ConfigProblems
from authproxy.config.reader import DEPTH_LIMIT, read
from authproxy.config.text import text_of


def problems(text: str, words: frozenset[tuple[str, str]] = frozenset()) -> list[str]:
    """All problems of a text, those that stop the reading included."""
    try:
        found = read(text_of("x", text.encode()), words).problems
    except ConfigProblems as exc:
        found = list(exc.problems)
    return [f"{each.line}:{each.column}: {each.sentence}" for each in found]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", ["0:0: the file is empty"], id="an empty file"),
        pytest.param("# nothing\n\n", ["0:0: the file is empty"], id="comments alone"),
        pytest.param("---\n", ["2:1: there is no value here"], id="an empty document"),
        pytest.param("[a]", ["1:1: the file must be a mapping"], id="a list"),
        pytest.param("word", ["1:1: the file must be a mapping"], id="a word"),
        pytest.param("a: 1\n---\nb: 2\n", ["2:1: a second document begins here"], id="two documents"),
        pytest.param("a: 1\na: 2", ["2:1: the key 'a' stands in line 1 already"], id="a key twice"),
        pytest.param("a: {b: 1, b: 2, b: 3}", ["1:11: the key 'b'", "1:17: the key 'b'"], id="a key three times"),
        pytest.param('a: 1\n"a": 2', ["2:1: the key 'a'"], id="a key twice, once in quotes"),
        pytest.param("a: &x 1", ["1:4: anchors (&) and aliases (*) are not allowed"], id="an anchor"),
        pytest.param("a: &x [1]\nb: *x", ["1:4: anchors", "2:4: anchors"], id="an anchor and its alias"),
        pytest.param("&x a: 1", ["1:1: anchors"], id="an anchor at a key"),
        pytest.param("? *x\n: 1", ["1:3: anchors"], id="an alias for a key"),
        pytest.param("<<: {a: 1}", ["1:1: YAML reads this key as something else"], id="a merge"),
        pytest.param("a: !!str 1", ["1:4: tags (!) are not allowed"], id="a tag of YAML's"),
        pytest.param("a: !foo [1]", ["1:4: tags"], id="a tag of somebody's"),
        pytest.param("a: !!python/object/apply:os.system [id]", ["1:4: tags"], id="a tag that runs programs"),
        pytest.param("a: ! x", ["1:4: tags"], id="a tag of nobody's"),
        pytest.param("!x a: 1", ["1:1: tags"], id="a tag at a key"),
        pytest.param("? [a]\n: b", ["1:3: a list or a mapping cannot be a key"], id="a list for a key"),
        pytest.param("? {a: 1}\n: {b: 2}", ["1:3: a list or a mapping"], id="a mapping for a key"),
        pytest.param("1: a", ["1:1: YAML reads this key as something else"], id="a number for a key"),
        pytest.param("no: a", ["1:1: YAML reads this key as something else"], id="a boolean for a key"),
        pytest.param("{~: a}", ["1:2: YAML reads this key as something else"], id="nothing for a key"),
        pytest.param("a:", ["1:1: there is no value here"], id="a key without a value"),
        pytest.param("a: [1, ~]", ["1:8: there is no value here"], id="a null in a list"),
        pytest.param("a: no\nb: 012", ["1:4: YAML 1.1 reads no", "2:4: YAML 1.1 reads"], id="two surprises"),
        pytest.param('a: "\\x1b[31m"', ["1:4: the value holds U+001B"], id="an escaped terminal escape"),
        pytest.param('a: "x\\ud800"', ["1:4: the value holds U+D800"], id="an escaped half of a surrogate pair"),
        pytest.param("a: x\u00a0y", ["1:4: the value holds U+00A0"], id="a no-break space"),
        pytest.param("a: |\n  x\n  y\n", ["1:4: the value holds U+000A"], id="several lines"),
        pytest.param("a: no\na: [", ["1:4: YAML 1.1", "2:1: the key 'a'", "2:5: a bracket"], id="and a syntax error"),
    ],
)
def test_what_is_refused(text: str, said: list[str]) -> None:
    """Each problem has its place; all of them are told, up to where the grammar ends."""
    found = problems(text)
    assert len(found) == len(said), found
    for each, start in zip(found, said, strict=True):
        assert each.startswith(start)


def test_the_second_of_two_keys_is_forgotten() -> None:
    """What a key that stands there twice says the second time is read for its own problems and decides nothing."""
    document = read(text_of("x", b"a: 1\na: {b: no}\n"))
    assert document.top == {"a": 1}
    assert len(document.problems) == 2


def test_a_word_may_be_meant() -> None:
    """`off` for a key that has a value `off` is that word; anywhere else it is YAML's boolean."""
    words = frozenset({("metadata", "off")})
    assert problems("metadata: off", words) == []
    assert read(text_of("x", b"metadata: off"), words).top == {"metadata": "off"}
    assert len(problems("metadata: on\nother: off", words)) == 2


@pytest.mark.parametrize("text", ["password: 0123456", "password:\n  0123456", "token: no", "db: {secret: 1.50}"])
def test_what_may_be_a_secret_stands_in_no_sentence(text: str) -> None:
    """A password that looks like a number is not repeated to explain what YAML makes of it."""
    assert problems(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "password: hunter2: x",
        "password: |\n  hunter2\n\tx",
        "password:\n  hunter2\n  more: x",
        "pwd: 'hunter2",
        'pwd: "\n hunter2 \\q"',
    ],
)
def test_a_syntax_error_shows_no_secret(text: str) -> None:
    """Also where the reading broke off inside a secret, its lines are not shown."""
    with pytest.raises(ConfigProblems) as caught:
        read(text_of("x", text.encode()))
    for part in ("hunter", "more: x"):
        assert part not in str(caught.value)


def test_a_billion_laughs_are_two_problems() -> None:
    """Ten lines of aliases are refused where they stand; nothing is ever copied."""
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    found = problems("\n".join(lines))
    assert len(found) == 60
    assert all("anchors" in each for each in found)


@pytest.mark.parametrize("bracket", ["[", "{a: ", "- ", "? "], ids=["lists", "mappings", "dashes", "keys"])
def test_depth_ends_in_a_sentence(bracket: str) -> None:
    """A hundred thousand brackets take no recursion and no minutes: the reading ends at the limit."""
    started = time.monotonic()
    [problem] = problems("a: " * bracket.startswith(("[", "{")) + bracket * 100_000)
    assert f"more than {DEPTH_LIMIT} levels deep" in problem
    assert time.monotonic() - started < 10


def test_depth_up_to_the_limit_is_read() -> None:
    """The limit is the last depth that is allowed."""
    brackets = DEPTH_LIMIT - 1
    assert problems("a: " + "[" * brackets + "x" + "]" * brackets) == []
    assert len(problems("a: [" + "[" * brackets + "x" + "]" * brackets + "]")) == 1


# Letters and what YAML has a meaning for, but no digits: numbers have their own tests.
PLAIN = st.booleans() | st.integers(-(10**17), 10**17) | st.text("abc:#'\"-*!&,[]{}?|>%@` ", max_size=8)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.from_regex("[a-c]{2,5}", fullmatch=True), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["aa", "bb", "cc"]), VALUES, min_size=1), st.booleans())
def test_what_has_no_surprise_is_read_as_by_everybody(top: dict[str, object], flow: bool) -> None:
    """A document that PyYAML writes, in either style, is read as PyYAML reads it."""
    document = read(text_of("x", yaml.safe_dump(top, default_flow_style=flow).encode()))
    assert document.top == top
    assert document.problems == []
