"""Who can: for each key what `explain` would answer, asked once for all keys of a kind."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain import holders
from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.grants import Action, parse_grant, pattern
from authproxy.domain.holders import NOWHERE, Asked, Judge
from authproxy.domain.names import Filetype, ProjectName
from authproxy.domain.passwords import PasswordRule, Passwords
from authproxy.domain.policy import Admission, KeyPolicy, PackageRule, Policy, explain
from authproxy.domain.rules import Requirement
from tests.domain.drawn import ACCESSES, ADDRESSES, KEYS, NOW, POLICIES, key, policy


@given(POLICIES, st.lists(KEYS, min_size=1, max_size=6), ACCESSES, st.none() | ADDRESSES, st.integers(0, 6))
def test_it_is_what_explain_answers(policy: Policy, keys: list, access: Access, address: object, used: int) -> None:
    """A key is a live holder exactly where `explain` says yes to it, by the same grant and rule."""
    judge = Judge(policy, Asked(access, NOW, access.version, None, address))  # type: ignore[arg-type]
    for each in keys:
        record = replace(each, used=used)
        who = Principal(PrincipalKind.KEY, address or NOWHERE, record, "x")  # type: ignore[arg-type]
        answer = explain(policy, who, access, now=NOW, version=access.version, placed=address is not None).decision
        holder = judge.holder(record)
        assert isinstance(answer, Admission) == (holder is not None and holder.state == "live")
        if holder is not None and isinstance(answer, Admission):
            assert (holder.admission.grant, holder.admission.rule) == (answer.grant, answer.rule)
            assert holder.admission.may_create == answer.may_create
            assert holder.uses_left is None or holder.uses_left == (answer.uses or 0) - used
            assert record.policy in set(judge.policies())


RELEASE = KeyPolicy(
    "release", (parse_grant("upload:acme-*"), parse_grant("read:*")), None, networks=(ip_network("10.0.0.0/8"),), uses=5
)
WORLD = policy(RELEASE, PackageRule("rule", pattern("*"), filetypes=frozenset({Filetype.WHEEL})))
CORE = Access(Action.UPLOAD, "", ProjectName("acme-core"))


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "live"),
        ({"paused": True}, "paused"),
        ({"expires": NOW}, "expired"),
        ({"revoked": NOW}, "revoked"),
        ({"used": 5}, "spent"),
        ({"uses": 2, "used": 3}, "spent"),
        ({"networks": (ip_network("192.0.2.0/24"),)}, None),
        ({"grants": (parse_grant("upload:acme-web"),)}, None),
        ({"policy": "other"}, None),
    ],
)
def test_a_key_and_why_it_may_not(changes: dict[str, object], state: str | None) -> None:
    """Who could but for a pause, the end or the last use is told as such; who could not in any case is nobody."""
    holder = Judge(WORLD, Asked(CORE, NOW)).holder(key(**changes))
    assert (holder and holder.state) == state


def test_what_limits_a_holder() -> None:
    """The networks that both allow, and the lower of both counts; a read spends nothing."""
    record = key(networks=(ip_network("10.1.0.0/16"),), uses=9, used=3)
    holder = Judge(WORLD, Asked(CORE, NOW)).holder(record)
    assert holder is not None
    assert (holder.networks, holder.uses_left) == ((ip_network("10.1.0.0/16"),), 2)
    reading = Judge(WORLD, Asked(replace(CORE, action=Action.READ), NOW)).holder(replace(record, used=99))
    assert reading is not None
    assert (reading.state, reading.uses_left) == ("live", None)


def test_the_address_and_the_filetype_are_judged() -> None:
    """What was named counts."""
    assert Judge(WORLD, Asked(CORE, NOW, address=ip_address("192.0.2.1"))).holder(key()) is None
    assert Judge(WORLD, Asked(CORE, NOW, address=ip_address("10.0.0.1"))).holder(key()) is not None
    assert Judge(WORLD, Asked(CORE, NOW, filetype=Filetype.SDIST)).holder(key()) is None
    assert Judge(WORLD, Asked(CORE, NOW, filetype=Filetype.WHEEL)).holder(key()) is not None


def test_what_only_a_derived_key_may() -> None:
    """Who holds the key can derive one, so the holder is named, and with it that the key as it is will not do."""
    signed = replace(WORLD, packages=(replace(WORLD.packages[0], require=Requirement.SIGNED),))
    for rules, record, asked, derived in (
        (WORLD, key(), CORE, False),
        (WORLD, key(derive_only=True), CORE, True),
        (signed, key(), CORE, True),
        (signed, key(), replace(CORE, action=Action.READ), False),
        (replace(signed, packages=(replace(signed.packages[0], enforce=False),)), key(), CORE, False),
    ):
        holder = Judge(rules, Asked(asked, NOW)).holder(record)
        assert holder is not None
        assert holder.derived is derived
    assert Judge(policy(RELEASE), Asked(CORE, NOW)).holder(key()) is None
    assert Judge(replace(signed, passwords=PasswordRule(Passwords.ALLOW)), Asked(CORE, NOW)).passwords() is None


def test_policies_that_are_not_worth_asking() -> None:
    """A million keys of a policy that does not allow it are not looked at."""
    assert list(Judge(WORLD, Asked(CORE, NOW)).policies()) == ["release"]
    assert list(Judge(WORLD, Asked(replace(CORE, project=ProjectName("victim")), NOW)).policies()) == []


def test_passwords() -> None:
    """Somebody whose password the index takes, where the file takes passwords."""
    assert Judge(WORLD, Asked(CORE, NOW)).passwords() is None
    admission = Judge(replace(WORLD, passwords=PasswordRule(Passwords.ALLOW)), Asked(CORE, NOW)).passwords()
    assert admission is not None
    assert admission.rule == "rule"


def test_kinds_are_judged_once_and_forgotten_when_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of a question is bounded, and what was forgotten is judged again."""
    monkeypatch.setattr(holders, "KINDS", 2)
    judge = Judge(WORLD, Asked(CORE, NOW))
    for _ in range(2):
        for name in ("acme-core", "acme-*", "*"):
            assert judge.holder(key(grants=(parse_grant(f"upload:{name}"),))) is not None
            assert len(judge._found) <= 2


@pytest.mark.parametrize("action", [Action.DELETE, Action.UPLOAD])
def test_a_requirement_that_nobody_meets_leaves_nobody(action: Action) -> None:
    """A rule's `require` is asked of deletes as of uploads; without it the same key may both."""
    release = KeyPolicy("release", (parse_grant(f"{action}:acme-*"),), None)
    for require, somebody in (("two-people", False), ("key", True)):
        world = policy(release, PackageRule("rule", pattern("*"), require=require))  # type: ignore[arg-type]
        asked = Asked(replace(CORE, action=action), NOW)
        assert (Judge(world, asked).holder(key()) is not None) == somebody
        assert set(Judge(world, asked).policies()) == ({"release"} if somebody else set())
