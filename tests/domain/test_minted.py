"""Minted keys in every decision: they follow their publisher, and packages may ask for one."""

import json
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given

from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.caveats import Lifetime
from authproxy.domain.comparison import Effect, PolicyChange, compare, publisher_changes
from authproxy.domain.grants import Action, pattern
from authproxy.domain.holders import Asked, Judge, minted
from authproxy.domain.keys import KeyKind, KeyRecord
from authproxy.domain.names import ProjectName
from authproxy.domain.passwords import PasswordRule, Passwords
from authproxy.domain.policy import (
    Admission,
    KeyPolicy,
    PackageRule,
    Policy,
    Requirement,
    admit_uploader,
    decide,
    explain,
    reaches,
)
from authproxy.domain.publishers import Publisher
from authproxy.domain.refusal import Code, Denial
from authproxy.domain.rules import followed
from tests.domain.drawn import ACCESSES, NOW, POLICIES, holder, key, upload
from tests.domain.trusted import github, gitlab

CORE = github()
TRUSTED = PackageRule("packages[0] acme-core", pattern("acme-core"), require=Requirement.TRUSTED_PUBLISHER)
OTHERS = PackageRule("packages[1] *", pattern("*"))
RELEASE = KeyPolicy("release", (github(packages=(pattern("*"),)).grant,), None)


def world(*publishers: Publisher, rules: tuple[PackageRule, ...] = (TRUSTED, OTHERS), **more: Any) -> Policy:
    return Policy({"release": RELEASE}, rules, publishers={each.label: each for each in publishers}, **more)


def minted_key(publisher: Publisher = CORE, **changes: Any) -> KeyRecord:
    return key(kind=KeyKind.MINTED, policy="", publisher=publisher.label, **changes)


def answer(policy: Policy, who: Principal, filename: str = "acme_core-1.0.tar.gz") -> Admission | Denial:
    return decide(policy, who, upload(filename), now=NOW)


def test_a_minted_key_does_what_its_publisher_may() -> None:
    """Its packages, and no others; by the grant of the publisher."""
    admitted = answer(world(CORE), holder(minted_key()))
    assert isinstance(admitted, Admission)
    assert (admitted.grant, admitted.rule, admitted.may_create) == ("upload:acme-core", TRUSTED.label, False)
    refused = answer(world(CORE), holder(minted_key()), "acme_web-1.0.tar.gz")
    assert isinstance(refused, Denial)
    assert refused.reason.endswith("may not upload 'acme-web': it may upload:acme-core")
    assert admit_uploader(world(CORE), holder(minted_key()), "", now=NOW) is None
    assert not reaches(world(CORE), holder(minted_key()), Action.READ, "", now=NOW)


def test_create_and_networks_are_the_publishers() -> None:
    """As the file says them now."""
    making = github(create=True)
    admitted = answer(world(making), holder(minted_key()))
    assert isinstance(admitted, Admission)
    assert admitted.may_create
    inside = replace(CORE, networks=(ip_network("10.0.0.0/8"),))
    assert isinstance(answer(world(inside), holder(minted_key())), Admission)
    refused = answer(world(inside), holder(minted_key(), "192.0.2.1"))
    assert isinstance(refused, Denial)
    assert refused.code is Code.NETWORK


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (
            minted_key(github(environment="pypi")),
            "was minted for the trusted publisher 'github acme/core release.yml pypi', which the configuration does not",
        ),
        (replace(minted_key(), publisher=None), "was minted for the trusted publisher '', which the configuration"),
        # A key policy of that name is another's.
        (replace(minted_key(), publisher="release"), "was minted for the trusted publisher 'release', which"),
        (key(policy=CORE.label), f"follows the key policy '{CORE.label}', which the configuration does not have"),
    ],
)
def test_a_publisher_that_left_the_file_ends_its_keys(record: KeyRecord, told: str) -> None:
    """And no key policy takes its place, nor a publisher that of a key policy."""
    refused = answer(world(CORE), holder(record))
    assert isinstance(refused, Denial)
    assert told in refused.reason
    assert refused.code is Code.NOT_ALLOWED
    assert followed(world(CORE), record) is None


IDS = {"repository_id": "74", "repository_owner_id": "65"}


