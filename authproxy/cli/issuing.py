"""From what a person orders to a new key: refused where the configuration does not allow it, else issued.

A key could be stored with grants that its policy does not have: they would never be honoured. So it is said at once,
while the person who typed them is still there. `authority` makes the key; this room knows the order and the rules.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from authproxy.cli.failures import Failure
from authproxy.cli.logs import redact
from authproxy.cli.masterkeys import NEEDED
from authproxy.cli.options import key_authority, opened
from authproxy.domain.grants import MAKING, Grant, format_grant
from authproxy.domain.keys import KeyKind, KeyRecord
from authproxy.domain.policy import held
from authproxy.domain.refusal import quoted
from authproxy.domain.rules import KeyPolicy, Network, followed

if TYPE_CHECKING:
    from authproxy.config import Config

# An owner is one cell in a listing and in every log line of an upload; a note is a sentence.
OWNER_LIMIT = 100
NOTE_LIMIT = 300

DAY = 86_400


class Life(Enum):
    """How long a key lives where nobody gave a number of seconds."""

    DEFAULT = "default"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Order:
    """A key that somebody wants. Empty `allow` and `networks`: all that the policy allows."""

    policy: str
    owner: str
    note: str = ""
    allow: tuple[Grant, ...] = ()
    networks: tuple[Network, ...] = ()
    uses: int | None = None
    life: int | Life = Life.DEFAULT  # seconds
    derive_only: bool = False
    canary: bool = False  # may do nothing, follows no policy


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key, once in plain text. `allow` is what it may do today, in writing."""

    record: KeyRecord
    key: str = field(repr=False)
    allow: tuple[str, ...]


def flawed_text(name: str, text: str, limit: int) -> str | None:
    """Say what is wrong with an owner or a note; None where nothing is.

    Both are shown in terminals, tables and logs for as long as the key is remembered.
    """
    if len(text) > limit:
        return f"the {name} has {len(text)} characters: at most {limit} fit"
    if not text.isprintable():
        return f"the {name} holds control characters or line breaks: write one line of plain text"
    if redact(text) != text:
        return f"the {name} holds what looks like a secret: it would stand in listings and logs for good"
    return None


def _atoms(grants: Iterable[Grant]) -> Iterator[Grant]:
    """The same permissions, one action on one package pattern in one index at a time.

    Two grants of a policy may cover together what neither covers alone.
    """
    for grant in grants:
        for action in sorted(grant.actions):
            for package in grant.packages:
                for index in grant.indexes:
                    yield Grant(frozenset({action}), (package,), (index,), grant.create and action in MAKING)


def _beyond_grants(policy: KeyPolicy, order: Order) -> str | None:
    for atom in _atoms(order.allow):
        if not any(given.covers(atom) for given in policy.allow):
            may = ", ".join(map(format_grant, policy.allow)) or "nothing"
            return f"--allow {format_grant(atom)} is more than key policy {quoted(policy.name)} allows: it allows {may}"
    return None


def _beyond_networks(policy: KeyPolicy, order: Order) -> str | None:
    for wanted in order.networks:
        if policy.networks and not any(_inside(wanted, given) for given in policy.networks):
            may = ", ".join(map(str, policy.networks))
            return f"--network {wanted} is not within what key policy {quoted(policy.name)} allows: it allows {may}"
    return None


def _inside(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def _beyond_limits(policy: KeyPolicy, order: Order) -> str | None:
    if order.uses is not None and policy.uses is not None and order.uses > policy.uses:
        return f"--uses {order.uses} is more than key policy {quoted(policy.name)} allows: it allows {policy.uses}"
    if policy.lifetime is None or order.life is Life.DEFAULT:
        return None
    if order.life is Life.NEVER or order.life > policy.lifetime:
        longest = in_words(policy.lifetime)
        return f"--expires is longer than key policy {quoted(policy.name)} allows: it allows at most {longest}"
    return None


def refusal(config: "Config", order: Order) -> str | None:
    """Say why the configuration does not allow this key, naming what it does allow; None where it does."""
    if order.canary:
        return None
    known = config.policy.key_policies
    policy = known.get(order.policy)
    if order.derive_only and config.masters.current is None:
        return f"--derive-only makes a key of which nothing could be derived: {NEEDED}"
    if policy is None:
        names = ", ".join(sorted(known)) or "none yet, write one under key_policies"
        return f"there is no key policy {quoted(order.policy)}: there is {names}"
    return _beyond_grants(policy, order) or _beyond_networks(policy, order) or _beyond_limits(policy, order)


def expiry(config: "Config", order: Order, now: int) -> int | None:
    """When the key ends, in unix seconds; None: never, which somebody typed.

    Nobody typed it where only the policy does not mind: then the default of the configuration holds.
    """
    if order.life is Life.NEVER:
        return None
    if isinstance(order.life, int):
        return now + order.life
    if order.canary:  # it waits for as long as it lies there
        return None
    lifetimes = (config.policy.key_policies[order.policy].lifetime, config.keys.lifetime)
    shortest = min((each for each in lifetimes if each is not None), default=None)
    return None if shortest is None else now + shortest


def allowed(config: "Config", record: KeyRecord) -> tuple[str, ...]:
    """What a key may do today, in writing, as its policy stands in the configuration; nothing without its policy."""
    policy = followed(config.policy, record)
    return () if policy is None else tuple(map(format_grant, held(record, policy)))


async def issue(config: "Config", order: Order, *, now: int) -> Issued:
    """Make the key, in a store that is made where there is none. Raises Failure where it is not to be had."""
    from authproxy.authority import NewKey

    if flaw := refusal(config, order):
        raise Failure(flaw)
    wanted = NewKey(
        owner=order.owner,
        note=order.note,
        policy=order.policy,
        grants=order.allow,
        networks=order.networks,
        uses=order.uses,
        expires=expiry(config, order, now),
        derive_only=order.derive_only,
        kind=KeyKind.CANARY if order.canary else KeyKind.KEY,
    )
    async with opened(config, create=True) as store, key_authority(config, store) as authority:
        record, key = await authority.issue(wanted, now=now)
    return Issued(record, key, allowed(config, record))


def in_words(seconds: int) -> str:
    """A duration as people write it in the configuration: 90d, 36h, 45s."""
    for unit, size in (("d", DAY), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
