"""What a person should do about a YAML syntax error. PyYAML's own words are written for those who know its parser."""

import re
from typing import Any, Final

import yaml

# What PyYAML says (context and problem in one line, searched in this order) and what we say instead. Where ours says
# "here" of something that begins, the place is PyYAML's context, not the character at which it gave up.
_SENTENCES: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), sentence)
    for pattern, sentence in (
        (r"scanning an alias", 'in YAML a * at the start begins an alias: write the value in quotes, as in "*"'),
        (r"scanning an anchor", "in YAML an & at the start begins an anchor: write the value in quotes"),
        (r"'\\t' that cannot start", "a tab cannot stand here: use spaces"),
        (r"found character '(.)' that cannot start", "no value can begin with {0}: write it in quotes"),
        (r"tag", "tags (!) are not allowed: write the value in quotes if it begins with !"),
        (
            r"mapping values are not allowed",
            "a second ': ' in one line: indent the line anew, or write the value in quotes",
        ),
        (r"quoted scalar.*(?:unexpected end|document separator)", "the quotes that open here are never closed"),
        (r"unknown escape character", "there is no such escape: double a backslash, or use 'single quotes'"),
        (r"flow (?:sequence|mapping|node).*but (?:got|found) '<stream end>'", "a bracket or brace is never closed"),
        (r"flow (?:sequence|mapping).*but got '\?'", "inside brackets a value with a ? takes quotes"),
        (r"flow (?:sequence|mapping).*expected ',' or '(.)'", "a comma or {0} is missing here"),
        (r"could not find expected ':'", "a ':' is missing here: every line of a mapping is a key, a colon, a value"),
        (r"expected <block end>, but found ':'", "there is no key before this colon"),
        (r"expected <block end>", "this line's indentation fits no line above it"),
        (r"incompatible YAML|YAML directive|%YAML", "there is no such version of YAML: take the line out"),
    )
)


_BEGINS: Final = re.compile("begins an|that open here")


def sentence_for(error: yaml.MarkedYAMLError) -> tuple[str, Any]:
    """Say what to do, and PyYAML's mark of where. PyYAML repeats single characters of the file and no values."""
    said, mark = f"{error.context or ''} {error.problem or ''}", error.problem_mark or error.context_mark
    for pattern, sentence in _SENTENCES:
        if found := pattern.search(said):
            return sentence.format(*found.groups()), error.context_mark if _BEGINS.search(sentence) else mark
    return f"this is not YAML: {error.problem or 'it cannot be read'}", mark
