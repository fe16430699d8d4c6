"""`authproxy derive`: from where it takes the key, what it makes of it, and what it refuses."""

import json
import stat
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

from authproxy.client.logins import Login, store
from authproxy.domain.caveats import Digests, Lifetime, Once, Projects
from authproxy.domain.derived import derived_name, parse_derived
from tests.peers.derived import PREFIX, caveats_of, key_file, new_key
from tests.peers.programs import clean_environment
from tests.peers.proxy import AUTHPROXY


@pytest.fixture
def key() -> str:
    return new_key()


def derive(folder: Path, *arguments: str | Path, said: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*AUTHPROXY, "derive", *map(str, arguments)],
        input=said,
        env=clean_environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_key_on_stdin_becomes_one_that_may_do_less(tmp_path: Path, key: str) -> None:
    """The derived key alone on stdout, once; what a person wants to know on stderr, and the full key nowhere."""
    ran = derive(tmp_path, "--package", "Acme.Core", "--expires", "5m", said=f"{key}\n")
    assert (ran.returncode, ran.stdout.count("\n")) == (0, 1)
    made = ran.stdout.strip()
    life, projects = caveats_of(made, key)
    assert isinstance(life, Lifetime)
    assert life.expires - life.not_before == 300
    assert abs(life.not_before - time.time()) < 60
    assert projects == Projects(frozenset({"acme-core"}))
    derived = parse_derived(made, PREFIX)
    assert derived is not None
    assert ran.stderr.startswith(f"derived key {derived.unverified_public_id}.{derived_name(derived)}: good until ")
    assert key[20:] not in ran.stdout + ran.stderr


def test_a_file_and_a_derived_key_are_keys_too(tmp_path: Path, key: str) -> None:
    """`-o` writes a file that may be derived from again, and nobody else may read it."""
    path = key_file(tmp_path, key)
    once = derive(tmp_path, "--key-file", path, "--network", "10.0.0.0/8", "-o", "derived.key")
    assert (once.returncode, once.stdout) == (0, "")
    assert stat.S_IMODE((tmp_path / "derived.key").stat().st_mode) == 0o600
    twice = derive(
        tmp_path, "--key-file", "derived.key", "--index", "team/dev", "--version", "1.*", "--action", "read", "--json"
    )
    shown = json.loads(twice.stdout)
    kinds = [type(each).__name__ for each in caveats_of(shown["key"], key)]
    assert kinds == ["Lifetime", "Networks", "Lifetime", "Versions", "Indexes", "Actions"]
    assert set(shown) == {"key", "id", "name", "expires", "caveats"}
    assert len(shown["caveats"]) == 6
    path.chmod(0o644)
    refused = derive(tmp_path, "--key-file", path, "--package", "a")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "chmod 600" in refused.stderr


def test_files_are_named_as_a_shell_names_them(tmp_path: Path, key: str) -> None:
    """`--file dist/*` is several words to us; the same in quotes is one."""
    (tmp_path / "dist").mkdir()
    for name in ("a.whl", "b.tar.gz"):
        (tmp_path / "dist" / name).write_text(name)
    wanted = Digests(frozenset(sha256(name.encode()).hexdigest() for name in ("a.whl", "b.tar.gz")))
    for arguments in (
        ["--file", "dist/a.whl", "dist/b.tar.gz"],
        ["--file", "dist/*"],
        ["--file", "dist/a.whl", "--file", "dist/b.tar.gz"],
    ):
        ran = derive(tmp_path, *arguments, "--once", "--expires", "5m", said=key)
        assert ran.returncode == 0, ran.stderr
        found = caveats_of(ran.stdout.strip(), key)
        assert wanted in found
        assert isinstance(found[-1], Once)


def test_the_key_of_a_login_is_taken_where_nobody_says_another(
    tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By --url, or the only one there is; a key on stdin comes first."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    store(Login("https://pypi.example.com", "https://pypi.example.com/", "file"), key)
    for options in ([], ["--url", "https://pypi.example.com/team/dev/"]):
        ran = derive(tmp_path, "--package", "a", *options)
        assert ran.returncode == 0, ran.stderr
        assert caveats_of(ran.stdout.strip(), key)
    other = new_key()
    assert caveats_of(derive(tmp_path, "--package", "a", said=other).stdout.strip(), other)
    refused = derive(tmp_path, "--package", "a", "--url", "https://other.example.com")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "authproxy login https://other.example.com/" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        pytest.param(["--package", "a", "dist/x"], 2, "files are named by --file", id="a word without an option"),
        pytest.param(["--file", "missing"], 1, "there is no file missing", id="a file that is not there"),
        pytest.param(["--file", "."], 1, "is a folder", id="a folder"),
        pytest.param(["--package", "a b"], 2, "is no project name", id="no name"),
        pytest.param(["--expires", "soon"], 2, "as in 5m", id="no time"),
        pytest.param(["--network", "here"], 2, "is no network", id="no network"),
        pytest.param(["--version", "one"], 2, "one", id="no version"),
        pytest.param(["--index", "a//b"], 2, "is no index", id="no index"),
        pytest.param(["--action", "steal"], 2, "steal", id="no action"),
        pytest.param(["--once", "--expires", "2d"], 1, "for a day at most", id="once, for too long"),
        pytest.param(["--expires", "never"], 1, "at least one caveat", id="nothing less"),
        pytest.param(["--url", "pypi.example.com"], 2, "no address of a proxy", id="no URL"),
    ],
)
def test_what_is_refused(tmp_path: Path, key: str, arguments: list[str], status: int, words: str) -> None:
    """One sentence, the right exit status, nothing on stdout, and nothing of the key."""
    ran = derive(tmp_path, *arguments, said=key)
    assert (ran.returncode, ran.stdout) == (status, "")
    assert words in ran.stderr
    assert key[20:] not in ran.stderr
    assert "Traceback" not in ran.stderr


def test_what_is_no_key_is_refused(tmp_path: Path, key: str) -> None:
    """Nothing at all, half a key, a key with a typing error."""
    for said in ("", key[:-3], f"{key}A"):
        ran = derive(tmp_path, "--package", "a", said=said)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert "no key" in ran.stderr
        assert key[20:-3] not in ran.stderr


# Of click itself, of our ten modules and of `packaging`; a proxy's rooms are hundreds more.
HEAVY = ("pydantic", "sqlalchemy", "aiohttp", "rich", "asyncio", "yaml", "keyring", "cryptography", "authproxy.config")


@pytest.mark.parametrize("command", ["derive", "exec", "login"])
def test_little_is_loaded(tmp_path: Path, command: str) -> None:
    """Nothing of the proxy; what stands before every upload should not be felt."""
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "authproxy", command, "--help"],
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines() if line.startswith("import time:")}
    assert "authproxy.client.logins" in loaded
    assert not [name for name in loaded if name.startswith(HEAVY)]
