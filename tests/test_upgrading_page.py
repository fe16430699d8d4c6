"""docs/upgrading.md: its commands can be typed, and going back on SQLite is as it says."""

import re
from contextlib import closing
from pathlib import Path

import click
import pytest

from authproxy.cli import main
from authproxy.store.driver import sqlite3
from tests.peers.proxy import installation

PAGES = ("upgrading.md", "sizing.md", "fronts.md")
DOCS = Path(__file__).parents[1] / "docs"
NEWER = "9999"


def can_be_typed(words: list[str]) -> bool:
    """Whether some words at the beginning of these are a command."""
    group: click.Command | None = main
    for word in words:
        if not isinstance(group, click.Group):
            break
        group = group.get_command(click.Context(group), word)
        if group is None:
            return False
    return isinstance(group, click.Command) and not isinstance(group, click.Group)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_page_can_be_typed(page: str) -> None:
    """Alone in a line, or between backticks."""
    text = (DOCS / page).read_text(encoding="utf-8")
    shown = re.findall(r"(?:`|^|bin/|-- )authproxy ([a-z][a-z -]*)", text, re.MULTILINE)
    assert [words for words in shown if not can_be_typed(words.split())] == []


def test_control_a_command_that_is_none_is_seen() -> None:
    """A group alone is none either."""
    assert can_be_typed(["db", "migrate", "now"])
    assert not can_be_typed(["db", "upgrade"])
    assert not can_be_typed(["db"])


def test_going_back_keeps_revoked_what_the_new_version_revoked(tmp_path: Path) -> None:
    """The old version opens nothing of a newer schema, restores its own backup, and carries over what has ended since."""
    made = installation(tmp_path / "proxy", "http://127.0.0.1:9/")
    kept, ended = made.create_key(), made.create_key()
    assert made.run("db", "backup", tmp_path / "before.db").code == 0
    assert made.run("key", "revoke", ended.id).code == 0
    with closing(sqlite3.connect(made.database)) as opened, opened:  # as a version of tomorrow would leave it
        opened.execute("ALTER TABLE keys ADD COLUMN colour TEXT NOT NULL DEFAULT 'green'")
        opened.execute("UPDATE alembic_version SET version_num = ?", (NEWER,))
    before = made.database.read_bytes()
    for command in (("db", "migrate"), ("key", "revoke", kept.id), ("serve",)):
        ran = made.run(*command)
        assert (ran.code, "install a newer authproxy" in ran.said) == (1, True), ran.said
    assert made.database.read_bytes() == before
    ran = made.run("db", "restore", tmp_path / "before.db")
    assert ran.code == 0, ran.said
    assert {row["id"]: row["revoked"] is None for row in made.rows("keys")} == {kept.id: True, ended.id: False}
