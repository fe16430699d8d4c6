"""Kill -9 of the commands that change a key, at any moment: what was printed is so, and no key is half there."""

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median

import pytest

from authproxy.store.driver import sqlite3
from tests.faults.zygote import Zygote, zygote
from tests.peers.programs import clean_environment
from tests.peers.proxy import Installation, installation

KILLS, SOME = 40, 2  # for each command

# What a key must never look like, and what the record must never miss.
NEVER = {
    "a key without a secret": "SELECT id FROM keys WHERE id NOT IN (SELECT key_id FROM secrets)",
    "a secret without a key": "SELECT key_id FROM secrets WHERE key_id NOT IN (SELECT id FROM keys)",
    "a key with three secrets": "SELECT key_id FROM secrets GROUP BY key_id HAVING count(*) > 2",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Zygote, Installation]]:
    folder = tmp_path_factory.mktemp("commands")
    made = installation(folder / "proxy", "http://127.0.0.1:9/")
    with zygote(clean_environment(folder, PYTHONPATH=str(Path(__file__).parents[2]))) as running:
        yield running, made


class Commands:
    """Runs commands, most of them to a sudden end."""

    def __init__(self, running: Zygote, made: Installation, folder: Path) -> None:
        self.running, self.made, self.folder = running, made, folder
        self.dice = random.Random(6)
        self.spans: list[float] = []

    def whole(self, *argv: str) -> str:
        """Run one to its end; what it printed."""
        begun = time.monotonic()
        out, status, _ = self._run(argv, None)
        self.spans.append(time.monotonic() - begun)
        assert status == 0, out
        return out

    def killed(self, *argv: str) -> str:
        """Kill one at some moment of its life; what it had printed by then."""
        out, _, _ = self._run(argv, self.dice.random() * median(self.spans) * 1.2)
        assert self.damage() == []
        return out

    def _run(self, argv: tuple[str, ...], seconds: float | None) -> tuple[str, int, int]:
        out = self.folder / "out"
        out.unlink(missing_ok=True)
        child = self.running.fork(*argv, "--config", self.made.config, out=out)
        if seconds is not None:
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        status = self.running.wait(child)
        return out.read_text() if out.exists() else "", status, child

    def rows(self, sql: str, *given: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.made.database, timeout=10)) as database:
            return database.execute(sql, given).fetchall()

    def damage(self) -> list[str]:
        found = [f"{what}: {row}" for what, sql in NEVER.items() for row in self.rows(sql)]
        (said,) = self.rows("PRAGMA integrity_check")[0]
        return found if said == "ok" else [*found, str(said)]


@pytest.fixture
def commands(running: tuple[Zygote, Installation], tmp_path: Path) -> Commands:
    return Commands(*running, tmp_path)


CREATE = ("key", "create", "--policy", "release", "--owner", "ci@acme.test", "--json")


def created(commands: Commands) -> str:
    return str(json.loads(commands.whole(*CREATE))["id"])


def printed(out: str) -> str | None:
    """The id of a key whose text was printed whole."""
    try:
        return str(json.loads(out)["id"])
    except ValueError:
        return None


many = pytest.mark.parametrize(
    "kills", [pytest.param(KILLS, marks=[pytest.mark.faults, pytest.mark.timeout(600)]), SOME], ids=["many", "some"]
)


@many
def test_a_key_that_was_printed_is_there(commands: Commands, kills: int) -> None:
    """Whoever has its text has a key that works; a key whose command was killed before is whole or not there."""
    created(commands)
    seen = 0
    for _ in range(kills):
        key = printed(commands.killed(*CREATE))
        if key is not None:
            seen += 1
            assert commands.rows("SELECT count(*) FROM secrets WHERE key_id = ?", key) == [(1,)]
    print(f"{kills} kills of `key create`, {seen} had printed their key")


@many
@pytest.mark.parametrize(
    ("command", "state"),
    [("revoke", "revoked IS NOT NULL"), ("pause", "paused IS NOT NULL"), ("resume", "paused IS NULL")],
)
def test_what_was_said_to_be_ended_is_ended(commands: Commands, command: str, state: str, kills: int) -> None:
    """A revocation that was told is one; and one that was not told can be made again."""
    first = created(commands)
    if command == "resume":
        commands.whole("key", "pause", first)
    commands.whole("key", command, first)
    told = 0
    for _ in range(kills):
        key = created(commands)
        if command == "resume":
            commands.whole("key", "pause", key)
        out = commands.killed("key", command, key)
        if out:
            told += 1
            assert commands.rows(f"SELECT {state} FROM keys WHERE id = ?", key) == [(1,)], out
        commands.whole("key", command, key)
        assert commands.rows(f"SELECT {state} FROM keys WHERE id = ?", key) == [(1,)]
    print(f"{kills} kills of `key {command}`, {told} had said so")


@many
def test_a_rotation_that_was_printed_is_there_and_the_old_secret_works_on(commands: Commands, kills: int) -> None:
    """Whoever has the new text has a second secret; nobody who has the old one is left without."""
    commands.whole("key", "rotate", created(commands), "--json")
    seen = 0
    for _ in range(kills):
        key = created(commands)
        new = printed(commands.killed("key", "rotate", key, "--json"))
        (count,), (old,) = (
            commands.rows(f"SELECT count(*) FROM secrets WHERE key_id = ? {which}", key)[0]
            for which in ("", "AND slot = '0'")
        )
        assert old == 1
        assert count in ({2} if new else {1, 2})
        seen += new is not None
    print(f"{kills} kills of `key rotate`, {seen} had printed the new secret")


@many
def test_migrating_is_whole_or_not_done(running: tuple[Zygote, Installation], tmp_path: Path, kills: int) -> None:
    """A store that is being made, killed at any moment: the next `db migrate` ends it, and it can be used."""
    zygote_of, made = running
    for number in range(kills):
        folder = tmp_path / f"new-{number}"
        folder.mkdir()
        shutil.copy(made.config, folder / "authproxy.yaml")
        fresh = Installation(folder, folder / "authproxy.yaml", made.address)
        one = Commands(zygote_of, fresh, folder)
        one.spans.append(0.25)
        child = zygote_of.fork("db", "migrate", "--config", fresh.config, out=folder / "out")
        time.sleep(one.dice.random() * 0.25 * (number + 1) / kills)
        os.kill(child, signal.SIGKILL)
        zygote_of.wait(child)
        one.whole("db", "migrate")
        one.whole("db", "check")


def test_control_a_key_in_two_commits_is_caught(commands: Commands) -> None:
    """What the checks above would say of a program that wrote the key first and its secret after."""
    created(commands)
    with closing(sqlite3.connect(commands.made.database, isolation_level=None)) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(keys)") if row[1] != "id"]
        names = ", ".join(columns)
        database.execute(f"INSERT INTO keys (id, {names}) SELECT 'Half00000000', {names} FROM keys LIMIT 1")
        assert commands.damage() == ["a key without a secret: ('Half00000000',)"]
        database.execute("DELETE FROM keys WHERE id = 'Half00000000'")
