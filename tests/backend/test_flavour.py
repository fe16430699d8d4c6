"""Which targets are passed on, and when an index and the standards agree about a filename."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.backend.flavour import TARGET_LIMIT, Asked, Flavour, Removals, Route, Sessions, agree, match
from authproxy.domain.grants import Action
from authproxy.domain.names import ProjectName, artifact
from authproxy.domain.refusal import Code, Refused

# An index of two routes; what it makes of filenames is told by the tests.
READS = (
    Route(frozenset({"GET"}), re.compile(r"/|/list", re.ASCII), Action.READ, "one"),
    Route(frozenset({"GET", "HEAD"}), re.compile(r"/p/(?P<project>[A-Za-z0-9._-]+)", re.ASCII), Action.READ, "one"),
    Route(frozenset({"GET"}), re.compile(r"/f/(?P<filename>[^/]+)", re.ASCII), Action.READ, "two"),
    Route(frozenset({"GET"}), re.compile(r"/p/late", re.ASCII), Action.READ, "late"),
)


def flavour(reading=lambda _: None) -> Flavour:
    return Flavour(
        name="test",
        indexes=("one", "two"),
        uploads={"/": "one"},
        target=lambda _: "/",
        reads=READS,
        reading=reading,
        filing=lambda _name, _version, filename: reading(filename),
        page=lambda _, project: f"/p/{project}",
        root=lambda index: f"/{index}/list",
        projects=lambda _: (),
        accept="text/html",
        files=lambda _: (),
        absent=frozenset({404}),
        standing=None,
        recognises=lambda _: True,
        outside=lambda scheme, host: {"X-Forwarded-Host": f"{scheme}:{host}"},
        login=None,
        welcome=200,
        removals=Removals(by_form=False, target=None, planned=lambda *_: None),
        passed_on="/list and /p/PROJECT",
    )


def reads_as(project: str, version: str) -> Flavour:
    return flavour(lambda _: (ProjectName(project), version))


def refused(code: Code, call, *arguments) -> str:
    with pytest.raises(Refused) as caught:
        call(*arguments)
    denial = caught.value.denial
    assert denial.code is code
    assert denial.reason.isascii()
    assert denial.reason.isprintable()
    assert len(denial.reason) <= 400
    return denial.reason


@pytest.mark.parametrize(
    ("method", "target", "asked"),
    [
        pytest.param("GET", "/list", Asked(Action.READ, "one", None, "/list"), id="a listing concerns no single project"),
        pytest.param("HEAD", "/p/Foo.Bar", Asked(Action.READ, "one", ProjectName("foo-bar"), "/p/Foo.Bar"), id="a project in any spelling"),
        pytest.param("GET", "/p/late", Asked(Action.READ, "one", ProjectName("late"), "/p/late"), id="the first match wins"),
        pytest.param("GET", "/f/foo-1.0%2Ba.tar.gz", Asked(Action.READ, "two", ProjectName("foo"), "/f/foo-1.0%2Ba.tar.gz"), id="an escaped plus goes on as it came"),
        pytest.param("GET", "/f/foo-1%212.0.tar.gz", Asked(Action.READ, "two", ProjectName("foo"), "/f/foo-1%212.0.tar.gz"), id="an escaped exclamation mark"),
        pytest.param("GET", "/f/who-knows", Asked(Action.READ, "two", None, "/f/who-knows"), id="a file of nobody's"),
    ],
)  # fmt: skip
def test_a_route_says_what_is_asked(method, target, asked):
    """The table alone decides; the target goes on untouched."""
    assert match(flavour(), method, target) == asked


def test_what_an_answer_may_depend_on():
    """Two headers where a client of the index's own logs in by another than everybody else."""
    sessions = Sessions("X-Test-Auth", "/about", ("X-Version", "1"))
    assert (flavour().varies, replace(flavour(), sessions=sessions).varies) == (
        "Authorization",
        "Authorization, X-Test-Auth",
    )


