"""The JSON Schema takes what `load` takes, and refuses what a schema can refuse."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.config import ConfigProblems, load, schema
from authproxy.config.model import WORDS
from authproxy.config.reader import read
from authproxy.config.text import text_of
from authproxy.domain.rules import Requirement
from tests.config.conftest import LEAST
from tests.config.documents import DOCUMENTS
from tests.config.test_load import WHOLE
from tests.config.test_model import EXAMPLE, uncommented
from tests.config.test_validation import MISTAKES

VALIDATOR = jsonschema.Draft202012Validator(schema())


def accepts(top: object) -> bool:
    return VALIDATOR.is_valid(top)


def plain(text: str) -> Any:
    """What a file says, as any reader of JSON or YAML would see it."""
    return read(text_of("x", text.encode()), WORDS).top


def loads(folder: Path, top: object) -> bool:
    """Whether `load` takes this document, with a secret beside it."""
    (folder / "pw").write_text("a secret long enough for a webhook")
    (folder / "pw").chmod(0o600)
    path = folder / "authproxy.yaml"
    path.write_text(json.dumps(top))
    try:
        load(path, {})
    except ConfigProblems:
        return False
    return True


def test_the_schema_is_one() -> None:
    """It keeps to the draft that it names, and is plain JSON."""
    jsonschema.Draft202012Validator.check_schema(schema())
    assert json.loads(json.dumps(schema())) == schema()
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    "text",
    [LEAST, WHOLE, EXAMPLE.read_text(encoding="utf-8"), uncommented(EXAMPLE.read_text(encoding="utf-8"))],
    ids=["the least file", "a whole file", "the example", "the example with every key"],
)
def test_the_files_that_load_fit_the_schema(text: str) -> None:
    """What the tests and the documentation load is what an editor takes."""
    VALIDATOR.validate(plain(text))


@given(DOCUMENTS)
def test_what_loads_fits_the_schema(tmp_path_factory: pytest.TempPathFactory, top: dict[str, Any]) -> None:
    """Every configuration that is drawn loads, and the schema has nothing against it."""
    assert loads(tmp_path_factory.getbasetemp(), top)
    VALIDATOR.validate(top)


ANYTHING = st.sampled_from(
    [0, 1, -1, 2**40, True, "", "no", "90d", "never", "1GiB", "10/hour", [], {}, ["*"], {"file": "pw"}]
)


@given(DOCUMENTS, st.data())
def test_the_schema_takes_whatever_load_takes(
    tmp_path_factory: pytest.TempPathFactory, top: dict[str, Any], data: st.DataObject
) -> None:
    """Also where one value is replaced by another that may or may not fit there: if it loads, the schema takes it."""
    where: Any = (top := deepcopy(top))  # parts of what is drawn are shared between draws
    while True:
        key = data.draw(st.sampled_from(sorted(where) if isinstance(where, dict) else range(len(where))))
        if isinstance(where[key], dict | list) and where[key] and data.draw(st.booleans()):
            where = where[key]
            continue
        where[key] = data.draw(ANYTHING)
        break
    if loads(tmp_path_factory.getbasetemp(), top):
        VALIDATOR.validate(top)


# A schema sees one value at a time, and no text as we read it: what these mistakes are about is left to `load`.
BEYOND = {"create without upload", "a name with a space"}


@pytest.mark.parametrize(("line", "said"), [case for case in MISTAKES if case.id not in BEYOND])
def test_what_the_schema_refuses_too(line: str, said: str) -> None:
    """The mistakes of the table that a schema can express, an editor shows while they are made."""
    assert not accepts(plain(LEAST + line)), said


@pytest.mark.parametrize(
    "line",
    [
        'public_url: "https://user:pw@host/"',
        "store: postgresql://db/authproxy",
        "backend: {flavour: devpi, url: http://127.0.0.1/}",
        'backend: {flavour: pypiserver, url: http://127.0.0.1/, password: "hunter2"}',
        "backend: {flavour: pypiserver, url: http://127.0.0.1/, password: {file: a, env: B}}",
        "limits: {max_upload: 200M}",
        "keys: {lifetime: forever}",
        'packages: [{match: "acme?"}]',
        "packages: [{}]",
    ],
)
def test_bad_values_are_refused_by_both(tmp_path: Path, line: str) -> None:
    """Schema and load agree on values that no one may write."""
    top = plain(LEAST) | plain(line)
    assert not accepts(top)
    assert not loads(tmp_path, top)


def test_a_schema_without_a_key_is_caught() -> None:
    """Negative control: a schema that has forgotten `reads` fails on a file that loads."""
    forgetful = schema()
    del forgetful["properties"]["reads"]
    assert not jsonschema.Draft202012Validator(forgetful).is_valid(plain(WHOLE))


def test_every_requirement_is_in_the_schema() -> None:
    """What `require` takes is listed, so that an editor offers it."""
    file = {**plain(LEAST), "keys": {"master_key": {"file": "master"}}}
    for word in Requirement:
        assert accepts({**file, "packages": [{"match": "a", "require": str(word)}]})
    assert not accepts({**file, "packages": [{"match": "a", "require": "blessed"}]})
