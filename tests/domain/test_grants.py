"""Patterns and grants: what they match, what they cover, how they are written."""

import fnmatch
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain.grants import (
    PATTERN_LIMIT,
    Action,
    Grant,
    Pattern,
    format_grant,
    glob_matches,
    index_name,
    parse_grant,
    pattern,
)
from authproxy.domain.names import ProjectName
from authproxy.domain.refusal import Code, Refused
from tests.domain.drawn import GRANTS, INDEXES, PATTERNS, chains, narrowed


@pytest.mark.parametrize(
    ("glob", "name", "answer"),
    [
        pytest.param("acme-core", "acme-core", True, id="a name names itself"),
        pytest.param("acme-core", "acme-core2", False, id="a name names no longer name"),
        pytest.param("acme-core", "xacme-core", False, id="a name names nothing that ends with it"),
        pytest.param("acme-*", "acme-core", True, id="a star stands for a word"),
        pytest.param("acme-*", "acme-a-b", True, id="a star stands for several words"),
        pytest.param("acme-*", "acme", False, id="acme-* is not acme"),
        pytest.param("acme-*", "acmecorp", False, id="acme-* is not acmecorp"),
        pytest.param("acme*", "acme", True, id="a star may stand for nothing"),
        pytest.param("*", "anything", True, id="a star alone names everything"),
        pytest.param("*-core", "acme-core", True, id="a star at the start"),
        pytest.param("*-core", "core", False, id="a star at the start leaves its hyphen"),
        pytest.param("a*b", "ab", True, id="a star in the middle may stand for nothing"),
        pytest.param("ab*ba", "aba", False, id="head and tail share no character"),
        pytest.param("a*b*c", "a-b-b-c", True, id="two stars"),
        pytest.param("a*b*c", "a-c-b", False, id="two stars keep the order"),
        pytest.param("*b*", "abc", True, id="a word anywhere"),
        pytest.param("*bb*", "ab-b", False, id="a word anywhere stays whole"),
        pytest.param("ACME_Core", "acme-core", True, id="patterns are normalised as names are"),
        pytest.param("acme.__-*", "acme-x", True, id="runs of separators are one hyphen"),
        pytest.param("a**b", "a-b", True, id="two stars together are one"),
    ],
)
def test_a_pattern_matches(glob: str, name: str, answer: bool) -> None:
    """The table of what a pattern names."""
    assert pattern(glob).matches(ProjectName(name)) is answer


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        pytest.param("", "no package pattern", id="nothing"),
        pytest.param("acme core", "no package pattern", id="a space"),
        pytest.param("acme\n", "no package pattern", id="a newline at the end"),
        pytest.param("acme-[ab]", "no package pattern", id="a character class"),
        pytest.param("acme?", "no package pattern", id="a question mark"),
        pytest.param("\u212aey", "no package pattern", id="KELVIN SIGN, which lowers to k"),
        pytest.param("caf\u00e9", "no package pattern", id="a letter beyond ASCII"),
        pytest.param("a\u0661", "no package pattern", id="a digit beyond ASCII"),
        pytest.param("acme-", "matches no project", id="a hyphen at the end"),
        pytest.param("-*", "matches no project", id="a hyphen at the start"),
        pytest.param("*.", "matches no project", id="a dot at the end"),
        pytest.param("a" * (PATTERN_LIMIT + 1), "longer than", id="longer than any name"),
    ],
)
def test_what_is_no_pattern(raw: str, word: str) -> None:
    """Characters outside PEP 508, and patterns that could never match, are refused with a sentence."""
    with pytest.raises(Refused, match=word) as caught:
        pattern(raw)
    assert caught.value.denial.code is Code.NAME_INVALID
    assert caught.value.denial.reason.isascii()


@given(st.text("ab-*", max_size=8), st.text("ab-", max_size=12))
def test_globs_match_as_the_standard_library_does(glob: str, text: str) -> None:
    """For stars and letters, fnmatch is the reference; ours is the linear one."""
    assert glob_matches(glob, text) is fnmatch.fnmatchcase(text, glob)


