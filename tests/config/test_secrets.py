"""Secrets from files, the environment and systemd: what is read, what is refused, and what is never said."""

import os
from pathlib import Path

import pytest

from authproxy.config.secrets import CREDENTIALS_DIRECTORY, SECRET_LIMIT, secret
from authproxy.config.settings import SecretReference, SecretSource

HUNTER = "hunter2"


def from_file(base: Path, name: str = "pw") -> object:
    return secret(SecretReference(SecretSource.FILE, name), base, {})


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param(b"hunter2", "hunter2", id="the secret alone"),
        pytest.param(b"hunter2\n", "hunter2", id="with the newline that echo writes"),
        pytest.param(b"hunter2\r\n", "hunter2", id="with the one of Windows"),
        pytest.param(b" hunter2 \n", " hunter2 ", id="spaces belong to it"),
        pytest.param("pässwörd".encode(), "pässwörd", id="letters beyond ASCII"),
        pytest.param(b"x" * SECRET_LIMIT, "x" * SECRET_LIMIT, id="as long as may be"),
    ],
)
def test_a_file_is_read(tmp_path: Path, raw: bytes, text: str) -> None:
    """The file's text is the secret, without one final newline and to the letter otherwise."""
    path = tmp_path / "pw"
    path.write_bytes(raw)
    path.chmod(0o600)
    found = secret(SecretReference(SecretSource.FILE, "pw"), tmp_path, {})
    assert found.text == text
    assert found.warning is None
    assert secret(SecretReference(SecretSource.FILE, str(path)), Path("/nowhere"), {}) == found


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        pytest.param(b"", "is empty, and the secret has to stand in it", id="nothing"),
        pytest.param(b"\n", "is empty", id="a newline alone"),
        pytest.param(b"hunter2\nhunter3\n", "more than one line", id="two lines"),
        pytest.param(b"hunter2\n\n", "more than one line", id="two newlines"),
        pytest.param(b"hunter2\x00", "control characters", id="a NUL byte"),
        pytest.param(b"hunter2\xff", "is not UTF-8", id="a byte that is no UTF-8"),
        pytest.param(HUNTER.encode() * SECRET_LIMIT, f"more than {SECRET_LIMIT} bytes", id="a large file"),
    ],
)
def test_what_is_no_secret(tmp_path: Path, raw: bytes, words: str) -> None:
    """A file that holds anything else is refused with its name and without its text."""
    path = tmp_path / "pw"
    path.write_bytes(raw)
    path.chmod(0o600)
    with pytest.raises(ValueError, match=words) as caught:
        from_file(tmp_path)
    assert str(path) in str(caught.value)
    assert "hunter" not in str(caught.value)


def test_a_file_that_everybody_reads_is_a_warning(tmp_path: Path) -> None:
    """Container engines mount secrets world-readable: they work, and it is said."""
    path = tmp_path / "pw"
    path.write_text(HUNTER)
    path.chmod(0o644)
    found = secret(SecretReference(SecretSource.FILE, "pw"), tmp_path, {})
    assert found.text == HUNTER
    assert found.warning == f"everybody on this machine may read '{path}': chmod 600 it"
    assert HUNTER not in repr(found)


def test_a_file_that_everybody_writes_is_refused(tmp_path: Path) -> None:
    """Whoever can write the password chooses it."""
    path = tmp_path / "pw"
    path.write_text(HUNTER)
    path.chmod(0o666)
    with pytest.raises(ValueError, match="everybody may write"):
        from_file(tmp_path)


def test_what_is_no_file(tmp_path: Path) -> None:
    """A directory, a pipe, a device, nothing, a loop, a name with a NUL: one sentence each, and no waiting."""
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, words in [
        ("directory", "cannot be read: is a directory"),
        ("pipe", "no regular file"),
        ("/dev/zero", "no regular file"),
        ("nothing", "there is no file"),
        ("loop", "cannot be read: too many levels"),
        ("nul\0", "null byte"),
    ]:
        with pytest.raises(ValueError, match=words):
            from_file(tmp_path, name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission(tmp_path: Path) -> None:
    """Permission denied is said as such."""
    path = tmp_path / "pw"
    path.write_text(HUNTER)
    path.chmod(0)
    with pytest.raises(ValueError, match="cannot be read: permission denied"):
        from_file(tmp_path)


def test_the_environment(tmp_path: Path) -> None:
    """A variable is read from the environment that was passed in; without one, its name is said."""
    reference = SecretReference(SecretSource.ENV, "INDEX_PASSWORD")
    assert secret(reference, tmp_path, {"INDEX_PASSWORD": HUNTER}).text == HUNTER
    for env, words in [
        ({}, "'INDEX_PASSWORD' is not set, and the secret has to stand in it"),
        ({"INDEX_PASSWORD": ""}, "is empty"),
    ]:
        with pytest.raises(ValueError, match=words):
            secret(reference, tmp_path, env)


def test_a_systemd_credential(tmp_path: Path) -> None:
    """The name is looked up in $CREDENTIALS_DIRECTORY and leads nowhere else."""
    (tmp_path / "pw").write_text(HUNTER + "\n")
    (tmp_path / "pw").chmod(0o400)
    env = {CREDENTIALS_DIRECTORY: str(tmp_path)}
    assert secret(SecretReference(SecretSource.CREDENTIAL, "pw"), Path("/nowhere"), env).text == HUNTER
    for name, found, words in [
        ("pw", {}, "CREDENTIALS_DIRECTORY is not set"),
        ("other", env, "there is no file"),
        ("../pw", env, "is no credential"),
        ("/etc/passwd", env, "is no credential"),
        ("..", env, "is no credential"),
    ]:
        with pytest.raises(ValueError, match=words):
            secret(SecretReference(SecretSource.CREDENTIAL, name), tmp_path, found)
