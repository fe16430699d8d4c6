"""`authproxy policy who-can`: who may, by which grant and rule, and within which limits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli, Created

Create = Callable[..., Created]


def ids(cli: Cli, *asked: str) -> set[str]:
    ran = cli("policy", "who-can", *asked, "--json")
    assert ran.status == (0 if ran.json else 3), ran.stderr
    return {row["id"] for row in ran.json}


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_every_key_that_may_with_what_lets_it_and_what_limits_it(created: Create, cli: Cli) -> None:
    """Two policies, one of them for one package; a key for another package may not."""
    wide, narrow = created("--uses", "3", owner="ci@acme"), created(policy="forever", owner="bob")
    created("--allow", "upload:acme-web")
    rows: dict[str, Any] = {row["id"]: row for row in cli("policy", "who-can", "upload", "acme-core", "--json").json}
    assert rows.keys() == {wide.id, narrow.id}
    one, other = rows[wide.id], rows[narrow.id]
    assert (one["owner"], one["policy"], one["grant"]) == ("ci@acme", "release", "upload+create:acme-*")
    assert (one["rule"], one["networks"], one["uses_left"], one["create"]) == (
        "packages[0] acme-*", ["10.0.0.0/8"], 3, True,
    )  # fmt: skip
    assert (other["uses_left"], other["networks"], other["create"]) == (None, [], False)
    text = cli("policy", "who-can", "upload", "acme-core").stdout
    assert "only from 10.0.0.0/8; 3 uses left; until 2" in text
    assert "if the index has the project" in text


def test_what_takes_derived_keys_alone(created: Create, cli: Cli, config_file: Path) -> None:
    """Who holds the key can make one, so the key is listed, and so is that it will not do as it is."""
    key = created()
    assert "derived keys alone" not in cli("policy", "who-can", "upload", "acme-core").stdout
    (config_file.parent / "master").write_text("A" * 43 + "=\n")
    (config_file.parent / "master").chmod(0o600)
    edit(config_file, '"acme-*", require: key', '"acme-*", require: signed')
    edit(config_file, "packages:\n", "keys: {master_key: {file: master}}\npackages:\n")
    assert ids(cli, "upload", "acme-core") == {key.id}
    assert "derived keys alone; only from 10.0.0.0/8" in cli("policy", "who-can", "upload", "acme-core").stdout


def test_what_is_named_is_judged(created: Create, cli: Cli) -> None:
    """Version, filetype, size and address, each of which may leave nobody."""
    key = created()
    core = ("upload", "acme-core")
    assert ids(cli, *core) == {key.id}
    assert ids(cli, *core, "--version", "1.2", "--filetype", "wheel", "--size", "5", "--from", "10.1.1.1") == {key.id}
    for asked in (["--version", "2.0"], ["--filetype", "sdist"], ["--size", "2MiB"], ["--from", "192.0.2.1"]):
        assert ids(cli, *core, *asked) == set()
    ran = cli("policy", "who-can", "delete", "victim")
    assert (ran.status, ran.stderr) == (3, "nobody may delete victim\n")


def test_who_may_delete(created: Create, cli: Cli, config_file: Path) -> None:
    """A delete makes nothing and spends nothing: no words of creating, of uses or of rates."""
    grant = 'actions: [upload], packages: ["acme-core"]'
    edit(config_file, grant, 'actions: [upload, delete], packages: ["acme-core"]')
    key = created("--expires", "never", policy="forever", owner="bob")
    [row] = cli("policy", "who-can", "delete", "acme-core", "--json").json
    assert (row["id"], row["grant"], row["limits"]) == (key.id, "delete,upload:acme-core", "never expires")
    [row] = cli("policy", "who-can", "upload", "acme-core", "--json").json
    assert row["limits"] == "never expires; if the index has the project"


def test_keys_that_do_not_work_are_told_as_such(created: Create, cli: Cli, later: Callable[[int], None]) -> None:
    """Only with --all, and with the reason; a revoked one is over and never listed."""
    live, paused, revoked, short = created(), created(), created(), created("--expires", "1h")
    cli("key", "pause", paused.id)
    cli("key", "revoke", revoked.id)
    later(7200)
    assert ids(cli, "upload", "acme-core") == {live.id}
    rows = cli("policy", "who-can", "upload", "acme-core", "--all", "--json").json
    assert {row["id"]: row["state"] for row in rows} == {live.id: "live", paused.id: "paused", short.id: "expired"}
    cli("key", "pause", live.id)
    ran = cli("policy", "who-can", "upload", "acme-core", "--all")
    assert (ran.status, ran.stderr) == (3, "nobody may upload acme-core now: none of these keys works\n")
    assert len(ran.stdout.splitlines()) == 4
    assert cli("policy", "who-can", "upload", "acme-core", "--json").status == 3


def test_a_trusted_publisher_is_one_line(created: Create, cli: Cli, config_file: Path) -> None:
    """However many keys it was given; with what they may, and for how long. A revision of the file counts at once."""
    created()
    publisher = "kind: github, repository: acme/core, workflow: r.yml, packages: [acme-core], networks: [10.0.0.0/8]"
    edit(config_file, "key_policies:", f"publishers: [{{{publisher}}}]\nkey_policies:")
    row = next(
        row for row in cli("policy", "who-can", "upload", "acme-core", "--json").json if row["kind"] == "publisher"
    )
    assert (row["owner"], row["grant"], row["networks"]) == (
        "github acme/core r.yml",
        "upload:acme-core",
        ["10.0.0.0/8"],
    )
    assert row["limits"] == "only from 10.0.0.0/8; keys of 15 minutes; if the index has the project"
    assert "publisher" not in cli("policy", "who-can", "upload", "acme-web").stdout


def test_passwords_are_one_line(created: Create, cli: Cli, config_file: Path) -> None:
    """Where the configuration takes them, with the last day."""
    created()
    assert {row["kind"] for row in cli("policy", "who-can", "upload", "acme-core", "--json").json} == {"key"}
    edit(config_file, "key_policies:", "passwords: {uploads: warn, until: 2099-01-31}\nkey_policies:")
    row = next(
        row for row in cli("policy", "who-can", "upload", "acme-core", "--json").json if row["kind"] == "password"
    )
    assert (row["grant"], row["rule"], row["expires"]) == ("passwords: warn", "packages[0] acme-*", "2099-01-31")
    assert "until 2099-01-31" in row["limits"]


@pytest.mark.parametrize(("reads", "anyone"), [("index", True), ("open", True), ("key", False)])
def test_readers(created: Create, cli: Cli, config_file: Path, reads: str, anyone: bool) -> None:
    """Under `reads: key` a grant decides; elsewhere others read too, and the list says so."""
    key = created()
    edit(config_file, "key_policies:", f"reads: {reads}\nkey_policies:")
    rows = cli("policy", "who-can", "read", "acme-core", "--json").json
    assert [row["grant"] for row in rows if row["kind"] == "anyone"] == ([f"reads: {reads}"] if anyone else [])
    assert [row["id"] for row in rows if row["kind"] == "key"] == [key.id]


def test_a_question_that_is_none(cli: Cli, created: Create) -> None:
    """Wrong usage is one sentence."""
    created()
    ran = cli("policy", "who-can", "upload")
    assert (ran.status, ran.stdout) == (2, "")
    assert "name the project behind `upload`" in ran.stderr


def test_a_limit_of_time(created: Create, cli: Cli, config_file: Path) -> None:
    """The rate of its policy is among what limits a key."""
    created()
    edit(config_file, "    uses: 10", "    rate: 10/hour")
    [row] = cli("policy", "who-can", "upload", "acme-web", "--json").json
    assert row["rate"] == {"count": 10, "seconds": 3600}
    assert "10 in 3600 s" in row["limits"]
