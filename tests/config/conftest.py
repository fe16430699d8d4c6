"""A directory with a secret in it, and what `load` makes of a text there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from authproxy.config import Config, ConfigProblems, load

# The shortest file that loads; tests add to it.
LEAST = """\
public_url: https://pypi.example.com/
backend: {flavour: pypiserver, url: "http://127.0.0.1:8081/"}
store: sqlite:///authproxy.db
"""

SECRET = "correct-horse-battery"

Loading = Callable[[str], Config]
Complaining = Callable[[str], list[str]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the configuration goes; beside it lies a password."""
    password = tmp_path / "pw"
    password.write_text(SECRET + "\n")
    password.chmod(0o600)
    return tmp_path / "authproxy.yaml"


@pytest.fixture
def loaded(file: Path) -> Loading:
    """Write a text as the configuration and load it."""

    def loading(text: str) -> Config:
        file.write_text(text, encoding="utf-8")
        return load(file, {})

    return loading


@pytest.fixture
def complaints(file: Path, loaded: Loading) -> Complaining:
    """Write a text that has problems; get them as `line:column: sentence`, in the order of the report."""

    def complaining(text: str) -> list[str]:
        with pytest.raises(ConfigProblems) as caught:
            loaded(text)
        return [f"{each.line}:{each.column}: {each.sentence}" for each in caught.value.problems]

    return complaining
