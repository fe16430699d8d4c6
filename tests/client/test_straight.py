"""The short way makes what the whole command makes, byte for byte, and leaves all else to it. It loads little."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from authproxy.client import straight as short
from authproxy.client.keytext import read_file
from authproxy.client.preparing import narrowing_of, place_of, prepared, without
from authproxy.client.signing import signed
from authproxy.client.straight import straight
from authproxy.client.uploaded import _BESIDE
from authproxy.client.uploaders import UPLOADERS, read_call
from authproxy.domain.keys import PUBLIC_ID_LENGTH, SECRET_LENGTH, parse
from authproxy.domain.names import PROJECT_LIMIT
from tests.peers.derived import key_file, new_key
from tests.peers.packages import sdist, wheel
from tests.peers.programs import clean_environment

ROOT = Path(__file__).parents[2]
NOW = 1_800_000_000
PLACE = "--repository-url https://pypi.example.com/"
DIST = "dist/acme_core-1.0-py3-none-any.whl dist/acme_core-1.0.tar.gz"
OURS = {
    "authproxy",
    "authproxy.__main__",
    "authproxy.client",
    "authproxy.client.errors",
    "authproxy.client.running",
    "authproxy.client.straight",
    "authproxy.domain",
    "authproxy.domain.base62",
    "authproxy.domain.chain",
}
# Each of these takes as long to load as all of the above.
HEAVY = {"click", "re", "typing", "dataclasses", "inspect", "pathlib", "json", "packaging", "logging", "datetime"}
HEAVY |= {"urllib.parse", "ipaddress", "subprocess", "tempfile"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a release, a key, and a twine."""
    for each in (wheel("acme-core"), sdist("acme-core")):
        each.write(tmp_path / "dist")
    (tmp_path / "bin").mkdir()
    twine = tmp_path / "bin" / "twine"
    twine.write_text('#!/bin/sh\nprintf "%s %s" "$TWINE_PASSWORD" "$*" > shown\n')
    twine.chmod(0o755)
    key_file(tmp_path, new_key())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def environment(folder: Path, **more: str) -> dict[str, str]:
    made = clean_environment(folder, **more)
    return {**made, "PATH": f"{folder / 'bin'}:{made['PATH']}"}


def whole(command: str, environ: dict[str, str], url: str | None, seconds: int = 300) -> tuple[object, dict[str, str]]:
    """What the whole command runs for these words."""
    argv = tuple(command.split())
    call, key = read_call(argv), read_file(Path("the.key"))
    assert call is not None
    place = place_of(call, url, environ)
    made = signed(key, narrowing_of(call, seconds, frozenset(), Path.cwd()), now=NOW, nonce=b"")
    found = prepared(argv, call, place, made, without(environ, key))
    return found.argv, dict(found.environ)


@pytest.mark.parametrize(
    ("options", "command", "variables"),
    [
        ("", f"twine upload {PLACE} {DIST}", {}),
        ("", f"twine upload -r house --non-interactive --skip-existing {DIST}", {"TWINE_PASSWORD": "old"}),
        ("", f"twine upload {DIST}", {"TWINE_REPOSITORY_URL": "https://pypi.example.com/"}),
        ("--expires 2m", f"twine upload {PLACE} dist/acme_core-1.0.tar.gz", {}),
        ("--url https://pypi.example.com:8443/team/dev", f"twine upload {DIST}", {"TWINE_REPOSITORY": "old"}),
        ("", f"bin/twine upload {PLACE} {DIST} {DIST} dist/acme_core-1.0.tar.gz.asc", {}),
    ],
    ids=["its own place", "a name of .pypirc", "a variable", "one file, two minutes", "--url", "beside, and twice"],
)
def test_it_makes_what_the_whole_command_makes(
    folder: Path, options: str, command: str, variables: dict[str, str]
) -> None:
    """The same arguments, the same environment, the same derived key; the key itself is in neither."""
    (folder / "dist" / "acme_core-1.0.tar.gz.asc").touch()
    key = read_file(folder / "the.key")
    environ = environment(folder, AUTHPROXY_KEY=key, **variables)
    words = ["--key-file", "the.key", *options.split(), "--", *command.split()]
    found = straight(words, environ, NOW)
    assert found is not None
    url = f"{options.split()[1]}/" if "--url" in options else None
    seconds = 120 if "2m" in options else 300
    assert (tuple(found.argv), dict(found.environ)) == whole(command, environ, url, seconds)
    assert not any(key in value for value in found.environ.values())


