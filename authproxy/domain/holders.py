"""Who can do something: every key's answer to one question, judged once for all keys of a kind.

What a policy, a key's own grants and the package's rule say is the same for all keys that name the same of both, so it
is asked once for each; a key's own life, networks and count are then a few comparisons. `Judge` answers for each key
what `policy.explain` would (a test holds them equal). What only a derived key may (`require: signed`) counts as what
its key can. This room knows no store: it is handed the keys.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.caveats import Lifetime
from authproxy.domain.explanation import Admission
from authproxy.domain.grants import MAKING, Action, Grant
from authproxy.domain.keys import KeyId, KeyKind, KeyRecord
from authproxy.domain.names import Filetype
from authproxy.domain.networks import lets_in, shared
from authproxy.domain.policy import explain
from authproxy.domain.publishers import Publisher
from authproxy.domain.rules import Network, Policy, Requirement, followed, rule_for

# So many kinds are remembered, about 10 MB. A million keys may each have grants of their own.
KINDS: Final = 10_000

# Stands in where no address was named; `explain` does not look at it then.
NOWHERE: Final = IPv4Address(0)

# A key that has no trait of its own, so that its answer is that of its policy, its grants and the rule.
_PLAIN: Final = KeyRecord(KeyId("0" * 12), "", "", "", (), (), None, 0, 0, None, paused=False, revoked=None, secrets=())


def minted(publisher: Publisher) -> KeyRecord:
    """Make a key as a publisher's token would get one, to ask about; it is nobody's."""
    return replace(_PLAIN, kind=KeyKind.MINTED, publisher=publisher.label, claims=json.dumps(publisher.given))


@dataclass(frozen=True, slots=True)
class Asked:
    """The question. What is None is not judged. `now` is in unix seconds."""

    access: Access
    now: int
    version: str | None = None
    filetype: Filetype | None = None
    address: IPv4Address | IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A key that can, or that could if it were not paused, expired or spent, and what limits it."""

    key: KeyRecord
    state: str  # "live", "revoked", "paused", "expired", "spent"
    admission: Admission
    networks: tuple[Network, ...]  # empty: from everywhere
    uses_left: int | None  # None: no limit
    derived: bool = False  # not by the key as it is, only by what is derived from it


@dataclass(slots=True)
class Judge:
    """One question, and the answers found so far: one for each policy and set of own grants that was met."""

    policy: Policy
    asked: Asked
    _found: dict[tuple[KeyKind, str, tuple[Grant, ...]], Admission | None] = field(default_factory=dict)
    signed: bool = field(init=False)  # whether the package takes nothing but derived keys

    def __post_init__(self) -> None:
        self.signed = self._signs()

    def policies(self) -> Iterator[str]:
        """Name the key policies whose keys are worth asking: a key's own grants only narrow what its policy allows."""
        return (name for name in self.policy.key_policies if self._admission(replace(_PLAIN, policy=name)) is not None)

    def publishers(self) -> Iterator[tuple[Publisher, Admission]]:
        """Name the trusted publishers whose tokens get a key that may. Of such keys there need be none just now."""
        for each in self.policy.publishers.values():
            admission = self._admission(minted(each))
            if admission is not None:
                yield each, admission

    def _admission(self, key: KeyRecord) -> Admission | None:
        """Say what becomes of the question for a key of this kind without a trait of its own; None for no."""
        grants, access = key.grants, self.asked.access
        kind = key.kind, key.policy if key.publisher is None else key.publisher, grants
        if grants and not any(each.allows(access.action, access.index, access.project) for each in grants):
            return None  # as most keys of a large policy say that are for one package each
        if kind not in self._found:
            if len(self._found) >= KINDS:
                self._found.clear()
            whose = self.policy.publishers.get(key.publisher or "")
            claims = None if whose is None else minted(whose).claims  # whether the key's own are these asks `holder`
            named = {"kind": key.kind, "policy": key.policy, "publisher": key.publisher, "claims": claims}
            plain = replace(_PLAIN, grants=grants, **named)  # type: ignore[arg-type]
            short = Lifetime(self.asked.now + 1, self.asked.now)
            who = Principal(PrincipalKind.KEY, self._address, plain, plain.id, caveats=(short,))
            self._found[kind] = self._admitted(who)
        return self._found[kind]

    def passwords(self) -> Admission | None:
        """Say what becomes of it for somebody whose password the index takes; None for no."""
        return self._admitted(Principal(PrincipalKind.PASSWORD, self._address, user="somebody"))

    def holder(self, key: KeyRecord) -> Holder | None:
        """Answer for one key; None where its policy, its grants, its networks or the rule say no."""
        admission, key_policy = self._admission(key), followed(self.policy, key)
        if admission is None or key_policy is None:
            return None
        address = self.asked.address
        networks = shared(key_policy.networks, key.networks)
        if networks is None or (address is not None and not lets_in(networks, address)):
            return None
        left = None
        if self.asked.access.action in MAKING:
            limits = [limit for limit in (admission.uses, key.uses) if limit is not None]
            left = max(0, min(limits) - key.used) if limits else None
        state = key.dead(self.asked.now) or ("spent" if left == 0 else "live")
        return Holder(key, state, admission, networks, left, derived=self.signed or key.derive_only)

    def _signs(self) -> bool:
        access = self.asked.access
        if access.action is Action.READ or access.project is None:
            return False
        rule = rule_for(self.policy, access.project, access.index)
        return rule is not None and rule.enforce and rule.require is Requirement.SIGNED

    @property
    def _address(self) -> IPv4Address | IPv6Address:
        return self.asked.address or NOWHERE

    def _admitted(self, who: Principal) -> Admission | None:
        asked, placed = self.asked, self.asked.address is not None
        explanation = explain(
            self.policy, who, asked.access, now=asked.now, version=asked.version, filetype=asked.filetype, placed=placed
        )
        return explanation.decision if isinstance(explanation.decision, Admission) else None