def test_matching_does_not_blow_up() -> None:
    """The pattern on which regular expressions backtrack for ever is answered at once, even at the full length."""
    longest = pattern("*a" * (PATTERN_LIMIT // 2 - 1) + "*b")
    assert longest.matches(ProjectName("a" * 100)) is False


def _covers_too_much(one: Pattern, other: Pattern) -> bool:
    """The naive way: a regular expression that lets `.` take in the other's star, and compares beginnings only."""
    return re.match(one.text.rstrip("*").replace("*", ".*"), other.text) is not None


@given(chains())
def test_covering_is_sound(drawn: tuple[Pattern, Pattern, ProjectName]) -> None:
    """If one pattern covers another, every name that the other matches is matched by it."""
    one, other, name = drawn
    assert other.matches(name)
    assert one.matches(name) or not one.covers(other)


@given(PATTERNS.flatmap(lambda wide: st.tuples(st.just(wide), narrowed(wide.text, "ab*").map(Pattern))))
def test_covering_is_seen(drawn: tuple[Pattern, Pattern]) -> None:
    """Writing something for a star narrows a pattern, and that is recognised: the soundness above is not empty."""
    wide, narrow = drawn
    assert wide.covers(narrow)


def test_a_naive_covers_is_caught() -> None:
    """Negative control: the same check finds a name that the naive variant would hand out."""
    one, other, name = pattern("a*b"), pattern("ab*"), ProjectName("aba")
    assert _covers_too_much(one, other)
    assert other.matches(name)
    assert not one.matches(name)
    assert not one.covers(other)


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        pytest.param("*", "acme-*", True, id="a star covers everything"),
        pytest.param("acme-*", "acme-core-*", True, id="a prefix covers a longer prefix"),
        pytest.param("acme-*", "acme-core", True, id="a prefix covers a name"),
        pytest.param("acme-*", "acme-*", True, id="a pattern covers itself"),
        pytest.param("a*", "a*b", True, id="a prefix covers prefix and suffix"),
        pytest.param("acme-core", "acme-*", False, id="a name does not cover a prefix"),
        pytest.param("acme-*", "acme*", False, id="acme-* does not cover acme*"),
        pytest.param("acme-*", "*", False, id="a prefix does not cover everything"),
        pytest.param("*b", "b*", False, id="a suffix does not cover a prefix"),
    ],
)
def test_what_covers_what(one: str, other: str, answer: bool) -> None:
    """The cases by which people think of covering."""
    assert pattern(one).covers(pattern(other)) is answer


@given(GRANTS, chains(), st.sampled_from(Action), INDEXES, st.booleans())
def test_a_grant_that_covers_another_allows_all_of_it(
    base: Grant, drawn: tuple[Pattern, Pattern, ProjectName], action: Action, index: str, create: bool
) -> None:
    """Nothing that the covered grant allows is missing from the covering one, and making projects neither."""
    wide, narrow, name = drawn
    one = replace(base, packages=(wide, *base.packages))
    other = replace(base, packages=(narrow,), create=create)
    if one.covers(other):
        assert one.allows(action, index, name) or not other.allows(action, index, name)
        assert one.create or not other.create


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        pytest.param("read,upload:*", "upload:acme-*", True, id="more actions and packages cover fewer"),
        pytest.param("upload:*", "read,upload:acme-*", False, id="one action does not cover two"),
        pytest.param("upload:a*,b*", "upload:b1,a1", True, id="each package finds its pattern"),
        pytest.param("upload:a*,b*", "upload:b1,c1", False, id="one package finds none"),
        pytest.param("upload:*", "upload:*@team/dev", True, id="every index covers one"),
        pytest.param("upload:*@team/dev", "upload:*", False, id="one index does not cover every"),
        pytest.param("upload:*@team/dev,team/prod", "upload:*@team/dev", True, id="two indexes cover one of them"),
        pytest.param("upload:*", "upload+create:a", False, id="create is not covered without create"),
        pytest.param("upload+create:*", "upload:a", True, id="create covers what does not create"),
    ],
)
def test_which_grant_covers_which(one: str, other: str, answer: bool) -> None:
    """Every part of a grant counts."""
    assert parse_grant(one).covers(parse_grant(other)) is answer


CORE = ProjectName("acme-core")


@pytest.mark.parametrize(
    ("text", "action", "index", "project", "answer"),
    [
        pytest.param("upload:acme-*", Action.UPLOAD, "", CORE, True, id="what is written is allowed"),
        pytest.param("upload:acme-*", Action.READ, "", CORE, False, id="another action is not"),
        pytest.param("upload:acme-*", Action.UPLOAD, "", ProjectName("victim"), False, id="another package is not"),
        pytest.param("read,upload:acme-*", Action.READ, "", CORE, True, id="two actions"),
        pytest.param("upload:docs,acme-core", Action.UPLOAD, "", CORE, True, id="two packages"),
        pytest.param("upload:*@team/dev", Action.UPLOAD, "team/dev", CORE, True, id="the index that is named"),
        pytest.param("upload:*@team/dev", Action.UPLOAD, "team/prod", CORE, False, id="another index is not"),
        pytest.param("upload:*@team/dev", Action.UPLOAD, "", CORE, False, id="an index without a name is not"),
        pytest.param("read:*", Action.READ, "", None, True, id="the list of all for a star"),
        pytest.param("read:acme-*", Action.READ, "", None, False, id="the list of all for no less"),
        pytest.param("read:a*,*", Action.READ, "", None, True, id="the list of all where one is a star"),
        pytest.param("read:*@team/dev", Action.READ, "", None, False, id="the list of another index is not"),
    ],
)
def test_what_a_grant_allows(text: str, action: Action, index: str, project: ProjectName | None, answer: bool) -> None:
    """Action, index and package must all be in the grant."""
    assert parse_grant(text).allows(action, index, project) is answer


