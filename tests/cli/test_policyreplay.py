"""`authproxy policy diff --replay`: what the new rules would have said to what really happened."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from authproxy.cli import policyreplay
from authproxy.cli.options import CONFIG_VARIABLE
from tests.cli.conftest import CONFIG, Cli, Created
from tests.cli.records import entry, write

Create = Callable[..., Created]
WHEEL, NEXT = "acme_core-1.2-py3-none-any.whl", "acme_core-1.3-py3-none-any.whl"


@pytest.fixture
def strict(config_file: Path) -> Path:
    """A configuration under which fewer uploads and some others are taken."""
    path = config_file.with_name("new.yaml")
    path.write_text(CONFIG.replace('versions: ["1.*"]', 'versions: ["1.2", "2.*"]'))
    return path


def test_what_would_have_been_refused_and_what_admitted(
    created: Create, cli: Cli, config_file: Path, strict: Path
) -> None:
    """Who, which file, by which rule, how often and when last; nothing is told that stays as it was."""
    key = created()
    old = entry(key.id, "acme_core-1.9-py3-none-any.whl", time_ms=int(time.time() - 40 * 86_400) * 1000)
    two = entry(key.id, "acme_core-2.0-py3-none-any.whl", rule="", grant="")
    gone = entry("Zz0123456789", NEXT)
    write(config_file, old, entry(key.id, WHEEL), entry(key.id, NEXT), (two, "version", "no"), (gone, "digest", "no"))
    ran = cli("policy", "diff", config_file, strict, "--replay", "30d")
    lines = ran.stdout[ran.stdout.index("replayed") :].splitlines()
    assert ran.status == 3
    assert lines[:2] == ["replayed 4 rows of the record", "was admitted, and would be refused:"]
    assert lines[2].startswith(f"  upload acme-core by ci@acme (key {key.id}): 1 times, last {NEXT} at 20")
    assert lines[3] == "    version: version '1.3' may not be uploaded: packages[0] acme-* takes 1.2, 2.*"
    assert lines[4] == "was refused, and would be admitted:"
    assert lines[6:] == ["    packages[0] acme-*", "not judged: 1 row by 1 key that is gone"]
    found = cli("policy", "diff", config_file, strict, "--replay", "30d", "--json").json["replay"]
    assert (found["rows"], found["seconds"]) == (4, 30 * 86_400)
    assert [(each["file"], each["code"], each["times"]) for each in found["refused"]] == [(NEXT, "version", 1)]
    assert [(each["file"], each["code"]) for each in found["admitted"]] == [
        ("acme_core-2.0-py3-none-any.whl", "version")
    ]
    assert found["not_judged"]["keys_gone"] == {"Zz0123456789": 1}


def test_pushes_are_judged_too(created: Create, cli: Cli, config_file: Path, strict: Path) -> None:
    """By the rules of their files, and by the grants of both indexes."""
    for path in (config_file, strict):
        path.write_text(path.read_text().replace("actions: [upload]", "actions: [upload, push]"))
    pushed = {"action": "push", "source": "team/dev", "index": "team/stable"}
    key = created()
    write(config_file, entry(key.id, WHEEL, **pushed), entry(key.id, NEXT, **pushed))
    found = cli("policy", "diff", config_file, strict, "--replay", "1d", "--json").json["replay"]
    told = [(each["action"], each["file"], each["code"]) for each in found["refused"]]
    assert (told, found["not_judged"]["named_nothing"]) == ([("push", NEXT, "version")], 0)


def test_nothing_would_have_been_otherwise(created: Create, cli: Cli, config_file: Path) -> None:
    """The control: the same rules say the same, and exit status 0."""
    write(config_file, entry(created().id, WHEEL))
    ran = cli("policy", "diff", config_file, config_file, "--replay", "30d")
    assert (ran.status, ran.stdout.splitlines()[-1]) == (0, "every answer stays as it was")


def test_few_keys_are_held_at_once(
    created: Create, cli: Cli, config_file: Path, strict: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record by a million keys is read in constant memory; keys that are read again are the same."""
    monkeypatch.setattr(policyreplay, "HELD", 0)
    one, other = created(), created()
    write(config_file, entry(one.id, NEXT), entry(other.id, "acme_web-1.3-py3-none-any.whl"))
    found = cli("policy", "diff", config_file, strict, "--replay", "1d", "--json").json["replay"]
    assert {each["key"] for each in found["refused"]} == {one.id, other.id}


def test_the_store_may_be_another(
    created: Create, cli: Cli, config_file: Path, strict: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OLD may be a copy from version control; --config says where the record is."""
    write(config_file, entry(created().id, NEXT))
    (tmp_path / "copy").mkdir()
    copy = tmp_path / "copy" / "old.yaml"
    copy.write_text(config_file.read_text())
    assert cli("policy", "diff", copy, strict, "--replay", "1d").status == 3  # AUTHPROXY_CONFIG names the server's
    monkeypatch.delenv(CONFIG_VARIABLE)
    alone = cli("policy", "diff", copy, strict, "--replay", "1d")
    assert (alone.status, alone.stdout) == (1, "")
    assert f"the store of {copy} is {copy.parent / 'authproxy.db'}, which does not exist" in alone.stderr
    assert alone.stderr.endswith("name the server's own configuration by --config FILE\n")
    assert cli("policy", "diff", config_file, strict, "--replay", "1d").status == 3
    ran = cli("policy", "diff", copy, strict, "--replay", "1d", "--config", copy)
    assert (ran.status, ran.stdout) == (1, "")
