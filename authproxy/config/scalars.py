"""What a plain YAML scalar says, and the surprises of YAML 1.1 that are refused instead of read.

The file means what it looks like: `true` and `false` are the booleans, decimal numbers without a plus, a leading zero
or a fraction are the numbers, everything else is text. Where YAML 1.1 reads something else into a word (`no` is false,
`012` is ten, `12:30:45` is 45045, `1.10` is 1.1), other programs would see another file than we do; so it takes quotes.
What PyYAML writes needs none but its own, so that a configuration that was shown can be loaded.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import yaml

# 2**63 has 19 digits, and int() itself stops at 4,300.
_NUMBER: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")
_TAG: Final = "tag:yaml.org,2002:"


class Surprise(Exception):
    """A scalar that YAML reads in its own way; the sentence says how to write what was meant."""


def _quotes(text: str) -> str:
    return f'"{text}" in quotes' if len(text) <= 40 else "it in quotes"


def _boolean(text: str) -> bool:
    if text not in {"true", "false"}:
        raise Surprise(f"YAML 1.1 reads {text} as a boolean: write true or false, or {_quotes(text)}")
    return text == "true"


def _integer(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise Surprise(f"YAML 1.1 reads this number in its own way: write a plain decimal one, or {_quotes(text)}")
    return int(text)


def _float(text: str) -> None:
    raise Surprise(f"YAML reads a number with a fraction, and 1.10 as 1.1: write {_quotes(text)}")


def _null(_text: str) -> None:
    raise Surprise("there is no value here: write one, or take the key out")


def _special(text: str) -> None:
    raise Surprise(f"YAML 1.1 gives {text} a meaning of its own: write {_quotes(text)}")


# What PyYAML's resolver makes of a plain scalar. A date stays the text that it is.
_MEANINGS: Final[dict[str, Callable[[str], object]]] = {
    f"{_TAG}str": str,
    f"{_TAG}timestamp": str,
    f"{_TAG}bool": _boolean,
    f"{_TAG}int": _integer,
    f"{_TAG}float": _float,
    f"{_TAG}null": _null,
    f"{_TAG}merge": _special,
    f"{_TAG}value": _special,
    f"{_TAG}yaml": _special,
}


def plain(loader: Any, text: str) -> object:
    """Read a plain scalar: text, a number or a boolean. `loader` is PyYAML's, for its resolver. Raises Surprise."""
    return _MEANINGS[loader.resolve(yaml.ScalarNode, text, (True, False))](text)