@pytest.mark.parametrize(
    ("method", "target"),
    [
        pytest.param("GET", "/other", id="a path of no route"),
        pytest.param("HEAD", "/list", id="a method of no route"),
        pytest.param("DELETE", "/p/foo", id="a method that changes something"),
        pytest.param("GET", "/p/foo/", id="one slash more"),
        pytest.param("GET", "/P/foo", id="another case"),
        pytest.param("GET", "/p/%2B", id="an escape where a route has none"),
    ],
)
def test_no_route_is_no(method, target):
    """The sentence says what is passed on."""
    assert "/list and /p/PROJECT" in refused(Code.NO_ROUTE, match, flavour(), method, target)


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("/list?", id="an empty query"),
        pytest.param("/list?x=1", id="a query"),
        pytest.param("/p/%66oo", id="an escaped letter"),
        pytest.param("/p%2Ffoo", id="an escaped slash"),
        pytest.param("/p/%2e%2e/list", id="escaped dots"),
        pytest.param("/f/foo-1.0%2b%", id="a broken escape"),
        pytest.param("//list", id="two slashes"),
        pytest.param("/p//foo", id="two slashes inside"),
        pytest.param("/p/../list", id="dots"),
        pytest.param("/p/./foo", id="a dot"),
        pytest.param("/p/..", id="dots at the end"),
        pytest.param("/list#a", id="a fragment"),
        pytest.param("/list;a", id="a parameter"),
        pytest.param("/p\\foo", id="a backslash"),
        pytest.param("/list\n", id="a newline at the end"),
        pytest.param("/list\0", id="a NUL"),
        pytest.param("/p/f\N{LATIN SMALL LETTER O WITH DIAERESIS}", id="a letter beyond ASCII"),
        pytest.param("/p/\N{KELVIN SIGN}ey", id="a Kelvin sign"),
        pytest.param("http://index/list", id="an absolute form"),
        pytest.param("index:80", id="an authority"),
        pytest.param("*", id="an asterisk"),
        pytest.param("", id="nothing"),
        pytest.param("list", id="no slash in front"),
        pytest.param("/p/" + "a" * TARGET_LIMIT, id="too long"),
    ],
)
def test_a_target_of_two_readings_is_refused(target):
    """Whatever a server behind us may decode, join or cut in its own way never reaches it."""
    refused(Code.REQUEST_INVALID, match, flavour(), "GET", target)


def test_a_project_that_is_no_name_is_refused():
    """A route's pattern may be wider than the grammar of names."""
    refused(Code.NAME_INVALID, match, flavour(), "GET", "/p/-foo")
    refused(Code.NAME_INVALID, match, flavour(), "GET", "/p/" + "a" * 101)


@pytest.mark.parametrize(
    ("filename", "reading", "project"),
    [
        pytest.param("foo-1.0.tar.gz", None, "foo", id="the index does not list it"),
        pytest.param("foo-1.0.tar.gz", ("foo", "1.0"), "foo", id="both say the same"),
        pytest.param("foo-1.0.egg", ("foo", "1.0"), "foo", id="only the index reads it"),
        pytest.param("foo-bar-2x-1.0.tar.gz", ("foo-bar", "2x"), None, id="both read it, and differently"),
        pytest.param("nothing", None, None, id="nobody reads it"),
    ],
)
def test_a_file_belongs_to_a_project_only_where_nobody_disagrees(filename, reading, project):
    """A read grant for one of two projects must not open a file of the other."""
    index = flavour(lambda _: reading and (ProjectName(reading[0]), reading[1]))
    assert match(index, "GET", f"/f/{filename}").project == project


@pytest.mark.parametrize(
    ("filename", "project", "version"),
    [
        pytest.param("Foo.Bar-1.0.tar.gz", "foo-bar", "1.0", id="the same"),
        pytest.param("foo-1.0.tar.gz", "foo", "v1.0", id="the same version, spelled otherwise"),
    ],
)
def test_equal_readings_agree(filename, project, version):
    """Versions are compared in their canonical form."""
    agree(reads_as(project, version), artifact(filename), "", "")


@pytest.mark.parametrize(
    ("filename", "project", "version"),
    [
        pytest.param("foo-bar-2x-1.0.tar.gz", "foo-bar", "2x-1.0", id="another project"),
        pytest.param("foo-1.0.tar.gz", "foo", "1.1", id="another version"),
        pytest.param("foo-1.0.tar.gz", "foo", "1.0.0", id="an equal version that is another release to an index"),
        pytest.param("foo-1.0.tar.gz", "foo", "", id="no version"),
        pytest.param("foo-1.0.tar.gz", "foo", "one", id="a version that is none"),
        pytest.param("a" * 95 + "-1." + "0" * 90 + ".tar.gz", "b" * 95, "1." + "1" * 90, id="long names on both sides"),
    ],
)
def test_readings_that_differ_are_refused(filename, project, version):
    """The sentence names both readings, and still fits into a reason phrase."""
    reason = refused(Code.MISMATCH, agree, reads_as(project, version), artifact(filename), "", "")
    assert project[:70] in reason
    assert artifact(filename).project[:70] in reason


def test_a_file_that_the_index_would_not_list_is_refused():
    """An upload that nobody could install afterwards is not taken."""
    assert "no package file" in refused(Code.MISMATCH, agree, flavour(), artifact("foo-1.0.tar.gz"), "", "")


@given(st.text(alphabet="/pflist.-_+!%2Bb1eE?#;\\ \x7f\N{KELVIN SIGN}", max_size=30))
def test_any_target_is_matched_or_refused(target):
    """What is passed on has no byte in it that a second reader could take for something else."""
    try:
        asked = match(flavour(), "GET", target)
    except Refused:
        return
    assert asked.target == target
    assert re.fullmatch(r"[A-Za-z0-9._+!/-]*", target.replace("%2B", "").replace("%2b", "").replace("%21", ""))
    assert "//" not in target
    assert not re.search(r"/\.\.?(/|$)", target)
