"""Who may do something to any project at all: asked before a list is shown or a body is read."""

from dataclasses import replace
from ipaddress import ip_address

from authproxy.domain.access import Principal, PrincipalKind
from authproxy.domain.grants import Action, parse_grant
from authproxy.domain.policy import KeyPolicy, reaches
from tests.domain.drawn import NOW, holder, key, policy

RULES = policy(KeyPolicy("release", (parse_grant("upload:acme-*"), parse_grant("read:acme-*")), lifetime=None))


def test_a_grant_of_policy_and_key_reaches() -> None:
    """Both have to say so, as for any decision."""
    assert reaches(RULES, holder(key()), Action.READ, "team/dev", now=NOW)
    assert not reaches(RULES, holder(key()), Action.DELETE, "team/dev", now=NOW)
    narrowed = key(grants=(parse_grant("upload:acme-core"),))
    assert not reaches(RULES, holder(narrowed), Action.READ, "team/dev", now=NOW)


def test_nobody_and_dead_keys_reach_nothing() -> None:
    """A list is not shown to whoever would be refused everything on it."""
    assert not reaches(RULES, holder(replace(key(), revoked=NOW)), Action.READ, "team/dev", now=NOW)
    nobody = Principal(PrincipalKind.ANONYMOUS, ip_address("192.0.2.7"))
    assert not reaches(RULES, nobody, Action.READ, "team/dev", now=NOW)
