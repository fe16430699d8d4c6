"""`authproxy audit verify`, `checkpoint` and `prune`, as an operator and a cron job call them."""

import json
from pathlib import Path
from typing import Any

import pytest

from authproxy.store.driver import sqlite3
from tests.cli.conftest import Cli
from tests.cli.records import recorded
from tests.store.samples import NOW, upload


@pytest.fixture
def three(cli: Cli, config_file: Path) -> Path:
    """The database of a record with three uploads."""
    assert cli("db", "migrate").status == 0
    recorded(config_file, *(upload(f"1.{number}") for number in range(3)))
    return config_file.parent / "authproxy.db"


def past_us(database: Path, *statements: str) -> None:
    """Change the database as somebody would who is not authproxy."""
    connection = sqlite3.connect(database)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_what_nobody_touched(cli: Cli, three: Path) -> None:
    """0, in words and as JSON."""
    ran = cli("audit", "verify")
    head = cli("audit", "verify", "--json").json["hash"]  # two people compare the beginning by eye
    said = f"the record fits: 3 rows, 6 links, up to link 6 with the hash {head[:16]}\n"
    assert (ran.status, ran.stdout) == (0, said)
    ran = cli("audit", "verify", "--json")
    assert ran.status == 0
    told = ran.json
    assert len(told.pop("hash")) == 64
    assert told == {
        "sound": True, "rows": 3, "links": 6, "first_link": 1, "last_link": 6, "pruned": None, "checkpoint": None,
    }  # fmt: skip


def test_a_row_that_was_changed(cli: Cli, three: Path) -> None:
    """3, and which row."""
    past_us(three, "UPDATE record SET owner = 'mallory' WHERE id = 2")
    ran = cli("audit", "verify")
    assert (ran.status, ran.stdout) == (3, "row 2 was changed\n")
    ran = cli("audit", "verify", "--json")
    assert ran.status == 3
    assert ran.json == {"sound": False, "wrong": "row-changed", "link": 3, "row": 2, "sentence": "row 2 was changed"}


def checkpoint(cli: Cli, folder: Path) -> Path:
    """Make a checkpoint in a file."""
    path = folder / "checkpoint.json"
    assert cli("audit", "checkpoint", "-o", path).status == 0
    return path


def test_a_checkpoint_shows_a_tail_that_was_cut_off(cli: Cli, three: Path, tmp_path: Path) -> None:
    """The same record fits by itself: what the checkpoint is for."""
    signed = checkpoint(cli, tmp_path)
    ran = cli("audit", "verify", "--checkpoint", signed)
    assert ran.status == 0
    assert "it holds what it held at the checkpoint" in ran.stdout
    past_us(three, "DELETE FROM record WHERE id = 3", "DELETE FROM links WHERE id > 4")
    assert cli("audit", "verify").status == 0
    ran = cli("audit", "verify", "--checkpoint", signed, "--json")
    assert (ran.status, ran.json["wrong"]) == (3, "tail-removed")


def test_a_checkpoint_has_what_it_needs(cli: Cli, three: Path, tmp_path: Path) -> None:
    """Which installation, which link, how many rows, when; and the public key is printed for who checks elsewhere."""
    told = json.loads(checkpoint(cli, tmp_path).read_text())
    assert set(told) == {"version", "installation", "link", "hash", "count", "time", "key", "signature"}
    assert (told["installation"], told["link"], told["count"]) == ("http://127.0.0.1:8080/", 6, 3)
    key = cli("audit", "checkpoint", "--public-key")
    assert key.stdout.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert cli("audit", "checkpoint", "--public-key", "--json").json["key"] == told["key"]
    assert "PRIVATE" not in key.stdout


def test_a_checkpoint_in_a_file_is_said_to_be_there(cli: Cli, three: Path, tmp_path: Path) -> None:
    """One line on stderr with what was signed; where the checkpoint itself is seen, none."""
    path, key = tmp_path / "checkpoint.json", tmp_path / "public.pem"
    ran = cli("audit", "checkpoint", "-o", path)
    assert (ran.stdout, ran.stderr) == ("", f"the record stands at link 6, 3 rows, which is signed: {path}\n")
    ran = cli("audit", "checkpoint", "--public-key", "-o", key)
    name = json.loads(path.read_text())["key"]
    assert (ran.stdout, ran.stderr) == ("", f"the public key {name} of checkpoints: {key}\n")
    assert cli("audit", "checkpoint").stderr == ""


