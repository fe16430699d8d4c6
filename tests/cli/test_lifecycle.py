"""`authproxy key revoke|pause|resume`: what became of each key is said, and asking twice is no mistake."""

from collections.abc import Callable

import pytest

from tests.cli.conftest import Cli, Created

Create = Callable[..., Created]


def _results(cli: Cli, verb: str, *ids: str) -> tuple[int, list[str]]:
    ran = cli("key", verb, *ids, "--json")
    assert [each["id"] for each in ran.json["keys"]] == list(dict.fromkeys(ids))
    return ran.status, [each["result"] for each in ran.json["keys"]]


def test_a_life(created: Create, cli: Cli) -> None:
    """Pause, resume, revoke: each does it, does nothing the second time, and says which of the two."""
    key = created().id
    for verb, state in (("pause", "paused"), ("resume", "live"), ("revoke", "revoked")):
        assert _results(cli, verb, key) == (0, ["done"])
        assert cli("key", "show", key, "--json").json["state"] == state
        assert _results(cli, verb, key) == (0, ["unchanged"])


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_the_dead_do_not_come_back(created: Create, cli: Cli, verb: str) -> None:
    """A revoked key is neither paused nor resumed; that is said, and the command fails."""
    key = created().id
    cli("key", "revoke", key)
    assert _results(cli, verb, key) == (1, ["revoked"])
    assert "for good" in cli("key", verb, key).stdout
    assert cli("key", "show", key, "--json").json["state"] == "revoked"


def test_a_paused_key_can_be_revoked(created: Create, cli: Cli) -> None:
    """Whatever state a key is in, revoking ends it."""
    key = created().id
    cli("key", "pause", key)
    assert _results(cli, "revoke", key) == (0, ["done"])
    assert cli("key", "show", key, "--json").json["state"] == "revoked"


def test_the_first_revocation_is_the_one_that_counts(created: Create, cli: Cli, later: Callable[[int], None]) -> None:
    """Revoking again does not move the time that an investigation will ask for."""
    key = created().id
    cli("key", "revoke", key)
    first = cli("key", "show", key, "--json").json["revoked"]
    later(3600)
    assert f"since {first}" in cli("key", "revoke", key).stdout
    assert cli("key", "show", key, "--json").json["revoked"] == first


def test_several_at_once(created: Create, cli: Cli) -> None:
    """One unknown id does not keep the others alive; the command fails and says which."""
    one, two = created(), created()
    ids = (one.id, "Zz0123456789", two.id, one.id)
    assert _results(cli, "revoke", *ids) == (1, ["done", "unknown", "done"])
    assert {row["state"] for row in cli("key", "list", "--json").json} == {"revoked"}


def test_a_public_id_names_its_key(created: Create, cli: Cli) -> None:
    """What a log line or an error message shows (13 characters) is taken as well."""
    key = created()
    public_id = key.key.split("_")[1]
    assert len(public_id) == 13
    assert cli("key", "show", public_id, "--json").json["id"] == key.id
    assert cli("key", "revoke", public_id).status == 0


@pytest.mark.parametrize("text", ["x", "Ab01234567890x", "Ab012345678!", "", "Ab0123456789\n"], ids=repr)
def test_what_is_no_id_changes_nothing(created: Create, cli: Cli, text: str) -> None:
    """One id that cannot be read stops the command before it has begun."""
    key = created()
    ran = cli("key", "revoke", key.id, text)
    assert ran.status == 2
    assert "is no key id" in ran.stderr
    assert cli("key", "show", key.id, "--json").json["state"] == "live"


def test_a_whole_key_as_an_argument_is_refused_and_not_repeated(created: Create, cli: Cli) -> None:
    """Who pastes the key is told what happened to it; no message repeats the secret."""
    key = created()
    for verb in ("revoke", "show"):
        ran = cli("key", verb, key.key)
        assert ran.status == 2
        assert "whole key" in ran.stderr
        assert key.secret not in ran.stdout + ran.stderr
