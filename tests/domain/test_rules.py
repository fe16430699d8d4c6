"""The words of the rule file: which rule is the first."""

from authproxy.domain.grants import pattern
from authproxy.domain.names import ProjectName
from authproxy.domain.rules import PackageRule, Policy, rule_for


def test_the_first_rule_that_matches_decides() -> None:
    """Order is meaning: a later rule is not asked, and what no rule matches has none."""
    narrow, wide = PackageRule("packages[0]", pattern("acme-core")), PackageRule("packages[1]", pattern("acme-*"))
    policy = Policy({}, (narrow, wide))
    assert rule_for(policy, ProjectName("acme-core"), "team/dev") is narrow
    assert rule_for(policy, ProjectName("acme-docs"), "team/dev") is wide
    assert rule_for(policy, ProjectName("victim"), "team/dev") is None


def test_a_rule_may_be_about_some_indexes_alone() -> None:
    """In all others it is passed over, and the next that matches decides; one that names none is about all."""
    here = PackageRule("packages[0]", pattern("acme-*"), indexes=("team/prod", "team/stage"))
    wide = PackageRule("packages[1]", pattern("acme-core"))
    policy = Policy({}, (here, wide))
    assert rule_for(policy, ProjectName("acme-core"), "team/prod") is here
    assert rule_for(policy, ProjectName("acme-core"), "team/dev") is wide
    assert rule_for(policy, ProjectName("acme-docs"), "team/dev") is None
