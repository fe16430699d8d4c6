"""`authproxy key`: a key is shown once, may never do more than the configuration says, and is named by its id."""

import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from authproxy.store.driver import sqlite3
from tests.cli.conftest import Cli, Created

Create = Callable[..., Created]


def test_create_prints_what_scripts_need(cli: Cli) -> None:
    """The JSON has the promised fields, the key parses, and nothing else stands on stdout or stderr."""
    options = ("--owner", "ci@acme", "--note", "release job", "--allow", "upload:acme-core", "--expires", "30d")
    ran = cli("key", "create", "--policy", "forever", *options, "--json")
    shown = ran.json
    assert list(shown) == ["id", "key", "owner", "policy", "allow", "expires"]
    assert shown["key"].startswith(f"apx_{shown['id']}")
    assert (shown["owner"], shown["policy"], shown["allow"]) == ("ci@acme", "forever", ["upload:acme-core"])
    assert shown["expires"].endswith("Z")


def test_create_prints_the_key_alone_for_a_shell(cli: Cli) -> None:
    """`KEY=$(authproxy key create ...)` takes the key; what a person should know goes to stderr, without the key."""
    ran = cli("key", "create", "--policy", "release", "--owner", "ci@acme")
    assert len(ran.stdout.splitlines()) == 1
    assert ran.stdout.startswith("apx_")
    assert ran.stderr.splitlines()[-1] == "the key is on stdout, this once"
    assert "upload+create:acme-*" in ran.stderr
    assert ran.stdout.strip().rpartition("_")[2] not in ran.stderr


def test_create_into_a_file(cli: Cli, tmp_path: Path) -> None:
    """`-o FILE` takes the key away from the terminal, readable by its owner alone."""
    path = tmp_path / "key"
    ran = cli("key", "create", "--policy", "release", "--owner", "ci@acme", "-o", path)
    assert ran.status == 0
    assert ran.stdout == ""
    assert path.read_text().startswith("apx_")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("flag", [[], ["--json"]], ids=["plain", "as JSON"])
def test_a_key_that_could_not_be_printed_does_not_live_on(cli: Cli, config_file: Path, flag: list[str]) -> None:
    """On a full disk the only copy is lost: the key is revoked, and that is one sentence and no traceback."""
    command = ["key", "create", "--config", str(config_file), "--policy", "release", "--owner", "me", *flag]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "authproxy", *command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == 1
    assert "no space left on device" in ran.stderr
    assert "it was revoked again" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "Exception ignored" not in ran.stderr
    assert [row["state"] for row in cli("key", "list", "--json").json] == ["revoked"]


