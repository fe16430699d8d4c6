"""Reading tokens and claims: what is no claims is said without showing it, and how an answer is put in order."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.publishing import CORE, claims_file, trusts
from tests.peers.desk import TOKEN


@pytest.fixture
def trusting(config_file: Path, cli: Cli) -> Path:
    trusts(config_file)
    assert cli("db", "migrate").status == 0
    return config_file


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        pytest.param("", 2, "a file with claims is missing", id="nothing"),
        pytest.param("[]", 1, "claims are one JSON object", id="a list"),
        pytest.param('{"a": 1, "a": 2}', 1, "a key twice", id="a claim twice"),
        pytest.param("{" + " " * 70_000 + "}", 1, "more than 65536 bytes", id="too much"),
        pytest.param(TOKEN, 1, "that is a token, which `authproxy publisher test` reads from stdin", id="a token"),
    ],
)
def test_what_is_no_claims(trusting: Path, cli: Cli, given: str, status: int, words: str) -> None:
    """A sentence, from a file and from stdin alike, and nothing of a token is shown."""
    path = trusting.parent / "given"
    path.write_text(given)
    for arguments, sent in ((path, None), ("-", given)):
        ran = cli("publisher", "test", "--claims", arguments, input=sent)
        assert (ran.status, ran.stdout) == (status, "")
        assert words in ran.stderr
        assert TOKEN not in ran.stderr


def test_no_token_on_stdin(trusting: Path, cli: Cli) -> None:
    """Wrong usage, and not the answer no."""
    ran = cli("publisher", "test", input=" \n")
    assert (ran.status, "a token is missing" in ran.stderr) == (2, True)


def test_a_file_that_is_not_there(trusting: Path, cli: Cli) -> None:
    """The system's own words."""
    ran = cli("publisher", "test", "--claims", "/there/is/none")
    assert (ran.status, "/there/is/none: no such file" in ran.stderr) == (1, True)


def test_the_one_that_takes_it_stands_first(trusting: Path, cli: Cli) -> None:
    """Then those of the same issuer by how near they are, those of another last, with one finding."""
    ran = cli("publisher", "test", "--claims", claims_file(trusting.parent), "--json").json
    first, last = ran["publishers"]
    assert (first["publisher"], first["met"]) == (CORE, True)
    assert {each["claim"] for each in first["findings"]} >= {"repository", "environment", "repository_id"}
    assert [each["claim"] for each in last["findings"]] == ["iss"]


def test_an_escape_sequence_in_a_claim_is_shown_as_one(trusting: Path, cli: Cli) -> None:
    """What somebody wrote into a branch's name drives no terminal."""
    ran = cli("publisher", "test", "--claims", claims_file(trusting.parent, environment="\x1b[31mred"))
    assert ran.status == 3
    assert "\x1b" not in ran.stdout
