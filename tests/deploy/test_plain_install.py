"""What `pip install pypi-authproxy` brings, without an extra, is enough for a store in a SQLite file.

Here everything is installed. So what is not brought along is hidden from a Python of its own.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

HIDING = """
import sys
hidden = set(sys.argv.pop(1).split(","))

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"{name} is brought along by nothing", name=name)

sys.meta_path.insert(0, Hidden())
from authproxy.cli import main
main()
"""


def brought(lines: Iterable[str], found: set[tuple[str, str]] | None = None) -> set[str]:
    """The distributions that requirements bring along, by their normalised names."""
    found = set() if found is None else found
    for line in lines:
        wanted = Requirement(line)
        for extra in ("", *wanted.extras):
            entry = (canonicalize_name(wanted.name), extra)
            if entry not in found:
                found.add(entry)
                more = (Requirement(each) for each in requires(wanted.name) or ())
                brought([str(each) for each in more if applies(each, extra)], found)
    return {name for name, _ in found}


def applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def hidden(lines: Iterable[str]) -> str:
    """The modules that are installed here and brought along by none of the requirements, with commas between."""
    known = brought(line for line in lines if applies(Requirement(line), ""))
    owners = packages_distributions()
    return ",".join(
        m for m, names in owners.items() if m != "authproxy" and not known & set(map(canonicalize_name, names))
    )


def dependencies() -> list[str]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]


def run(without: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", HIDING, without, *arguments, "--config", str(folder / "authproxy.yaml")]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "backend-password").write_text("secret\n", encoding="utf-8")
    text = (ROOT / "config.example.yaml").read_text(encoding="utf-8")
    text = text.replace("sqlite:////var/lib/authproxy/", f"sqlite:///{tmp_path}/").replace(
        "127.0.0.1:8080", "192.0.2.1:8080"
    )
    (tmp_path / "authproxy.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def test_it_is_enough(folder: Path) -> None:
    """A store is made, a key, and a server starts, up to an address that no machine has (RFC 5737)."""
    without = hidden(dependencies())
    assert "asyncpg" in without.split(",")
    for command in (["config", "check"], ["db", "migrate"], ["key", "create", "--policy", "release", "--owner", "a"]):
        ran = run(without, folder, *command)
        assert ran.returncode == 0, ran.stderr
    served = run(without, folder, "serve")
    assert json.loads(served.stderr.splitlines()[0])["level"] in ("info", "warning")
    assert "cannot listen at 192.0.2.1:8080" in served.stderr


def test_control_what_is_missing_is_missed(folder: Path) -> None:
    """What the test above would say if a dependency were not declared."""
    ran = run(hidden(line for line in dependencies() if not line.startswith("alembic")), folder, "db", "migrate")
    assert ran.returncode != 0
    assert "alembic" in ran.stderr
