"""What the model finds, in sentences: each at its place, all at once, and no value repeated that may be a secret."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from authproxy.config.document import Document
from authproxy.config.model import FileSection, TimeoutSection
from authproxy.config.rules import GrantSection, PackageSection
from authproxy.config.text import text_of
from authproxy.config.validation import SENTENCES, dotted, section_at, validated
from tests.config.conftest import LEAST, Complaining
from tests.config.documents import DOCUMENTS

MISTAKES = [
    pytest.param("listn: 1", "4:1: 'listn' is no key of the file: did you mean listen?", id="a slip in a key"),
    pytest.param(
        "colour: red", "4:1: 'colour' is no key of the file: there are listen, socket_mode,", id="an unknown key"
    ),
    pytest.param(
        '"[key]": 1', "4:1: '[key]' is no key of the file: did you mean keys", id="a key as pydantic names keys"
    ),
    pytest.param("log: {levl: info}", "4:7: 'levl' is no key of log: did you mean level?", id="a slip further down"),
    pytest.param(
        "key_policies: {r: {allow: [{actions: [read], package: [a]}]}}",
        "4:28: key_policies.r.allow[0].packages is missing",
        id="a key that is missing",
    ),
    pytest.param(
        "packages:\n  - match: a\n    overwrite: nver\n",
        "6:16: packages[0].overwrite takes never or allow: did you mean never?",
        id="a slip in a choice",
    ),
    pytest.param("reads: everybody", "4:8: reads takes index, open or key", id="another choice"),
    pytest.param("reads: true", "4:8: reads takes index, open or key", id="a boolean for a choice"),
    pytest.param("passwords: warn", "4:12: passwords takes a mapping", id="a word for the passwords"),
    pytest.param(
        "passwords: {uploads: deny}", "4:22: passwords.uploads takes allow, warn or refuse", id="another word for no"
    ),
    pytest.param("passwords: {until: tomorrow}", "4:20: passwords.until: it takes a day", id="no day"),
    pytest.param("limits: 5", "4:9: limits takes a mapping", id="a number for a mapping"),
    pytest.param("key_policies: [a]", "4:15: key_policies takes a mapping", id="a list for a mapping"),
    pytest.param("packages: {a: b}", "4:11: packages takes a list", id="a mapping for a list"),
    pytest.param("trusted_proxies: 127.0.0.1", "4:18: trusted_proxies takes a list", id="text for a list"),
    pytest.param("state_directory: 5", "4:18: state_directory takes text", id="a number for text"),
    pytest.param('state_directory: ""', "4:18: state_directory takes text, and this is empty", id="empty text"),
    pytest.param("throttle: {failures: 0}", "4:22: throttle.failures takes a whole number of at least 1", id="zero"),
    pytest.param("throttle: {failures: many}", "4:22: throttle.failures takes a whole number", id="text for a number"),
    pytest.param("throttle: {failures: 9999999999}", "4:22: throttle.failures takes a smaller number", id="too many"),
    pytest.param(
        "key_policies: {r: {allow: []}}", "4:27: key_policies.r.allow takes a list with something in it", id="no grant"
    ),
    pytest.param(
        'key_policies: {r: {allow: [{actions: [read], packages: ["*"], create: true}]}}',
        "4:28: key_policies.r.allow[0]: create is about uploads and pushes",
        id="create without upload",
    ),
    pytest.param(
        'key_policies: {r: {allow: [{actions: [upload], packages: ["*"], create: 1}]}}',
        "4:73: key_policies.r.allow[0].create takes true or false",
        id="a number for a boolean",
    ),
    pytest.param(
        'key_policies: {two words: {allow: [{actions: [read], packages: ["*"]}]}}',
        "4:16: key_policies.two words: 'two words' is no name",
        id="a name with a space",
    ),
    pytest.param("listen: 8080", "4:9: listen: it takes an address and a port", id="a value of ours"),
]


@pytest.mark.parametrize(("line", "said"), MISTAKES)
def test_a_mistake_has_its_sentence(complaints: Complaining, line: str, said: str) -> None:
    """Line, column, which key, and what it takes instead."""
    assert any(each.startswith(said) for each in complaints(LEAST + line)), complaints(LEAST + line)


def test_all_mistakes_at_once(complaints: Complaining) -> None:
    """Twenty mistakes in one file are one report, in the order of the file."""
    several = [mistake.values[0] for mistake in MISTAKES if str(mistake.values[0]).split(":")[0] in ONCE]
    found = complaints(LEAST + "\n".join(map(str, several)))
    assert len(found) >= len(several) == len(ONCE)
    lines = [int(each.split(":")[0]) for each in found]
    assert lines == sorted(lines)


ONCE = {"listn", "colour", "log", "limits", "listen"}


def test_what_a_slip_brings_with_it(complaints: Complaining) -> None:
    """A key that is missing because it is misspelt is told both ways; a value that is wrong is told once."""
    assert complaints(LEAST.replace("store:", "stor:")) == [
        "1:1: store is missing",
        "3:1: 'stor' is no key of the file: did you mean store?",
    ]
    assert len(complaints(LEAST + "listen: 12:30:45\n")) == 1


def test_locations_are_written_as_people_do() -> None:
    """Dots for keys, brackets for positions."""
    assert dotted(("packages", 0, "match")) == "packages[0].match"
    assert dotted(()) == ""


@pytest.mark.parametrize(
    ("loc", "section"),
    [
        ((), FileSection),
        (("backend", "timeouts"), TimeoutSection),
        (("packages", 3), PackageSection),
        (("key_policies", "release", "allow", 0), GrantSection),
    ],
)
def test_a_location_lies_in_a_section(loc: tuple[str | int, ...], section: type[BaseModel]) -> None:
    """Lists and mappings are passed through to what they hold."""
    assert section_at(loc) is section


ANYTHING = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(DOCUMENTS, st.data())
def test_every_kind_of_error_has_a_sentence(top: dict[str, Any], data: st.DataObject) -> None:
    """Put anything anywhere: the model's errors are among those that have a sentence of ours, and each gets one."""
    where: Any = (top := deepcopy(top))  # parts of what is drawn are shared between draws
    while isinstance(where, dict | list) and where:
        key = data.draw(st.sampled_from(sorted(where) if isinstance(where, dict) else range(len(where))))
        if data.draw(st.booleans()) or not isinstance(where[key], dict | list):
            where[key] = data.draw(ANYTHING)
            break
        where = where[key]
    document = Document(text_of("x", b""), top)
    assert (validated(document) is None) == bool(document.problems)
    assert kinds_of_errors(top) <= set(SENTENCES)


def kinds_of_errors(top: object) -> set[str]:
    """What pydantic calls the mistakes of a document."""
    try:
        FileSection.model_validate(top)
    except ValidationError as exc:
        return {each["type"] for each in exc.errors()}
    return set()
