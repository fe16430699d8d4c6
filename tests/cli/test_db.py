"""`authproxy db`: makes the store, once, and says what state it is in."""

import os
import stat
from pathlib import Path

import pytest

from authproxy.store.driver import sqlite3
from tests.cli.conftest import Cli
from tests.cli.records import recorded
from tests.store.samples import ENTRY


def test_migrate_makes_the_store_and_doing_it_twice_does_no_harm(cli: Cli, tmp_path: Path) -> None:
    """The first time there is a store that only its owner reads; the second time nothing happens."""
    assert cli("db", "migrate", "--json").json["migrated"] is True
    assert stat.S_IMODE((tmp_path / "authproxy.db").stat().st_mode) == 0o600
    assert cli("db", "migrate", "--json").json["migrated"] is False
    assert cli("db", "check").status == 0


def _garbage(path: Path) -> None:
    path.write_bytes(b"this is not a database, this is a text file" * 100)
    path.chmod(0o600)


def _open_to_all(path: Path) -> None:
    path.touch()
    path.chmod(0o644)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda path: None, "does not exist: run `authproxy db migrate`"),  # noqa: ARG005
        (_garbage, "is not an authproxy database"),
        (_open_to_all, "chmod 600"),
    ],
    ids=["nothing there", "another file", "open to all"],
)
def test_a_store_that_cannot_be_used(cli: Cli, tmp_path: Path, prepare: object, words: str) -> None:
    """`db check` exits 3 and says what to do; every other command fails with the same sentence and no traceback."""
    assert callable(prepare)
    prepare(tmp_path / "authproxy.db")
    ran = cli("db", "check", "--json")
    assert (ran.status, ran.json["usable"]) == (3, False)
    assert words in ran.json["problem"]
    other = cli("key", "list")
    assert (other.status, len(other.stderr.splitlines())) == (1, 1)
    assert words in other.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written(cli: Cli, tmp_path: Path) -> None:
    """The store's folder belongs to someone else: a sentence."""
    tmp_path.chmod(0o500)
    ran = cli("db", "migrate")
    tmp_path.chmod(0o700)
    assert ran.status == 1
    assert "cannot be created" in ran.stderr


def test_a_folder_that_is_not_there(cli: Cli, config_file: Path) -> None:
    """A store in a folder that nobody made: a sentence that names it."""
    config_file.write_text(config_file.read_text().replace("sqlite:///authproxy.db", "sqlite:///no/where.db"))
    for arguments in (("db", "migrate"), ("key", "create", "--policy", "release", "--owner", "me")):
        ran = cli(*arguments)
        assert ran.status == 1
        assert "no/where.db cannot be created" in ran.stderr


def test_a_record_that_was_changed_is_told(cli: Cli, config_file: Path) -> None:
    """3, and where to look further; the control is the check before."""
    assert cli("db", "migrate").status == 0
    recorded(config_file, ENTRY)
    assert cli("db", "check").status == 0
    connection = sqlite3.connect(config_file.parent / "authproxy.db")
    connection.execute("UPDATE record SET owner = 'mallory'")
    connection.commit()
    connection.close()
    ran = cli("db", "check", "--json")
    assert (ran.status, ran.json["usable"]) == (3, False)
    assert ran.json["problem"].startswith("row 1 was changed in the record: `authproxy audit verify`")
