"""Which patterns a name can match together: compared with asking every short name."""

import time
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain.grants import pattern
from authproxy.domain.meetings import meetings
from authproxy.domain.names import ProjectName, project_name
from authproxy.domain.refusal import Refused
from tests.domain.drawn import PATTERNS


def _names(length: int) -> list[str]:
    """Every name of these letters up to a length; `z` stands for all that no pattern names."""
    found = []
    for size in range(1, length + 1):
        for letters in product("abz-", repeat=size):
            name = "".join(letters)
            try:
                if project_name(name) == name:
                    found.append(name)
            except Refused:
                continue
    return found


NAMES = _names(5)


def matched(patterns: list[str], name: str) -> frozenset[int]:
    return frozenset(number for number, text in enumerate(patterns) if pattern(text).matches(ProjectName(name)))


@given(st.lists(PATTERNS.map(lambda each: each.text), max_size=4))
def test_no_meeting_is_missed_and_none_is_made_up(patterns: list[str]) -> None:
    """Whatever set of patterns a name of five letters matches is found, and what is found names one that does."""
    found = meetings(patterns)
    assert found is not None
    assert {matched(patterns, name) for name in NAMES} <= found.keys()
    for numbers, name in found.items():
        assert project_name(name) == name
        assert matched(patterns, name) == numbers


def test_a_naive_comparison_is_caught() -> None:
    """Negative control: by covering alone `a*` and `*b` would never meet, and the first law above would fail."""
    assert not pattern("a*").covers(pattern("*b"))
    assert meetings(["a*", "*b"]) == {
        frozenset(): "c",
        frozenset({0}): "a",
        frozenset({1}): "b",
        frozenset({0, 1}): "ab",
    }


def test_many_plain_names_take_no_time() -> None:
    """Ten thousand packages with a rule each are walked like a trie."""
    patterns = [f"pkg-{number}" for number in range(10_000)] + ["pkg-*", "*"]
    started = time.perf_counter()
    found = meetings(patterns)
    assert found is not None
    assert len(found) == 10_002
    assert time.perf_counter() - started < 30


@pytest.mark.parametrize("work", [10, 1000])
def test_too_many_stars_are_given_up(work: int) -> None:
    """Better no answer than one after an hour; the caller says so."""
    assert meetings([f"*{one}*{two}*{one}*" for one in "abcdef" for two in "ghijkl"], work) is None


def test_names_that_are_too_long_are_no_names() -> None:
    """A pattern that only a name of 101 letters could match is matched by none."""
    found = meetings(["a" * 60 + "*" + "b" * 39, "*" + "c" * 40 + "*" + "a" * 60 + "*" + "d"])
    assert found is not None
    assert frozenset({0, 1}) not in found
