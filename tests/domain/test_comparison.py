"""What a new rule file changes. The law: a question that is answered otherwise finds its reason among the changes."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from ipaddress import ip_address, ip_network
from itertools import product
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.comparison import Comparison, Effect, compare
from authproxy.domain.effects import together
from authproxy.domain.grants import Action, Grant, parse_grant, pattern
from authproxy.domain.names import Filetype
from authproxy.domain.passwords import PasswordRule, Passwords
from authproxy.domain.policy import (
    Admission,
    KeyPolicy,
    MetadataCheck,
    Overwrite,
    PackageRule,
    Policy,
    Rate,
    VersionPattern,
    decide,
)
from authproxy.domain.rules import rules_for
from tests.domain.drawn import ACCESSES, ADDRESSES, HOLDERS, NETWORKS, NOW, SEVERAL_GRANTS, WIDE, key, upload

INDEXES = ["", "team/dev", "team/prod"]

RULES = st.builds(
    PackageRule,
    label=st.sampled_from(["one", "another"]),
    match=WIDE,
    indexes=st.sampled_from([(), (), ("team/dev",), ("team/prod", "")]),
    filetypes=st.sampled_from([frozenset(Filetype), frozenset(Filetype), frozenset({Filetype.WHEEL})]),
    max_size=st.sampled_from([None, None, 10]),
    overwrite=st.sampled_from(Overwrite),
    versions=st.sampled_from([(), (), (VersionPattern("1.*"),), (VersionPattern(">=2"), VersionPattern("0.1"))]),
    metadata=st.sampled_from(MetadataCheck),
    passwords=st.sampled_from([None, None, *Passwords]),
    enforce=st.sampled_from([True, True, False]),
)
KEY_POLICIES = st.builds(
    KeyPolicy,
    name=st.just("release"),
    allow=st.just((Grant(frozenset(Action), (pattern("*"),)),)) | SEVERAL_GRANTS,
    lifetime=st.sampled_from([None, 10]),
    networks=NETWORKS,
    uses=st.sampled_from([None, 5]),
    rate=st.sampled_from([None, Rate(5, 60), Rate(5, 3600), Rate(6, 60)]),
)
POLICIES = st.builds(
    lambda each, named, rules, passwords: Policy(
        MappingProxyType({"release": each} if named else {}), rules, passwords
    ),
    KEY_POLICIES,
    st.sampled_from([True] * 7 + [False]),
    st.lists(RULES, max_size=4).map(tuple),
    st.builds(PasswordRule, st.sampled_from(Passwords), st.sampled_from([None, date(1970, 1, 1), date(2970, 1, 1)])),
)


def retouched(old: Policy, rule: PackageRule, release: KeyPolicy) -> Iterator[Policy]:
    """The same file with one field of one rule, or of the key policy, as another has it: every such file."""
    for at, each in enumerate(old.packages):
        for name in FIELDS:
            rules = list(old.packages)
            rules[at] = replace(each, **{name: getattr(rule, name)})
            yield replace(old, packages=tuple(rules))
    for name in ("allow", "networks", "uses", "rate"):
        for each in old.key_policies.values():
            yield replace(old, key_policies={"release": replace(each, **{name: getattr(release, name)})})


FIELDS = ["indexes", "filetypes", "max_size", "overwrite", "versions", "metadata", "passwords", "enforce", "match"]

SOMEBODY = st.builds(lambda address: Principal(PrincipalKind.PASSWORD, address, user="alice"), ADDRESSES)

# Every upload of the small world: what changes for one name alone must not be left to chance.
WORLD = [
    upload(f"{name}-{version}{end}", size, index)
    for name in ("a", "b", "ab", "ba", "aba")
    for version, end, size in (("1.0", ".tar.gz", 5), ("2.0", "-py3-none-any.whl", 11), ("0.2", ".tar.gz", 11))
    for index in INDEXES
]


def outcome(policy: Policy, who: Principal, access: Access) -> tuple[bool, object]:
    """What matters of an answer: labels and the wording of grants do not."""
    answer = decide(policy, who, access, now=NOW)
    if not isinstance(answer, Admission):
        return False, answer.code
    noted = tuple(each.code for each in answer.would_refuse)
    conditions = (answer.may_create, answer.overwrite, answer.metadata, answer.rate, answer.uses, answer.warning)
    return True, (conditions, noted)


def told(comparison: Comparison, old: Policy, new: Policy, who: Principal, access: Access) -> list[Effect]:
    """The effects of all changes that are about this question."""
    found = []
    if who.key is not None:
        found += [each.effect for each in comparison.policies if each.policy == who.key.policy]
    else:
        found += [each.effect for each in comparison.passwords]
    if access.action is not Action.READ and access.project is not None:
        asked = [rules_for(policy, access.project, access.index) for policy in (old, new)]
        found += [
            each.effect
            for each in comparison.rules
            if each.before is not None
            and each.after is not None
            and [(each.before.trials, each.before.rule), (each.after.trials, each.after.rule)] == asked
            and access.index in each.indexes
        ]
    return found


def keeps_the_law(old: Policy, new: Policy, questions: Iterable[tuple[Principal, Access]]) -> None:
    comparison = compare(old, new, INDEXES)
    for who, access in questions:
        (was, one), (now, other) = outcome(old, who, access), outcome(new, who, access)
        effects = set(told(comparison, old, new, who, access))
        assert one == other or effects - {Effect.SAME}
        assert was or not now or effects & {Effect.WIDENS, Effect.CHANGES}
        assert now or not was or effects & {Effect.NARROWS, Effect.CHANGES}


KEYS = [Principal(PrincipalKind.KEY, ip_address(each), key(), "x") for each in ("10.1.1.1", "2001:db8::1")]


@settings(max_examples=60)
@given(POLICIES, RULES, KEY_POLICIES, SOMEBODY)
def test_whatever_corner_changes_is_told(old: Policy, rule: PackageRule, other: KeyPolicy, alice: Principal) -> None:
    """An answer that differs between two files has a change that is about it, and that goes in its direction."""
    questions = list(product((*KEYS, alice), WORLD))
    for new in retouched(old, rule, other):
        keeps_the_law(old, new, questions)


@given(POLICIES, POLICIES, HOLDERS | SOMEBODY, st.lists(ACCESSES, min_size=3, max_size=5))
def test_whatever_changes_is_told(old: Policy, new: Policy, who: Principal, accesses: list[Access]) -> None:
    """So it is between any two files, for any key, and for reads and deletes too."""
    questions = list(product((who,), (*accesses, *WORLD)))
    keeps_the_law(old, new, questions)
    keeps_the_law(old, replace(old, packages=tuple(reversed(old.packages))), questions)
    keeps_the_law(old, replace(old, passwords=new.passwords), questions)


def test_the_law_is_about_something() -> None:
    """Negative control: one change left out of the comparison, and the law above has nothing to show for an answer."""
    old = Policy({"release": KeyPolicy("release", (parse_grant("upload:*"),), None)}, (rule("*"),))
    new = Policy(old.key_policies, (rule("a*", max_size=1), rule("*")))
    who = Principal(PrincipalKind.KEY, ip_address("10.1.1.1"), key(), "x")
    asked = next(each for each in WORLD if outcome(old, who, each) != outcome(new, who, each))
    comparison = compare(old, new, INDEXES)
    assert told(comparison, old, new, who, asked) == [Effect.NARROWS]
    forgetful = Comparison(comparison.policies, comparison.rules[1:], comparison.passwords)
    assert told(forgetful, old, new, who, asked) == []


@given(POLICIES)
def test_nothing_is_told_where_nothing_changed(policy: Policy) -> None:
    """A file is the same as itself; so are grants that are written in another order, or apart."""
    assert compare(policy, policy, INDEXES) == Comparison((), (), ())
    release = policy.key_policies.get("release")
    if release is not None:
        apart = [
            Grant(each.actions, (one,), each.indexes, each.create) for each in release.allow for one in each.packages
        ]
        other = KeyPolicy(
            "release", tuple(reversed(apart)), release.lifetime, release.networks, release.uses, release.rate
        )
        assert compare(policy, Policy({"release": other}, policy.packages, policy.passwords), INDEXES).policies == ()


@given(POLICIES, POLICIES)
def test_the_way_back_is_the_other_way(old: Policy, new: Policy) -> None:
    """What widens from old to new narrows from new to old, change by change."""
    there, back = compare(old, new, INDEXES), compare(new, old, INDEXES)
    turned = {Effect.WIDENS: Effect.NARROWS, Effect.NARROWS: Effect.WIDENS}
    for one, other in ((there.policies, back.policies), (there.rules, back.rules)):
        assert Counter(turned.get(each.effect, each.effect) for each in one) == Counter(each.effect for each in other)


def rule(match: str, **more: object) -> PackageRule:
    return PackageRule(f"rule {match}", pattern(match), **more)  # type: ignore[arg-type]


def release(*grants: str, **more: object) -> Policy:
    plain: dict[str, object] = {"lifetime": None}
    return Policy({"release": KeyPolicy("release", tuple(map(parse_grant, grants)), **(plain | more))}, ())  # type: ignore[arg-type]


NETWORK, INNER, FAR = ip_network("10.0.0.0/8"), ip_network("10.1.0.0/16"), ip_network("192.0.2.0/24")


def limits(**more: object) -> Policy:
    return release("read:a", **more)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (release("upload:a"), release("upload:a", "read:*"), ["widens: may now read:*"]),
        (release("upload:a-*"), release("upload:a-b"), ["narrows: may no longer upload:a-*"]),
        (release("upload:a-b"), release("upload:a-*"), ["widens: may now upload:a-*"]),
        (release("upload:a,b"), release("upload:b", "upload:a"), []),
        (release("upload:a"), release("upload+create:a,b"), ["widens: may now upload+create:b", "widens: may now create by upload:a"]),
        (release("upload+create:a"), release("upload:a"), ["narrows: may no longer create by upload:a"]),
        (release("upload:a@x/y"), release("upload:a"), ["widens: may now upload:a"]),
        (release("upload:a"), release("read:a,b"), ["widens: may now read:a,b", "narrows: may no longer upload:a"]),
        (release("read:a"), Policy({}, ()), ["narrows: it is gone: its keys may do nothing any more"]),
        (Policy({}, ()), release("read:a"), ["widens: it is new: its keys may read:a"]),
        (limits(lifetime=None), limits(lifetime=90), ["narrows: lifetime: 90s, it was unlimited; keys that there are keep their end"]),
        (limits(pause_unused=7200), limits(pause_unused=86400), ["widens: pause_unused: 1d, it was 2h"]),
        (limits(networks=(NETWORK,)), limits(networks=(INNER,)), ["narrows: its keys may be used from 10.1.0.0/16, it was 10.0.0.0/8"]),
        (limits(networks=(INNER,)), limits(), ["widens: its keys may be used from everywhere, it was 10.1.0.0/16"]),
        (limits(networks=(INNER,)), limits(networks=(FAR,)), ["changes: its keys may be used from 192.0.2.0/24, it was 10.1.0.0/16"]),
        (limits(uses=3), limits(uses=4), ["widens: uses: 4, it was 3"]),
        (limits(rate=Rate(3, 60)), limits(rate=Rate(4, 60)), ["widens: rate: 4 in 1m, it was 3 in 1m"]),
        (limits(rate=Rate(3, 60)), limits(rate=Rate(3, 3600)), ["narrows: rate: 3 in 1h, it was 3 in 1m"]),
        (limits(rate=Rate(3, 60)), limits(rate=Rate(90, 3600)), ["changes: rate: 90 in 1h, it was 3 in 1m"]),
        (limits(), limits(rate=Rate(3, 60)), ["narrows: rate: 3 in 1m, it was unlimited"]),
        (limits(rate=Rate(3, 60)), limits(), ["widens: rate: unlimited, it was 3 in 1m"]),
    ],
)  # fmt: skip
def test_what_is_said_of_a_key_policy(old: Policy, new: Policy, expected: list[str]) -> None:
    """One line for each thing that differs; grants are told as people write them."""
    changes = compare(old, new, INDEXES).policies
    assert [f"{each.effect}: {each.sentence}" for change in changes for each in change.differences] == expected


def test_ten_thousand_grants_that_stay() -> None:
    """One name more in a long list is found without comparing each with each."""
    names = ",".join(f"pkg-{number}" for number in range(10_000))
    [change] = compare(release(f"upload:{names}"), release(f"upload:{names},another"), INDEXES).policies
    assert [each.sentence for each in change.differences] == ["may now upload:another"]


def test_passwords_of_the_file() -> None:
    """Told once, and not again for every package that says nothing of its own."""
    rules = (rule("*"),)
    old, new = (
        Policy({}, rules, PasswordRule(Passwords.WARN, None)),
        Policy({}, rules, PasswordRule(Passwords.REFUSE, date(2027, 1, 31))),
    )
    comparison = compare(old, new, INDEXES)
    assert [(each.effect, each.sentence) for each in comparison.passwords] == [
        (Effect.NARROWS, "passwords.uploads: refuse, it was warn"),
        (Effect.NARROWS, "passwords.until: 2027-01-31, it was unlimited"),
    ]
    assert comparison.rules == ()
    assert (comparison.effect, together([])) == (Effect.NARROWS, Effect.SAME)
