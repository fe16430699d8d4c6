"""The laws of derived keys, through the whole decision: less than the key, and less with every caveat."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain.access import Access, Principal
from authproxy.domain.caveats import Actions, Caveat, Digests, Indexes, Lifetime, Once, Projects, Versions
from authproxy.domain.explanation import Admission
from authproxy.domain.grants import Action, parse_grant, pattern
from authproxy.domain.names import ProjectName
from authproxy.domain.policy import KeyPolicy, PackageRule, Policy, admit_uploader, decide, explain, forbids, reaches
from authproxy.domain.refusal import Code, Denial
from authproxy.domain.rules import Requirement, VersionPattern
from tests.domain.drawn import ACCESSES, CAVEATS, HOLDERS, NOW, POLICIES, SEVERAL_CAVEATS, holder, key, policy, upload

SHORT = Lifetime(NOW + 300, NOW)
CORE = Projects(frozenset({ProjectName("acme-core")}))
REQUIREMENTS = st.sampled_from([Requirement.KEY, Requirement.KEY, Requirement.SIGNED])


def derived(who: Principal, *caveats: Caveat) -> Principal:
    return replace(who, caveats=caveats, derived="p0HcUu3kZ1WbqYtr")


def requiring(drawn: Policy, requirement: Requirement) -> Policy:
    return replace(drawn, packages=tuple(replace(each, require=requirement) for each in drawn.packages))


@given(POLICIES, HOLDERS, ACCESSES, SEVERAL_CAVEATS, CAVEATS, REQUIREMENTS)
def test_a_caveat_never_widens(
    drawn: Policy, who: Principal, access: Access, caveats: tuple[Caveat, ...], more: Caveat, requirement: Requirement
) -> None:
    """Law 1: whatever a child may, its parent may, by the same grant and rule, signed or not."""
    drawn = requiring(drawn, requirement)
    child = decide(drawn, derived(who, *caveats, more), access, now=NOW)
    if isinstance(child, Admission):
        assert decide(drawn, derived(who, *caveats), access, now=NOW) == child


@given(POLICIES, HOLDERS, ACCESSES, SEVERAL_CAVEATS, REQUIREMENTS, st.booleans())
def test_only_what_is_stored_grants(
    drawn: Policy, who: Principal, access: Access, caveats: tuple[Caveat, ...], requirement: Requirement, only: bool
) -> None:
    """Law 2: whatever a derived key may, its key may, but that it may have to be derived first."""
    assert who.key is not None
    record = replace(who.key, derive_only=only)
    child = decide(requiring(drawn, requirement), derived(replace(who, key=record), *caveats), access, now=NOW)
    if isinstance(child, Admission):
        assert decide(requiring(drawn, Requirement.KEY), who, access, now=NOW) == child


@given(POLICIES, HOLDERS, ACCESSES, SEVERAL_CAVEATS)
def test_the_explanation_is_the_decision(
    drawn: Policy, who: Principal, access: Access, caveats: tuple[Caveat, ...]
) -> None:
    """What a person is told of a derived key is what it is answered, and the step is there that refused."""
    child = derived(who, *caveats)
    explanation = explain(drawn, child, access, now=NOW)
    answer = decide(drawn, child, access, now=NOW)
    assert explanation.decision == answer
    if isinstance(answer, Denial) and answer.code is Code.CAVEAT:
        assert explanation.steps[-1].name == "caveats"
        assert answer.reason.startswith(f"derived key {who.public_id}.p0HcUu3kZ1WbqYtr ")


@given(POLICIES, HOLDERS, ACCESSES, SEVERAL_CAVEATS)
def test_the_early_look_refuses_only_what_the_whole_look_would(
    drawn: Policy, who: Principal, access: Access, caveats: tuple[Caveat, ...]
) -> None:
    """Before the body, and for a list of which one asks item by item, nobody is turned away for what may yet come."""
    child = derived(who, *caveats)
    answer = decide(drawn, child, access, now=NOW)
    if isinstance(answer, Admission):
        assert access.action is Action.READ or reaches(drawn, child, access.action, access.index, now=NOW)
        for removals in (False, True):
            early = admit_uploader(drawn, child, access.index, now=NOW, removals=removals)
            assert early is None or access.action is not (Action.DELETE if removals else Action.UPLOAD)
    if access.action is Action.READ:
        assert forbids(drawn, child, access, now=NOW) == (answer if isinstance(answer, Denial) else None)
        assert isinstance(answer, Denial) or reaches(drawn, child, Action.READ, access.index, now=NOW)


@given(POLICIES, HOLDERS, ACCESSES, SEVERAL_CAVEATS)
def test_a_dead_key_has_no_living_children(
    drawn: Policy, who: Principal, access: Access, caveats: tuple[Caveat, ...]
) -> None:
    """Revoked, paused or expired: what was derived from it is refused as the key is, with the same sentence."""
    assert who.key is not None
    for end in ({"revoked": NOW - 1}, {"paused": True}, {"expires": NOW}):
        dead = replace(who, key=replace(who.key, **end))  # type: ignore[arg-type]
        answer = decide(drawn, derived(dead, *caveats), access, now=NOW)
        assert answer == decide(drawn, dead, access, now=NOW)
        assert isinstance(answer, Denial)


WHEEL = upload("acme_core-1.2-py3-none-any.whl", index="team/dev")
READ = Access(Action.READ, "team/dev", ProjectName("acme-core"))
DELETE = Access(Action.DELETE, "team/dev", ProjectName("acme-core"), version="1.2")
EVERY = KeyPolicy("release", (parse_grant("read,upload,delete,push:*"),), None)
PLAIN = policy(EVERY, PackageRule("packages[0] *", pattern("*")))
SIGNED = requiring(PLAIN, Requirement.SIGNED)


def answered(rules: Policy, who: Principal, access: Access = WHEEL) -> tuple[Code | None, str]:
    answer = decide(rules, who, access, now=NOW)
    return (answer.code, answer.reason) if isinstance(answer, Denial) else (None, "")


@pytest.mark.parametrize(
    ("who", "access", "words"),
    [
        (
            holder(key()),
            WHEEL,
            "requires 'signed': key 0123456789Ab0 came as it is, run authproxy exec -- twine upload",
        ),
        (holder(key()), DELETE, "came as it is, send what authproxy derive --expires 5m makes of the key"),
        (derived(holder(key()), CORE), WHEEL, "p0HcUu3kZ1WbqYtr is none that will do, its first caveat is no lifetime"),
        (derived(holder(key()), Lifetime(NOW + 36_000, NOW), SHORT), WHEEL, "more than 60 minutes from now, run"),
    ],
    ids=["a key as it is", "a delete by one", "without an end", "ten hours, made short by anybody"],
)
def test_what_does_not_do_where_signed_is_required(who: Principal, access: Access, words: str) -> None:
    """The sentence is the line to run."""
    code, reason = answered(SIGNED, who, access)
    assert code is Code.NOT_ALLOWED
    assert words in reason
    assert len(reason) <= 400
    assert answered(PLAIN, who, access) == (None, "")


def test_what_does() -> None:
    """A derived key that was short from the start uploads and deletes; reads are no business of package rules."""
    for access in (WHEEL, DELETE, READ):
        assert answered(SIGNED, derived(holder(key()), SHORT), access) == (None, "")
    assert answered(SIGNED, holder(key()), READ) == (None, "")


def test_signed_on_trial_is_noted_and_refuses_nobody() -> None:
    """The way to it: the operator sees who still sends keys as they are."""
    trial = replace(SIGNED.packages[0], enforce=False)
    rules = replace(SIGNED, packages=(trial, *PLAIN.packages))
    answer = decide(rules, holder(key()), WHEEL, now=NOW)
    assert isinstance(answer, Admission)
    assert [each.code for each in answer.would_refuse] == [Code.NOT_ALLOWED]
    answer = decide(rules, derived(holder(key()), SHORT), WHEEL, now=NOW)
    assert isinstance(answer, Admission)
    assert answer.would_refuse == ()


def test_a_key_that_is_for_deriving_alone() -> None:
    """It is proven, so it is told what to do: for nothing is it taken itself, and for all that it may when derived."""
    who = holder(key(derive_only=True))
    for access in (WHEEL, DELETE, READ):
        code, reason = answered(PLAIN, who, access)
        assert code is Code.NOT_ALLOWED
        assert "is not taken itself, only what is derived from it: run authproxy exec -- twine upload" in reason
        assert answered(PLAIN, derived(who, SHORT), access) == (None, "")
    assert admit_uploader(PLAIN, who, "team/dev", now=NOW) is not None
    assert forbids(PLAIN, who, READ, now=NOW) is not None
    assert not reaches(PLAIN, who, Action.READ, "team/dev", now=NOW)


def test_a_dead_one_is_told_nothing() -> None:
    """That it is for deriving alone would tell that the key was ever good."""
    assert answered(PLAIN, holder(key(derive_only=True, revoked=NOW)))[0] is Code.CREDENTIAL_INVALID


def early(*caveats: Caveat, **asked: Any) -> Code | None:
    denial = admit_uploader(PLAIN, derived(holder(key()), *caveats), "team/dev", now=NOW, **asked)
    return denial and denial.code


def test_before_the_body() -> None:
    """What the body names is passed over; what it cannot change refuses. It may ask for a delete where forms do."""
    deletes = Actions(frozenset({Action.DELETE}))
    assert early(SHORT, CORE, Digests(frozenset({"1" * 64})), Once("A" * 22)) is None
    assert early(Lifetime(NOW - 300, NOW - 600)) is Code.CAVEAT
    assert early(Indexes(frozenset({"team/prod"}))) is Code.CAVEAT
    assert early(deletes) is Code.CAVEAT
    assert early(deletes, removals=True) is None
    assert early(deletes, Versions(frozenset({VersionPattern("1.*")})), removals=True) is None
    assert early(deletes, Indexes(frozenset({"team/prod"})), removals=True) is Code.CAVEAT
    assert early(Actions(frozenset({Action.READ})), removals=True) is Code.CAVEAT


def test_a_list_of_all_is_narrowed_item_by_item() -> None:
    """With projects named, the whole list is refused and a part of it is not; each project is asked about then."""
    who = derived(holder(key()), SHORT, CORE)
    assert forbids(PLAIN, who, replace(READ, project=None), now=NOW) is not None
    assert reaches(PLAIN, who, Action.READ, "team/dev", now=NOW)
    assert forbids(PLAIN, who, READ, now=NOW) is None
    assert forbids(PLAIN, who, replace(READ, project=ProjectName("acme-web")), now=NOW) is not None
    assert not reaches(PLAIN, derived(who, Once("A" * 22)), Action.READ, "team/dev", now=NOW)
    listing = explain(PLAIN, who, replace(READ, project=None), now=NOW).decision
    assert listing == decide(PLAIN, who, replace(READ, project=None), now=NOW), "who asks as a person is told the same"
    assert isinstance(listing, Denial)


def test_a_version_may_be_asked_about_without_a_file() -> None:
    """As `policy explain --version` does: what a person names is judged, the rest left open."""
    who = derived(holder(key()), Versions(frozenset({VersionPattern("1.*")})))
    bare = Access(Action.UPLOAD, "team/dev", ProjectName("acme-core"))
    assert isinstance(explain(PLAIN, who, bare, now=NOW).decision, Admission)
    assert isinstance(explain(PLAIN, who, bare, now=NOW, version="1.5").decision, Admission)
    assert isinstance(explain(PLAIN, who, bare, now=NOW, version="2.0").decision, Denial)
    steps = {step.name: step.sentence for step in explain(PLAIN, who, bare, now=NOW).steps}
    assert steps["caveats"] == "what was taken away leaves this: versions 1.*"
    assert "caveats" not in {step.name for step in explain(PLAIN, holder(key()), bare, now=NOW).steps}
