"""What several commands take: how the configuration is named, who is asked, and which store is opened."""

import asyncio
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import click
import pytest

from authproxy.cli.options import asked, create_store, key_authority, load_config, opened
from tests.cli.conftest import Cli


def test_without_a_configuration_both_ways_to_name_one_are_told(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to look up how the configuration is named."""
    monkeypatch.delenv("AUTHPROXY_CONFIG")
    ran = cli("key", "list")
    assert ran.status == 2
    assert "--config FILE" in ran.stderr
    assert "AUTHPROXY_CONFIG" in ran.stderr


def test_the_configuration_is_named_before_or_behind_the_command(
    cli: Cli, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`authproxy --config F check` and `authproxy check --config F` are one; the nearer one wins."""
    monkeypatch.delenv("AUTHPROXY_CONFIG")
    assert cli("--config", config_file, "config", "check").status == 0
    assert cli("config", "check", "--config", config_file).status == 0
    assert cli("--config", "nowhere", "config", "check", "--config", config_file).status == 0


@pytest.mark.parametrize("command", [("key", "list"), ("config", "check"), ("doctor",)], ids=" ".join)
def test_a_name_that_nobody_typed_just_now(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """A relative path in the variable holds in one directory: the sentence says where it led, and who named it."""
    monkeypatch.setenv("AUTHPROXY_CONFIG", "authproxy.yaml")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    ran = cli(*command)
    assert ran.status == 1
    there = tmp_path / "elsewhere" / "authproxy.yaml"
    assert f"{there}: there is no such file (from AUTHPROXY_CONFIG)" in " ".join(ran.stderr.split())
    ran = cli(*command, "--config", "typed.yaml")
    assert (ran.status, "AUTHPROXY_CONFIG" in ran.stderr) == (1, False)


def test_a_person_at_a_terminal_is_asked(cli: Cli, config_file: Path) -> None:
    """Without --owner and --policy a terminal is asked; without a terminal the flag that is missing is named."""
    ran = cli("key", "create", "--policy", "release", input="me\n")
    assert ran.status == 2
    assert "--owner is missing" in ran.stderr
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "authproxy", "key", "create", "--config", str(config_file)],
        stdin=child,
        stderr=child,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TERM": "dumb"},
    )
    os.write(parent, b"release\nci@acme\n")
    stdout, _ = process.communicate(timeout=60)
    os.close(child)
    talk = os.read(parent, 65536).decode()
    os.close(parent)
    assert process.returncode == 0, talk
    assert stdout.startswith("apx_")
    assert "Key policy (forever, release)" in talk
    rows = json.loads(cli("key", "list", "--json").stdout)
    assert [row["owner"] for row in rows] == ["ci@acme"]


def test_without_a_terminal_nobody_is_asked() -> None:
    """What a flag said is taken; where it is missing and no person sits there, its name is the answer."""
    assert asked("ann", "--owner", "Owner") == "ann"
    with pytest.raises(click.UsageError, match="--owner is missing"):
        asked(None, "--owner", "Owner")


def test_a_store_is_made_once_and_then_left_alone(config_file: Path) -> None:
    """A store that is there is opened as it is: migrating it is for the operator to time. An empty file is none."""
    config = load_config(config_file)
    path = config_file.with_name("authproxy.db")
    asyncio.run(create_store(config))
    made = path.read_bytes()
    asyncio.run(create_store(config))
    assert path.read_bytes() == made
    path.write_bytes(b"")  # what a start on a full disk leaves
    asyncio.run(create_store(config))
    assert path.read_bytes() != b""


def test_the_authority_of_a_command_works_on_the_store_of_the_configuration(config_file: Path) -> None:
    """A key that one command issues is one that the next verifies."""
    from authproxy.authority import NewKey

    config = load_config(config_file)

    async def both() -> str | None:
        async with opened(config, create=True) as store, key_authority(config, store) as authority:
            record, text = await authority.issue(NewKey(owner="a", note="", policy="release"), now=100)
            assert text.startswith(f"{config.keys.prefix}_{record.id}")
        async with opened(config) as store, key_authority(config, store) as authority:
            return (await authority.verify(text, now=101)).problem

    assert asyncio.run(both()) is None
