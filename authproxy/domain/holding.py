"""Whether the holder of a key may come at all: the key works, its policy is there, and it comes from where it may.

What it may do then stands in `authproxy.domain.policy`, which asks here first; and for a derived key here last, what
the holder took away from it (`taken_away`).
"""

from dataclasses import replace
from typing import Final

from authproxy.domain.access import Principal, PrincipalKind
from authproxy.domain.checks import EXEC, Question
from authproxy.domain.explanation import Trail
from authproxy.domain.keys import KeyKind, KeyRecord
from authproxy.domain.narrowing import narrowed, told
from authproxy.domain.networks import lets_in, shared
from authproxy.domain.refusal import Code, Denial, listed, quoted
from authproxy.domain.rules import KeyPolicy, Policy, followed

# One sentence for every key that does not work: a 401 does not say whether the key ever existed.
DEAD_KEY: Final = Denial(Code.CREDENTIAL_INVALID, "the key is not valid")
_GONE: Final = "which the configuration does not have"


def underived(who: Principal) -> Denial | None:
    """Refuse a key itself of which only what is derived is taken."""
    if who.key is None or not who.key.derive_only or who.caveats is not None:
        return None
    only = f"{who.name} is not taken itself, only what is derived from it: {EXEC}, or authproxy derive"
    return Denial(Code.NOT_ALLOWED, only)


def holder_of(trail: Trail, policy: Policy, question: Question) -> tuple[KeyRecord, KeyPolicy] | Denial:
    """Return the key that asks and its policy, or why it may not come at all."""
    who, key = question.principal, question.principal.key
    if who.kind is not PrincipalKind.KEY or key is None:
        return trail.refused("key", Denial(Code.CREDENTIAL_MISSING, "this takes an API key"))
    if dead := key.dead(question.now):
        return trail.refused("key", DEAD_KEY, f"{who.name} is {dead}")
    trail.passed("key", lambda: f"{who.name} is neither revoked nor paused nor expired")
    if (only := underived(who)) is not None:
        return trail.refused("derived", only)
    key_policy = followed(policy, key)
    noun = "publisher" if key.kind is KeyKind.MINTED else "key policy"
    if key_policy is None:
        has = key.kind is KeyKind.MINTED and key.publisher in policy.publishers
        gone = "whose ids in the configuration are others than its token had" if has else _GONE
        return trail.refused(noun, Denial(Code.NOT_ALLOWED, f"{who.name} {_follows(key)}, {gone}"))
    trail.passed(noun, lambda: f"it {_follows(key)}")
    if not question.placed:
        return _unplaced(trail, question, key, key_policy)
    for whose, networks in (("its policy", key_policy.networks), ("the key itself", key.networks)):
        if not lets_in(networks, who.address):
            allowed = listed([str(network) for network in networks])
            reason = f"{who.name} may not be used from {who.address}: {whose} allows {allowed}"
            return trail.refused("network", Denial(Code.NETWORK, reason))
    trail.passed("network", lambda: f"it may be used from {who.address}")
    return key, key_policy


def _follows(key: KeyRecord) -> str:
    """Say whose rights a key has."""
    if key.kind is KeyKind.MINTED:
        return f"was minted for the trusted publisher {quoted(key.publisher or '')}"
    return f"follows the key policy {quoted(key.policy)}"


def _unplaced(
    trail: Trail, question: Question, key: KeyRecord, key_policy: KeyPolicy
) -> tuple[KeyRecord, KeyPolicy] | Denial:
    """Say from where it may be used, where no address was named."""
    places = shared(key_policy.networks, key.networks)
    if places is None:
        reason = f"{question.principal.name} may be used from nowhere: its own networks are not those of its policy"
        return trail.refused("network", Denial(Code.NETWORK, reason))
    only = f": only from {listed([str(each) for each in places])}" if places else ""
    trail.passed("network", f"no address was named{only}")
    return key, key_policy


def taken_away(trail: Trail, question: Question, *, whole: bool) -> Denial | None:
    """Say which caveat of a derived key does not let this through, None where all do and for the key itself.

    `whole` is what it is to `narrowing.narrowed`.
    """
    who, access = question.principal, question.access
    if who.caveats is None:
        return None
    if access.artifact is None and question.version is not None:
        access = replace(access, version=question.version)
    address = who.address if question.placed else None
    denial = narrowed(who.caveats, access, address, now=question.now, whole=whole)
    if denial is not None:
        return trail.refused("caveats", replace(denial, reason=f"{who.name} {denial.reason}"))
    caveats = who.caveats
    trail.passed("caveats", lambda: f"what was taken away leaves this: {told(caveats)}")
    return None
