"""SECURITY.md: every row of the threat model names what holds it, and that is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
HEADINGS = ["asset", "attacker", "attack", "defence", "held by"]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
LEAST = 30


def table(page: str) -> list[list[str]]:
    """The rows of the threat model, cell by cell, its headings first."""
    lines = page.partition("## The threat model\n")[2].partition("\n## ")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def missing(page: str) -> list[str]:
    """What is wrong with the table: rows that nothing holds, and tests that are not there."""
    faults = []
    for row in table(page)[2:]:
        named = NAMED.findall(row[-1])
        if len(row) != len(HEADINGS) or not all(row) or not named or NAMED.sub("", row[-1]).strip(", "):
            faults.append(f"not a row that a test holds: {row}")
        faults += [f"{path}::{name}" for path, name in named if name not in named_in(path)]
    return faults


def named_in(path: str) -> set[str]:
    """The names of a file's tests; none where there is no file."""
    file = ROOT / path
    if not file.is_file():
        return set()
    found = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_row_is_held_by_tests_that_exist() -> None:
    """A defence without a test is a promise, and a test that was renamed holds nothing."""
    assert table(PAGE)[0] == HEADINGS
    assert missing(PAGE) == []
    assert len(table(PAGE)) - 2 >= LEAST


def test_no_attack_stands_there_twice() -> None:
    """A row is one attack on one asset."""
    attacks = [(row[0], row[2]) for row in table(PAGE)[2:]]
    assert len(attacks) == len(set(attacks))


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("::test_no_head_gets_past_us`", "::test_no_head_gets_past_anybody`"),
        ("tests/heads/test_hostile_heads.py", "tests/heads/test_hostile.py"),
        ("| `tests/e2e/test_leaks.py::test_a_stolen_master_key` |", "| a look by eye |"),
        ("| `tests/e2e/test_leaks.py::test_a_stolen_master_key` |", "| |"),
    ],
    ids=["a test of another name", "a file of another name", "words for a test", "nothing"],
)
def test_control_a_row_that_nothing_holds_is_seen(was: str, becomes: str) -> None:
    """The page with one mistake in it."""
    assert PAGE.count(was) >= 1
    assert missing(PAGE.replace(was, becomes)) != []