@pytest.mark.parametrize(
    ("said", "claims", "follows"),
    [
        pytest.param({}, None, True, id="none are asked"),
        pytest.param({"repository_id": "74"}, json.dumps(IDS | {"ref": "x"}), True, id="those of its token"),
        pytest.param(IDS, json.dumps(IDS), True, id="both"),
        pytest.param({"repository_id": "75"}, json.dumps(IDS), False, id="another repository that has the name"),
        pytest.param({**IDS, "repository_owner_id": "66"}, json.dumps(IDS), False, id="another owner"),
        pytest.param({"repository_id": "74"}, '{"repository":"acme/core"}', False, id="its token's are not known"),
        pytest.param({"repository_id": "74"}, None, False, id="nothing is known of its token"),
    ],
)
def test_ids_that_came_into_the_file_later_hold_for_keys_that_there_are(
    said: dict[str, str], claims: str | None, follows: bool
) -> None:
    """The label says nothing of them, so a key of whoever had the name before would follow it."""
    policy, record = world(github(**said)), minted_key(claims=claims)
    assert (followed(policy, record) is not None) is follows
    answered = answer(policy, holder(record))
    assert isinstance(answered, Admission) is follows
    if not follows:
        assert isinstance(answered, Denial)
        assert answered.reason.endswith("', whose ids in the configuration are others than its token had")
    asked = Asked(Access(Action.UPLOAD, "", ProjectName("acme-core")), NOW)
    judge = Judge(policy, asked)
    assert (judge.holder(record) is not None) is follows
    assert [each.label for each, _ in judge.publishers()] == [CORE.label], "its next token gets one that may"


def test_a_canary_follows_nothing() -> None:
    """It never works, whatever policy it was given."""
    assert followed(world(CORE), key(kind=KeyKind.CANARY)) is None
    assert followed(world(CORE), key(kind=KeyKind.CANARY, policy=CORE.label, publisher=CORE.label)) is None


def test_the_way_to_an_answer_names_the_publisher() -> None:
    """Where a key that somebody created has its key policy."""
    steps = explain(world(CORE), holder(minted_key()), upload("acme_core-1.0.tar.gz"), now=NOW).steps
    assert [each.sentence for each in steps if each.name == "publisher"] == [
        "it was minted for the trusted publisher 'github acme/core release.yml'"
    ]
    assert "it requires 'trusted-publisher', whose key this is" in [each.sentence for each in steps]


@pytest.mark.parametrize(
    "who",
    [
        holder(key()),
        Principal(PrincipalKind.PASSWORD, ip_address("10.1.1.1"), user="bob"),
    ],
    ids=["a key that lives long", "a password"],
)
def test_what_is_required_of_a_package(who: Principal) -> None:
    """The sentence has the line to run instead, and fits into a reason phrase."""
    policy = world(CORE, passwords=PasswordRule(Passwords.ALLOW))
    refused = answer(policy, who)
    assert isinstance(refused, Denial)
    assert refused.code is Code.NOT_ALLOWED
    assert refused.reason == (
        f"packages[0] acme-core requires 'trusted-publisher', which {who.name} is not: run in the CI, without a key, "
        "uv publish --trusted-publishing always, or authproxy exec --oidc -- twine upload dist/*"
    )
    assert isinstance(answer(policy, who, "acme_web-1.0.tar.gz"), Admission)


def test_nobody_deletes_what_only_publishers_may_write() -> None:
    """Their keys upload and do nothing else; no line is named that would be of no use."""
    remover = KeyPolicy("release", (replace(RELEASE.allow[0], actions=frozenset({Action.DELETE})),), None)
    policy = replace(world(CORE), key_policies={"release": remover})
    delete = Access(Action.DELETE, "", ProjectName("acme-core"), version="1.0")
    refused = decide(policy, holder(key()), delete, now=NOW)
    assert isinstance(refused, Denial)
    assert refused.reason.endswith("is not: and what such a one gets may delete nothing")
    assert isinstance(decide(policy, holder(minted_key()), delete, now=NOW), Denial)


@given(POLICIES, ACCESSES)
def test_a_minted_key_never_does_more_than_a_key_with_the_same_grant(policy: Policy, access: Access) -> None:
    """Where the rules ask for a key alone, the kind of key makes no difference."""
    everything = github(packages=(pattern("*"),), create=True)
    policies = {"release": KeyPolicy("release", (everything.grant,), None)}
    policy = replace(policy, key_policies=policies, publishers={everything.label: everything})
    one, other = (
        decide(policy, holder(each), access, now=NOW) for each in (minted_key(everything), key(policy="release"))
    )
    assert isinstance(one, Admission) is isinstance(other, Admission)