@given(GRANTS)
def test_a_grant_survives_being_written(grant: Grant) -> None:
    """parse_grant(format_grant(g)) is g, for every grant, with create and indexes: what is stored narrows as before."""
    assert parse_grant(format_grant(grant)) == grant


@pytest.mark.parametrize(
    "text",
    [
        "upload:acme-*",
        "read,upload:acme-core",
        "upload+create:acme-*",
        "read,upload+create:acme-*,docs@team/dev,team/prod",
    ],
)
def test_a_written_grant_is_canonical(text: str) -> None:
    """Frozen examples of what is stored and shown: they must read, and be written, like this for ever."""
    assert format_grant(parse_grant(text)) == text


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        pytest.param("upload", Code.REQUEST_INVALID, "no grant", id="no package"),
        pytest.param("", Code.REQUEST_INVALID, "no grant", id="nothing"),
        pytest.param(":acme", Code.REQUEST_INVALID, "no action", id="no action"),
        pytest.param("uplod:acme", Code.REQUEST_INVALID, "no action", id="an unknown action"),
        pytest.param("Upload:acme", Code.REQUEST_INVALID, "no action", id="an action in capitals"),
        pytest.param("*:acme", Code.REQUEST_INVALID, "no action", id="a star for actions"),
        pytest.param("read+create:acme", Code.REQUEST_INVALID, "no action", id="create with a read"),
        pytest.param("create:acme", Code.REQUEST_INVALID, "no action", id="create alone"),
        pytest.param("upload, read:acme", Code.REQUEST_INVALID, "no action", id="a space between actions"),
        pytest.param("upload:", Code.NAME_INVALID, "no package pattern", id="an empty package"),
        pytest.param("upload:acme,", Code.NAME_INVALID, "no package pattern", id="a comma at the end"),
        pytest.param("upload:acme:beta", Code.NAME_INVALID, "no package pattern", id="two colons"),
        pytest.param("upload:acme@", Code.NAME_INVALID, "no index", id="an empty index"),
        pytest.param("upload:acme@team/", Code.NAME_INVALID, "no index", id="half an index"),
        pytest.param("upload:acme@team/../x y", Code.NAME_INVALID, "no index", id="a space in an index"),
    ],
)
def test_what_is_no_grant(text: str, code: Code, word: str) -> None:
    """Unknown means no: a grant is read whole or refused with a sentence."""
    with pytest.raises(Refused, match=word) as caught:
        parse_grant(text)
    assert caught.value.denial.code is code


def test_create_is_said_for_all_that_it_is_about() -> None:
    """One that stands at uploads says nothing of pushes; where it stands at both, it is for both."""
    for text in ("push+create:acme-*", "push+create,upload+create:acme-*", "push,upload:*", "push+create,read:*"):
        assert format_grant(parse_grant(text)) == text
    for text in ("upload+create,push:*", "push+create,upload:*", "read,push,upload+create:*"):
        with pytest.raises(Refused, match="says create for one action and not for the other"):
            parse_grant(text)
    for text in ("read+create:*", "delete+create:*", "+create:*", "push+create+create:*"):
        with pytest.raises(Refused, match=r"read, upload, delete, push, upload\+create, push\+create"):
            parse_grant(text)


def test_an_index_is_a_name_or_a_star() -> None:
    """`*` stands for all of them, and only alone."""
    assert index_name("*") == "*"
    assert index_name("team/dev") == "team/dev"
    with pytest.raises(Refused, match="no index"):
        index_name("team/*")


def test_deleting_is_no_part_of_uploading() -> None:
    """Neither grant holds the other's action, and only one that names both holds both."""
    upload, delete, both = map(parse_grant, ("upload+create:acme-*", "delete:acme-*", "delete,upload:acme-*"))
    core = ProjectName("acme-core")
    for grant, may_upload, may_delete in ((upload, True, False), (delete, False, True), (both, True, True)):
        assert grant.allows(Action.UPLOAD, "", core) == may_upload
        assert grant.allows(Action.DELETE, "", core) == may_delete
    assert not upload.covers(delete)
    assert not delete.covers(upload)
    assert both.covers(delete)
