"""`authproxy policy explain --claims`: whose a job's token is, and what the server would answer its key."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.publishing import CORE, claims_file, trusts

WHEEL = "acme_core-1.2-py3-none-any.whl"


@pytest.fixture
def claims(config_file: Path, cli: Cli) -> Path:
    """The claims of a job whose publisher is there, and a store."""
    trusts(config_file)
    assert cli("db", "migrate").status == 0
    return claims_file(config_file.parent)


def test_whose_it_is(claims: Path, cli: Cli) -> None:
    """Without an action the same as `publisher test --claims`."""
    ran = cli("policy", "explain", "--claims", claims)
    assert (ran.status, ran.stdout) == (0, cli("publisher", "test", "--claims", claims).stdout)
    claims_file(claims.parent, repository="acme/other")
    ran = cli("policy", "explain", "--claims", claims)
    assert (ran.status, "repository is 'acme/other': it must be 'acme/core'" in ran.stdout) == (3, True)


def test_what_its_key_may(claims: Path, cli: Cli) -> None:
    """The walk of the server, for the key that would be minted; the key has no id yet and is called none."""
    ran = cli("policy", "explain", "--claims", claims, "upload", "acme-core", "--version", "1.2", "--file", WHEEL)
    assert ran.status == 0, ran.stdout + ran.stderr
    assert ran.stdout.startswith(f"yes: a key for {CORE} may upload acme-core 1.2\n")
    assert "rule   packages[0] acme-*" in ran.stdout
    assert "000000000000" not in ran.stdout
    assert "its key is neither revoked" in ran.stdout


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        (["upload", "acme-web"], "not-allowed", "may not upload 'acme-web'"),
        (["read", "acme-core"], "not-allowed", "may not read"),
        (["upload", "acme-core", "--version", "2.0"], "version", "version '2.0' may not be uploaded"),
    ],
)
def test_what_it_may_not(claims: Path, cli: Cli, asked: list[str], code: str, words: str) -> None:
    """Exit status 3, the code and the sentence."""
    ran = cli("policy", "explain", "--claims", claims, *asked, "--json")
    assert (ran.status, ran.json["allowed"], ran.json["code"], ran.json["publisher"]) == (3, False, code, CORE)
    assert words in ran.json["reason"]
    assert "000000000000" not in json.dumps(ran.json)
    assert cli("policy", "explain", "--claims", claims, *asked).stdout.startswith("no: a key for github")


def test_a_rule_that_wants_a_publisher(claims: Path, cli: Cli, config_file: Path) -> None:
    """Its key is let in where a kept one is not."""
    config_file.write_text(
        config_file.read_text().replace("require: key, filetypes", "require: trusted-publisher, filetypes")
    )
    ran = cli("policy", "explain", "--claims", claims, "upload", "acme-core", "--version", "1.2")
    assert ran.status == 0, ran.stdout


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--key", "Ab0123456789", "upload", "acme-core"], "two who ask"),
        (["--version", "1.0"], "say what the job would do"),
        (["--record", "1"], "names a whole question"),
        (["upload"], "name the project"),
    ],
)
def test_what_is_no_question(claims: Path, cli: Cli, more: list[str], words: str) -> None:
    """Wrong usage, in a sentence."""
    ran = cli("policy", "explain", "--claims", claims, *more)
    assert (ran.status, words in ran.stderr) == (2, True)
