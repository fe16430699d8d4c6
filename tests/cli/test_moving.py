"""`authproxy db` on a PostgreSQL store: migrate, check, copy; and what it says of backups."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from authproxy.store.postgres.engine import Login
from tests.cli.conftest import Cli
from tests.peers.postgres import Postgres


@pytest.fixture
def empty(database_server: Postgres) -> Iterator[Login]:
    made = database_server.create()
    yield made
    database_server.drop(made)


def there(config_file: Path, login: Login) -> None:
    """Name the server's database in the configuration."""
    text = config_file.read_text(encoding="utf-8")
    config_file.write_text(text.replace("sqlite:///authproxy.db", str(login.address)), encoding="utf-8")


def test_a_store_moves_and_ends_at_the_same_link(cli: Cli, created, config_file: Path, empty: Login) -> None:
    """The same keys, and `audit verify` of the copy prints what it printed of the file."""
    key = created()
    before = cli("audit", "verify", "--json").json
    file = config_file.parent / "authproxy.db"
    there(config_file, empty)
    assert cli("db", "check").status == 3
    assert cli("db", "migrate", "--json").json == {"store": str(empty.address), "migrated": True}
    assert cli("db", "migrate", "--json").json["migrated"] is False
    copied = cli("db", "copy", file, "--json")
    assert (copied.status, copied.json["keys"], copied.json["problem"]) == (0, 1, None), copied
    after = cli("audit", "verify", "--json").json
    assert after == before
    assert [each["id"] for each in cli("key", "list", "--json").json] == [key.id]
    assert cli("db", "check").status == 0
    again = cli("db", "copy", file)
    assert (again.status, "is not empty" in again.stderr) == (1, True)


def test_what_is_for_files_is_a_sentence(cli: Cli, created, config_file: Path, empty: Login, tmp_path: Path) -> None:
    """Backups of a server are its own programs' work; nothing is written."""
    created()
    ran = cli("db", "copy", config_file.parent / "authproxy.db")
    assert (ran.status, "name a PostgreSQL database" in ran.stderr) == (1, True)
    there(config_file, empty)
    for command in ("backup", "restore"):
        ran = cli("db", command, tmp_path / "b.db")
        assert ran.status == 1, ran
        assert "pg_dump and pg_restore do that, see docs/postgresql.md" in ran.stderr
    assert not (tmp_path / "b.db").exists()


def test_what_doctor_says(cli: Cli, config_file: Path, empty: Login) -> None:
    """Without tables, with them, and where the database is not there."""
    there(config_file, empty)
    assert "run `authproxy db migrate`" in cli("doctor").stdout
    assert cli("db", "migrate").status == 0
    shown = cli("doctor").stdout
    assert "the store is at schema" in shown
    assert "when the power fails" in shown, "the tests' server does not sync"
    config_file.write_text(
        config_file.read_text().replace(empty.address.database, "nobody_made_this"), encoding="utf-8"
    )
    assert "createdb" in cli("doctor").stdout
    ran = cli("key", "list")
    assert (ran.status, "createdb" in ran.stderr) == (1, True)
