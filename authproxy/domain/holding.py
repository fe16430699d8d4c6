"""Whether the holder of a key may come at all: the key works, its policy is there, and it comes from where it may.

What it may do then stands in `authproxy.domain.policy`, which asks here first.
"""

from typing import Final

from authproxy.domain.access import PrincipalKind
from authproxy.domain.checks import Question, listed
from authproxy.domain.explanation import Trail
from authproxy.domain.keys import KeyRecord
from authproxy.domain.networks import lets_in, shared
from authproxy.domain.refusal import Code, Denial, quoted
from authproxy.domain.rules import KeyPolicy, Policy

# One sentence for every key that does not work: a 401 does not say whether the key ever existed.
DEAD_KEY: Final = Denial(Code.CREDENTIAL_INVALID, "the key is not valid")


def holder_of(trail: Trail, policy: Policy, question: Question) -> tuple[KeyRecord, KeyPolicy] | Denial:
    """Return the key that asks and its policy, or why it may not come at all."""
    who, key = question.principal, question.principal.key
    if who.kind is not PrincipalKind.KEY or key is None:
        return trail.refused("key", Denial(Code.CREDENTIAL_MISSING, "this takes an API key"))
    if dead := key.dead(question.now):
        return trail.refused("key", DEAD_KEY, f"{who.name} is {dead}")
    trail.passed("key", lambda: f"{who.name} is neither revoked nor paused nor expired")
    key_policy = policy.key_policies.get(key.policy)
    if key_policy is None:
        gone = f"{who.name} follows the key policy {quoted(key.policy)}, which the configuration does not have"
        return trail.refused("key policy", Denial(Code.NOT_ALLOWED, gone))
    trail.passed("key policy", lambda: f"it follows the key policy {quoted(key.policy)}")
    if not question.placed:
        return _unplaced(trail, question, key, key_policy)
    for whose, networks in (("its policy", key_policy.networks), ("the key itself", key.networks)):
        if not lets_in(networks, who.address):
            allowed = listed([str(network) for network in networks])
            reason = f"{who.name} may not be used from {who.address}: {whose} allows {allowed}"
            return trail.refused("network", Denial(Code.NETWORK, reason))
    trail.passed("network", lambda: f"it may be used from {who.address}")
    return key, key_policy


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
