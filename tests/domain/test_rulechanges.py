"""For which names the deciding rule changes, and how. That nothing is missed is the law of test_comparison."""

import pytest

from authproxy.domain.attestations import AttestationRule
from authproxy.domain.effects import Effect
from authproxy.domain.grants import pattern
from authproxy.domain.names import Filetype
from authproxy.domain.passwords import PasswordRule, Passwords
from authproxy.domain.policy import MetadataCheck, Overwrite, PackageRule, Policy, Requirement, VersionPattern
from authproxy.domain.rulechanges import RuleChange, rule_changes


def rules(*each: PackageRule, passwords: Passwords = Passwords.REFUSE) -> Policy:
    return Policy({}, each, PasswordRule(passwords))


def rule(match: str, **more: object) -> PackageRule:
    return PackageRule(match, pattern(match), **more)  # type: ignore[arg-type]


def changes(old: Policy, new: Policy, *indexes: str) -> list[RuleChange]:
    return list(rule_changes(old, new, indexes or ("",)))


def said(found: list[RuleChange]) -> list[tuple[str, list[str]]]:
    return [(each.names, [f"{it.effect}: {it.sentence}" for it in each.differences]) for each in found]


WHEELS = frozenset({Filetype.WHEEL})


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        ({"max_size": 5}, {"max_size": 9}, "widens: max_size: 9, it was 5 bytes"),
        ({}, {"max_size": 9}, "narrows: max_size: 9, it was unlimited bytes"),
        ({}, {"filetypes": WHEELS}, "narrows: filetypes: wheel, it was sdist and wheel"),
        ({"versions": (VersionPattern("1.*"),)}, {}, "widens: versions: all, it was 1.*"),
        ({}, {"versions": (VersionPattern("1.*"),)}, "narrows: versions: 1.*, it was all"),
        (
            {"versions": (VersionPattern("1.*"),)},
            {"versions": (VersionPattern("2.*"),)},
            "changes: versions: 2.*, it was 1.*",
        ),
        ({}, {"overwrite": Overwrite.ALLOW}, "widens: overwrite: allow, it was never"),
        ({"metadata": MetadataCheck.OFF}, {}, "narrows: metadata: verify, it was off"),
        ({}, {"attestations": AttestationRule.REQUIRE}, "narrows: attestations: require, it was allow"),
        ({"attestations": AttestationRule.REQUIRE}, {}, "widens: attestations: allow, it was require"),
        ({}, {"passwords": Passwords.WARN}, "widens: passwords: warn, it was refuse"),
        ({}, {"require": Requirement.SIGNED}, "narrows: require: signed, it was key"),
        ({"require": Requirement.TRUSTED_PUBLISHER}, {}, "widens: require: key, it was trusted-publisher"),
        (
            {"require": Requirement.TRUSTED_PUBLISHER},
            {"require": Requirement.SIGNED},
            "changes: require: signed, it was trusted-publisher",
        ),
    ],
)  # fmt: skip
def test_what_is_said_of_a_rule(was: dict[str, object], now: dict[str, object], expected: str) -> None:
    """One line for each thing that differs, with its direction."""
    [(names, lines)] = said(changes(rules(rule("a-*", **was)), rules(rule("a-*", **now))))
    assert (names, lines) == ("a-*", [expected])


def test_a_rule_on_trial_asks_for_no_attestation() -> None:
    """What it would ask is not told as if it were asked."""
    asks = {"attestations": AttestationRule.REQUIRE, "enforce": False}
    found = changes(rules(rule("a-*", enforce=False), rule("*")), rules(rule("a-*", **asks), rule("*")))
    assert not [line for _, lines in said(found) for line in lines if "attestations" in line]


def test_a_rule_before_others_takes_names_away_from_them() -> None:
    """Only the names that both match change, with an example; the rest is not mentioned."""
    old, new = rules(rule("*")), rules(rule("acme-*", max_size=1), rule("*"))
    [change] = changes(old, new)
    assert (change.names, change.example, change.effect) == ("acme-*", "acme-a", Effect.NARROWS)
    assert said([change])[0][1] == ["narrows: max_size: 1, it was unlimited bytes", "same: acme-* decides, it was *"]


def test_two_rules_change_places() -> None:
    """The order is all that differs, and only where both match."""
    one, other = rule("a-*", max_size=1), rule("*-z", max_size=2)
    [change] = changes(rules(one, other), rules(other, one))
    assert (change.names, change.example) == ("a-* that also match *-z", "a-z")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (rules(), rules(rule("a")), ("a", ["widens: a lets them in"])),
        (rules(rule("a")), rules(), ("a", ["narrows: no rule is about them, so nobody may upload them"])),
    ],
    ids=["a new rule", "a rule that is gone"],
)
def test_names_that_nobody_might_upload(old: Policy, new: Policy, expected: tuple[str, list[str]]) -> None:
    """What no rule is about cannot be uploaded, so the first rule for a name widens."""
    assert said(changes(old, new)) == [expected]


def test_a_rule_on_trial_changes_no_answer() -> None:
    """Put before the one that decides it is only noted; taken off trial, it tells what it will refuse."""
    trial, enforced, decides = rule("a", max_size=1, enforce=False), rule("a", max_size=1), rule("*")
    assert said(changes(rules(decides), rules(trial, decides))) == [("*", ["notes: a is on trial"])]
    [change] = changes(rules(trial, decides), rules(enforced, decides))
    assert change.effect is Effect.NARROWS
    assert changes(rules(trial), rules(enforced))[0].effect is Effect.NARROWS


def test_a_requirement_on_trial() -> None:
    """Keys pass it then and passwords do not, so that neither direction is right."""
    signed = rule("a", require="signed")
    [change] = changes(rules(signed), rules(rule("a", require="signed", enforce=False)))
    assert said([change])[0][1][0] == "changes: require: signed, on trial, it was signed"


def test_indexes_are_told_apart() -> None:
    """A rule for one index changes nothing in another; where all change alike, one change tells of all."""
    old = rules(rule("*"))
    here = rules(rule("a", indexes=("team/dev",), max_size=1), rule("*"))
    everywhere = rules(rule("a", max_size=1), rule("*"))
    assert [each.indexes for each in changes(old, here, "team/dev", "team/prod")] == [("team/dev",)]
    assert [each.indexes for each in changes(old, everywhere, "team/dev", "team/prod")] == [("team/dev", "team/prod")]


def test_where_there_is_too_much_to_compare_anything_may_change() -> None:
    """Never nothing."""
    old, new = rules(rule("*a*b*")), rules(rule("*b*a*"))
    [change] = rule_changes(old, new, ("",), work=3)
    assert (change.names, change.effect, change.before) == ("*", Effect.CHANGES, None)


def test_the_word_of_the_file_is_told_once() -> None:
    """A package that says nothing of its own follows it, and one that does is compared by what it said."""
    old = rules(rule("a"), rule("b", passwords=Passwords.WARN), passwords=Passwords.WARN)
    new = rules(rule("a"), rule("b", passwords=Passwords.WARN), passwords=Passwords.REFUSE)
    assert changes(old, new) == []
    [change] = changes(old, rules(rule("a", passwords=Passwords.REFUSE), old.packages[1], passwords=Passwords.WARN))
    assert said([change]) == [("a", ["narrows: passwords: refuse, it was warn"])]
