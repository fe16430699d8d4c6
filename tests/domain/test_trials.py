"""Rules on trial (`enforce: false`): they note what they would refuse and loosen nothing that another rule holds."""

from dataclasses import replace
from datetime import date
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.explanation import Admission
from authproxy.domain.grants import parse_grant, pattern
from authproxy.domain.names import Filetype
from authproxy.domain.passwords import PasswordRule, Passwords
from authproxy.domain.policy import KeyPolicy, Overwrite, PackageRule, Policy, VersionPattern, decide, explain
from authproxy.domain.refusal import Code, Denial
from authproxy.domain.rules import rule_for, rules_for
from tests.domain.drawn import ACCESSES, ADDRESSES, HOLDERS, NOW, POLICIES, RULES, holder, key, policy, upload

SOMEBODY = st.builds(lambda address: Principal(PrincipalKind.PASSWORD, address, user="alice"), ADDRESSES)


def without_notes(answer: Admission | Denial) -> Admission | Denial:
    return replace(answer, would_refuse=()) if isinstance(answer, Admission) else answer


@given(POLICIES, HOLDERS | SOMEBODY, ACCESSES, RULES, st.integers(0, 3), st.sampled_from(Passwords))
def test_a_rule_on_trial_loosens_and_tightens_nothing(
    policy: Policy, who: Principal, access: Access, trial: PackageRule, at: int, word: Passwords
) -> None:
    """Put anywhere, it changes no answer about a name that another rule decides."""
    old = replace(policy, passwords=PasswordRule(word))
    trial = replace(trial, label="trial", enforce=False, overwrite=Overwrite.ALLOW, passwords=Passwords.ALLOW)
    new = replace(old, packages=(*old.packages[:at], trial, *old.packages[at:]))
    if access.project is None or rule_for(old, access.project, access.index) is not None:
        assert without_notes(decide(new, who, access, now=NOW)) == decide(old, who, access, now=NOW)


@given(POLICIES, HOLDERS, ACCESSES, RULES)
def test_what_it_would_refuse_is_what_it_refuses(
    policy: Policy, who: Principal, access: Access, trial: PackageRule
) -> None:
    """Taken off trial it refuses exactly what it had noted, with the same sentence."""
    trial = replace(trial, label="trial", enforce=False)
    tried = decide(replace(policy, packages=(trial, *policy.packages)), who, access, now=NOW)
    if isinstance(tried, Admission):
        enforced = decide(
            replace(policy, packages=(replace(trial, enforce=True), *policy.packages)), who, access, now=NOW
        )
        assert tried.would_refuse == ((enforced,) if isinstance(enforced, Denial) else ())


RELEASE = {"release": KeyPolicy("release", (parse_grant("upload:acme-*"),), None)}
SDIST, VICTIM = upload("acme_core-1.2.tar.gz"), upload("victim-1.2.tar.gz")
ALICE = Principal(PrincipalKind.PASSWORD, ip_address("10.1.1.1"), user="alice")


def world(*rules: PackageRule, passwords: Passwords = Passwords.REFUSE) -> Policy:
    return Policy(RELEASE, rules, PasswordRule(passwords, date(2970, 1, 1)))


def trial(**more: object) -> PackageRule:
    return PackageRule("trial", pattern("*"), enforce=False, **more)  # type: ignore[arg-type]


WHEELS = trial(filetypes=frozenset({Filetype.WHEEL}))


def test_where_no_other_rule_is_it_lets_pass() -> None:
    """One rule alone, switched to `enforce: false`: the upload passes and the would-be refusal is noted."""
    answer = decide(world(WHEELS), holder(key()), SDIST, now=NOW)
    assert isinstance(answer, Admission)
    assert [each.code for each in answer.would_refuse] == [Code.FILETYPE]
    assert (answer.rule, answer.overwrite) == ("trial", Overwrite.NEVER)
    assert answer.remark == f"would refuse: filetype: {answer.would_refuse[0].reason}"


