"""Syntax errors, said to the person who made them."""

import pytest
import yaml

from authproxy.config.problem import ConfigProblems
from authproxy.config.reader import read
from authproxy.config.syntax import sentence_for
from authproxy.config.text import text_of


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("match: *", "1:8: in YAML a * at the start begins an alias", id="a star alone"),
        pytest.param("packages: [*]", "1:12: in YAML a * at the start begins an alias", id="a star in a list"),
        pytest.param("a: &", "1:4: in YAML an & at the start", id="an ampersand alone"),
        pytest.param("a:\n\t- b", "2:1: a tab cannot stand here: use spaces", id="a tab"),
        pytest.param("a: @x", "1:4: no value can begin with @", id="an at sign"),
        pytest.param("a: `x`", "1:4: no value can begin with `", id="a backtick"),
        pytest.param("a: %x", "1:4: no value can begin with %", id="a per cent sign"),
        pytest.param("a: b: c", "1:5: a second ': ' in one line", id="two colons"),
        pytest.param("a: 1\n b: 2", "2:3: a second ': ' in one line", id="a line indented too far"),
        pytest.param("a:\n  - b\n - c", "3:2: this line's indentation fits no line above it", id="a dash too far left"),
        pytest.param('a: "x', "1:4: the quotes that open here are never closed", id="an open quote"),
        pytest.param("a: 'x\nb: 1\n", "1:4: the quotes that open here", id="an open quote over lines"),
        pytest.param('a: "\\q"', "1:6: there is no such escape", id="an escape that is none"),
        pytest.param("a: [1, 2", "1:9: a bracket or brace is never closed", id="an open bracket"),
        pytest.param("a: {b: c", "1:9: a bracket or brace is never closed", id="an open brace"),
        pytest.param("a: [1 {", "1:7: a comma or ] is missing here", id="a comma forgotten"),
        pytest.param("a: [x?]", "1:6: inside brackets a value with a ? takes quotes", id="a question mark in brackets"),
        pytest.param("a: b\nc", "2:2: a ':' is missing here", id="a colon forgotten"),
        pytest.param("a: !x!y z", "1:4: tags (!) are not allowed", id="an unknown tag handle"),
        pytest.param("%YAML 3.0\n---\na: 1", "1:1: there is no such version of YAML", id="YAML 3"),
        pytest.param(": a", "1:1: there is no key before this colon", id="a colon out of nowhere"),
        pytest.param("a: }", "1:4: this is not YAML", id="a brace out of nowhere"),
        pytest.param('a: "\\U99999999"', "this is not YAML: the number is too large", id="an escape beyond Unicode"),
        pytest.param("%YAML 1." + "9" * 5000 + "\n---\na: 1", "the number is too large", id="an endless version"),
    ],
)
def test_a_syntax_error_says_what_to_do(text: str, said: str) -> None:
    """Each has its place and, where it is a mistake that people make, a way out of it."""
    with pytest.raises(ConfigProblems) as caught:
        read(text_of("x", text.encode()))
    [problem] = caught.value.problems
    assert said in f"{problem.line}:{problem.column}: {problem.sentence}"
    assert problem.sentence.isprintable()


def test_an_error_without_words_still_has_a_sentence() -> None:
    """PyYAML need not say anything."""
    assert sentence_for(yaml.MarkedYAMLError()) == ("this is not YAML: it cannot be read", None)
