"""What an operator writes down: key policies, package rules, and the small values they are made of.

This room owns the words and how one of them is read. It decides nothing: `authproxy.domain.policy` does.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from authproxy.domain.attestations import AttestationRule
from authproxy.domain.grants import Grant, Pattern
from authproxy.domain.keys import KeyKind, KeyRecord
from authproxy.domain.names import Filetype, ProjectName
from authproxy.domain.passwords import NO_PASSWORDS, PasswordRule, Passwords
from authproxy.domain.publishers import Publisher
from authproxy.domain.versions import VersionPattern

Network = IPv4Network | IPv6Network


class Requirement(StrEnum):
    """Who may write to a package. One that is not known here is met by nobody."""

    KEY = "key"
    TRUSTED_PUBLISHER = "trusted-publisher"
    SIGNED = "signed"  # what was derived from a key to be sent, and ends soon


class Overwrite(StrEnum):
    """Whether a file that the index has may be replaced by other bytes."""

    NEVER = "never"
    ALLOW = "allow"


class MetadataCheck(StrEnum):
    """Whether the name and version inside the archive are read and must agree with the filename."""

    VERIFY = "verify"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` uploads in any `seconds`."""

    count: int
    seconds: int


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """What every key that names this policy may do. A key's own grants and networks narrow it further."""

    name: str
    allow: tuple[Grant, ...]
    lifetime: int | None  # seconds that a new key lives at most; None: it need not expire
    networks: tuple[Network, ...] = ()  # empty: from everywhere
    uses: int | None = None  # successful uploads per key; None: no limit
    rate: Rate | None = None  # uploads per key; None: no limit
    pause_unused: int | None = None  # seconds without a use after which a server pauses a key; None: never


@dataclass(frozen=True, slots=True)
class PackageRule:
    """What holds for the packages that `match` names, whoever asks."""

    label: str  # how sentences and the record name this rule: "packages[0] acme-core"
    match: Pattern
    indexes: tuple[str, ...] = ()  # in which indexes it holds; empty: in all
    require: Requirement = Requirement.KEY
    filetypes: frozenset[Filetype] = frozenset(Filetype)
    max_size: int | None = None  # bytes of one file; None: what the proxy takes at all
    overwrite: Overwrite = Overwrite.NEVER
    versions: tuple[VersionPattern, ...] = ()  # one of them must match; empty: every version
    metadata: MetadataCheck = MetadataCheck.VERIFY
    attestations: AttestationRule = AttestationRule.ALLOW
    passwords: Passwords | None = None  # None: what Policy.passwords says
    enforce: bool = True  # False: on trial, what it would refuse is noted and the next rule that matches decides


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole rule file. An empty one allows nothing."""

    key_policies: Mapping[str, KeyPolicy]
    packages: tuple[PackageRule, ...]
    passwords: PasswordRule = NO_PASSWORDS
    publishers: Mapping[str, Publisher] = field(default_factory=dict)  # by label, in the order of the file


def policy_of(publisher: Publisher) -> KeyPolicy:
    """What the keys may do that are minted for a publisher's tokens."""
    return KeyPolicy(publisher.label, (publisher.grant,), publisher.lifetime, publisher.networks)


def followed(policy: Policy, key: KeyRecord) -> KeyPolicy | None:
    """Find what a key may do by this file: by the policy that it names, or the publisher that it was minted for."""
    if key.kind is KeyKind.KEY:
        return policy.key_policies.get(key.policy)
    publisher = policy.publishers.get(key.publisher or "") if key.kind is KeyKind.MINTED else None
    return policy_of(publisher) if publisher is not None and _meant(publisher, key) else None


def _meant(publisher: Publisher, key: KeyRecord) -> bool:
    """Whether the token of a minted key had the ids that the file gives by now: its label says nothing of them."""
    given = publisher.given
    return not given or given.items() <= json.loads(key.claims or "{}").items()


def rules_for(policy: Policy, project: ProjectName, index: str) -> tuple[tuple[PackageRule, ...], PackageRule | None]:
    """Find the rules on trial that are asked about this project in that index, and the one that decides.

    That is the first that matches and is enforced. So a rule on trial, wherever it is put, loosens none of those behind
    it. Only where none of them matches, the first on trial decides: its requirements are then noted and not enforced.
    """
    here = (rule for rule in policy.packages if not rule.indexes or index in rule.indexes)
    trials: list[PackageRule] = []
    for rule in here:
        if rule.match.matches(project):
            if rule.enforce:
                return tuple(trials), rule
            trials.append(rule)
    return tuple(trials), trials[0] if trials else None


def rule_for(policy: Policy, project: ProjectName, index: str) -> PackageRule | None:
    """Find the rule that decides about this project in that index."""
    return rules_for(policy, project, index)[1]
