"""`authproxy db backup`, `db check FILE` and `db restore`: what is printed, and the exit statuses."""

import os
import shutil
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from authproxy.cli.options import CONFIG_VARIABLE
from authproxy.store.driver import sqlite3
from tests.cli.conftest import Cli, Created
from tests.cli.records import entry, recorded, write
from tests.store.samples import ENTRY

Create = Callable[..., Created]


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Where backups go."""
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups" / "b.db"


def state_of(cli: Cli, key: str) -> str:
    return str(cli("key", "show", key, "--json").json["state"])


def test_a_backup_says_what_is_in_it(cli: Cli, config_file: Path, backup: Path) -> None:
    """As JSON and as a line; the same of `db check FILE`, which needs no configuration."""
    assert cli("db", "migrate").status == 0
    recorded(config_file, ENTRY)  # and a key that made it
    made = cli("db", "backup", backup, "--json")
    assert made.status == 0, made.stderr
    assert {name: made.json[name] for name in ("file", "keys", "rows", "problem", "restarts", "writers_waited")} == {
        "file": str(backup),
        "keys": 1,
        "rows": 1,
        "problem": None,
        "restarts": 0,
        "writers_waited": 0,
    }
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    again = cli("db", "backup", backup.parent)
    assert again.stdout.startswith(f"{backup.parent}/authproxy-2")
    assert "1 key, 1 row on record" in again.stdout
    os.environ.pop(CONFIG_VARIABLE)
    looked = cli("db", "check", backup, "--json")
    assert (looked.status, looked.json["usable"], looked.json["keys"], looked.json["schema"]) == (0, True, 1, "0004")
    assert "can be restored: 1 key, 1 row on record, the last of 20" in cli("db", "check", backup).stdout
    assert cli("db", "check").status == 2


def test_a_backup_that_is_there_is_kept(cli: Cli, created: Create, backup: Path) -> None:
    """1, and a sentence; --force writes over it."""
    created()
    assert cli("db", "backup", backup).status == 0
    before = backup.read_bytes()
    created()
    ran = cli("db", "backup", backup)
    assert (ran.status, ran.stdout) == (1, "")
    assert "exists already: name another file, or write over it with --force" in ran.stderr
    assert backup.read_bytes() == before
    assert cli("db", "backup", backup, "--force", "--json").json["keys"] == 2


def test_a_slash_behind_the_name_means_a_folder(cli: Cli, created: Create, backup: Path) -> None:
    """A folder that nobody made does not become a file of its name, which the next backup would be refused for."""
    created()
    ran = cli("db", "backup", f"{backup.parent}/nightly/")
    assert (ran.status, f"there is no folder {backup.parent}/nightly: make it" in ran.stderr) == (1, True)
    assert list(backup.parent.iterdir()) == []
    ran = cli("db", "backup", f"{backup.parent}/")
    assert (ran.status, len(list(backup.parent.iterdir()))) == (0, 1), ran.stderr


def test_a_record_that_does_not_fit_is_status_3(cli: Cli, created: Create, config_file: Path, backup: Path) -> None:
    """The backup is there: the keys are needed. `db check` of it says the same."""
    created()
    recorded(config_file, ENTRY)
    with closing(sqlite3.connect(config_file.parent / "authproxy.db")) as database:
        database.execute("UPDATE record SET owner = 'mallory'")
        database.commit()
    made = cli("db", "backup", backup, "--json")
    assert (made.status, made.json["problem"]) == (3, "row 1 was changed")
    assert "the store is copied as it is, and row 1 was changed" in made.stderr
    looked = cli("db", "check", backup, "--json")
    assert (looked.status, looked.json["usable"]) == (3, False)
    assert "row 1 was changed in the record of" in looked.json["problem"]
    restored = cli("db", "restore", backup)
    assert restored.status == 0
    assert "in the record of the backup row 1 was changed" in restored.stderr


def test_a_file_that_is_no_backup_is_status_3(cli: Cli, tmp_path: Path) -> None:
    """Of `db check`; `db restore` fails with the same sentence."""
    other = tmp_path / "notes.txt"
    other.write_text("not a backup " * 500)
    looked = cli("db", "check", other)
    assert (looked.status, looked.stdout) == (3, f"{other} is not an authproxy database\n")
    restored = cli("db", "restore", other)
    assert (restored.status, restored.stderr) == (1, f"authproxy: {other} is not an authproxy database\n")


def test_restoring_says_what_holds_on_and_what_is_gone(
    cli: Cli, created: Create, config_file: Path, backup: Path
) -> None:
    """Revoked, paused and rotated since; made since; and what to do now."""
    revoked, paused, rotated = created().id, created().id, created().id
    assert cli("db", "backup", backup).status == 0
    assert cli("key", "revoke", revoked).status == 0
    assert cli("key", "pause", paused).status == 0
    assert cli("key", "rotate", rotated, "--overlap", "1d").status == 0
    lost = created().id
    write(config_file, entry(lost, "acme_core-9.0.tar.gz"))
    ran = cli("db", "restore", backup)
    assert ran.status == 0, ran.stderr
    for line in (
        f"revoked since the backup, and so in it: 1 ({revoked})",
        f"paused since, and paused in it: 1 ({paused})",
        f"rotated since: old secrets end as they had, new ones are gone: 1 ({rotated})",
        f"made since and gone, their owners need new ones: 1 ({lost})",
    ):
        assert line in ran.stdout.splitlines()
    assert [state_of(cli, key) for key in (revoked, paused, rotated)] == ["revoked", "paused", "live"]
    assert "`authproxy audit reconcile`, then `authproxy audit adopt`" in ran.stderr
    assert "remove " in ran.stderr
    assert cli("audit", "tail", "--json").json == []
    assert cli("db", "check").status == 0


def test_with_no_old_store_the_keys_are_a_question(cli: Cli, created: Create, tmp_path: Path, backup: Path) -> None:
    """Refused, then paused, or kept with a warning that says what works again; two answers are wrong usage."""
    key = created().id
    assert cli("db", "backup", backup).status == 0
    assert cli("key", "revoke", key).status == 0
    (tmp_path / "authproxy.db").unlink()
    refused = cli("db", "restore", backup)
    assert refused.status == 1
    assert "add --pause-all, or --keep-keys" in refused.stderr
    assert cli("db", "restore", backup, "--pause-all", "--keep-keys").status == 2
    ran = cli("db", "restore", backup, "--pause-all", "--json")
    assert (ran.status, ran.json["paused_by_restore"], ran.json["revocations_known"]) == (0, 1, False)
    assert "and are paused now: compare `authproxy key list --state paused`" in ran.stderr
    assert state_of(cli, key) == "paused"
    assert cli("key", "show", key, "--json").json["paused_why"] == "a backup was restored"
    assert "1 live key was paused" not in ran.stdout
    (tmp_path / "authproxy.db").unlink()
    ran = cli("db", "restore", backup, "--keep-keys")
    assert ran.status == 0
    assert "and WORK AGAIN: compare `authproxy key list --state live`" in ran.stderr
    assert state_of(cli, key) == "live"


def test_a_new_empty_store_is_no_witness(cli: Cli, created: Create, tmp_path: Path, backup: Path) -> None:
    """On a new machine the service has made one before anybody restores; that it knows of no revocation says nothing."""
    created()
    assert cli("db", "backup", backup).status == 0
    (tmp_path / "authproxy.db").unlink()
    assert cli("db", "migrate").status == 0
    assert cli("db", "restore", backup).status == 1
    paused = cli("db", "restore", backup, "--pause-all")
    assert paused.status == 0
    assert "1 live key was paused" in paused.stdout


def test_of_many_keys_some_are_named(cli: Cli, created: Create, tmp_path: Path, backup: Path) -> None:
    """A person gets ten, JSON all."""
    created()
    assert cli("db", "backup", backup).status == 0
    with closing(sqlite3.connect(tmp_path / "authproxy.db")) as database:
        columns = "owner, note, policy, grants, networks, used, created"
        for number in range(12):
            values = f"SELECT 'Many{number:08}', {columns} FROM keys LIMIT 1"
            database.execute(f"INSERT INTO keys (id, {columns}) {values}")
        database.commit()
    shutil.copy(tmp_path / "authproxy.db", tmp_path / "before")
    ran = cli("db", "restore", backup)
    assert "need new ones: 12 (Many00000000, " in ran.stdout
    assert ", Many00000009, ...)" in ran.stdout
    shutil.copy(tmp_path / "before", tmp_path / "authproxy.db")
    (tmp_path / "authproxy.db-journal").unlink(missing_ok=True)
    for each in tmp_path.glob("*.before-restore-*"):
        each.unlink()
    assert len(cli("db", "restore", backup, "--json").json["lost"]) == 12


def test_an_older_backup_says_so(cli: Cli, created: Create, backup: Path) -> None:
    """`db check` tells that restoring will bring it up to date."""
    created()
    assert cli("db", "backup", backup).status == 0
    with closing(sqlite3.connect(backup)) as database:
        database.execute("UPDATE alembic_version SET version_num = '0002'")
        database.commit()
    assert "restoring brings it up to date" in cli("db", "check", backup).stdout
