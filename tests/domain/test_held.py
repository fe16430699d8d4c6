"""What a key may do is said as it is: never more than its policy and its own grants both hold."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain.access import Access, Principal
from authproxy.domain.grants import Action, Grant, format_grant, parse_grant, shared
from authproxy.domain.names import ProjectName
from authproxy.domain.policy import KeyPolicy, Policy, admit_uploader, decide, explain, held
from authproxy.domain.refusal import Denial
from tests.domain.drawn import INDEXES, NAMES, NOW, SEVERAL_GRANTS, holder, key, policy

RELEASE = ("upload+create:acme-*", "read:acme-*", "delete:acme-old")


def grants(*texts: str) -> tuple[Grant, ...]:
    return tuple(map(parse_grant, texts))


@pytest.mark.parametrize(
    ("own", "given_", "expected"),
    [
        pytest.param("upload+create:acme-core", RELEASE, "upload+create:acme-core", id="what is narrower"),
        pytest.param("upload:*", RELEASE, "upload:acme-*", id="no wider than the policy"),
        pytest.param("upload+create:acme-core", ("upload:*",), "upload:acme-core", id="create takes both"),
        pytest.param("upload:acme-core", ("read:*",), "", id="actions that have nothing in common"),
        pytest.param("upload:other", RELEASE, "", id="packages that have nothing in common"),
        pytest.param("upload:a-*", ("upload:*-b",), "", id="patterns that only overlap are not said"),
        pytest.param("upload:a@team/dev", ("upload:a",), "upload:a@team/dev", id="the key's index"),
        pytest.param("upload:a", ("upload:a@team/dev",), "upload:a@team/dev", id="the policy's index"),
        pytest.param("upload:a@x/y,u/v", ("upload:a@u/v,m/n",), "upload:a@u/v", id="the indexes of both"),
        pytest.param("upload:a@x/y", ("upload:a@u/v",), "", id="indexes that have nothing in common"),
        pytest.param("upload:a", ("upload:a", "upload:*"), "upload:a", id="nothing twice"),
        pytest.param("upload+create:a", ("upload:*", "upload+create:a"), "upload+create:a", id="the wider of two"),
        pytest.param("read,upload+create:a", ("read:*", "upload+create:*"), "read:a upload+create:a", id="in two"),
        pytest.param("read,upload:a", ("read:*", "upload:*"), "read,upload:a", id="in one piece"),
    ],
)
def test_what_both_grant(own: str, given_: Sequence[str], expected: str) -> None:
    """In writing, as a refusal has it."""
    assert " ".join(map(format_grant, shared(grants(own), grants(*given_)))) == expected


def _said(rules: Policy, who: Principal) -> tuple[Grant, ...]:
    assert who.key is not None
    return held(who.key, rules.key_policies["release"])


def _own_or_all(rules: Policy, who: Principal) -> tuple[Grant, ...]:
    """The careless way: a key's own grants, whatever its policy says by now."""
    assert who.key is not None
    return who.key.grants or rules.key_policies["release"].allow


def _boasts(
    rules: Policy, who: Principal, access: Access, said: Callable[[Policy, Principal], tuple[Grant, ...]]
) -> bool:
    """Whether more is said than `decide` admits."""
    named = any(each.allows(access.action, access.index, access.project) for each in said(rules, who))
    denial = decide(rules, who, access, now=NOW)
    return named and isinstance(denial, Denial) and ": it may " in denial.reason


@given(SEVERAL_GRANTS, SEVERAL_GRANTS, st.sampled_from(Action), INDEXES, st.none() | NAMES)
def test_never_more_is_said_than_holds(
    own: Sequence[Grant], allow: Sequence[Grant], action: Action, index: str, project: ProjectName | None
) -> None:
    """Whatever is named among what a key may do, its own grants allow and its policy does; create is in both, too."""
    for each in shared(own, allow):
        if each.allows(action, index, project):
            for side in (own, allow):
                allowing = [grant for grant in side if grant.allows(action, index, project)]
                assert allowing
                assert not each.create or any(grant.create for grant in allowing)


def one(*own: str) -> Principal:
    return holder(key(grants=grants(*own)))


def release(*allow: str) -> Policy:
    return policy(KeyPolicy("release", grants(*allow), None))


def test_the_careless_way_is_caught() -> None:
    """A key made for uploads, and a policy that was narrowed since: to name the key's own grants would be a boast."""
    rules, who = release("read:acme-*"), one("upload:acme-core")
    access = Access(Action.UPLOAD, "", ProjectName("acme-core"))
    assert _boasts(rules, who, access, _own_or_all)
    assert not _boasts(rules, who, access, _said)


@pytest.mark.parametrize(
    ("allow", "own", "may"),
    [
        pytest.param(RELEASE[:1], ["upload+create:acme-core"], "upload+create:acme-core", id="its own part"),
        pytest.param(RELEASE[:1], [], "upload+create:acme-*", id="all of the policy"),
        pytest.param(("delete:acme-*",), ["upload:acme-core"], "nothing", id="nothing that is left"),
    ],
)
def test_a_refused_read_says_what_the_key_may(allow: Sequence[str], own: Sequence[str], may: str) -> None:
    """The policy refuses it, and the sentence is about the key all the same; `explain` says the same."""
    rules, who = release(*allow), one(*own)
    access = Access(Action.READ, "", ProjectName("acme-core"))
    denial = decide(rules, who, access, now=NOW)
    assert isinstance(denial, Denial)
    assert denial.reason.endswith(f"may not read 'acme-core': it may {may}")
    assert explain(rules, who, access, now=NOW).steps[-1].sentence == denial.reason
    early = admit_uploader(rules, who, "", now=NOW)
    assert early is None if may != "nothing" else early is not None and early.reason.endswith("here: it may nothing")
