"""What a package rule asks of somebody with the index's password; what it asks of keys stands in test_policy."""

from dataclasses import replace
from datetime import date
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.grants import Action, parse_grant, pattern
from authproxy.domain.names import Filetype
from authproxy.domain.passwords import PasswordRule, Passwords
from authproxy.domain.policy import (
    Admission,
    KeyPolicy,
    Overwrite,
    PackageRule,
    Policy,
    VersionPattern,
    admit_passwords,
    admit_uploader,
    decide,
    explain,
    rule_for,
)
from authproxy.domain.refusal import Code, Denial
from tests.domain.drawn import ACCESSES, DELETES, HOLDERS, NOW, RULES, holder, key, upload
from tests.domain.drawn import POLICIES as DRAWN

ALICE = Principal(PrincipalKind.PASSWORD, ip_address("10.1.1.1"), user="alice")
WHEEL = upload("acme_core-1.2-py3-none-any.whl")
ALLOW, WARN, REFUSE = Passwords
PAST, FUTURE = date(1970, 1, 1), date(2970, 1, 1)
RELEASE = {"release": KeyPolicy("release", (parse_grant("upload+create:*"),), None)}


def world(file: PasswordRule, /, **rule: Any) -> Policy:
    return Policy(RELEASE, (PackageRule("packages[0] acme-*", pattern("acme-*"), **rule),), file)


@pytest.mark.parametrize("file", [ALLOW, WARN])
def test_a_password_uploads_what_the_rules_let_in(file: Passwords) -> None:
    """It may create as the index lets it, replaces nothing, and only under `warn` is anybody told."""
    admission = decide(world(PasswordRule(file, FUTURE)), ALICE, WHEEL, now=NOW)
    assert isinstance(admission, Admission)
    assert (admission.rule, admission.grant, admission.may_create) == ("packages[0] acme-*", f"passwords: {file}", True)
    assert (admission.overwrite, admission.rate, admission.uses) == (Overwrite.NEVER, None, None)
    assert (admission.warning is not None) == (file is WARN)


REFUSALS = [
    pytest.param(world(PasswordRule(REFUSE)), WHEEL, Code.NOT_ALLOWED, "takes no passwords", id="refused in the file"),
    pytest.param(
        world(PasswordRule(ALLOW), passwords=REFUSE), WHEEL, Code.NOT_ALLOWED, "packages[0] acme-* takes no passwords: ask",
        id="allowed in the file, refused for the package",
    ),
    pytest.param(world(PasswordRule(ALLOW, PAST)), WHEEL, Code.PASSWORD_ENDED, "1970-01-01", id="after the last day"),
    pytest.param(
        world(PasswordRule(REFUSE, PAST), passwords=WARN), WHEEL, Code.PASSWORD_ENDED, "1970-01-01",
        id="the last day ends what a package opens, too",
    ),
    pytest.param(
        world(PasswordRule(ALLOW), filetypes=frozenset({Filetype.SDIST})), WHEEL, Code.FILETYPE, "takes sdist",
        id="a filetype that the rule does not take",
    ),
    pytest.param(
        world(PasswordRule(ALLOW), versions=(VersionPattern("2.*"),)), WHEEL, Code.VERSION, "takes 2.*",
        id="a version that the rule does not take",
    ),
    pytest.param(world(PasswordRule(ALLOW), max_size=4), WHEEL, Code.TOO_LARGE, "at most 4", id="too large for the rule"),
    pytest.param(
        world(PasswordRule(ALLOW)), upload("victim-1.0.tar.gz"), Code.NO_RULE, "no package rule", id="no rule at all"
    ),
    pytest.param(
        world(PasswordRule(ALLOW), require="signed"), WHEEL, Code.NOT_ALLOWED, "requires 'signed'",
        id="a requirement other than a key, which passwords do not open",
    ),
    pytest.param(
        world(PasswordRule(ALLOW)), Access(Action.DELETE, "", WHEEL.project), Code.NOT_ALLOWED, "may not delete", id="a delete"
    ),
    pytest.param(world(PasswordRule(ALLOW)), Access(Action.READ, "", None), Code.NOT_ALLOWED, "may not read", id="a read"),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "access", "code", "words"), REFUSALS)
def test_what_a_password_may_not(policy: Policy, access: Access, code: Code, words: str) -> None:
    """The rules of the package hold, and a password has no grants."""
    denial = decide(policy, ALICE, access, now=NOW)
    assert isinstance(denial, Denial)
    assert denial.code is code
    assert words in denial.reason


def test_a_package_may_open_what_the_file_refuses() -> None:
    """The control of the refusals above: the rule's own word is the one that counts."""
    policy = world(PasswordRule(REFUSE), passwords=ALLOW)
    assert isinstance(decide(policy, ALICE, WHEEL, now=NOW), Admission)
    assert admit_passwords(policy, now=NOW) is None


