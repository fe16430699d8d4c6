"""What devpi takes besides packages: which targets there are, and the body in one reading."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.backend.opened import BODY_LIMIT, DEEPEST, OPENINGS, Opened, opened, rewritten
from authproxy.config.settings import Opens
from authproxy.domain.refusal import Code, Refused

INDEXES = ("team/dev", "team/prod")
FILE = "+f/24d/958b7edb4ffef/acme_core-1.0-py3-none-any.whl"
ALL = tuple(OPENINGS)

ROWS = [
    ("indexes", "PUT", "/team/dev", True),
    ("indexes", "PATCH", "/team/prod", True),
    ("indexes", "DELETE", "/team/dev", False),
    ("users", "PUT", "/anybody", True),
    ("users", "PATCH", "/team", True),
    ("users", "DELETE", "/team", False),
    ("tox-results", "POST", f"/team/dev/{FILE}", True),
    ("tox-results", "POST", "/team/dev/+f/24d/958b7edb4ffef/acme-1!2.0+a.1.tar.gz", True),
]


@pytest.mark.parametrize(("name", "method", "target", "body"), ROWS)
def test_what_a_name_opens(name: str, method: str, target: str, body: bool) -> None:
    """A row, its own alone, and the target as it is asked; a list of strings changes an index and nothing else."""
    lists = (name, method) == ("indexes", "PATCH")
    assert opened(ALL, INDEXES, method, target) == Opened(method, target, body, lists)
    assert opened([name], INDEXES, method, target) is not None
    assert opened([each for each in ALL if each != name], INDEXES, method, target) is None


def test_the_config_can_name_every_row() -> None:
    """And no other."""
    assert set(OPENINGS) == set(map(str, Opens))


HERE = "24d/958b7edb4ffef/acme_core-1.0-py3-none-any.whl"
NO_ROUTE = {
    "another index": ("PATCH", "/team/other"),
    "another user's": ("PUT", "/other/dev"),
    "another case": ("PATCH", "/Team/dev"),
    "a slash behind an index": ("PATCH", "/team/dev/"),
    "a slash behind a user": ("PATCH", "/team/"),
    "two slashes": ("PATCH", "/team//dev"),
    "two slashes before": ("PATCH", "//team/dev"),
    "an escaped slash": ("PATCH", "/team%2Fdev"),
    "an escaped slash in small": ("PATCH", "/team%2fdev"),
    "an escaped letter": ("PATCH", "/te%61m/dev"),
    "a query": ("PATCH", "/team/dev?error_on_noop"),
    "an empty query": ("PATCH", "/team/dev?"),
    "a query of a user": ("DELETE", "/team?force"),
    "a fragment": ("PATCH", "/team/dev#x"),
    "parameters": ("PATCH", "/team;x"),
    "a line behind": ("PATCH", "/team/dev\n"),
    "up": ("PATCH", "/team/../team/dev"),
    "up, to a user": ("DELETE", "/team/dev/.."),
    "up, escaped": ("DELETE", "/team/%2e%2e"),
    "here": ("PATCH", "/./team"),
    "a user called up": ("DELETE", "/.."),
    "a name with a letter of another script": ("PATCH", "/te\u0430m"),
    "a project": ("DELETE", "/team/dev/acme-core"),
    "the root": ("PUT", "/"),
    "everything": ("PUT", "*"),
    "a URL": ("PATCH", "http://index.test/team/dev"),
    "a login": ("POST", "/+login"),
    "a path of ours": ("PUT", "/-/push"),
    "a push": ("POST", "/team/dev"),
    "a push by its own method": ("PUSH", "/team/dev"),
    "a method in small": ("patch", "/team/dev"),
    "a read": ("GET", "/team/dev"),
    "another post": ("POST", "/team"),
    "a long name": ("PUT", f"/{'a' * 65}"),
    "results of another index": ("POST", f"/other/dev/{FILE}"),
    "results by an escaped plus": ("POST", f"/team/dev/%2Bf/{HERE}"),
    "results of a mirror's file": ("POST", f"/team/dev/+e/{HERE}"),
    "results of no file": ("POST", "/team/dev/+f/24d/958b7edb4ffef/"),
    "results of a file above": ("POST", "/team/dev/+f/24d/958b7edb4ffef/../../x"),
    "results of a file in capitals": ("POST", "/team/dev/+f/24D/958B7EDB4FFEF/x.whl"),
    "results of a file with a query": ("POST", f"/team/dev/{FILE}?x"),
    "the end of a file": ("DELETE", f"/team/dev/{FILE}"),
    "a refresh": ("POST", "/team/dev/+simple/acme-core/refresh"),
}


@pytest.mark.parametrize(("method", "target"), NO_ROUTE.values(), ids=NO_ROUTE.keys())
def test_what_is_no_row(method: str, target: str) -> None:
    """With everything opened."""
    assert opened(ALL, INDEXES, method, target) is None


def test_a_loose_pattern_is_caught() -> None:
    """Negative control: one that is not anchored takes what the table above says is none."""
    loose = re.compile(OPENINGS["indexes"].pattern.pattern, re.IGNORECASE)
    assert loose.match("/team/dev?error_on_noop")
    assert loose.match("/Team/dev/")


ARRAY = b'["bases=root/dev", "volatile=True"]'
GOOD = {
    "an object": (b'{"bases": ["root/dev"], "volatile": true}', {"bases": ["root/dev"], "volatile": True}),
    "spaces": (b' {"a" :1.50}\n', {"a": 1.5}),
    "text": ('{"title": "Ä \U0001f40d"}'.encode(), {"title": "Ä \U0001f40d"}),
    "nothing": (b"{}", {}),
    "as deep as it goes": (b'{"a":' * (DEEPEST - 1) + b"1" + b"}" * (DEEPEST - 1), None),
}


@pytest.mark.parametrize(("content", "meant"), GOOD.values(), ids=GOOD.keys())
def test_a_body_is_written_anew(content: bytes, meant: object) -> None:
    """It says the same, in ASCII, as we write it."""
    written = rewritten(content, lists=False)
    assert written == json.dumps(json.loads(content) if meant is None else meant).encode("ascii")


def test_a_list_is_for_who_takes_lists() -> None:
    """What `devpi index` sends for an index there is."""
    assert rewritten(ARRAY, lists=True) == ARRAY
    for content in (b'[{"a": 1}]', b"[1]", b'[["a"]]'):
        with pytest.raises(Refused, match="or a list of strings"):
            rewritten(content, lists=True)


BAD = {
    "a name twice": b'{"volatile": true, "volatile": false}',
    "a name twice, once escaped": b'{"volatile": 1, "vol\\u0061tile": 2}',
    "a name twice, within": b'{"a": [{"b": 1, "b": 1}]}',
    "a list": ARRAY,
    "a string": b'"bases"',
    "null": b"null",
    "a number": b"1",
    "empty": b"",
    "two objects": b"{}{}",
    "something behind": b"{} x",
    "not a number": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "a number beyond all": b'{"a": 1e999}',
    "a number of too many digits": b'{"a": ' + b"9" * 5000 + b"}",
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "half a surrogate pair in a name": b'{"\\udfff": 1}',
    "Latin-1": b'{"a": "\xe4"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a comment": b'{"a": 1} // no',
    "a comma too many": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "a raw line feed": b'{"a": "\n"}',
    "too deep": b'{"a":' * DEEPEST + b"1" + b"}" * DEEPEST,
    "much too deep": b'{"a":' + b"[" * (BODY_LIMIT - 6),
    "much too deep and whole": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_what_has_two_readings_or_none(content: bytes) -> None:
    """It is refused, in a sentence."""
    with pytest.raises(Refused) as caught:
        rewritten(content, lists=False)
    assert caught.value.denial.code is Code.REQUEST_INVALID
    assert "one JSON object" in caught.value.denial.reason


def test_a_plain_reader_takes_the_last_of_two() -> None:
    """Negative control: what stands in the table is what `json` itself lets through."""
    passed = []
    for name in ("a name twice", "not a number", "half a surrogate pair", "a number beyond all", "too deep"):
        json.dumps(json.loads(BAD[name]))
        passed.append(name)
    assert len(passed) == 5


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)))
def test_whatever_is_written_reads_the_same(document: dict[str, object]) -> None:
    """And once more the same bytes."""
    once = rewritten(json.dumps(document).encode(), lists=False)
    assert json.loads(once) == document
    assert rewritten(once, lists=False) == once
