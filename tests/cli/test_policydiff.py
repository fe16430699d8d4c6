"""`authproxy policy diff`: what a new configuration changes."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import CONFIG, Cli

Changed = Callable[[str, str], Path]


@pytest.fixture
def changed(config_file: Path) -> Changed:
    """Write a second configuration in which one text is another."""

    def write(old: str, new: str) -> Path:
        assert old in CONFIG
        path = config_file.with_name("new.yaml")
        path.write_text(CONFIG.replace(old, new))
        return path

    return write


GITHUB = "publishers: [{kind: github, repository: acme/core, workflow: release.yml, packages: [acme-core]%s}]\n"


@pytest.mark.parametrize(
    ("was", "now", "lines"),
    [
        ("", GITHUB % "", ["trusted publisher github acme/core release.yml", "  + it is new: its tokens get keys that may upload:acme-core"]),
        (GITHUB % "", GITHUB % ", repository_id: 74", [
            "trusted publisher github acme/core release.yml", "  - repository_id 74 is asked now",
        ]),
        (GITHUB % "", GITHUB % "" + "trusted_publishing: {audience: x}\n", ["settings", "  ~ tokens are for x, it was 127.0.0.1:8080"]),
        (
            GITHUB % "",
            GITHUB % "" + "trusted_publishing: {issuers: {'https://token.actions.githubusercontent.com': {algorithms: [ES256]}}}\n",
            ["settings", "  ~ tokens of https://token.actions.githubusercontent.com are verified in another way"],
        ),
        ("", "trusted_publishing: {audience: x}\n", ["nothing changes"]),
    ],
)  # fmt: skip
def test_trusted_publishers(cli: Cli, config_file: Path, was: str, now: str, lines: list[str]) -> None:
    """Who comes, goes or is asked less, and what decides whether a token is genuine where there are any."""
    for name, text in (("old.yaml", was), ("new.yaml", now)):
        config_file.with_name(name).write_text(CONFIG + text)
    ran = cli("policy", "diff", config_file.with_name("old.yaml"), config_file.with_name("new.yaml"))
    assert ran.stdout.splitlines() == lines


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ('packages: ["acme-*"], create: true', 'packages: ["acme-*"]', ["key policy release", "  - may no longer create by upload:acme-*"]),
        ("uses: 10", "uses: 11", ["key policy release", "  + uses: 11, it was 10"]),
        ("lifetime: never", "lifetime: 1d", ["key policy forever", "  - lifetime: 1d, it was unlimited; keys that there are keep their end"]),
        ("max_size: 1MiB", "max_size: 2MiB", [
            "packages acme-*, as acme-a", "    packages[0] acme-* -> packages[0] acme-*", "  + max_size: 2097152, it was 1048576 bytes",
        ]),
        ("max_size: 1MiB", "max_size: 1MiB, enforce: false", [
            "packages acme-*, as acme-a", "    packages[0] acme-* -> packages[1] *", "  + filetypes: sdist and wheel, it was wheel",
            "  + max_size: unlimited, it was 1048576 bytes", "  + versions: all, it was 1.*", "  ? packages[0] acme-* is on trial",
            "  = packages[1] * decides, it was packages[0] acme-*",
        ]),
        ("key_policies:", "reads: key\nkey_policies:", ["settings", "  ~ reads is key, it was index"]),
        ("key_policies:", "limits: {max_upload: 3MiB}\nkey_policies:", ["settings", "  - limits.max_upload is 3145728 bytes, it was 2147483648"]),
        ("key_policies:", "passwords: {uploads: warn}\nkey_policies:", ["settings", "  + passwords.uploads: warn, it was refuse"]),
    ],
)  # fmt: skip
def test_what_changes(changed: Changed, cli: Cli, config_file: Path, old: str, new: str, lines: list[str]) -> None:
    """Readable lines with a sign for the direction, and exit status 3."""
    ran = cli("policy", "diff", config_file, changed(old, new))
    assert (ran.status, ran.stdout.splitlines()) == (3, lines)
    assert cli("policy", "diff", config_file, config_file.with_name("new.yaml"), "--json").json["changed"] is True


def test_nothing_changes(cli: Cli, config_file: Path) -> None:
    """Exit status 0."""
    ran = cli("policy", "diff", config_file, config_file)
    assert (ran.status, ran.stdout) == (0, "nothing changes\n")
    assert cli("policy", "diff", config_file, config_file, "--json").json == {
        "changed": False, "effect": "same", "key_policies": [], "publishers": [], "packages": [], "settings": [],
    }  # fmt: skip


def test_a_rule_written_apart_changes_no_answer(changed: Changed, cli: Cli, config_file: Path) -> None:
    """Two rules that say the same are told, and exit status 0 stays."""
    new = changed('  - {match: "*", require: key}', '  - {match: "b*"}\n  - {match: "*", require: key}')
    ran = cli("policy", "diff", config_file, new)
    assert (ran.status, ran.stdout.splitlines()[-1]) == (0, "  = packages[1] b* decides, it was packages[1] *")


def test_json(changed: Changed, cli: Cli, config_file: Path) -> None:
    """For scripts: the effect of the whole and of each change."""
    ran = cli("policy", "diff", config_file, changed("filetypes: [wheel]", "filetypes: [sdist]"), "--json")
    assert ran.json["effect"] == "changes"
    [package] = ran.json["packages"]
    assert (package["names"], package["example"], package["before"]) == ("acme-*", "acme-a", "packages[0] acme-*")
    assert package["differences"] == [
        {"effect": "changes", "name": "filetypes", "sentence": "filetypes: sdist, it was wheel"}
    ]


def test_bad_yaml_is_reported_as_ever(changed: Changed, cli: Cli, config_file: Path) -> None:
    """Place and caret, and no comparison."""
    ran = cli("policy", "diff", config_file, changed("max_size: 1MiB", "max_sise: 1MiB"))
    assert (ran.status, ran.stdout) == (1, "")
    assert re.search(r"new\.yaml:\d+:\d+: .max_sise. is no key of packages\[0\]: did you mean max_size", ran.stderr)


def test_secrets_are_not_needed(changed: Changed, cli: Cli, config_file: Path) -> None:
    """A review has the file and not the password."""
    new = changed("uses: 10", "uses: 11")
    config_file.with_name("backend-password").unlink()
    assert cli("policy", "diff", config_file, new).status == 3


def test_indexes_that_come_and_go(changed: Changed, cli: Cli, config_file: Path) -> None:
    """Where uploads go is compared, and rules in each index."""
    one = changed("flavour: pypiserver", "flavour: devpi\n  indexes: [team/dev]")
    two = config_file.with_name("two.yaml")
    two.write_text(
        one.read_text()
        .replace("[team/dev]", "[team/dev, team/prod]")
        .replace('- {match: "acme-*"', '- {match: "acme-*", indexes: [team/dev]')
    )
    ran = cli("policy", "diff", one, two)
    assert "packages acme-*, as acme-a in team/prod" in ran.stdout
    assert "  ~ the indexes are team/dev, team/prod, they were team/dev" in ran.stdout


def test_a_period_that_is_none(cli: Cli, config_file: Path) -> None:
    """`never` is a lifetime and no period."""
    ran = cli("policy", "diff", config_file, config_file, "--replay", "never")
    assert (ran.status, "takes a period" in ran.stderr) == (2, True)


def test_what_is_opened_of_devpi(changed: Changed, cli: Cli) -> None:
    """It widens what passwords may do, and closing it narrows that."""
    closed = changed("flavour: pypiserver", "flavour: devpi\n  indexes: [team/dev]")
    text = closed.read_text(encoding="utf-8")
    opened = closed.with_name("opened.yaml")
    opened.write_text(text.replace("indexes: [team/dev]", "indexes: [team/dev]\n  opens: [users]", 1), encoding="utf-8")
    ran = cli("policy", "diff", closed, opened)
    assert ran.status == 3, ran.stderr
    assert "  + devpi's users may change users, it was nothing" in ran.stdout
    assert "  - devpi's users may change nothing, it was users" in cli("policy", "diff", opened, closed).stdout