class TestHolders:
    """Who can: a publisher stands for all the keys that it may get."""

    ASKED = Asked(Access(Action.UPLOAD, "", ProjectName("acme-core")), NOW)

    def test_publishers_that_may(self) -> None:
        """By which grant and rule; whose packages are others' is left out."""
        web = gitlab(packages=(pattern("acme-web"),))
        [(each, admission)] = Judge(world(CORE, web), self.ASKED).publishers()
        assert (each, admission.grant, admission.rule) == (CORE, "upload:acme-core", TRUSTED.label)

    def test_what_is_signed_alone_is_for_no_publisher(self) -> None:
        """Its jobs send keys as they are: none is listed, and who sends one is told what will do, derived or not."""
        rule = replace(TRUSTED, require=Requirement.SIGNED)
        shut = world(CORE, rules=(rule, OTHERS))
        assert list(Judge(shut, self.ASKED).publishers()) == []
        assert Judge(shut, self.ASKED).holder(minted_key()) is None
        who = holder(minted_key())
        for each in (who, replace(who, caveats=(Lifetime(NOW + 60, NOW),), derived="p0HcUu3kZ1WbqYtr")):
            refused = answer(shut, each)
            assert isinstance(refused, Denial)
            assert (
                "was minted for a trusted publisher, whose jobs send it as it is, upload with an API" in refused.reason
            )
            assert "require: trusted-publisher" in refused.reason
            assert len(refused.reason) <= 400

    def test_the_address_counts(self) -> None:
        """Where one was named."""
        inside = world(replace(CORE, networks=(ip_network("10.0.0.0/8"),)))
        for address, expected in (("10.0.0.1", 1), ("192.0.2.1", 0)):
            asked = replace(self.ASKED, address=ip_address(address))
            assert len(list(Judge(inside, asked).publishers())) == expected

    def test_a_minted_key_is_a_holder(self) -> None:
        """Also beside a key policy that has its publisher's name."""
        policy = replace(world(CORE), key_policies={"release": RELEASE, CORE.label: RELEASE})
        judge = Judge(policy, self.ASKED)
        found = judge.holder(minted_key(uses=3, used=1))
        assert found is not None
        assert (found.state, found.admission.grant, found.uses_left) == ("live", "upload:acme-core", 2)
        assert judge.holder(minted_key(github(environment="x"))) is None
        assert judge.holder(key(policy=CORE.label)) is None, "the package takes no such key"
        assert judge.holder(replace(minted(CORE), revoked=NOW)) is not None


class TestDifferences:
    """A new file: publishers that come, go and change."""

    @pytest.mark.parametrize(
        ("before", "after", "expected"),
        [
            ([], [CORE], ["widens: it is new: its tokens get keys that may upload:acme-core"]),
            ([CORE], [], ["narrows: it is gone: its tokens get no key, and the keys that were minted for them end"]),
            ([CORE], [github(repository="ACME/core")], []),
            ([CORE], [github(repository_id="74")], ["narrows: repository_id 74 is asked now"]),
            ([github(repository_id="74")], [CORE], ["widens: repository_id 74 is no longer asked"]),
            (
                [github(repository_id="74")],
                [github(repository_id="75")],
                ["widens: repository_id 74 is no longer asked", "narrows: repository_id 75 is asked now"],
            ),
            ([CORE], [github(create=True)], ["widens: may now create by upload:acme-core"]),
            (
                [CORE],
                [github(packages=(pattern("acme-web"),))],
                ["widens: may now upload:acme-web", "narrows: may no longer upload:acme-core"],
            ),
            (
                [CORE],
                [github(lifetime=3600)],
                ["widens: lifetime: 1h, it was 15m; keys that there are keep their end"],
            ),
            (
                [CORE],
                [replace(CORE, networks=(ip_network("10.0.0.0/8"),))],
                ["narrows: its keys may be used from 10.0.0.0/8, it was everywhere"],
            ),
        ],
    )
    def test_what_is_said(self, before: list[Publisher], after: list[Publisher], expected: list[str]) -> None:
        """One line for each thing, with its direction, under the publisher's label."""
        found = publisher_changes(world(*before), world(*after))
        assert [f"{it.effect}: {it.sentence}" for each in found for it in each.differences] == expected
        assert {each.policy for each in found} <= {CORE.label}

    def test_a_comparison_tells_of_them(self) -> None:
        """Beside key policies and rules, and in its effect."""
        comparison = compare(world(), world(CORE), [""])
        assert isinstance(comparison.publishers[0], PolicyChange)
        assert (comparison.policies, comparison.rules, comparison.effect) == ((), (), Effect.WIDENS)
        assert compare(world(CORE), world(CORE), [""]).effect is Effect.SAME
