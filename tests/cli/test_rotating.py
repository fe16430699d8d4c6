"""`authproxy key rotate`: a new secret beside the old one, shown once; nothing that was printed is lost."""

import errno
import json
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from authproxy.cli.options import CONFIG_VARIABLE
from authproxy.cli.output import Output
from authproxy.domain.endings import DAY
from tests.cli.conftest import Cli, Created, Ran
from tests.cli.rows import execute, note_use

Create = Callable[..., Created]


def rotated(cli: Cli, key: Created, *options: str) -> Created:
    """Rotate, or fail the test; the new secret."""
    ran = cli("key", "rotate", key.id, "--json", *options)
    assert ran.status == 0, ran.stderr
    return Created(ran.json["id"], ran.json["key"])


def works(cli: Cli, key: Created) -> bool:
    return cli("key", "verify", "--json", input=key.key).json["valid"]


def test_both_secrets_work_and_the_new_one_is_shown_once(created: Create, cli: Cli) -> None:
    """The same key, another slot; the old one ends a week from now."""
    key = created()
    ran = cli("key", "rotate", key.id, "--json")
    shown = ran.json
    assert list(shown) == ["id", "key", "public_id", "overlap_ends", "owner", "policy", "expires"]
    assert (shown["id"], shown["public_id"], ran.stderr) == (key.id, key.id + "1", "")
    assert shown["key"].startswith(f"apx_{key.id}1_")
    left = datetime.fromisoformat(shown["overlap_ends"]).timestamp() - datetime.now().astimezone().timestamp()
    assert timedelta(days=7) - timedelta(seconds=left) < timedelta(seconds=30)
    new = Created(shown["id"], shown["key"])
    assert works(cli, key)
    assert works(cli, new)
    for arguments in (["list"], ["list", "--rotating"], ["show", key.id], ["list", "--rotating", "--json"]):
        said = cli("key", *arguments)
        assert key.id in said.stdout
        assert new.secret not in said.stdout + said.stderr
        assert key.secret not in said.stdout + said.stderr


def test_the_old_secret_ends_by_itself(created: Create, cli: Cli, later: Callable[[int], None]) -> None:
    """After the overlap, to the new one alone; and then the next rotation may begin."""
    key = created()
    new = rotated(cli, key, "--overlap", "2d")
    later(2 * DAY + 1)
    assert (works(cli, key), works(cli, new)) == (False, True)
    assert rotated(cli, key).key.startswith(f"apx_{key.id}2_")


def test_without_json_the_key_alone_is_on_stdout(created: Create, cli: Cli) -> None:
    """For `KEY=$(authproxy key rotate ID)`; what a person has to know is on stderr."""
    ran = cli("key", "rotate", created().id)
    assert ran.status == 0
    assert ran.stdout.startswith("apx_")
    assert ran.stdout.count("\n") == 1
    assert "the old one works until" in ran.stderr


def test_into_a_file_of_its_own(created: Create, cli: Cli, tmp_path: Path) -> None:
    """Mode 0600, and nothing on stdout."""
    file = tmp_path / "new-key"
    ran = cli("key", "rotate", created().id, "-o", file)
    assert (ran.status, ran.stdout) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().startswith("apx_")


def test_a_second_rotation_waits_for_the_first(created: Create, cli: Cli) -> None:
    """It is said when the old secret ends and how to end it before; nothing is left in the file."""
    key = created()
    ends = cli("key", "rotate", key.id, "--json").json["overlap_ends"]
    ran = cli("key", "rotate", key.id)
    assert (ran.status, ran.stdout) == (1, "")
    assert f"works until {ends}, or until `authproxy key rotate {key.id} --finish`" in ran.stderr


def test_finish(created: Create, cli: Cli) -> None:
    """The old secret ends at once, the new one stays; finishing again is no mistake."""
    key = created()
    new = rotated(cli, key)
    ran = cli("key", "rotate", key.id, "--finish", "--json")
    assert (ran.status, ran.json) == (0, {"id": key.id, "result": "done", "ended": key.id + "0"})
    assert (works(cli, key), works(cli, new)) == (False, True)
    assert cli("key", "rotate", key.id, "--finish", "--json").json["result"] == "unchanged"


def test_finish_refuses_while_the_old_secret_is_used(created: Create, cli: Cli, tmp_path: Path) -> None:
    """It says when, from where, with what and for which package; --force ends it all the same."""
    key = created()
    rotated(cli, key)
    note_use(tmp_path, key.id, "0", ago=3600)
    ran = cli("key", "rotate", key.id, "--finish")
    assert ran.status == 1
    for told in ("upload acme-core", "192.0.2.7", "twine/7.0", "--force", datetime.now(UTC).strftime("%Y-")):
        assert told in ran.stderr
    assert works(cli, key)
    assert cli("key", "rotate", key.id, "--finish", "--force").status == 0
    assert not works(cli, key)


