"""Rules that require an attestation, in every decision: whose count, for what, and what is told where there is none."""

from dataclasses import replace

import pytest

from authproxy.domain.access import Access
from authproxy.domain.attestations import Attestation, AttestationRule, Attested
from authproxy.domain.grants import Action, parse_grant, pattern
from authproxy.domain.keys import KeyKind
from authproxy.domain.names import ProjectName
from authproxy.domain.policy import Admission, KeyPolicy, PackageRule, Policy, decide, explain
from authproxy.domain.publishers import Publisher
from authproxy.domain.refusal import Code, Denial
from tests.domain.drawn import NOW, holder, key, upload
from tests.domain.trusted import github, gitlab

CORE = github()
OTHERS = PackageRule("packages[1] *", pattern("*"))
RELEASE = KeyPolicy("release", (github(packages=(pattern("*"),)).grant,), None)
JOB = "https://github.com/acme/core/.github/workflows/release.yml@refs/tags/v1"
SIGNED = Attestation(
    "00",
    "publish",
    JOB,
    CORE.issuer,
    source="https://github.com/acme/core",
    source_id="74",
    started=JOB,
    trigger="push",
)
ASKS = PackageRule("packages[0] acme-core", pattern("acme-core"), attestations=AttestationRule.REQUIRE)


def world(*publishers: Publisher, rules: tuple[PackageRule, ...]) -> Policy:
    return Policy({"release": RELEASE}, rules, publishers={each.label: each for each in publishers})


def attested(*found: Attestation, flaw: str | None = None) -> Access:
    return replace(upload("acme_core-1.0.tar.gz"), attested=Attested(found, flaw))


@pytest.mark.parametrize(
    ("access", "words"),
    [
        pytest.param(attested(SIGNED), None, id="of its publisher"),
        pytest.param(attested(replace(SIGNED, verified=True)), None, id="verified"),
        pytest.param(attested(replace(SIGNED, publisher="me@acme.test"), SIGNED), None, id="the second of two"),
        pytest.param(
            attested(), "requires an attestation of 'github acme/core release.yml', and this has none", id="none"
        ),
        pytest.param(
            attested(replace(SIGNED, publisher="me@a.test")), "this has one of 'me@a.test'", id="somebody else's"
        ),
        pytest.param(attested(replace(SIGNED, issuer="https://evil.test")), "this has one of", id="another issuer's"),
        pytest.param(
            attested(replace(SIGNED, publisher="x"), replace(SIGNED, source="https://github.com/evil/core")),
            "this has one of 'x' for 'https://github.com/acme/core' (id '74')",
            id="a workflow of ours that another repository called",
        ),
        pytest.param(attested(flaw="what was sent counts for nothing: x"), "and what was sent counts", id="a flaw"),
    ],
)
def test_a_package_may_require_an_attestation(access: Access, words: str | None) -> None:
    """One counts that the job of a publisher of the package has signed, whoever uploads it."""
    policy = world(CORE, gitlab(packages=(pattern("acme-web"),)), rules=(ASKS, OTHERS))
    for who in (holder(key(kind=KeyKind.MINTED, policy="", publisher=CORE.label)), holder(key())):
        answered = decide(policy, who, access, now=NOW)
        assert isinstance(answered, Admission) is (words is None)
        if words is not None:
            assert isinstance(answered, Denial)
            assert answered.code is Code.ATTESTATION
            assert words in answered.reason


def test_whom_the_names_belonged_to_counts() -> None:
    """An attestation of whoever registered the name again is none of the publisher's."""
    policy = world(CORE, rules=(ASKS, OTHERS))
    for first, admitted in (("74", True), ("73", False)):
        pinned = Attested((SIGNED,), pins={CORE.label: {"repository_id": first}})
        access = replace(upload("acme_core-1.0.tar.gz"), attested=pinned)
        assert isinstance(decide(policy, holder(key()), access, now=NOW), Admission) is admitted


def test_nobody_can_sign_for_a_package_without_a_publisher() -> None:
    """An attestation of whoever likes to sign is no proof of anything."""
    answered = decide(world(rules=(ASKS, OTHERS)), holder(key()), attested(SIGNED), now=NOW)
    assert isinstance(answered, Denial)
    assert (
        "requires an attestation of a publisher of kind github or gitlab that may upload it, which the configuration"
        in answered.reason
    )


def test_what_is_not_named_is_not_judged_and_what_goes_is_not_asked() -> None:
    """A person who asks names no file; a push carries none; a delete needs none; a rule on trial refuses nothing."""
    policy = world(CORE, rules=(ASKS, OTHERS))
    access = upload("acme_core-1.0.tar.gz")
    named = explain(policy, holder(key()), replace(access, artifact=None, size=None), now=NOW)
    [step] = [each for each in named.steps if each.name == "attestations"]
    assert (step.passed, "no file was named; it takes one with an attestation of" in step.sentence) == (True, True)
    everything = KeyPolicy("release", (parse_grant("upload,push,delete:*"),), None)
    moving = replace(policy, key_policies={"release": everything})
    push = Access(Action.PUSH, "", ProjectName("acme-core"), access.artifact, source="")
    answered = decide(moving, holder(key()), push, now=NOW)
    assert isinstance(answered, Denial)
    assert answered.code is Code.ATTESTATION
    delete = Access(Action.DELETE, "", ProjectName("acme-core"), version="1.0")
    assert isinstance(decide(moving, holder(key()), delete, now=NOW), Admission)
    trial = world(CORE, rules=(replace(ASKS, enforce=False), OTHERS))
    admitted = decide(trial, holder(key()), access, now=NOW)
    assert isinstance(admitted, Admission)
    assert [each.code for each in admitted.would_refuse] == [Code.ATTESTATION]
