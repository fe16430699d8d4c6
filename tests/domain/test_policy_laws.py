"""The laws of the decision: nothing that narrows ever widens, and the explanation is the decision."""

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain.access import Access, Principal
from authproxy.domain.grants import Action, Grant, parse_grant, pattern
from authproxy.domain.policy import (
    Admission,
    KeyPolicy,
    PackageRule,
    Policy,
    VersionPattern,
    admit_uploader,
    decide,
    explain,
)
from authproxy.domain.refusal import Code, Denial
from tests.domain.drawn import ACCESSES, HOLDERS, NOW, POLICIES, SEVERAL_GRANTS, holder, key, policy, upload


def admitted(policy: Policy, principal: Principal, access: Access) -> Admission | None:
    answer = decide(policy, principal, access, now=NOW)
    return answer if isinstance(answer, Admission) else None


def within(narrow: Admission | None, wide: Admission | None) -> bool:
    """Whether the first answer allows nothing that the second does not."""
    if narrow is None:
        return True
    limit = float("inf") if narrow.uses is None else narrow.uses
    return wide is not None and narrow.may_create <= wide.may_create and (wide.uses is None or limit <= wide.uses)


def with_grants(principal: Principal, grants: tuple[Grant, ...]) -> Principal:
    assert principal.key is not None
    return replace(principal, key=replace(principal.key, grants=grants))


@given(POLICIES, HOLDERS, ACCESSES, SEVERAL_GRANTS)
def test_own_grants_never_widen(policy: Policy, who: Principal, access: Access, own: tuple[Grant, ...]) -> None:
    """Whatever grants a key is given, it may do nothing that it could not without them."""
    free = admitted(policy, with_grants(who, ()), access)
    assert within(admitted(policy, with_grants(who, own), access), free)


@given(POLICIES, HOLDERS, ACCESSES, st.integers(0, 2))
def test_taking_a_grant_away_never_widens(policy: Policy, who: Principal, access: Access, position: int) -> None:
    """One grant less, in the policy or of the key's own that are left, and nothing more is possible."""
    before = admitted(policy, who, access)
    release = policy.key_policies["release"]
    fewer = replace(release, allow=release.allow[:position] + release.allow[position + 1 :])
    assert within(admitted(Policy({"release": fewer}, policy.packages), who, access), before)
    assert who.key is not None
    own = who.key.grants[:position] + who.key.grants[position + 1 :]
    if own:
        assert within(admitted(policy, with_grants(who, own), access), before)


@given(POLICIES, HOLDERS, ACCESSES, st.integers(0, 3))
def test_fewer_rules_never_widen(policy: Policy, who: Principal, access: Access, kept: int) -> None:
    """Taking rules away from the end only refuses more. From the front it would uncover the rules behind."""
    fewer = Policy(policy.key_policies, policy.packages[:kept])
    assert within(admitted(fewer, who, access), admitted(policy, who, access))
    assert access.action is not Action.UPLOAD or admitted(Policy(policy.key_policies, ()), who, access) is None


@given(POLICIES, HOLDERS, ACCESSES)
def test_what_is_admitted_is_granted(policy: Policy, who: Principal, access: Access) -> None:
    """Behind each yes stand a grant of the policy and, if there are any, one of the key's own, a rule, a live key."""
    if answer := admitted(policy, who, access):
        assert who.key is not None
        assert who.key.dead(NOW) is None
        allow = policy.key_policies[who.key.policy].allow
        for grants in (allow, who.key.grants or allow):
            assert any(
                access.action in each.actions
                and ("*" in each.indexes or access.index in each.indexes)
                and any(it.matches(access.project) if access.project else it.text == "*" for it in each.packages)
                for each in grants
            )
        assert parse_grant(answer.grant.split(" & ")[0]) in allow
        if access.action is Action.UPLOAD:
            first = next(rule for rule in policy.packages if rule.match.matches(access.project))  # type: ignore[arg-type]
            assert access.artifact is not None
            assert access.artifact.filetype in first.filetypes
            assert first.max_size is None or (access.size or 0) <= first.max_size


@given(POLICIES, HOLDERS, ACCESSES)
def test_admit_uploader_refuses_only_what_decide_would(policy: Policy, who: Principal, access: Access) -> None:
    """The cheap look before the body never turns away an upload that the whole look would take."""
    early = admit_uploader(policy, who, access.index, now=NOW)
    if early and access.action is Action.UPLOAD:
        answer = decide(policy, who, access, now=NOW)
        assert isinstance(answer, Denial)
        assert answer.code is early.code