def test_finish_does_not_mind_a_use_of_last_week(created: Create, cli: Cli, tmp_path: Path) -> None:
    """A day of silence is enough: a nightly job has had its turn."""
    key = created()
    rotated(cli, key)
    note_use(tmp_path, key.id, "0", ago=DAY + 60)
    assert cli("key", "rotate", key.id, "--finish").status == 0


def test_a_lost_secret_is_replaced_while_nobody_uses_it(created: Create, cli: Cli, tmp_path: Path) -> None:
    """The lost one is dead, the old one works on; what is in use was not lost."""
    key = created()
    lost = rotated(cli, key)
    new = rotated(cli, key, "--again")
    assert [works(cli, each) for each in (key, lost, new)] == [True, False, True]
    note_use(tmp_path, key.id, "2", ago=3600)
    ran = cli("key", "rotate", key.id, "--again")
    assert (ran.status, "somebody has it" in ran.stderr, "192.0.2.7" in ran.stderr) == (1, True, True)
    assert works(cli, rotated(cli, key, "--again", "--force"))


@pytest.mark.parametrize(("ending", "word"), [("revoke", "for good"), (None, "there is no key")])
def test_what_cannot_be_rotated(created: Create, cli: Cli, ending: str | None, word: str) -> None:
    """Revoked, unknown: one sentence, status 1."""
    key = created().id
    if ending:
        cli("key", ending, key)
    else:
        key = "Zz0123456789"
    ran = cli("key", "rotate", key)
    assert (ran.status, ran.stdout, word in ran.stderr) == (1, "", True)


def test_an_expired_key_is_extended_first(created: Create, cli: Cli, later: Callable[[int], None]) -> None:
    """The sentence names the command."""
    key = created("--expires", "1d")
    later(DAY + 1)
    assert f"`authproxy key extend {key.id}`" in cli("key", "rotate", key.id).stderr


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["ID", "--all", "--policy", "release"],
        ["--all"],
        ["ID", "--policy", "release"],
        ["--all", "--policy", "release", "--finish"],
        ["--all", "--policy", "release", "--again"],
        ["ID", "--finish", "--again"],
        ["ID", "--force"],
        ["ID", "--since", "2027-01-01"],
        ["ID", "--overlap", "never"],
        ["--all", "--policy", "release", "--since", "yesterday"],
    ],
    ids=" ".join,
)
def test_one_question_at_a_time(created: Create, cli: Cli, options: list[str]) -> None:
    """Wrong usage is said, and nothing is rotated."""
    key = created()
    assert cli("key", "rotate", *(key.id if each == "ID" else each for each in options)).status == 2
    assert cli("key", "show", key.id, "--json").json["rotation"] is None


def test_what_cannot_be_printed_is_taken_back(created: Create, cli: Cli, config_file: Path) -> None:
    """On a full disk nobody sees the new secret: the key is as it was."""
    key = created()
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "authproxy", "key", "rotate", key.id],
            stdout=full, stderr=subprocess.PIPE, env={CONFIG_VARIABLE: str(config_file)}, timeout=60, check=False,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
    assert ran.returncode == 1
    assert b"taken back: the old one works as before" in ran.stderr
    shown = cli("key", "show", key.id, "--json").json
    assert (shown["rotation"], shown["unseen"]) == (None, None)
    assert works(cli, key)


def lines(ran: Ran) -> dict[str, dict[str, str]]:
    """The list of `--all --json`, by key."""
    return {each["id"]: each for each in map(json.loads, ran.stdout.splitlines())}


def test_all_keys_of_a_policy(created: Create, cli: Cli) -> None:
    """A line for each live one; other policies, and keys that do not work, are left alone."""
    keys = [created() for _ in range(3)]
    other, dead = created(policy="forever"), created()
    cli("key", "revoke", dead.id)
    ran = cli("key", "rotate", "--all", "--policy", "release", "--overlap", "3d", "--json")
    assert ran.status == 0, ran.stderr
    assert set(lines(ran)) == {key.id for key in keys}
    for key in keys:
        line = lines(ran)[key.id]
        assert line["result"] == "rotated"
        assert works(cli, key)
        assert works(cli, Created(key.id, line["key"]))
    assert cli("key", "show", other.id, "--json").json["rotation"] is None
    assert "3 rotated" in ran.stderr


