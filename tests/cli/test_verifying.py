"""`authproxy key verify`: says why, to the operator, and repeats nothing of what it was given."""

import string
from collections.abc import Callable
from pathlib import Path

import pytest

from authproxy.cli.verifying import KEY_LIMIT, WHY
from authproxy.domain.keys import SECRET_ENTROPY, PublicId, mint
from tests.cli.conftest import Cli, Created

Create = Callable[..., Created]


def test_a_live_key(created: Create, cli: Cli, tmp_path: Path) -> None:
    """From stdin or from a file, with the newline that every such thing ends in: yes, and what it may do."""
    key = created("--allow", "upload:acme-core")
    (tmp_path / "key").write_text(f"  {key.key}\r\n")
    for ran in (
        cli("key", "verify", "--json", input=key.key + "\n"),
        cli("key", "verify", "--json", "--file", tmp_path / "key"),
    ):
        assert ran.status == 0
        assert ran.json["valid"]
        assert (ran.json["id"], ran.json["allow"]) == (key.id, ["upload:acme-core"])
    assert cli("key", "verify", input=key.key).stdout.startswith(f"yes: key {key.id} of ci@acme works until 2")


def _mistyped(key: str) -> str:
    return key[:-1] + next(each for each in string.digits if each != key[-1])


@pytest.mark.parametrize("state", ["revoke", "pause"])
def test_a_key_that_was_ended(created: Create, cli: Cli, state: str) -> None:
    """Exit status 3, the reason, and not a character of the secret."""
    key = created()
    cli("key", state, key.id)
    ran = cli("key", "verify", "--json", input=key.key)
    assert ran.status == 3
    assert ran.json == {"valid": False, "problem": {"revoke": "revoked", "pause": "paused"}[state], "id": key.id}
    assert key.secret not in cli("key", "verify", input=key.key).stdout


def test_a_key_that_expired(created: Create, cli: Cli, later: Callable[[int], None]) -> None:
    """The clock is asked at the time of the question."""
    key = created("--expires", "1d")
    later(86_401)
    assert cli("key", "verify", "--json", input=key.key).json["problem"] == "expired"


@pytest.mark.parametrize(
    ("forge", "problem"),
    [
        (_mistyped, "malformed"),
        (lambda key: key[:-1], "malformed"),
        (lambda _key: "nonsense", "malformed"),
        (lambda _key: "\x1b[2J\xff", "malformed"),
        (lambda key: key.replace("apx_", "abc_"), "malformed"),
        (lambda _key: mint("apx", PublicId("Zz01234567890"), bytes(SECRET_ENTROPY)), "unknown"),
        (lambda key: mint("apx", PublicId(key.split("_")[1]), bytes(SECRET_ENTROPY)), "wrong secret"),
        (lambda key: mint("apx", PublicId(key.split("_")[1][:-1] + "z"), bytes(SECRET_ENTROPY)), "replaced"),
    ],
    ids=["a typing error", "a cut", "nonsense", "control characters", "another prefix", "unknown", "a guess", "a slot"],
)
def test_a_key_that_is_none(created: Create, cli: Cli, forge: Callable[[str], str], problem: str) -> None:
    """Every way of being wrong has its reason."""
    presented = forge(created().key)
    ran = cli("key", "verify", "--json", input=presented)
    assert (ran.status, ran.json["problem"]) == (3, problem)
    text = cli("key", "verify", input=presented)
    assert text.stdout.startswith("no: ")
    assert presented not in text.stdout + text.stderr
    assert "\x1b" not in text.stdout


def test_a_key_whose_policy_is_gone(created: Create, cli: Cli, config_file: Path) -> None:
    """A key that authenticates and may do nothing does not work."""
    key = created()
    config_file.write_text(config_file.read_text().replace("  release:", "  other:"))
    ran = cli("key", "verify", "--json", input=key.key)
    assert (ran.status, ran.json["problem"]) == (3, "policy")


def test_every_reason_has_its_sentence() -> None:
    """Whatever `Authority.verify` may answer is explained; the table names what its docstring does."""
    from authproxy.authority import Verification

    named = {word for word in WHY if f'"{word}"' in (Verification.__doc__ or "")}
    assert named == set(WHY) - {"policy", "caveat"}


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [("", 2, "there is no key"), (" \n", 2, "there is no key"), ("x" * (KEY_LIMIT + 1), 1, "no key is so long")],
    ids=["nothing", "white space", "a whole file"],
)
def test_what_cannot_be_a_key(cli: Cli, text: str, status: int, words: str) -> None:
    """Nothing at all, and far too much."""
    ran = cli("key", "verify", input=text)
    assert (ran.status, ran.stdout) == (status, "")
    assert words in ran.stderr
