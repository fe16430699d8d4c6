"""A document's places: where a problem is said to be, and which problems follow from others."""

from authproxy.config.document import Document
from authproxy.config.reader import read
from authproxy.config.text import text_of


def document(text: str) -> Document:
    return read(text_of("x", text.encode()))


BACKEND = "backend:\n  url: x\n  password: hunter2\nlist: [a, b]\n"


def test_a_problem_stands_at_the_value_or_at_its_key() -> None:
    """The value's first character, or the key's; for what is missing, the key above."""
    found = document(BACKEND)
    for loc, key, place in [
        (("backend", "url"), False, (2, 8)),
        (("backend", "url"), True, (2, 3)),
        (("backend", "flavour"), True, (1, 1)),
        (("list", 1), False, (4, 11)),
        (("list", 1), True, (4, 11)),
        (("nothing", "at", 0, "all"), False, (1, 1)),
    ]:
        problem = found.problem(loc, "a sentence", key=key)
        assert (problem.line, problem.column) == place


def test_a_problem_below_a_secret_hides_the_value() -> None:
    """Whatever lies under a key that sounds secret is not shown, on whatever line it stands."""
    found = document("password:\n  hunter2\n")
    assert "hunter2" not in str(found.problem(("password",), "a sentence"))


def test_what_follows_from_a_problem_is_not_one_more() -> None:
    """A bad value silences what is said about it and what it holds; a bad key silences only the key."""
    found = document(BACKEND)
    found.report(("backend",), "first", key=True)
    found.report(("backend",), "about the key again", key=True)
    found.report(("backend", "url"), "second")
    found.report(("backend", "url"), "about the value again")
    found.report(("backend", "url"), "about its key", key=True)
    found.report(("backend",), "third")
    found.report(("backend", "password"), "below a bad value")
    found.report(("backend", "password"), "a key below a bad value", key=True)
    assert [each.sentence for each in found.problems] == ["first", "second", "about its key", "third"]


def test_a_value_is_looked_up_or_not_there() -> None:
    """Lookups never fail: what is missing, of another kind or bad is None."""
    found = document(BACKEND)
    assert found.get("backend", "url") == "x"
    assert found.get("list", 1) == "b"
    assert found.get() == found.top
    for loc in [("list", 2), ("list", "b"), ("backend", 0), ("backend", "url", "x"), ("nothing",)]:
        assert found.get(*loc) is None
    found.report(("backend",), "bad")
    assert found.get("backend", "url") is None