def test_all_again_leaves_out_what_is_done(created: Create, cli: Cli, later: Callable[[int], None]) -> None:
    """Within the overlap by itself, after it with the --since that the first run said."""
    keys = {created().id for _ in range(2)}
    first = cli("key", "rotate", "--all", "--policy", "release", "--overlap", "1h", "--json")
    since = first.stderr.split("--since ")[1].split()[0]
    again = cli("key", "rotate", "--all", "--policy", "release", "--json")
    assert (again.status, {each["result"] for each in lines(again).values()}) == (0, {"skipped"})
    later(7200)
    new = created().id
    third = cli("key", "rotate", "--all", "--policy", "release", "--since", since, "--json")
    assert {key: each["result"] for key, each in lines(third).items()} == dict.fromkeys(keys | {new}, "skipped")
    fourth = cli("key", "rotate", "--all", "--policy", "release", "--json")
    assert {each["result"] for each in lines(fourth).values()} == {"rotated"}


def test_all_rotates_a_key_of_the_second_in_which_it_began(created: Create, cli: Cli, tmp_path: Path) -> None:
    """A run that began just after the last key was created, and was killed at once, has that key to do."""
    key, second = created(), int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    execute(tmp_path, "UPDATE keys SET created = ? WHERE id = ?", second, key.id)
    execute(tmp_path, "UPDATE secrets SET created = ? WHERE key_id = ?", second, key.id)
    for since, result in (("2025-12-31T23:59:59Z", "skipped"), ("2026-01-01T00:00:00Z", "rotated")):
        ran = cli("key", "rotate", "--all", "--policy", "release", "--since", since, "--json")
        assert lines(ran)[key.id]["result"] == result


def test_what_could_not_be_taken_back_is_said(
    created: Create, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full, and somebody had finished the rotation meanwhile: the key has the one secret nobody saw."""
    key = created()

    def full(_: Output) -> None:
        execute(tmp_path, "DELETE FROM secrets WHERE slot = '0' AND key_id = ?", key.id)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Output, "settle", full)
    ran = cli("key", "rotate", key.id)
    assert (ran.status, "taken back: the old" in ran.stderr) == (1, False)
    assert f"could not be taken back either, because key {key.id} is not being rotated" in ran.stderr


def test_in_a_pipe_the_list_has_columns(created: Create, cli: Cli) -> None:
    """`cut -f1,4` gives ids and keys."""
    key = created()
    [line] = cli("key", "rotate", "--all", "--policy", "release").stdout.splitlines()
    assert line.split("\t")[:3] == [key.id, "rotated", "ci@acme"]
    assert line.split("\t")[3].startswith(f"apx_{key.id}1_")


def test_the_one_that_was_not_printed_is_told_apart(created: Create, cli: Cli, tmp_path: Path) -> None:
    """As a kill between commit and print leaves it: the run fails and names the key; `--again` mends it."""
    keys = [created() for _ in range(2)]
    cli("key", "rotate", "--all", "--policy", "release")
    execute(tmp_path, "UPDATE secrets SET unseen = 1 WHERE slot = '1' AND key_id = ?", keys[0].id)
    for options in ([], ["--since", "2020-01-01"]):
        ran = cli("key", "rotate", "--all", "--policy", "release", "--json", *options)
        assert ran.status == 1
        assert [lines(ran)[key.id]["result"] for key in keys] == ["unseen", "skipped"]
    assert "may never have been printed" in cli("key", "show", keys[0].id).stderr
    assert works(cli, rotated(cli, keys[0], "--again"))
    assert cli("key", "rotate", "--all", "--policy", "release").status == 0


def test_what_was_acknowledged_stays_in_the_file(created: Create, cli: Cli, tmp_path: Path) -> None:
    """A run that breaks off keeps its list: it is all that there is of the new secrets."""
    keys, file = [created() for _ in range(3)], tmp_path / "list"
    execute(
        tmp_path,
        "CREATE TRIGGER broken BEFORE INSERT ON secrets WHEN (SELECT count(*) FROM secrets) > 4 "
        "BEGIN SELECT RAISE(ABORT, 'broken'); END",
    )
    ran = cli("key", "rotate", "--all", "--policy", "release", "--json", "-o", file)
    assert ran.status == 1
    acknowledged = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(acknowledged) == 2
    assert all(works(cli, Created(each["id"], each["key"])) for each in acknowledged)
    assert all(works(cli, key) for key in keys)


def test_an_empty_file_does_not_stay(cli: Cli, created: Create, tmp_path: Path) -> None:
    """Control of the test above: what was refused leaves no file behind."""
    created()
    assert cli("key", "rotate", "Zz0123456789", "-o", tmp_path / "new").status == 1
    assert not (tmp_path / "new").exists()