@pytest.mark.parametrize(
    "words",
    [
        f"-- twine upload {PLACE} {DIST}",
        f"--key-file - -- twine upload {PLACE} {DIST}",
        f"--key-file none -- twine upload {PLACE} {DIST}",
        f"--key-file open.key -- twine upload {PLACE} {DIST}",
        f"--key-file typo.key -- twine upload {PLACE} {DIST}",
        f"--key-file pipe -- twine upload {PLACE} {DIST}",
        f"--key-file the.key --oidc -- twine upload {PLACE} {DIST}",
        f"--key-file the.key --package other -- twine upload {PLACE} {DIST}",
        f"--key-file the.key --expires 1w -- twine upload {PLACE} {DIST}",
        f"--key-file the.key --url pypi.example.com -- twine upload {DIST}",
        f"--key-file the.key --url https://user@pypi.example.com/ -- twine upload {DIST}",
        f"--key-file the.key --url https://pypi.example.com/ -- twine upload {PLACE} {DIST}",
        f"--key-file the.key twine upload {PLACE} {DIST}",
        f"--key-file the.key -- twine upload {DIST}",
        f"--key-file the.key -- twine upload {PLACE}",
        f"--key-file the.key -- twine upload {PLACE} dist",
        f"--key-file the.key -- twine upload {PLACE} dist/*",
        f"--key-file the.key -- twine upload {PLACE} the.key",
        f"--key-file the.key -- twine upload {PLACE} -p mine {DIST}",
        f"--key-file the.key -- twine upload {PLACE} --sign {DIST}",
        f"--key-file the.key -- twine check {DIST}",
        f"--key-file the.key -- uv publish {DIST}",
        f"--key-file the.key -- nowhere/twine upload {PLACE} {DIST}",
        "--key-file the.key --",
        "--help",
        "",
    ],
)
def test_all_else_is_left_to_the_whole_command(folder: Path, words: str) -> None:
    """What is no plain upload of plain files with a key in a private file."""
    key = read_file(folder / "the.key")
    for name, text, mode in (("open.key", key, 0o644), ("typo.key", key[:-1] + "!", 0o600)):
        (folder / name).write_text(text)
        (folder / name).chmod(mode)
    os.mkfifo(folder / "pipe", 0o600)
    assert straight(words.split(), environment(folder), NOW) is None


def test_a_key_is_read_as_the_domain_reads_it() -> None:
    """Every key is whole, and what `parse` does not take is not; the sizes are the domain's."""
    key = new_key()
    for text in (key, key.upper(), key[:-1], f"{key}0", key.replace("_", "-"), f"pypi{key[3:]}", f"{key}_", "", "apx_"):
        assert short._whole(text) == (parse(text, "apx") is not None), text
    assert (short._PUBLIC_ID, short._SECRET, short._PROJECT) == (PUBLIC_ID_LENGTH, SECRET_LENGTH, PROJECT_LIMIT)
    assert short._BESIDE == _BESIDE
    assert UPLOADERS["twine"].flags >= short._FLAGS
    assert set(UPLOADERS["twine"].places) == {*short._PLACES, *short._TOLD_BY}


def loaded(folder: Path, words: str) -> set[str]:
    """The modules that `authproxy` loads until it is another program or at its end."""
    empty = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "pass"], capture_output=True, text=True, timeout=60, check=True
    )
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "from authproxy.__main__ import main; main()", *words.split()],
        env=environment(folder, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    always, ours = (
        {line.rpartition("|")[2].strip() for line in run.stderr.splitlines() if line.startswith("import time:")}
        for run in (empty, ran)
    )
    return ours - always


def test_exec_of_twine_loads_little_more_than_its_hashes(folder: Path) -> None:
    """Neither click nor packaging, no dataclass, no regular expression: each of those takes as long as all of this."""
    found = loaded(folder, f"exec --key-file the.key -- twine upload {PLACE} {DIST}")
    assert {name for name in found if name.partition(".")[0] == "authproxy"} == OURS
    assert not found & HEAVY
    text, _, arguments = (folder / "shown").read_text().partition(" ")
    assert text.startswith("apx_")
    assert arguments == f"upload {PLACE} {DIST}"


def test_the_whole_command_loads_no_packaging_and_no_rules(folder: Path) -> None:
    """`exec` of another client, and `derive`: what they load of the domain reads keys, names and caveats."""
    (folder / "bin" / "uv").symlink_to("twine")
    for words in (
        f"exec --key-file the.key --url https://pypi.example.com/ -- uv publish {DIST}",
        "derive --key-file the.key --package acme-core --expires 5m",
    ):
        found = loaded(folder, words)
        assert "click" in found
        assert (
            not {"packaging", "logging", "subprocess", "authproxy.domain.rules", "authproxy.domain.publishers"} & found
        )
