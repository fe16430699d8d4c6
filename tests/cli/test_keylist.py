"""`authproxy key list`: what ends, what nobody uses, what is being rotated; the filters of a plain list are in test_key."""

from collections.abc import Callable
from pathlib import Path

import pytest

from authproxy.domain.endings import DAY
from tests.cli.conftest import Cli, Created
from tests.cli.records import mint
from tests.cli.rows import note_use

Create = Callable[..., Created]


def ids(cli: Cli, *options: str) -> tuple[int, list[str]]:
    ran = cli("key", "list", "--json", *options)
    return ran.status, [row["id"] for row in ran.json]


def test_expiring_keys_have_an_exit_status_of_their_own(created: Create, cli: Cli) -> None:
    """3 where there are any, the next one first; 0 where there are none: a line for cron."""
    assert created("--expires", "60d").id
    assert ids(cli, "--expiring", "30d") == (0, [])
    later, soon = created("--expires", "20d").id, created("--expires", "2d", owner="ann").id
    assert ids(cli, "--expiring", "30d") == (3, [soon, later])
    assert ids(cli, "--expiring", "3d") == (3, [soon])
    assert ids(cli, "--expiring", "30d", "--owner", "ann") == (3, [soon])
    cli("key", "revoke", soon)
    assert ids(cli, "--expiring", "3d") == (0, [])
    assert cli("key", "list", "--expiring", "30d").status == 3


def test_unused_keys(created: Create, cli: Cli, tmp_path: Path, later: Callable[[int], None]) -> None:
    """A read is a use; who was never used counts from the day when it was made."""
    reads, uploads, idle = created(), created(), created()
    note_use(tmp_path, uploads.id, "0", ago=-5 * DAY)
    note_use(tmp_path, reads.id, "0", ago=-40 * DAY, action="read")
    assert ids(cli, "--unused", "30d") == (0, [])
    later(50 * DAY)
    assert {*ids(cli, "--unused", "30d")[1]} == {idle.id, uploads.id}
    assert {*ids(cli, "--unused", "5d")[1]} == {idle.id, uploads.id, reads.id}
    cli("key", "pause", idle.id)
    assert ids(cli, "--unused", "30d") == (0, [uploads.id])


def test_rotating_keys_and_who_uses_the_old_secret(created: Create, cli: Cli, tmp_path: Path) -> None:
    """Whether, by which address, client and package, last when: in a pipe and as JSON."""
    key, other = created(), created()
    assert ids(cli, "--rotating") == (0, [])
    cli("key", "rotate", key.id)
    note_use(tmp_path, key.id, "0", ago=60)
    note_use(tmp_path, other.id, "0", ago=60)
    assert ids(cli, "--rotating") == (0, [key.id])
    [row] = cli("key", "list", "--rotating", "--json").json
    assert row["rotation"]["new_last_use"] is None
    use = row["rotation"]["old_last_use"]
    assert (use["address"], use["client"], use["project"]) == ("192.0.2.7", "twine/7.0", "acme-core")
    head, line = (each.split("\t") for each in cli("key", "list", "--rotating").stdout.splitlines())
    cells = dict(zip(head, line, strict=True))
    assert (cells["id"], cells["address"], cells["client"], cells["project"], cells["new_used"]) == (
        key.id, "192.0.2.7", "twine/7.0", "acme-core", "-",
    )  # fmt: skip
    assert cells["old_used"] == use["time"]


def test_last_used_is_in_every_list(created: Create, cli: Cli, tmp_path: Path) -> None:
    """Null before the first use."""
    key = created()
    assert cli("key", "list", "--json").json[0]["last_used"] is None
    note_use(tmp_path, key.id, "0", ago=60)
    assert cli("key", "list", "--json").json[0]["last_used"].endswith("Z")


@pytest.mark.parametrize(
    "options",
    [
        ["--expiring", "1d", "--rotating"],
        ["--state", "live", "--unused", "1d"],
        ["--expiring", "never"],
        ["--unused", "never"],
    ],
    ids=" ".join,
)
def test_one_question_at_a_time(cli: Cli, options: list[str]) -> None:
    """Wrong usage, before any store is looked for."""
    assert cli("key", "list", *options).status == 2


def test_nothing_found_is_said(created: Create, cli: Cli) -> None:
    """Not that there are no keys at all."""
    created()
    assert "no such keys" in cli("key", "list", "--rotating").stderr


def test_minted_keys_have_a_list_of_their_own(created: Create, cli: Cli, config_file: Path) -> None:
    """They would bury the others; a plain list says how many there are, and where."""
    key = created()
    assert "minted" not in cli("key", "list").stderr
    mint(config_file)
    assert ids(cli) == (0, [key.id])
    assert "minted for trusted publishers: 1 work now, 2 in the last 30 days: `authproxy key list --minted`" in (
        cli("key", "list").stderr
    )
    assert ids(cli, "--minted") == (0, ["Minted000001", "Minted000002"])
    assert ids(cli, "--minted", "--state", "live") == (0, ["Minted000001"])
    [row, _] = cli("key", "list", "--minted", "--json").json
    assert (row["publisher"], row["claims"]) == ("github acme/core release.yml", {"sha": "9f", "run_id": "7"})
    head, line, _ = (each.split("\t") for each in cli("key", "list", "--minted").stdout.splitlines())
    assert dict(zip(head, line, strict=True))["claims"] == "sha '9f', run_id '7'"
    assert ids(cli, "--expiring", "1d") == (0, [])


@pytest.mark.parametrize("option", [["--policy", "release"], ["--expiring", "1d"], ["--unused", "1d"], ["--rotating"]])
def test_minted_keys_have_no_policy_and_no_rotation(cli: Cli, option: list[str]) -> None:
    """Wrong usage, in a sentence."""
    ran = cli("key", "list", "--minted", *option)
    assert (ran.status, "minted" in ran.stderr) == (2, True)
