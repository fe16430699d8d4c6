"""The model and the example file: the same keys, the same defaults."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import trustme
from pydantic import BaseModel

from authproxy.config import databases, load
from authproxy.config.masters import MASTER_BYTES, written
from authproxy.config.model import FileSection
from authproxy.config.reader import read
from authproxy.config.text import text_of
from tests.config.conftest import LEAST
from tests.peers.reporter import Reporter

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


def sections_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections that a key's type holds: itself, or in a list or a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from sections_in(inner)


def keys_of(section: type[BaseModel], path: str = "") -> Iterator[str]:
    """Every key of the model, dotted, whatever stands between: `packages.match`, `key_policies.allow.actions`."""
    for name, key in section.model_fields.items():
        yield f"{path}{name}"
        for inner in sections_in(key.annotation):
            yield from keys_of(inner, f"{path}{name}.")


def keys_in(value: Any, section: Any = FileSection, path: str = "") -> Iterator[str]:
    """Every key of a document in the same writing; a mapping that is no section has names and no keys."""
    if isinstance(value, list):
        for each in value:
            yield from keys_in(each, section, path)
    if not isinstance(value, dict):
        return
    if section is None:
        for each in value.values():
            yield from keys_in(each, None, path)
        return
    for name, each in value.items():
        yield f"{path}{name}"
        annotation = section.model_fields[name].annotation
        inner = next(sections_in(annotation), None)
        if inner is None:
            continue
        named = list(each.values()) if str(annotation).startswith("dict") else [each]
        for it in named:
            yield from keys_in(it, inner, f"{path}{name}.")


def uncommented(text: str) -> str:
    """The example with every key that it leaves out put in; some of them only devpi takes, or a database server."""
    put_in = re.sub(r"^(\s*)#(?=(?: {2}- | {4})?[a-z_]+:)", r"\1", text, flags=re.MULTILINE)
    put_in = put_in.replace(": pypiserver\n", ": devpi\n")
    return re.sub(r"^store: .*", f"store: {databases.EXAMPLE}", put_in, flags=re.MULTILINE)


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A directory with the secrets that the example names."""
    (tmp_path / "ca.pem").touch()
    (tmp_path / "trusted_root.json").touch()
    (tmp_path / "scanner.pem").write_bytes(Reporter().pem)
    for name in ("backend-password", "webhook-secret", "store-password"):
        (tmp_path / name).write_text("correct-horse-battery\n")
        (tmp_path / name).chmod(0o600)
    pair = trustme.CA().issue_cert("pypi.example.com")
    pair.cert_chain_pems[0].write_to_path(tmp_path / "fullchain.pem")
    pair.private_key_pem.write_to_path(tmp_path / "privkey.pem")
    (tmp_path / "privkey.pem").chmod(0o600)
    for number, name in enumerate(("master-key", "master-key-2026")):
        (tmp_path / name).write_text(written(bytes([number]) * MASTER_BYTES))
        (tmp_path / name).chmod(0o600)
    return tmp_path


@pytest.mark.parametrize("change", [str, uncommented], ids=["as it stands", "with every key"])
def test_the_example_loads(beside: Path, change: Any) -> None:
    """The example is a configuration, and stays one when its commented keys are put in."""
    path = beside / "authproxy.yaml"
    path.write_text(change(EXAMPLE.read_text(encoding="utf-8")), encoding="utf-8")
    assert load(path, {}).warnings == ()


def test_the_example_has_every_key() -> None:
    """Each key of the model stands in the example, live or commented, and no other does."""
    top = read(text_of("x", uncommented(EXAMPLE.read_text(encoding="utf-8")).encode())).top
    assert set(keys_in(top)) == set(keys_of(FileSection))


def test_a_key_that_the_example_lacks_is_caught() -> None:
    """Negative control: with one line taken out, the check above sees it."""
    text = (
        uncommented(EXAMPLE.read_text(encoding="utf-8"))
        .replace("    max_size: 200MiB\n", "")
        .replace(", max_size: 50MiB", "")
    )
    assert set(keys_of(FileSection)) - set(keys_in(read(text_of("x", text.encode())).top)) == {"packages.max_size"}


# What the example shows live or behind `#key:` and says to hold where the key is left out.
SHOWN_DEFAULTS = [
    "listen",
    "backend.timeouts",
    "reads",
    "keys.prefix",
    "keys.lifetime",
    "limits",
    "throttle",
    "log",
]


@pytest.mark.parametrize("name", SHOWN_DEFAULTS)
def test_the_example_shows_the_defaults(beside: Path, name: str) -> None:
    """Where the example writes down a default, it is the one that holds."""
    (beside / "least.yaml").write_text(LEAST)
    (beside / "whole.yaml").write_text(uncommented(EXAMPLE.read_text(encoding="utf-8")), encoding="utf-8")
    least, whole = (load(beside / each, {}) for each in ("least.yaml", "whole.yaml"))
    for step in name.split("."):
        least, whole = getattr(least, step), getattr(whole, step)
    assert least == whole


def test_every_key_is_described() -> None:
    """The JSON Schema tells an editor what a key is for."""

    def undescribed(section: type[BaseModel]) -> Iterator[str]:
        for name, key in section.model_fields.items():
            if not key.description:
                yield f"{section.__name__}.{name}"
            for inner in sections_in(key.annotation):
                yield from undescribed(inner)

    assert list(undescribed(FileSection)) == []
