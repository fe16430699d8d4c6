"""`authproxy key show`: who used the key last, how its rotation stands, why it is paused."""

from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Cli, Created
from tests.cli.records import mint
from tests.cli.rows import execute, note_use

Create = Callable[..., Created]


def test_the_last_use(created: Create, cli: Cli, tmp_path: Path) -> None:
    """When, what, from where, with what: as JSON and in words."""
    key = created()
    shown = cli("key", "show", key.id, "--json").json
    assert (shown["last_used"], shown["last_use"], shown["rotation"], shown["paused"]) == (None, None, None, None)
    assert "rotation:     none\n" in cli("key", "show", key.id).stdout
    note_use(tmp_path, key.id, "0", ago=60)
    shown = cli("key", "show", key.id, "--json").json
    assert shown["last_use"] == {
        "time": shown["last_used"], "action": "upload", "project": "acme-core", "address": "192.0.2.7",
        "client": "twine/7.0",
    }  # fmt: skip
    assert "upload acme-core, from 192.0.2.7 with twine/7.0" in cli("key", "show", key.id).stdout


def test_a_rotation(created: Create, cli: Cli, tmp_path: Path) -> None:
    """Both secrets and who used which; after it, the key's last use is that of either."""
    key = created()
    cli("key", "rotate", key.id)
    note_use(tmp_path, key.id, "0", ago=600)
    note_use(tmp_path, key.id, "1", ago=60, action="read")
    rotation = cli("key", "show", key.id, "--json").json["rotation"]
    assert (rotation["public_id"], rotation["overlap_ends"][-1]) == (key.id + "1", "Z")
    assert (rotation["old_last_use"]["action"], rotation["new_last_use"]["action"]) == ("upload", "read")
    shown = cli("key", "show", key.id).stdout
    assert "rotation:     under way\n  public_id:" in shown
    assert "old_last_use:" in shown
    assert "overlap_ends:" in shown


def test_what_a_client_says_of_its_machine_is_left_to_json(created: Create, cli: Cli, tmp_path: Path) -> None:
    """uv writes it behind its name, and what a row has of that is cut off in the middle."""
    key = created()
    cli("key", "rotate", key.id)
    note_use(tmp_path, key.id, "0", ago=60)
    execute(tmp_path, "UPDATE last_uses SET client = ?", 'uv/0.13.9 {"installer":{"name":"u')
    assert "with uv/0.13.9\n" in cli("key", "show", key.id).stdout
    assert cli("key", "list", "--rotating").stdout.endswith("\tuv/0.13.9\n")
    assert "with uv/0.13.9)" in cli("key", "rotate", key.id, "--finish").stderr
    assert cli("key", "show", key.id, "--json").json["last_use"]["client"] == 'uv/0.13.9 {"installer":{"name":"u'


def test_why_it_is_paused(created: Create, cli: Cli, tmp_path: Path) -> None:
    """By a command, or by the server because nobody used it; no more once it is resumed."""
    key = created()
    cli("key", "pause", key.id)
    assert cli("key", "show", key.id, "--json").json["paused_why"] == "by a command"
    execute(tmp_path, "UPDATE keys SET paused_why = 'unused'")
    assert "nobody used it" in cli("key", "show", key.id).stdout
    cli("key", "resume", key.id)
    shown = cli("key", "show", key.id, "--json").json
    assert (shown["paused"], shown["paused_why"]) == (None, None)


def test_what_a_client_called_itself_drives_no_terminal(created: Create, cli: Cli, tmp_path: Path) -> None:
    """A row that came into the store by other ways is shown as text."""
    key = created()
    note_use(tmp_path, key.id, "0", ago=60)
    execute(tmp_path, "UPDATE last_uses SET client = ?, project = ?", "\x1b]0;x\x07", "\u202eb")
    cli("key", "rotate", key.id)
    for arguments in (["show", key.id], ["list", "--rotating"], ["list", "--rotating", "--json"]):
        shown = cli("key", *arguments)
        assert not set(shown.stdout + shown.stderr) & {"\x1b", "\x07", "\u202e"}
    refused = cli("key", "rotate", key.id, "--finish").stderr
    assert "was used" in refused
    assert not set(refused) & {"\x1b", "\x07", "\u202e"}


def test_a_minted_key_shows_whose_it_is(created: Create, cli: Cli, config_file: Path) -> None:
    """Its publisher and what the token said; it can be revoked, and neither rotated nor extended."""
    plain = created().id
    mint(config_file)
    shown = cli("key", "show", "Minted000001")
    assert "publisher:    github acme/core release.yml" in shown.stdout
    assert "  sha:           9f" in shown.stdout
    assert "no trusted publisher 'github acme/core release.yml' any more" in shown.stderr
    assert "publisher" not in cli("key", "show", plain).stdout
    for command in (("rotate",), ("extend", "--by", "5d")):
        ran = cli("key", command[0], "Minted000001", *command[1:])
        assert (ran.status, "was minted for one job" in ran.stderr) == (1, True), ran
    assert cli("key", "revoke", "Minted000001").status == 0
    assert cli("key", "show", "Minted000001", "--json").json["state"] == "revoked"