def test_a_checkpoint_is_checked_with_the_key_that_lies_elsewhere(cli: Cli, three: Path, tmp_path: Path) -> None:
    """Whoever took this machine over may have made a key of his own: it does not fit the one that was put away."""
    signed, public = checkpoint(cli, tmp_path), tmp_path / "public.pem"
    public.write_text(cli("audit", "checkpoint", "--public-key").stdout)
    assert cli("audit", "verify", "--checkpoint", signed, "--public-key", public).status == 0
    (tmp_path / "state" / "checkpoint-key.pem").unlink()
    forged = tmp_path / "forged.json"
    assert cli("audit", "checkpoint", "-o", forged).status == 0
    ran = cli("audit", "verify", "--checkpoint", forged, "--public-key", public)
    assert (ran.status, "signed with another key" in ran.stdout) == (3, True)
    assert cli("audit", "verify", "--checkpoint", signed, "--public-key", public).status == 0


def test_a_checkpoint_that_was_changed(cli: Cli, three: Path, tmp_path: Path) -> None:
    """3: the answer is no, and it says why."""
    path = checkpoint(cli, tmp_path)
    path.write_text(path.read_text().replace('"link": 6', '"link": 4'))
    ran = cli("audit", "verify", "--checkpoint", path, "--json")
    assert (ran.status, ran.json["wrong"]) == (3, "checkpoint")
    assert "was changed" in ran.json["sentence"]


def test_what_cannot_be_checked(cli: Cli, three: Path, tmp_path: Path) -> None:
    """No key: 1; a key without a checkpoint: 2; a file that is not there: 1."""
    assert cli("audit", "verify", "--checkpoint", three).status == 1
    assert cli("audit", "verify", "--public-key", three).status == 2
    signed = checkpoint(cli, tmp_path)
    assert cli("audit", "verify", "--checkpoint", signed, "--public-key", three).status == 1
    (tmp_path / "state" / "checkpoint-key.pem").chmod(0o644)
    assert cli("audit", "checkpoint").status == 1
    assert cli("audit", "verify", "--checkpoint", signed).status == 1


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the clock of the command line."""
    return lambda seconds: monkeypatch.setattr("time.time", lambda: seconds)


def test_pruning(cli: Cli, config_file: Path, three: Path, tmp_path: Path, at: Any) -> None:
    """What is too old goes, what files need stays, the rest fits, and an older checkpoint is told as such."""
    signed = checkpoint(cli, tmp_path)
    past_us(three, "DELETE FROM files WHERE record_id = 1")
    at(NOW + 500 * 86_400)
    assert cli("audit", "prune").status == 2
    ran = cli("audit", "prune", "--keep", "400d", "--json")
    assert (ran.status, ran.json) == (0, {"pruned": 1, "kept": 2, "problem": None})
    ran = cli("audit", "verify")
    assert ran.status == 0
    assert "what came before link 7 was pruned, last at 2028-05-29T08:00:00Z" in ran.stdout
    ran = cli("audit", "verify", "--checkpoint", signed)
    assert ran.status == 0, "the last link that was pruned is the anchor, and can be checked"
    config_file.write_text(config_file.read_text() + "record: {keep: 10d}\n")
    assert cli("audit", "prune").stdout == "took away 0 rows, and kept 0 old ones that files need\n"
    at(NOW + 600 * 86_400)
    assert cli("audit", "prune").stdout == "took away 0 rows, and kept 2 old ones that files need\n"
    ran = cli("audit", "verify", "--checkpoint", signed, "--json")
    assert (ran.status, ran.json["wrong"]) == (3, "pruned")
    assert cli("audit", "prune", "--keep", "never").status == 2


def test_a_forgery_is_not_pruned(cli: Cli, three: Path, at: Any) -> None:
    """3, and what stands in the way."""
    past_us(three, "UPDATE record SET owner = 'mallory' WHERE id = 2")
    at(NOW + 500 * 86_400)
    ran = cli("audit", "prune", "--keep", "400d")
    assert ran.status == 3
    assert "row 2 is not what its link says" in ran.stderr
    assert cli("audit", "verify").status == 3
