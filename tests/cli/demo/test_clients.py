"""How the clients are called: the line that a person pastes does what the self-test ran, and shows no key to `ps`."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from authproxy.cli.demo import clients
from authproxy.cli.demo.clients import (
    Command,
    clean_environment,
    missing,
    pip_install,
    twine_upload,
    uv_install,
    uv_publish,
)
from authproxy.domain.keys import SECRET_ENTROPY, PublicId, mint

KEY = mint("apx", PublicId("Ab0123456789x"), bytes(range(SECRET_ENTROPY)))
URL = "http://127.0.0.1:1/"
COMMANDS = (
    twine_upload(URL, KEY, "/d ir/x-1.0*"),
    uv_publish(URL, KEY, "/d ir/x-1.0*"),
    pip_install(URL, "x", Path("/t")),
    uv_install(URL, "x", Path("/t")),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.arguments[:2]))
def test_a_key_is_never_an_argument(command: Command) -> None:
    """Arguments can be listed by every user of a machine; a key stands in front of them, as a variable."""
    assert KEY not in " ".join([*command.arguments, *command.quiet])
    assert KEY not in repr(command)
    words = shlex.split(command.line())
    variables = [word for word in words if "=" in word and word.split("=")[0].isupper()]
    assert (KEY in command.line()) == any(KEY in variable for variable in variables)


def test_a_line_is_what_is_run() -> None:
    """A shell reads the line back into the very command, and leaves its glob to be expanded."""
    command = COMMANDS[0]
    words = shlex.split(command.line())
    assert words[:2] == ["TWINE_USERNAME=__token__", f"TWINE_PASSWORD={KEY}"]
    assert tuple(words[3:]) == command.arguments
    assert command.line().endswith(" '/d ir/x-1.0'*")


def test_a_program_on_the_path_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """`twine` where the shell finds this environment's own, its path where it would find none or another."""
    own = Path(sys.executable).parent
    monkeypatch.setenv("PATH", str(own))
    assert " twine upload " in COMMANDS[0].line()
    monkeypatch.setenv("PATH", "/nowhere")
    assert f" {own}/twine upload " in COMMANDS[0].line()


def test_a_client_is_bounded_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that hangs is ended, and that is what is said."""
    monkeypatch.setattr(clients, "CLIENT_SECONDS", 0.5)
    outcome = Command("http.server", ("--bind", "127.0.0.1", "0")).run(tmp_path)
    assert outcome.status == 124
    assert "did not end" in outcome.output


def test_a_client_sees_nothing_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, proxy, index or home directory of whoever runs the demo reaches a client."""
    for name in ("TWINE_PASSWORD", "HTTP_PROXY", "https_proxy", "PIP_INDEX_URL", "UV_PUBLISH_TOKEN", "HOME"):
        monkeypatch.setenv(name, "of-the-user")
    assert "of-the-user" not in clean_environment(tmp_path).values()
    ran = subprocess.run(
        [sys.executable, "-c", "import os; print(os.path.expanduser('~'))"],
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ran.stdout.strip() == str(tmp_path)


def test_what_a_client_says_is_redacted(tmp_path: Path) -> None:
    """A client that prints its credentials does not print them through us."""
    command = Command("json.tool", (str(tmp_path / KEY),))
    outcome = command.run(tmp_path)
    assert outcome.status != 0
    assert "apx_Ab0123456789x_" in outcome.output
    assert KEY not in outcome.output


def test_words_undo_what_a_terminal_does() -> None:
    """A sentence that a client has wrapped and framed is found."""
    assert clients.Outcome(1, "│ key may\n│ not upload │\n").words == "key may not upload"


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is there in a test environment; what is not there is told by its name."""
    assert missing(("pypiserver", "devpi_server")) == ()
    assert missing(("not_installed_anywhere",)) == ("not-installed-anywhere",)
    monkeypatch.setattr(clients, "CLIENTS", ("pip", "no_such_client"))
    assert missing(()) == ("no-such-client",)


def test_a_program_that_stands_apart_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a module of this environment, else on the PATH; its line calls it by its name."""
    assert clients.start("pip") == [sys.executable, "-m", "pip"]
    assert clients.start("no_such_client") is None
    apart = tmp_path / "no_such_client"
    apart.write_text("#!/bin/sh\necho apart\n")
    apart.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert clients.start("no_such_client") == [str(apart)]
    assert Command("no_such_client", ("x",)).run(tmp_path).words == "apart"
    assert Command("no_such_client", ("x",)).line() == "no_such_client x"
    assert missing((), ("no_such_client",)) == ()
