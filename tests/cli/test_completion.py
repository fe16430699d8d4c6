"""`authproxy completion`: the script, and the answers to what it asks."""

import os
import subprocess
import sys

import pytest

from tests.cli.conftest import Cli


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(cli: Cli, shell: str) -> None:
    """Each script names the program and the variable by which it asks us."""
    ran = cli("completion", shell)
    assert ran.status == 0
    assert "_AUTHPROXY_COMPLETE" in ran.stdout


def test_the_help_shows_a_line_for_each_shell(cli: Cli) -> None:
    """As they are pasted: one line each, and none of click's marks."""
    shown = cli("completion", "--help").stdout
    assert "\\b" not in shown
    assert "\b" not in shown
    assert [line.split(":")[0].strip() for line in shown.splitlines() if " in ~/." in line] == ["bash", "zsh", "fish"]


def test_completion_answers() -> None:
    """What the script asks is answered: the commands that begin with what was typed."""
    environment = {"_AUTHPROXY_COMPLETE": "bash_complete", "COMP_WORDS": "authproxy key re", "COMP_CWORD": "2"}
    ran = subprocess.run(
        [sys.executable, "-m", "authproxy"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout.split() == ["plain,resume", "plain,revoke"]
