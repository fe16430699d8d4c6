"""The documentation says what the program does: every command, every setting, every refusal, and the quickstart runs."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from authproxy.cli import main
from authproxy.config import load, schema
from authproxy.domain.refusal import Code
from authproxy.web.app import FIXED
from authproxy.web.errors import STATUS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
REFUSALS = (ROOT / "docs" / "refusals.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "config.example.yaml"


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """Every command that can be typed, `key create` as ("key", "create")."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


def written_commands() -> set[tuple[str, ...]]:
    """The README's list of commands: `key create|list` names two."""
    listing = README[README.index("## Commands") :].partition("\n\n")[2].partition(". Every")[0]
    found = set()
    for entry in re.findall(r"`([^`]+)`", listing):
        *path, last = entry.removeprefix("authproxy ").split()
        found |= {(*path, name) for name in last.split("|")}
    return found


def test_the_readme_names_every_command_and_no_other() -> None:
    """What can be typed and what is listed are the same set."""
    assert written_commands() == set(commands(main))


def test_every_command_that_the_readme_shows_exists() -> None:
    """Each `authproxy a b` in the text begins with a command that can be typed."""
    known = set(commands(main))
    for shown in re.findall(r"(?:`|^\$ )authproxy ([a-z][a-z -]*)", README, re.MULTILINE):
        words = tuple(shown.split())
        assert any(words[: len(command)] == command for command in known), shown


def test_the_readme_says_what_takes_a_restart() -> None:
    """SIGHUP takes the rest: the settings that `App.reload` leaves are those that the README names."""
    named = README[README.index("reloads (all but") :].partition(":")[0]
    assert re.findall(r"`(\w+)`", named) == list(FIXED)


def test_what_the_readme_installs_beside_pypiserver_is_what_the_demo_installs() -> None:
    """The bound on bcrypt stands in two places."""
    [written] = re.findall(r"pip install passlib '(bcrypt[^']+)'", README)
    assert f'"{written}",' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def rows_of(page: str) -> dict[str, int]:
    """code -> status, from the tables of docs/refusals.md."""
    return {code: int(status) for code, status in re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", page, re.MULTILINE)}


def test_every_refusal_is_explained_with_the_status_it_has() -> None:
    """The page's codes and statuses are those of the program, all of them and no other."""
    assert rows_of(REFUSALS) == {str(code): status for code, status in STATUS.items()}
    assert set(STATUS) == set(Code)


def test_the_example_config_loads_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person may copy the file, write the one secret that it names, and start."""
    text = EXAMPLE.read_text(encoding="utf-8")
    (tmp_path / "authproxy.yaml").write_text(text, encoding="utf-8")
    for name in re.findall(r"\{file: ([^}]+)\}", text):
        (tmp_path / name).write_text("a password\n", encoding="utf-8")
    config = load(tmp_path / "authproxy.yaml")
    assert config.backend.flavour == "pypiserver"


def keys_of(node: Mapping[str, Any], whole: Mapping[str, Any]) -> set[str]:
    """Every property name in a JSON Schema, wherever it stands."""
    found: set[str] = set(node.get("properties", {}))
    nested = [*node.get("properties", {}).values(), *node.get("$defs", {}).values()]
    for word in ("items", "additionalProperties"):
        nested += [node[word]] if isinstance(node.get(word), dict) else []
    for word in ("anyOf", "oneOf", "allOf", "prefixItems"):
        nested += node.get(word, [])
    for child in nested:
        found |= keys_of(child, whole)
    return found


def test_the_example_config_shows_every_key() -> None:
    """Every key of the schema stands in the file, in force or in a comment."""
    text = EXAMPLE.read_text(encoding="utf-8")
    described = schema()
    missing = [key for key in sorted(keys_of(described, described)) if not re.search(rf"\b{re.escape(key)}:", text)]
    assert missing == []


def test_the_example_config_has_no_key_of_its_own() -> None:
    """It is YAML that any reader reads the same way: no duplicate, and only keys of the schema at the top."""
    document = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    assert set(document) <= set(schema()["properties"])


def test_the_changelog_is_kept() -> None:
    """There is an Unreleased section, and the sections are those of Keep a Changelog."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text
    kinds = set(re.findall(r"^### (\w+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.mark.parametrize(
    "page", ["README.md", "SECURITY.md", "CHANGELOG.md", *(f"docs/{each.name}" for each in ROOT.glob("docs/*.md"))]
)
def test_links_within_the_repository_lead_somewhere(page: str) -> None:
    """Every relative link names a file that is there."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target


def test_the_pages_name_only_files_that_exist() -> None:
    """A path in the README's text is a path of the checkout, or one that the quickstart makes."""
    for path in re.findall(r"`((?:authproxy|systemd|docs|tests|deploy|bench)/[\w./-]*)`", README):
        assert (ROOT / path).exists(), path
