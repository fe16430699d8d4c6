"""`authproxy policy explain`: the server's own decision, with the rule and the grant that made it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from authproxy.domain.names import artifact
from tests.cli.conftest import Cli, Created

Create = Callable[..., Created]
WHEEL = "acme_core-1.2-py3-none-any.whl"


def test_a_yes_names_the_rule_and_the_grant(created: Create, cli: Cli) -> None:
    """Exit status 0, the first rule that matches, and the grant; with --json the conditions as well."""
    key = created()
    question = ("--key", key.id, "upload", "acme-core", "--version", "1.2")
    ran = cli("policy", "explain", *question)
    assert ran.status == 0
    assert ran.stdout.startswith(f"yes: key {key.id} may upload acme-core 1.2, only from 10.0.0.0/8\n")
    assert "rule   packages[0] acme-*" in ran.stdout
    assert "grant  upload+create:acme-*" in ran.stdout
    shown = cli("policy", "explain", *question, "--json").json
    assert (shown["allowed"], shown["rule"], shown["grant"]) == (True, "packages[0] acme-*", "upload+create:acme-*")
    assert (shown["create"], shown["overwrite"], shown["metadata"]) == (True, "never", "verify")
    assert all(step["passed"] for step in shown["steps"])


@pytest.mark.parametrize(
    ("options", "asked", "code", "words"),
    [
        ([], ["upload", "victim"], "not-allowed", "may not upload 'victim'"),
        ([], ["upload", "acme-core", "--version", "2.0"], "version", "version '2.0' may not be uploaded"),
        (
            [],
            ["upload", "acme-core", "--size", "2MiB"],
            "too-large",
            "the file has 2 MiB: packages[0] acme-* takes at most 1 MiB",
        ),
        ([], ["upload", "acme-core", "--file", "acme-core-1.2.tar.gz"], "filetype", "of the type sdist"),
        ([], ["upload", "acme-core", "--address", "192.0.2.1"], "network", "may not be used from 192.0.2.1"),
        ([], ["upload", "acme-core", "--network", "192.0.2.1"], "network", "may not be used from 192.0.2.1"),
        (["--allow", "upload:acme-web"], ["upload", "acme-core"], "not-allowed", "it may upload:acme-web"),
        (["--allow", "upload:acme-web"], ["read", "acme-web"], "not-allowed", "may not read 'acme-web'"),
    ],
    ids=["project", "version", "size", "filetype", "address", "address as network", "own grant", "own grant, read"],
)
def test_a_no_says_why(created: Create, cli: Cli, options: list[str], asked: list[str], code: str, words: str) -> None:
    """Exit status 3, the code that the server would answer with, and the step that refused is the last."""
    key = created(*options)
    ran = cli("policy", "explain", "--key", key.id, *asked, "--json")
    assert ran.status == 3
    assert (ran.json["allowed"], ran.json["code"]) == (False, code)
    assert words in ran.json["reason"]
    assert [step["passed"] for step in ran.json["steps"]][-1] is False
    text = cli("policy", "explain", "--key", key.id, *asked)
    assert text.stdout.startswith("no: ")
    assert words in text.stdout.splitlines()[-1]


@pytest.mark.parametrize("asked", [["read", "anything"], ["read"]], ids=["a project", "the list of all"])
def test_reading(created: Create, cli: Cli, asked: list[str]) -> None:
    """Package rules are about uploads; a read grant is enough to read, and `*` takes in the list of all projects."""
    assert cli("policy", "explain", "--key", created().id, *asked).status == 0


def test_deleting(created: Create, cli: Cli, config_file: Path) -> None:
    """The grant and the rule of the package, which is named; what the rule says of files that come in is not asked."""
    text = config_file.read_text().replace("actions: [upload]", "actions: [upload, delete]")
    config_file.write_text(text.replace('  - {match: "*", require: key}\n', ""))
    asked = ("policy", "explain", "--key", created().id, "delete")
    ran = cli(*asked, "acme-core", "--version", "2.0", "--json")
    assert (ran.status, ran.json["rule"]) == (0, "packages[0] acme-*")
    assert [step["name"] for step in ran.json["steps"]][-2:] == ["rule", "require"]
    config_file.write_text(config_file.read_text().replace('{match: "acme-*"', '{match: "acme-web"'))
    ran = cli(*asked, "acme-core", "--json")
    assert (ran.status, ran.json["code"]) == (3, "no-rule")
    assert "nobody may delete it" in ran.json["reason"]


@pytest.mark.parametrize("verb", ["revoke", "pause"])
def test_a_key_that_was_ended_may_nothing(created: Create, cli: Cli, verb: str) -> None:
    """The operator reads why; a client would be told nothing but that the key is not valid."""
    key = created()
    cli("key", verb, key.id)
    ran = cli("policy", "explain", "--key", key.id, "upload", "acme-core", "--json")
    assert (ran.status, ran.json["code"]) == (3, "credential-invalid")
    assert {"revoke": "revoked", "pause": "paused"}[verb] in ran.json["reason"]


def test_a_file_gives_its_version(created: Create, cli: Cli) -> None:
    """With --file no --version is needed, and names are read as the standards write them."""
    ran = cli("policy", "explain", "--key", created().id, "upload", "Acme.Core", "--file", WHEEL)
    assert ran.status == 0
    assert "upload acme-core 1.2, only from 10.0.0.0/8\n" in ran.stdout


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["upload"], "name the project behind `upload`"),
        (["upload", "acme-web", "--file", WHEEL], "is of the project 'acme-core', not acme-web"),
        (["upload", "acme-core", "--file", WHEEL, "--version", "1.3"], f"is of version {artifact(WHEEL).version}"),
        (["upload", "acme-core", "--file", "acme"], "'acme'"),
        (["upload", "ac me"], "'ac me'"),
        (["upload", "acme", "--version", "one"], "'one'"),
        (["upload", "acme", "--size", "big"], "it takes a size"),
        (["upload", "acme", "--address", "here"], "'here' is no IP address"),
        (["delete"], "name the project behind `delete`"),
        (["push", "acme"], "takes --source"),
        (["upload", "acme", "--source", "pypiserver"], "takes --source"),
        (["erase", "acme"], "'erase' is not one of 'read', 'upload'"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_question_that_is_none(created: Create, cli: Cli, asked: list[str], words: str) -> None:
    """Wrong usage is one sentence and no answer."""
    ran = cli("policy", "explain", "--key", created().id, *asked)
    assert (ran.status, ran.stdout) == (2, "")
    assert words in ran.stderr


def test_an_unknown_key(created: Create, cli: Cli) -> None:
    """There is nothing to explain about a key that does not exist."""
    created()
    ran = cli("policy", "explain", "--key", "Zz0123456789", "upload", "acme-core")
    assert (ran.status, ran.stdout) == (1, "")
    assert "there is no key Zz0123456789" in ran.stderr


@pytest.fixture
def two_indexes(config_file: Path) -> None:
    """The same configuration before a devpi; keys of `release` upload to one of its indexes."""
    text = config_file.read_text().replace("flavour: pypiserver", "flavour: devpi\n  indexes: [team/dev, team/prod]")
    config_file.write_text(text.replace('["acme-*"], create: true', '["acme-*"], create: true, indexes: [team/dev]'))


@pytest.mark.parametrize(
    ("index", "status", "words"),
    [
        (["--index", "team/dev"], 0, "yes: "),
        (["--index", "team/prod"], 3, "it may upload+create:acme-*@team/dev"),
        (["--index", "team/none"], 2, "--index team/dev or team/prod"),
        ([], 2, "--index team/dev or team/prod"),
    ],
    ids=["the one", "the other", "none of them", "not named"],
)
def test_which_index_is_meant(
    two_indexes: None, created: Create, cli: Cli, index: list[str], status: int, words: str
) -> None:
    """devpi has several, so one must be named; pypiserver is one, and that may be named or not."""
    ran = cli("policy", "explain", "--key", created().id, "upload", "acme-core", *index)
    assert ran.status == status
    assert words in ran.stdout + ran.stderr


def test_one_index_needs_no_name(created: Create, cli: Cli) -> None:
    """The only one there is."""
    asked = ("policy", "explain", "--key", created().id, "upload", "acme-core")
    assert cli(*asked).status == cli(*asked, "--index", "pypiserver").status == 0
    assert cli(*asked, "--index", "team/dev").status == 2