def test_a_file_that_exists_makes_no_key(cli: Cli, tmp_path: Path) -> None:
    """Where the key cannot be written it is not made, and what stood there stands there still."""
    path = tmp_path / "key"
    path.write_text("the only copy")
    ran = cli("key", "create", "--policy", "release", "--owner", "ci@acme", "-o", path)
    assert ran.status == 1
    assert "exists already" in ran.stderr
    assert path.read_text() == "the only copy"
    assert not (tmp_path / "authproxy.db").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param(
            ["--policy", "relaese"], "no key policy 'relaese': there is forever, release", id="an unknown policy"
        ),
        pytest.param(
            ["--allow", "upload:victim"],
            "--allow upload:victim is more than key policy 'release' allows: it allows upload+create:acme-*, read:*",
            id="a package that the policy does not name",
        ),
        pytest.param(["--allow", "upload:*"], "--allow upload:* is more than", id="a wider pattern"),
        pytest.param(
            ["--policy", "forever", "--allow", "upload+create:acme-core"],
            "--allow upload+create:acme-core is more than",
            id="creating where the policy only uploads",
        ),
        pytest.param(
            ["--policy", "forever", "--allow", "read:acme-core"], "--allow read:acme-core is more", id="an action"
        ),
        pytest.param(
            ["--expires", "91d"],
            "--expires is longer than key policy 'release' allows: it allows at most 90d",
            id="a longer life",
        ),
        pytest.param(["--expires", "never"], "it allows at most 90d", id="an endless life"),
        pytest.param(["--network", "192.0.2.0/24"], "--network 192.0.2.0/24 is not within", id="another network"),
        pytest.param(["--network", "10.0.0.0/7"], "--network 10.0.0.0/7 is not within", id="a wider network"),
        pytest.param(["--network", "2001:db8::/32"], "it allows 10.0.0.0/8", id="a network of the other family"),
        pytest.param(
            ["--uses", "11"], "--uses 11 is more than key policy 'release' allows: it allows 10", id="more uses"
        ),
    ],
)
def test_create_refuses_what_the_policy_does_not_give(
    cli: Cli, tmp_path: Path, options: list[str], sentence: str
) -> None:
    """What was asked and what is allowed, in one sentence; no key is made and no file is left."""
    path = tmp_path / "key"
    ran = cli("key", "create", "--policy", "release", "--owner", "me", "-o", path, *options)
    assert ran.status == 1
    assert sentence in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert not path.exists()
    assert cli("db", "migrate").status == 0
    assert cli("key", "list", "--json").json == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param(["--allow", "publish:acme-core"], "'publish' is no action", id="an unknown action"),
        pytest.param(["--allow", "acme-core"], "is no grant", id="a grant without an action"),
        pytest.param(["--allow", "upload:ac me"], "is no package pattern", id="a name that is none"),
        pytest.param(["--expires", "soon"], "it takes a duration", id="a duration that is none"),
        pytest.param(["--expires", "0d"], "it takes a duration", id="no life at all"),
        pytest.param(["--expires", "-1d"], "it takes a duration", id="a life in the past"),
        pytest.param(["--expires", "9" * 12 + "d"], "it takes a duration", id="a life beyond all clocks"),
        pytest.param(["--network", "10.0.0.1/8"], "'10.0.0.1/8'", id="a network with host bits"),
        pytest.param(["--uses", "0"], "0 is not in the range", id="no uses"),
        pytest.param(["--owner", "a\x1b[2Jb"], "the owner holds control characters", id="an owner with an escape"),
        pytest.param(["--owner", "a\nb"], "the owner holds control characters", id="an owner of two lines"),
        pytest.param(["--owner", "x" * 101], "the owner has 101 characters", id="an owner that is too long"),
        pytest.param(["--owner", "  "], "--owner is empty", id="an owner that is nobody"),
        pytest.param(
            ["--note", f"apx_Ab0123456789x_{'s' * 49}"],
            "the note holds what looks like a secret",
            id="a note with a key in it",
        ),
        pytest.param(["--note", "a\tb"], "the note holds control characters", id="a note with a tab"),
        pytest.param(["--note", "\u202eb"], "the note holds control characters", id="a note that runs backwards"),
        pytest.param(["--note", "x" * 301], "the note has 301 characters", id="a note that is too long"),
    ],
)
def test_create_refuses_what_cannot_be_read(cli: Cli, tmp_path: Path, options: list[str], sentence: str) -> None:
    """Wrong usage: one sentence, nothing raw of what was typed, no key and no store."""
    ran = cli("key", "create", "--policy", "release", "--owner", "me", *options)
    assert ran.status == 2
    assert ran.stdout == ""
    assert sentence in ran.stderr
    assert "\x1b" not in ran.stderr
    assert not (tmp_path / "authproxy.db").exists()


@pytest.mark.parametrize(
    ("policy", "options", "days"),
    [
        ("release", [], 90),
        ("release", ["--expires", "1d"], 1),
        ("release", ["--expires", "90d"], 90),
        ("forever", [], 90),
        ("forever", ["--expires", "400d"], 400),
        ("forever", ["--expires", "never"], None),
    ],
    ids=["by the policy", "shorter", "just as long", "by default", "longer than the default", "never, which was typed"],
)
def test_how_long_a_key_lives(created: Create, cli: Cli, policy: str, options: list[str], days: int | None) -> None:
    """The policy's life, less where less was asked; without end only where somebody typed it."""
    shown = cli("key", "show", created(*options, policy=policy).id, "--json").json
    if days is None:
        assert shown["expires"] is None
        return
    lives = datetime.fromisoformat(shown["expires"]) - datetime.fromisoformat(shown["created"])
    assert lives == timedelta(days=days)


def test_grants_that_two_grants_of_the_policy_cover_together(created: Create, cli: Cli) -> None:
    """`upload,read:acme-core` is no grant of the policy and yet within it: upload of one, read of the other."""
    key = created("--allow", "upload,read:acme-core", "--network", "10.1.0.0/16", "--uses", "3")
    shown = cli("key", "show", key.id, "--json").json
    assert shown["allow"] == ["read,upload:acme-core"]
    assert (shown["networks"], shown["uses"], shown["used"]) == (["10.1.0.0/16"], 3, 0)


