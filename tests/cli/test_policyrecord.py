"""`authproxy policy explain --record`: a row of the record, and what the rules of today say."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from authproxy.domain.caveats import Lifetime, Projects, write_derivation
from authproxy.domain.names import ProjectName
from tests.cli.conftest import Cli, Created
from tests.cli.records import entry, write

Create = Callable[..., Created]
WHEEL = "acme_core-1.2-py3-none-any.whl"


def test_what_was_decided_and_what_would_be(created: Create, cli: Cli, config_file: Path) -> None:
    """Then it was stored; today's rules, which were edited since, refuse it with exit status 3."""
    write(config_file, entry(created().id, WHEEL))
    ran = cli("policy", "explain", "--record", "1")
    assert ran.status == 0
    assert f"upload {WHEEL} by ci@acme from 10.1.1.1: stored" in ran.stdout
    assert "  rule   packages[0] acme-*\n  grant  upload+create:acme-*" in ran.stdout
    assert "today: yes" in ran.stdout
    config_file.write_text(config_file.read_text().replace("filetypes: [wheel]", "filetypes: [sdist]"))
    ran = cli("policy", "explain", "--record", "1", "--json")
    assert (ran.status, ran.json["allowed"], ran.json["today"]["code"]) == (3, False, "filetype")
    assert (ran.json["then"]["outcome"], ran.json["then"]["file"]) == ("stored", WHEEL)
    assert "today: no" in cli("policy", "explain", "--record", "1").stdout


def test_a_refusal_with_its_reason(created: Create, cli: Cli, config_file: Path) -> None:
    """Code and sentence of then."""
    write(config_file, (entry(created().id, WHEEL, rule="", grant=""), "not-allowed", "it may not"))
    assert "  not-allowed: it may not" in cli("policy", "explain", "--record", "1").stdout


def test_a_key_that_is_gone(created: Create, cli: Cli, config_file: Path) -> None:
    """The row stays, and nobody can say what its key might do."""
    created()
    write(config_file, (entry("Zz0123456789", WHEEL), "version", "no"))
    ran = cli("policy", "explain", "--record", "1")
    assert (ran.status, "today: no, there is no key Zz0123456789 any more" in ran.stdout) == (3, True)
    assert cli("policy", "explain", "--record", "1", "--json").json["key_gone"] is True


def test_a_derived_key(created: Create, cli: Cli, config_file: Path) -> None:
    """It is asked about as it was when it was sent, with what was taken away from it, though it ended long ago."""
    asked = entry(created().id, WHEEL)
    short = Lifetime(asked.time_ms // 1000 + 300, asked.time_ms // 1000)
    other = Projects(frozenset({ProjectName("acme-web")}))
    good, bad = (write_derivation("p0HcUu3kZ1WbqYtr", (short, *more)) for more in ((), (other,)))
    write(config_file, replace(asked, derived=good), (replace(asked, derived=bad), "caveat", "it may not"))
    assert cli("policy", "explain", "--record", "1").status == 0
    ran = cli("policy", "explain", "--record", "2", "--json")
    assert (ran.status, ran.json["today"]["code"]) == (3, "caveat")
    assert ran.json["today"]["steps"][-1]["name"] == "caveats"


def test_a_password(created: Create, cli: Cli, config_file: Path) -> None:
    """A user of the index is asked about as one."""
    created()
    write(config_file, entry(None, WHEEL, principal="password", owner="alice"))
    ran = cli("policy", "explain", "--record", "1", "--json")
    assert (ran.status, ran.json["today"]["code"], ran.json["key_gone"]) == (3, "not-allowed", False)


def test_a_push(created: Create, cli: Cli, config_file: Path) -> None:
    """Its source is on record, so it is asked again: for both indexes."""
    key, text = created(), config_file.read_text()
    assert "actions: [upload]" in text
    pushing = entry(key.id, WHEEL, action="push", source="team/dev", index="team/stable")
    write(config_file, pushing)
    ran = cli("policy", "explain", "--record", "1", "--json")
    assert (ran.status, ran.json["then"]["source"], ran.json["today"]["code"]) == (3, "team/dev", "not-allowed")
    config_file.write_text(text.replace("actions: [upload]", "actions: [upload, push]"))
    ran = cli("policy", "explain", "--record", "1")
    assert f"push {WHEEL} from team/dev into team/stable by ci@acme" in ran.stdout
    assert (ran.status, "today: yes" in ran.stdout) == (0, True)


def test_a_row_that_names_nothing(created: Create, cli: Cli, config_file: Path) -> None:
    """It was refused before anybody knew what it was about, and so it is today."""
    nothing = replace(entry(created().id, WHEEL), project="", filename="", identity="", version="")
    write(config_file, (nothing, "form-invalid", "no form"))
    ran = cli("policy", "explain", "--record", "1", "--json")
    assert (ran.status, ran.json["today"]["code"]) == (3, "form-invalid")


def test_a_number_that_there_is_not(created: Create, cli: Cli) -> None:
    """One sentence."""
    created()
    ran = cli("policy", "explain", "--record", "7")
    assert (ran.status, "the record has no row 7" in ran.stderr) == (1, True)


def test_a_row_is_a_whole_question(created: Create, cli: Cli) -> None:
    """Half of another beside it is wrong usage, and so is no question at all."""
    key = created()
    for asked in (["--record", "1", "--key", key.id], ["--record", "1", "upload"], ["--record", "1", "--size", "5"]):
        ran = cli("policy", "explain", *asked)
        assert (ran.status, "leave out the rest" in ran.stderr) == (2, True)
    assert cli("policy", "explain").status == cli("policy", "explain", "--key", key.id).status == 2