@given(POLICIES, HOLDERS, ACCESSES)
def test_the_explanation_is_the_decision(policy: Policy, who: Principal, access: Access) -> None:
    """explain answers what decide answers, and its last step is the one that refused."""
    explanation = explain(policy, who, access, now=NOW)
    assert explanation.decision == decide(policy, who, access, now=NOW)
    refused = [step for step in explanation.steps if not step.passed]
    assert len(refused) == isinstance(explanation.decision, Denial)
    assert explanation.steps[-1:] == tuple(refused) or not refused
    if isinstance(explanation.decision, Admission) and access.action is Action.UPLOAD:
        assert explanation.rule_label == explanation.decision.rule
        assert explanation.grant_text == explanation.decision.grant


def _any_grant_will_do(policy: Policy, who: Principal, access: Access) -> bool:
    """The naive decision: the key's own grants beside its policy's, instead of inside them."""
    assert who.key is not None
    every = policy.key_policies[who.key.policy].allow + who.key.grants
    return any(each.allows(access.action, access.index, access.project) for each in every)


RELEASE = KeyPolicy("release", (parse_grant("upload:acme-*"),), lifetime=None)
RULES = policy(RELEASE, PackageRule("packages[0] *", pattern("*"), max_size=10, versions=(VersionPattern("1.*"),)))


def test_a_naive_decision_is_caught() -> None:
    """Negative control: where own grants are added to the policy's, the law above fails on this very example."""
    who, victim = holder(key(grants=(parse_grant("upload:victim"),))), upload("victim-1.0.tar.gz")
    assert _any_grant_will_do(RULES, who, victim)
    assert not _any_grant_will_do(RULES, with_grants(who, ()), victim)
    assert admitted(RULES, who, victim) is None


CORE = Access(Action.UPLOAD, "", upload("acme_core-1.2.tar.gz").project)


@pytest.mark.parametrize(
    ("version", "size", "code"),
    [
        pytest.param(None, None, None, id="nothing but the name"),
        pytest.param("1.2", None, None, id="a version that is taken"),
        pytest.param("2.0", None, Code.VERSION, id="a version that is not"),
        pytest.param(None, 11, Code.TOO_LARGE, id="a size that is not"),
    ],
)
def test_what_is_left_open_is_not_judged(version: str | None, size: int | None, code: Code | None) -> None:
    """A person may ask about a package without a file; what was named is judged all the same."""
    answer = explain(RULES, holder(key()), replace(CORE, size=size), now=NOW, version=version).decision
    assert (answer.code if isinstance(answer, Denial) else None) is code


def test_the_address_may_be_left_open() -> None:
    """Without an address no network refuses, and the step says that none was named."""
    far = holder(key(networks=(ip_network("10.0.0.0/8"),)), "192.0.2.1")
    assert isinstance(explain(RULES, far, CORE, now=NOW).decision, Denial)
    explanation = explain(RULES, far, CORE, now=NOW, placed=False)
    assert isinstance(explanation.decision, Admission)
    steps = [(step.name, step.sentence) for step in explanation.steps]
    assert ("network", "no address was named: only from 10.0.0.0/8") in steps
    anywhere = explain(RULES, holder(key()), CORE, now=NOW, placed=False).steps
    assert ("network", "no address was named") in [(step.name, step.sentence) for step in anywhere]


def test_a_key_that_may_be_used_from_nowhere() -> None:
    """Networks of the key's own that its policy does not have leave none: no address would do, so the answer is no."""
    allow = (parse_grant("upload:*"),)
    inside = KeyPolicy("release", allow, lifetime=None, networks=(ip_network("10.0.0.0/8"),))
    who = holder(key(networks=(ip_network("192.0.2.0/24"),)))
    answer = explain(policy(inside, *RULES.packages), who, CORE, now=NOW, placed=False).decision
    assert isinstance(answer, Denial)
    assert (answer.code, "from nowhere" in answer.reason) == (Code.NETWORK, True)


def test_spent_uses_are_explained() -> None:
    """The record's own count decides in the explanation; the decision leaves it to the store, which claims it."""
    who = holder(key(uses=3, used=3))
    assert isinstance(decide(RULES, who, upload("acme_core-1.2.tar.gz"), now=NOW), Admission)
    answer = explain(RULES, who, CORE, now=NOW).decision
    assert isinstance(answer, Denial)
    assert answer.code is Code.USES_SPENT
    explanation = explain(RULES, holder(key(uses=3, used=2)), CORE, now=NOW)
    assert [step.name for step in explanation.steps][-2:] == ["uses", "create"]
