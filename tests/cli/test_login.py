"""`authproxy login` and `logout`. With a real keyring: tests/e2e/test_keyring.py."""

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.peers.derived import key_file, new_key
from tests.peers.programs import clean_environment
from tests.peers.proxy import AUTHPROXY

URL = "https://pypi.example.com/team/dev/"
ORIGIN = "https://pypi.example.com"
NONE = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}


@pytest.fixture
def key() -> str:
    return new_key()


def run(home: Path, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    environ = clean_environment(home, **NONE)
    argv = [*AUTHPROXY, *arguments]
    return subprocess.run(
        argv, input=said, env=environ, cwd=home, capture_output=True, text=True, timeout=60, check=False
    )


def files(home: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (home / ".config").rglob("*") if path.is_file()}


def test_the_key_is_kept_in_a_file_and_gone_after_logout(tmp_path: Path, key: str) -> None:
    """From stdin; the key stands in one file of mode 0600, and after logout nothing is left."""
    ran = run(tmp_path, "login", "--in-file", URL, said=f"{key}\n")
    assert (ran.returncode, ran.stdout) == (0, "")
    assert ran.stderr == f"logged in to {ORIGIN}: the key is in a file of mode 0600\n"
    assert files(tmp_path).pop("https_pypi.example.com") == f"{key}\n"
    assert key not in files(tmp_path)["logins.json"]
    ran = run(tmp_path, "logout", ORIGIN)
    assert (ran.returncode, ran.stderr) == (0, f"logged out of {ORIGIN}; `authproxy key revoke` ends the key itself\n")
    assert files(tmp_path) == {}
    ran = run(tmp_path, "logout", ORIGIN)
    assert (ran.returncode, ran.stderr) == (1, f"authproxy: nobody is logged in to {ORIGIN} here\n")


def test_the_key_may_come_from_a_file_and_json_has_none_of_it(tmp_path: Path, key: str) -> None:
    """For scripts: where, and how it is kept."""
    path = key_file(tmp_path, key)
    ran = run(tmp_path, "login", "--json", "--in-file", "--key-file", str(path), "http://127.0.0.1:8080")
    assert ran.returncode == 0
    assert '"origin": "http://127.0.0.1:8080"' in ran.stdout
    assert ran.stderr == ""
    assert key not in ran.stdout


def test_without_a_keyring_it_refuses_and_names_the_file(tmp_path: Path, key: str) -> None:
    """Nothing is kept anywhere, and the line that does it is in the sentence."""
    ran = run(tmp_path, "login", URL, said=key)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert f"`authproxy login --in-file {URL}` keeps the key in a file of mode 0600" in ran.stderr
    assert not (tmp_path / ".config").exists()


def test_in_the_clear_a_person_is_told(tmp_path: Path, key: str) -> None:
    """http:// of another machine; on this one nobody listens."""
    assert "in the clear" in run(tmp_path, "login", "--in-file", "http://pypi.example.com", said=key).stderr
    assert "in the clear" not in run(tmp_path, "login", "--in-file", "http://127.0.0.1:8080", said=key).stderr


@pytest.mark.parametrize("said", ["", "s3cret", "pypi-AgEIcHl"])
def test_what_is_no_key_is_not_kept(tmp_path: Path, said: str) -> None:
    """A password that somebody types here would be handed out by nobody, and is not written down either."""
    ran = run(tmp_path, "login", "--in-file", URL, said=said)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "no key" in ran.stderr
    assert not (tmp_path / ".config").exists()


def test_at_a_terminal_it_asks_and_shows_nothing(tmp_path: Path, key: str) -> None:
    """The key is typed unseen."""
    child, terminal = pty.fork()
    if child == 0:
        argv = [*AUTHPROXY, "login", "--in-file", URL]
        os.execve(argv[0], argv, clean_environment(tmp_path, **NONE))
    said = b""
    while b"Key:" not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, f"{key}\n".encode())
    while b"logged in" not in said:
        said += os.read(terminal, 1000)
    os.waitpid(child, 0)
    os.close(terminal)
    assert key.encode() not in said
    assert files(tmp_path)["https_pypi.example.com"] == f"{key}\n"