@pytest.mark.parametrize(
    ("who", "access", "code"),
    [(holder(key()), VICTIM, Code.NOT_ALLOWED), (ALICE, SDIST, Code.NOT_ALLOWED)],
    ids=["a grant", "a password where none is taken"],
)
def test_what_is_not_the_rules_holds(who: Principal, access: Access, code: Code) -> None:
    """Grants, and the file's word about passwords, refuse as ever: a trial opens no door."""
    answer = decide(world(WHEELS), who, access, now=NOW)
    assert isinstance(answer, Denial)
    assert answer.code is code


def test_a_password_passes_where_passwords_are_taken() -> None:
    """The control of the test above; a warning for the user stands beside the note for the operator."""
    answer = decide(world(WHEELS, passwords=Passwords.WARN), ALICE, SDIST, now=NOW)
    assert isinstance(answer, Admission)
    assert answer.remark == f"would refuse: filetype: {answer.would_refuse[0].reason}; {answer.warning}"


def test_every_rule_on_trial_is_asked() -> None:
    """One does not hide what another would refuse; the record names three and counts the rest."""
    more = [trial(max_size=1), WHEELS, trial(versions=(VersionPattern("2.*"),)), trial(max_size=2), trial(max_size=99)]
    answer = decide(world(*more, PackageRule("decides", pattern("acme-*"))), holder(key()), SDIST, now=NOW)
    assert isinstance(answer, Admission)
    assert answer.rule == "decides"
    assert [each.code for each in answer.would_refuse] == [Code.TOO_LARGE, Code.FILETYPE, Code.VERSION, Code.TOO_LARGE]
    assert (answer.remark or "").endswith("; and 1 more rules would refuse")


def test_the_explanation_shows_trials() -> None:
    """What would refuse, what would let pass, and the rule that decides."""
    rules = (WHEELS, trial(max_size=99), PackageRule("decides", pattern("*")))
    steps = [(step.name, step.sentence) for step in explain(world(*rules), holder(key()), SDIST, now=NOW).steps]
    assert ("trial", "would refuse: filetype: 'acme_core-1.2.tar.gz' is of the type sdist: trial takes wheel") in steps
    assert ("trial", "trial is on trial and would let it pass") in steps
    assert ("rule", "decides is the first that matches") in steps
    alone = [step.sentence for step in explain(world(WHEELS), holder(key()), SDIST, now=NOW).steps]
    assert "trial is on trial and refuses nothing; no other rule matches" in alone


def test_which_rules_are_asked() -> None:
    """Those on trial up to the first that is enforced, in that index; without one, the first on trial decides."""
    one, two = trial(indexes=("team/dev",)), trial(max_size=3)
    decides, later = PackageRule("decides", pattern("acme-*")), trial(max_size=4)
    rules = policy(RELEASE["release"], one, two, decides, later)
    assert SDIST.project is not None
    assert VICTIM.project is not None
    assert rules_for(rules, SDIST.project, "team/dev") == ((one, two), decides)
    assert rules_for(rules, SDIST.project, "") == ((two,), decides)
    assert rules_for(rules, VICTIM.project, "") == ((two, later), two)
    assert rules_for(policy(RELEASE["release"]), VICTIM.project, "") == ((), None)


def test_a_filetype_may_be_asked_about_without_a_file() -> None:
    """A person who asks has no filename yet."""
    rules = world(PackageRule("wheels", pattern("*"), filetypes=frozenset({Filetype.WHEEL})))
    about = replace(SDIST, artifact=None)
    for filetype, allowed in ((Filetype.SDIST, False), (Filetype.WHEEL, True), (None, True)):
        answer = explain(rules, holder(key()), about, now=NOW, filetype=filetype).decision
        assert isinstance(answer, Admission) == allowed
        assert allowed or (isinstance(answer, Denial) and answer.reason.startswith("the file is of the type sdist"))