def test_the_secret_is_nowhere(created: Create, cli: Cli, tmp_path: Path) -> None:
    """After `key create` neither the store nor any other command has the secret, nor what it was hashed to."""
    key = created("--note", "n")
    for arguments in (
        ["key", "list"],
        ["key", "list", "--json"],
        ["key", "show", key.id],
        ["key", "show", key.id, "--json"],
    ):
        ran = cli(*arguments)
        assert key.id in ran.stdout
        assert key.secret not in ran.stdout + ran.stderr
        assert "argon2" not in ran.stdout
    for path in tmp_path.glob("authproxy.db*"):
        assert key.secret.encode() not in path.read_bytes()


def test_list_and_its_filters(created: Create, cli: Cli, later: Callable[[int], None]) -> None:
    """Each filter leaves exactly the keys that it names, and they combine."""
    one = created(owner="ann")
    two = created(owner="bob", policy="forever")
    three = created("--expires", "1d", owner="bob")
    four = created(owner="bob")
    assert cli("key", "pause", two.id).status == 0
    assert cli("key", "revoke", four.id).status == 0

    def ids(*options: str) -> list[str]:
        return [row["id"] for row in cli("key", "list", "--json", *options).json]

    assert sorted(ids()) == sorted([one.id, two.id, three.id, four.id])
    assert ids("--owner", "ann") == [one.id]
    assert ids("--policy", "forever") == [two.id]
    assert ids("--owner", "bob", "--state", "revoked") == [four.id]
    assert ids("--state", "paused") == [two.id]
    assert sorted(ids("--state", "live")) == sorted([one.id, three.id])
    assert ids("--state", "expired") == []
    later(86_401)
    assert ids("--state", "expired") == [three.id]
    assert ids("--owner", "nobody") == []


def test_a_list_in_a_pipe(created: Create, cli: Cli) -> None:
    """One line a key, columns by tabs: `cut -f1` gives the ids."""
    keys = {created().id, created().id}
    lines = [line.split("\t") for line in cli("key", "list").stdout.splitlines()]
    assert lines[0][0] == "id"
    assert {line[0] for line in lines[1:]} == keys
    assert len({len(line) for line in lines}) == 1


def test_a_list_of_several_batches(created: Create, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few keys are held in memory at a time, all are listed, each once, in either form."""
    monkeypatch.setattr("authproxy.cli.keylist.BATCH", 2)
    keys = sorted(created().id for _ in range(5))
    assert sorted(row["id"] for row in cli("key", "list", "--json").json) == keys
    assert sorted(line.split("\t")[0] for line in cli("key", "list").stdout.splitlines()[1:]) == keys


def test_what_is_in_the_store_does_not_drive_the_terminal(created: Create, cli: Cli, tmp_path: Path) -> None:
    """An owner that came into the store by other ways is shown as text, by every command that shows it."""
    key = created()
    with closing(sqlite3.connect(tmp_path / "authproxy.db")) as connection:
        connection.execute("UPDATE keys SET owner = ?, note = ?", ("\x1b]0;x\x07", "\x9b2J"))
        connection.commit()
    for arguments in (["list"], ["show", key.id], ["list", "--json"], ["show", key.id, "--json"]):
        shown = cli("key", *arguments).stdout
        assert key.id in shown
        assert not set(shown) & {"\x1b", "\x07", "\x9b"}


def test_show_of_a_key_whose_policy_is_gone(created: Create, cli: Cli, config_file: Path) -> None:
    """A policy that was taken out of the configuration takes everything from its keys, and `show` says so."""
    key = created()
    config_file.write_text(config_file.read_text().replace("  release:", "  other:"))
    ran = cli("key", "show", key.id, "--json")
    assert ran.json["allow"] == []
    assert "no key policy 'release' any more" in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [["show"], ["revoke"], ["pause"], ["resume"], ["verify", "--file", "x"]],
    ids=lambda arguments: arguments[0],
)
def test_without_a_store_it_is_said_how_to_make_one(cli: Cli, tmp_path: Path, arguments: list[str]) -> None:
    """Only `key create`, `serve` and `db migrate` make a store; the others name the command."""
    (tmp_path / "x").write_text("apx_nonsense")
    named = [str(tmp_path / "x") if each == "x" else each for each in arguments]
    ran = cli("key", *named, *([] if "verify" in arguments else ["Ab0123456789"]))
    assert ran.status == 1
    assert "authproxy db migrate" in ran.stderr
    assert not (tmp_path / "authproxy.db").exists()
