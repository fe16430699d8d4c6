"""What a read has to know of a decision is what the decision says."""

from ipaddress import ip_address

import pytest
from hypothesis import given

from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.explanation import Trail
from authproxy.domain.grants import Action
from authproxy.domain.policy import Policy, decide, forbids
from authproxy.domain.refusal import Code, Denial
from tests.domain.drawn import HOLDERS, NOW, POLICIES, READS, upload

NOBODY = Principal(PrincipalKind.ANONYMOUS, ip_address("10.1.1.1"))


@given(POLICIES, HOLDERS, READS)
def test_a_read_is_forbidden_where_it_is_not_admitted(policy: Policy, who: Principal, access: Access) -> None:
    """The same refusal, to the letter, for keys and for who has none."""
    for principal in (who, NOBODY):
        decision = decide(policy, principal, access, now=NOW)
        assert forbids(policy, principal, access, now=NOW) == (decision if isinstance(decision, Denial) else None)


def test_a_password_reads_nothing() -> None:
    """It says nothing to us: its holder is asked for a key."""
    who = Principal(PrincipalKind.PASSWORD, ip_address("10.1.1.1"))
    denial = forbids(Policy({}, ()), who, Access(Action.READ, "", None), now=NOW)
    assert denial is not None
    assert denial.code is Code.CREDENTIAL_MISSING


def test_what_is_written_is_not_to_be_asked_about_here() -> None:
    """An upload has rules to keep that this does not look at."""
    with pytest.raises(AssertionError):
        forbids(Policy({}, ()), NOBODY, upload("a-1.0.tar.gz"), now=NOW)


def test_sentences_are_written_for_readers_alone() -> None:
    """A decision that nobody wants explained writes none; the same walk with a reader writes each."""
    written = []

    def sentence() -> str:
        written.append(1)
        return "it is so"

    Trail(kept=False).passed("first", sentence)
    assert not written
    kept = Trail()
    kept.passed("first", sentence)
    assert ([step.sentence for step in kept.steps], written) == (["it is so"], [1])