PASSWORD_RULES = st.builds(PasswordRule, st.sampled_from(Passwords), st.sampled_from([None, PAST, FUTURE]))
POLICIES = st.builds(Policy, st.just(RELEASE), st.lists(RULES, max_size=3).map(tuple), PASSWORD_RULES)


@given(POLICIES, ACCESSES)
def test_what_is_turned_away_early_is_refused_for_every_file(policy: Policy, access: Access) -> None:
    """A password is never asked about where nothing could come of it, and never turned away where something could."""
    early = admit_passwords(policy, now=NOW)
    late = decide(policy, ALICE, access, now=NOW)
    assert early is None or isinstance(late, Denial)


@given(POLICIES)
def test_a_password_is_no_key(policy: Policy) -> None:
    """Where a key is asked for, a password is none."""
    assert isinstance(admit_uploader(policy, ALICE, "", now=NOW), Denial)


@given(DRAWN, HOLDERS, DELETES)
def test_a_delete_takes_its_own_grant_and_a_rule(policy: Policy, who: Principal, access: Access) -> None:
    """The rule of the package holds whoever asks; what may come in, it says of uploads alone."""
    answer = decide(policy, who, access, now=NOW)
    assert isinstance(decide(replace(policy, packages=()), who, access, now=NOW), Denial)
    loose = tuple(PackageRule(each.label, each.match, each.indexes, each.require) for each in policy.packages)
    assert answer == decide(replace(policy, packages=loose), who, access, now=NOW)
    if isinstance(answer, Admission):
        assert who.key is not None
        assert access.project is not None
        rule = rule_for(policy, access.project, access.index)
        assert rule is not None
        assert answer.rule == rule.label
        assert any(
            grant.allows(Action.DELETE, access.index, access.project) for grant in policy.key_policies["release"].allow
        )
        assert (answer.overwrite, answer.uses, answer.may_create) == (Overwrite.NEVER, None, False)
        assert admit_uploader(policy, who, access.index, now=NOW, removals=True) is None


DELETE = Access(Action.DELETE, "team/dev", WHEEL.project, version="1.2")
DELETED = [
    pytest.param({"versions": (VersionPattern("2.*"),)}, None, "", id="a version that is let in no more"),
    pytest.param({"filetypes": frozenset(), "max_size": 0}, None, "", id="files that are let in no more"),
    pytest.param({"match": pattern("other")}, Code.NO_RULE, "so nobody may delete it", id="no rule"),
    pytest.param({"indexes": ("team/stable",)}, Code.NO_RULE, "'acme-core'", id="a rule in another index alone"),
    pytest.param({"require": "blessed"}, Code.NOT_ALLOWED, "acme-* requires 'blessed'", id="one that nobody meets"),
]


@pytest.mark.parametrize(("rule", "code", "words"), DELETED)
def test_what_a_rule_says_of_deletes(rule: dict[str, Any], code: Code | None, words: str) -> None:
    """Who may write to a package, and whether anybody may; the explanation says the same, and names the rule."""
    made = PackageRule(**{"label": "packages[0] acme-*", "match": pattern("acme-*"), **rule})
    policy = Policy({"release": KeyPolicy("release", (parse_grant("delete:*"),), None)}, (made,))
    answer = decide(policy, holder(key()), DELETE, now=NOW)
    explained = explain(policy, holder(key()), DELETE, now=NOW)
    assert explained.decision == answer
    assert (answer.code if isinstance(answer, Denial) else None) is code
    assert words in (answer.reason if isinstance(answer, Denial) else "")
    assert explained.rule_label == (None if code is Code.NO_RULE else "packages[0] acme-*")
    if code is None:
        assert [step.name for step in explained.steps][-2:] == ["rule", "require"]


def test_a_delete_of_everything_is_none() -> None:
    """It names one project, whatever the grant."""
    policy = Policy(
        {"release": KeyPolicy("release", (parse_grant("delete:*"),), None)},
        (PackageRule("packages[0] *", pattern("*")),),
    )
    answer = decide(policy, holder(key()), replace(DELETE, project=None), now=NOW)
    assert isinstance(answer, Denial)
    assert (answer.code, answer.reason) == (Code.FORM_INVALID, "name the project that it is about")


def test_only_where_forms_delete_a_delete_key_may_send_one() -> None:
    """Elsewhere it is turned away before the body."""
    policy = Policy({"release": KeyPolicy("release", (parse_grant("delete:acme-*"),), None)}, ())
    assert admit_uploader(policy, holder(key()), "", now=NOW, removals=True) is None
    denial = admit_uploader(policy, holder(key()), "", now=NOW)
    assert denial is not None
    assert "may not upload here: it may delete:acme-*" in denial.reason
