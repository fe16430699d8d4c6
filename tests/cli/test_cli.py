"""The entrance: fast where nothing is needed, four exit statuses, one sentence for whoever must act."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from authproxy import __version__
from authproxy.cli import COMMANDS, main
from tests.cli.conftest import Cli

HEAVY = ("sqlalchemy", "aiohttp", "pydantic", "rich", "yaml", "argon2", "alembic")


def _python(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False, **options
    )


def _paths(group: click.Group, *above: str) -> list[tuple[str, ...]]:
    found = []
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        inner = _paths(command, *above, name) if isinstance(command, click.Group) else [(*above, name)]
        found += inner
    return found


PATHS = _paths(main)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["completion", "--help"]], ids=" ".join)
def test_what_needs_nothing_loads_nothing(arguments: list[str]) -> None:
    """Asking for the version or for help imports no database, no server and no table printer."""
    program = (
        "import sys\nfrom authproxy.cli import main\n"
        f"try: main({arguments!r}, prog_name='authproxy')\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    ran = _python("-c", program)
    assert ran.stdout.splitlines()[-1] == "[]", ran.stdout + ran.stderr


def test_key_and_policy_are_parsed_without_the_server() -> None:
    """A wrong option of a heavy command is found before anything heavy is loaded."""
    program = (
        "import sys\nfrom authproxy.cli import main\n"
        "try: main(['key', 'list', '--nonsense'], prog_name='authproxy')\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert _python("-c", program).stdout.splitlines()[-1] == "[]"


def test_the_module_and_the_version(tmp_path: Path) -> None:
    """`python -m authproxy` is the same program."""
    ran = _python("-m", "authproxy", "--version", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (0, f"authproxy, version {__version__}\n")


def test_every_command_that_is_announced_is_there() -> None:
    """The table that `--help` prints without importing anything agrees with the commands themselves."""
    for name, (_, _, text) in COMMANDS.items():
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert command.name == name
        assert command.short_help == text


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_command_explains_itself(cli: Cli, path: tuple[str, ...]) -> None:
    """`--help` of each command says how it is called and exits 0; so does -h."""
    for flag in ("--help", "-h"):
        ran = cli(*path, flag)
        assert ran.status == 0
        assert ran.stdout.startswith(f"Usage: authproxy {' '.join(path)}")
        assert ran.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["kye"], "No such command 'kye'", id="an unknown command"),
        pytest.param(["key", "list", "--nonsense"], "No such option", id="an unknown option"),
        pytest.param(["key", "list", "--state", "dead"], "'dead' is not one of", id="an unknown choice"),
        pytest.param(["key", "show"], "Missing argument 'ID'", id="a missing argument"),
        pytest.param(["completion", "tcsh"], "'tcsh' is not one of", id="an unknown shell"),
    ],
)
def test_wrong_usage_is_status_2(cli: Cli, arguments: list[str], words: str) -> None:
    """What is wrong whatever the configuration says is one sentence on stderr, where to read on, and nothing on stdout."""
    ran = cli(*arguments)
    assert ran.status == 2
    assert ran.stdout == ""
    assert words in ran.stderr.splitlines()[0]
    assert ran.stderr.splitlines()[1].startswith("see: authproxy")


def test_control_characters_of_an_argument_are_not_echoed(cli: Cli) -> None:
    """An option copied from somewhere with an escape sequence in it does not drive the terminal."""
    ran = cli("key", "list", "--\x1b[2Jx")
    assert "\x1b" not in ran.stderr
    assert "\\x1b[2J" in ran.stderr


def test_a_key_among_the_arguments_is_not_echoed(cli: Cli) -> None:
    """A key that was pasted where no argument belongs is cut out of the error, and so out of a CI log."""
    secret = "s" * 49
    ran = cli("key", "list", f"apx_Ab0123456789x_{secret}")
    assert ran.status == 2
    assert "apx_Ab0123456789x_[redacted]" in ran.stderr
    assert secret[:20] not in ran.stderr


def test_a_missing_file_is_no_traceback(cli: Cli, tmp_path: Path) -> None:
    """A path that leads nowhere, for what is read and for what is written."""
    for arguments in (
        ("key", "verify", "--file", tmp_path / "no"),
        ("config", "schema", "-o", tmp_path / "no" / "file"),
        ("config", "show", "--config", tmp_path / "no"),
    ):
        ran = cli(*arguments)
        assert ran.status == 1
        assert ran.stdout == ""
        assert str(tmp_path / "no") in ran.stderr
        assert len(ran.stderr.splitlines()) == 1


def test_a_reader_that_leaves_early_is_no_traceback() -> None:
    """`authproxy ... | head -1` ends in silence."""
    program = f"{sys.executable} -m authproxy config schema | head -1"
    ran = subprocess.run(["sh", "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ran.stdout == "{\n"
    assert ran.stderr == ""


def test_a_stream_that_is_not_utf8_is_no_traceback(config_file: Path) -> None:
    """With an ASCII stdout a check mark becomes an escape, not a UnicodeEncodeError."""
    config_file.write_text(config_file.read_text() + "ключ: 1\n")
    ran = _python(
        "-m",
        "authproxy",
        "config",
        "check",
        env={**os.environ, "PYTHONIOENCODING": "ascii", "AUTHPROXY_CONFIG": str(config_file)},
    )
    assert ran.returncode == 3
    assert "Traceback" not in ran.stdout + ran.stderr


def test_an_interruption_is_no_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle ends with status 1 and one line."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("authproxy.cli.config.load_config", interrupted)
    ran = cli("config", "show")
    assert ran.status == 1
    assert ran.stderr.strip() == "authproxy: interrupted"
