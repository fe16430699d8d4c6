"""`authproxy config`: every problem at once, the effective configuration without a secret, the schema."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Cli
from tests.peers.attested import Sigstore

SECRET = "hunter2-of-the-index"  # the backend's password in the fixture


def test_a_valid_file(cli: Cli, config_file: Path) -> None:
    """Exit status 0 and one line; as JSON an empty list of warnings."""
    ran = cli("config", "check")
    assert (ran.status, ran.stdout, ran.stderr) == (0, f"{config_file} is valid\n", "")
    assert cli("config", "check", "--json").json == {"valid": True, "problems": [], "warnings": []}


def test_every_problem_at_once(cli: Cli, config_file: Path) -> None:
    """Exit status 3; each problem with file, line, column, its line and a caret, in the order of the file."""
    config_file.write_text(config_file.read_text().replace("key_policies:", "key_polices:").replace("1MiB", "1XB"))
    ran = cli("config", "check")
    assert ran.status == 3
    heads = re.findall(rf"^{re.escape(str(config_file))}:\d+:\d+: .*$", ran.stdout, re.MULTILINE)
    assert len(heads) >= 2
    assert any("key_polices" in head and "key_policies" in head for head in heads), ran.stdout
    assert "^" in ran.stdout
    assert ran.stdout.splitlines()[-1].endswith("problems")
    problems = cli("config", "check", "--json").json["problems"]
    assert [set(each) for each in problems] == [{"file", "line", "column", "sentence"}] * len(heads)
    assert problems == sorted(problems, key=lambda each: (each["line"], each["column"]))


def test_other_commands_show_the_problems_too(cli: Cli, config_file: Path) -> None:
    """Whatever needs the configuration fails with the same report, on stderr, and prints nothing."""
    config_file.write_text("listen: nowhere\n")
    for arguments in (("key", "list"), ("config", "show"), ("serve",), ("db", "migrate")):
        ran = cli(*arguments)
        assert (ran.status, ran.stdout) == (1, "")
        assert f"{config_file}:1:9: " in ran.stderr


@pytest.mark.parametrize("flag", [[], ["--json"]], ids=["as YAML", "as JSON"])
def test_show_has_no_secret(cli: Cli, flag: list[str]) -> None:
    """Every setting is there with its default; the password shows where it comes from, and not what it is."""
    ran = cli("config", "show", *flag)
    assert ran.status == 0
    assert SECRET not in ran.stdout + ran.stderr
    shown = json.loads(ran.stdout) if flag else yaml.safe_load(ran.stdout)
    assert shown["reads"] == "index"
    assert shown["key_policies"]["release"]["lifetime"] == "90d"
    assert set(shown["backend"]["password"]) == {"file"}


def test_what_show_prints_is_a_configuration(cli: Cli, config_file: Path, tmp_path: Path) -> None:
    """The effective configuration can be checked and shown again, and is the same."""
    shown = cli("config", "show").stdout
    copy = tmp_path / "copy.yaml"
    copy.write_text(shown)
    assert cli("config", "check", "--config", copy).status == 0
    assert cli("config", "show", "--config", copy).stdout == shown


def test_the_schema_needs_no_configuration(cli: Cli, monkeypatch: pytest.MonkeyPatch, config_file: Path) -> None:
    """An editor gets the schema from a machine without an installation, and the fixture's file is valid by it."""
    import jsonschema

    monkeypatch.delenv("AUTHPROXY_CONFIG")
    for arguments in ([], ["--json"]):
        schema = json.loads(cli("config", "schema", *arguments).stdout)
        jsonschema.validate(yaml.safe_load(config_file.read_text()), schema)


def test_a_file_that_is_not_there_is_a_failure(cli: Cli, tmp_path: Path) -> None:
    """No answer is no answer: status 1, not 3."""
    for path in (tmp_path / "no.yaml", tmp_path):
        ran = cli("config", "check", "--config", path)
        assert (ran.status, ran.stdout) == (1, "")
        assert str(path) in ran.stderr


def test_attestations_and_their_root(config_file: Path, cli: Cli) -> None:
    """What nobody verifies is warned of, by `doctor` too; what cannot be a trusted root is a problem of the file."""
    text = config_file.read_text().replace('"acme-*", require: key', '"acme-*", require: key, attestations: require')
    config_file.write_text(text)
    ran = cli("config", "check")
    assert (ran.status, "attestations: what is required here is believed unseen" in ran.stdout) == (0, True)
    warned = [each for each in cli("doctor", "--json").json["checks"] if "believed unseen" in each["sentence"]]
    assert [each["verdict"] for each in warned] == ["warning"]
    config_file.write_text(text + "trusted_publishing: {attestation_root: root.json}\n")
    config_file.with_name("root.json").write_text("{}")
    ran = cli("config", "check")
    assert (ran.status, "the proxy's trusted root cannot be read" in ran.stdout) == (3, True)
    [found] = cli("doctor", "--json").json["checks"]
    assert (found["verdict"], "trusted root cannot be read" in found["sentence"]) == ("problem", True)
    Sigstore().write_root(config_file.with_name("root.json"))
    assert cli("config", "check", "--json").json["warnings"] == []
