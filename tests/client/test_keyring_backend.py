"""The entry point that the `keyring` package loads in every program that asks it for anything."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def loaded(home: Path) -> set[str]:
    """The modules of a program that has called the entry point."""
    code = "import sys; from authproxy.client.keyring_backend import offer; offer(); print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(ran.stdout.split())


def test_pyproject_names_what_is_there() -> None:
    """The entry point leads to a function."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [entry] = project["entry-points"]["keyring.backends"].values()
    module, _, name = entry.partition(":")
    assert callable(getattr(import_module(module), name))


@pytest.mark.parametrize("logged_in", [False, True], ids=["nobody logged in", "somebody logged in"])
def test_it_loads_little(home: Path, logged_in: bool) -> None:
    """Without a login not even the backend; with one the backend, and nothing that only a key of ours needs."""
    if logged_in:
        (home / ".config" / "authproxy").mkdir(parents=True)
        (home / ".config" / "authproxy" / "logins.json").write_text("{}")
    found = loaded(home)
    assert ("authproxy.client.keyring_answers" in found) is logged_in
    assert ("keyring" in found) is logged_in
    for heavy in ("authproxy.domain.keys", "packaging", "click", "pydantic", "sqlalchemy", "aiohttp"):
        assert heavy not in found
