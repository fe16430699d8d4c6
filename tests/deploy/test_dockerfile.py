"""The Dockerfiles: nothing for hadolint to say, and what the image promises stands in them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.programs import clean_environment

ROOT = Path(__file__).parents[2]
OURS = ROOT / "Dockerfile"
DOCKERFILES = sorted([OURS, *ROOT.glob("deploy/**/*Dockerfile")])
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")

needs_hadolint = pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed (PyPI has it for x86-64 Linux)")


def lint(path: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """hadolint with none of anybody's settings."""
    argv = [str(HADOLINT), "--no-color", str(path)]
    env = clean_environment(home)
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=env, cwd=home)


@needs_hadolint
@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_hadolint_has_nothing_to_say(path: Path, tmp_path: Path) -> None:
    """Every rule of it, without an exception."""
    ran = lint(path, tmp_path)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


@needs_hadolint
@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        pytest.param("FROM ${PYTHON} AS build", "FROM python:latest AS build", "DL3007", id="a base of no version"),
        pytest.param("USER 10001:10001", "USER root", "DL3002", id="root at the end"),
        pytest.param('CMD ["serve"]', "CMD serve", "DL3025", id="a shell to start it"),
    ],
)
def test_control_hadolint_sees_what_is_worse(tmp_path: Path, old: str, new: str, rule: str) -> None:
    """What the test above would say of each."""
    text = OURS.read_text(encoding="utf-8")
    assert old in text
    worse = tmp_path / "Dockerfile"
    worse.write_text(text.replace(old, new), encoding="utf-8")
    ran = lint(worse, tmp_path)
    assert ran.returncode != 0
    assert rule in ran.stdout


def last(text: str, word: str) -> str:
    """The last instruction of a kind; a later one replaces an earlier one."""
    joined = re.sub(r"\\\n\s*", " ", text)
    return re.findall(rf"^{word} (.+)$", joined, re.MULTILINE)[-1]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nobody_is_root(path: Path) -> None:
    """The last user is a number: an orchestrator that wants no root (runAsNonRoot) cannot judge a name."""
    user, _, group = last(path.read_text(encoding="utf-8"), "USER").partition(":")
    assert int(user) > 1000
    assert int(group) > 1000


def test_no_shell_starts_anything() -> None:
    """What runs, and what asks whether it does, are lists: the program is process 1 and hears SIGTERM."""
    text = OURS.read_text(encoding="utf-8")
    assert json.loads(last(text, "ENTRYPOINT")) == ["authproxy"]
    assert json.loads(last(text, "CMD")) == ["serve"]
    check = json.loads(last(text, "HEALTHCHECK").partition("CMD ")[2])
    assert check[:2] == ["authproxy", "probe"]


def test_nothing_is_said_that_only_the_builder_may_know() -> None:
    """Arguments and variables of a build stay in its layers for whoever has the image."""
    for path in DOCKERFILES:
        named = re.findall(
            r"^(?:ARG|ENV) (.+)$", re.sub(r"\\\n\s*", " ", path.read_text(encoding="utf-8")), re.MULTILINE
        )
        assert not [line for line in named if re.search(r"password|token|secret|_key", line, re.IGNORECASE)]


def test_the_base_images_are_one() -> None:
    """One Python to keep up to date, by its version and its Debian's; hadolint does not look into a variable."""
    bases = {
        re.findall(r"^ARG PYTHON=(\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE)[0] for path in DOCKERFILES
    }
    [base] = bases
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", base)


def test_the_indexes_are_those_of_the_tests() -> None:
    """What stands in their Dockerfiles is what the proxy is tested with."""
    pinned = "\n".join(path.read_text(encoding="utf-8") for path in DOCKERFILES)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for name in ("pypiserver", "devpi-server", "devpi-client"):
        [version] = re.findall(rf"\b{name}==(\S+)", pinned)
        assert f'"{name}=={version}"' in project
