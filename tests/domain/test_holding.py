"""Who may come at all, before it is asked what for."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.checks import Question
from authproxy.domain.explanation import Trail
from authproxy.domain.grants import Action
from authproxy.domain.holding import DEAD_KEY, holder_of
from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.domain.passwords import NO_PASSWORDS
from authproxy.domain.refusal import Code, Denial
from authproxy.domain.rules import KeyPolicy, Policy

NOW = 1_800_000_000
HERE = ip_address("192.0.2.7")
INSIDE, OUTSIDE = ip_network("192.0.2.0/24"), ip_network("198.51.100.0/24")
KEY = KeyRecord(KeyId("AAAAAAAAAAAA"), "o", "", "release", (), (), None, 0, NOW, None, False, None, ())
RELEASE = KeyPolicy("release", (), None, (), None, None)
POLICY = Policy({"release": RELEASE}, (), NO_PASSWORDS)


def asked(key: KeyRecord | None = KEY, policy: Policy = POLICY, *, placed: bool = True) -> Denial | None:
    """Why it may not come, None where it may."""
    kind = PrincipalKind.ANONYMOUS if key is None else PrincipalKind.KEY
    who = Principal(kind, HERE, key, None if key is None else f"{key.id}0")
    question = Question(who, Access(Action.READ, "*", None), NOW, None, NO_PASSWORDS, placed=placed)
    found = holder_of(Trail(), policy, question)
    return found if isinstance(found, Denial) else None


def of(key: KeyPolicy) -> Policy:
    """A policy with this key policy alone."""
    return replace(POLICY, key_policies={"release": key})


WRONG = {
    "nobody": (lambda: asked(None), Code.CREDENTIAL_MISSING),
    "a dead key": (lambda: asked(replace(KEY, revoked=NOW)), DEAD_KEY.code),
    "a key whose policy is gone": (lambda: asked(policy=replace(POLICY, key_policies={})), Code.NOT_ALLOWED),
    "from outside the policy's networks": (
        lambda: asked(policy=of(replace(RELEASE, networks=(OUTSIDE,)))),
        Code.NETWORK,
    ),
    "from outside the key's own": (lambda: asked(replace(KEY, networks=(OUTSIDE,))), Code.NETWORK),
    "from nowhere": (
        lambda: asked(replace(KEY, networks=(OUTSIDE,)), of(replace(RELEASE, networks=(INSIDE,))), placed=False),
        Code.NETWORK,
    ),
}


@pytest.mark.parametrize(("ask", "code"), WRONG.values(), ids=WRONG.keys())
def test_who_may_not_come(ask, code):
    """Each says why; the first in order decides."""
    denial = ask()
    assert denial is not None
    assert denial.code is code


def test_who_may_come():
    """From everywhere, from where both let it, and from an address that nobody named."""
    both = of(replace(RELEASE, networks=(INSIDE,)))
    assert asked() is None
    assert asked(replace(KEY, networks=(INSIDE,)), both) is None
    assert asked(KEY, both, placed=False) is None
