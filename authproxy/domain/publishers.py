"""Trusted publishers: who gets a key for a few minutes for the token of a CI.

Law: a check, a given id or a pin that is added to a publisher never lets in a token that stayed out before (a property
test). A publisher without checks lets in nobody, and a claim that a check asks for and a token lacks refuses it.

Of several publishers that a token meets the most specific one counts, and it alone: rights are not added up. More
specific is, in this order: more ids given in the file, an environment, a ref, more claims that leave one value alone,
more claims; among equals the first in the file.

`claims` come verified (`authproxy.oidc`); what is pinned stands in the store, which is told what `match` answers. This
room knows neither, nor the clock.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from authproxy.domain.claims import Check, Claims, Finding, Role, finding, look_up, shown_value, written
from authproxy.domain.grants import ANY, Action, Grant, Pattern
from authproxy.domain.publisherkinds import KINDS, RECORDED_LENGTH, PublisherKind, Said, checks_of, recorded
from authproxy.domain.refusal import quoted

MINUTE: Final = 60
# Of minted keys, in seconds. A job of PyPI's has 15 minutes; some builds upload for hours, and six is what a job of
# GitHub's may take. An upload that is under way when its key ends is not cut off.
LIFETIME: Final = 15 * MINUTE
SHORTEST: Final = LIFETIME
LONGEST: Final = 360 * MINUTE

# After which a publisher that may create projects and was never used ends: its name waits for whoever registers it.
PENDING_LIFE: Final = 30 * 86_400

# A label names a publisher in the store and on every record of it, so it is one line that a person can read.
LABEL_LIMIT: Final = 500

# Claims that tell a client which of its tokens this was; of the others it learns names alone.
_TELLING: Final = ("repository", "job_workflow_ref", "project_path", "ci_config_ref_uri", "environment", "email", "sub")
_TOLD: Final = 3


@dataclass(frozen=True, slots=True)
class Pin:
    """What the store holds of a publisher: since when it is known, when a key was minted last, and for which ids."""

    since: int  # unix seconds
    used: int | None = None
    claims: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Publisher:
    """Whose tokens get a key, and what the key may do. `publisher` makes one."""

    label: str
    kind: PublisherKind
    issuer: str
    said: Said  # by the keys of its kind; in lower case where that is the same
    claims: tuple[Check, ...]  # that the file names besides
    checks: tuple[Check, ...]  # all that is asked
    pinned: tuple[str, ...]  # claims that first use pins: the ids that the file does not give
    grant: Grant
    lifetime: int = LIFETIME  # seconds
    networks: tuple[IPv4Network | IPv6Network, ...] = ()  # empty: from everywhere

    @property
    def packages(self) -> tuple[Pattern, ...]:
        """Which packages its keys may upload."""
        return self.grant.packages

    @property
    def create(self) -> bool:
        """Whether they may make a project that the index does not have."""
        return self.grant.create

    @property
    def specific(self) -> tuple[int, bool, bool, int, int]:
        """How specific it is; the larger one counts."""
        roles = [check.role for check in self.checks]
        exact = sum(check.exact for check in self.checks)
        return roles.count(Role.ID), Role.ENVIRONMENT in roles, Role.REF in roles, exact, len(self.checks)

    @property
    def given(self) -> dict[str, str]:
        """The ids that the file gives, as `recorded` writes them."""
        return {claim: self.said[claim][0][:RECORDED_LENGTH] for claim in KINDS[self.kind].ids if claim in self.said}

    def recorded(self, claims: Claims) -> dict[str, str]:
        """Pick the claims that go on record with every upload of a key that was minted for this token."""
        return recorded(self.kind, self.checks, claims)


def publisher(  # noqa: PLR0913 - one for each key of the file
    kind: PublisherKind,
    said: Said,
    *,
    packages: tuple[Pattern, ...],
    issuer: str | None = None,
    claims: tuple[Check, ...] = (),
    indexes: tuple[str, ...] = (ANY,),
    create: bool = False,
    lifetime: int = LIFETIME,
    networks: tuple[IPv4Network | IPv6Network, ...] = (),
) -> Publisher:
    """Make one of what the file says; `claims` are checks that it names itself.

    Raises ValueError where it says too little: an empty table is an error, and not a publisher that takes every token.
    """
    table, known = KINDS[kind], {"issuer": issuer, "claims": claims, **said}
    lacking = [key for key in table.needed if not known.get(key)]
    if lacking:
        raise ValueError(f"a publisher of kind {kind} takes {' and '.join(lacking)}")
    whose = issuer or table.issuer or ""
    said = {key: tuple(map(table.fold(key), said[key])) for key in table.keys if said.get(key)}
    claims = tuple(sorted(claims, key=lambda check: check.path))
    return Publisher(
        label=_label(kind, whose, said, claims),
        kind=kind,
        issuer=whose,
        said=said,
        claims=claims,
        checks=checks_of(kind, said, whose) + claims,
        pinned=tuple(claim for claim in table.ids if claim not in said),
        grant=Grant(frozenset({Action.UPLOAD}), packages, indexes, create),
        lifetime=lifetime,
        networks=networks,
    )


# Keys that stand in a label besides their values.
_NAMED: Final = frozenset({"refs", "ref_protected"})


def _label(kind: PublisherKind, issuer: str, said: Said, claims: tuple[Check, ...]) -> str:
    """Write what tells it from others, in one line.

    Ids that the file gives are left out: they say the more surely who is meant, and whoever adds one keeps the pins.
    """
    table = KINDS[kind]
    words = [str(kind)] if issuer == table.issuer else [str(kind), issuer]
    for key in (each for each in said if each not in table.ids):
        text = ",".join(sorted(said[key]))
        words.append(f"{key}={text}" if key in _NAMED else text)
    return " ".join([*words, *(f"{check.claim}={','.join(sorted(check.wanted))}" for check in claims)])


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one publisher, claim by claim."""

    publisher: Publisher
    findings: tuple[Finding, ...]

    @property
    def met(self) -> bool:
        """Whether the token gets its key."""
        return all(each.met for each in self.findings)

    @property
    def unmet(self) -> tuple[str, ...]:
        """The claims that are not what they must be."""
        return tuple(each.claim for each in self.findings if not each.met)


@dataclass(frozen=True, slots=True)
class Asked:
    """A token and everybody it could belong to."""

    publishers: tuple[Publisher, ...]
    claims: Claims
    pins: Mapping[str, Pin]  # by label
    now: int  # unix seconds

    def trials(self) -> Iterator[Trial]:
        """Ask every publisher everything, in the order of the file."""
        return (self.trial(each) for each in self.publishers)

    def trial(self, each: Publisher) -> Trial:
        """Ask one everything; of another issuer's publisher no more than that."""
        issuer = self.claims.get("iss")
        if issuer != each.issuer:
            said = f"iss is {shown_value(issuer)}: it must be {quoted(each.issuer)}"
            return Trial(each, (Finding("iss", met=False, sentence=said),))
        asked = tuple(finding(check, self.claims) for check in each.checks)
        checked = asked or (Finding("checks", met=False, sentence="it checks no claim, so that it takes no token"),)
        return Trial(each, (*checked, *self._pinned(each), *self._pending(each)))

    def meets(self, each: Publisher) -> bool:
        """Say what `trial` would, without a sentence: most of what it costs would be sentences."""
        return self.is_of(each) and not any(self._pending(each))

    def is_of(self, each: Publisher) -> bool:
        """Whether the token is of this publisher, who may have ended."""
        if self.claims.get("iss") != each.issuer or not each.checks:
            return False
        if not all(check.met(self.claims) for check in each.checks):
            return False
        return all(found.met for found in self._pinned(each))

    def pin(self, each: Publisher) -> Mapping[str, str] | None:
        """Say which ids are to be stored for a publisher that takes the token, all of them; None where they are."""
        known = self._known(each)
        held = {**known, **{claim: self._text(claim) for claim in each.pinned if claim not in known}}
        return held if held != known else None

    def _known(self, each: Publisher) -> Mapping[str, str]:
        pin = self.pins.get(each.label)
        return pin.claims if pin is not None else {}

    def _text(self, claim: str) -> str:
        return written(look_up(self.claims, (claim,))) or ""

    def _pinned(self, each: Publisher) -> Iterator[Finding]:
        """Hold the ids against those of first use, and ask that there are some where this is it."""
        known = self._known(each)
        for claim in sorted({*each.pinned, *known}):
            has = shown_value(look_up(self.claims, (claim,)))
            if not self._text(claim):
                yield Finding(claim, met=False, sentence=f"{claim} is {has}: first use pins it, so it must be there")
            elif claim not in known:
                yield Finding(claim, met=True, sentence=f"{claim} is {has}, and is pinned at first use")
            elif self._text(claim) == known[claim]:
                yield Finding(claim, met=True, sentence=f"{claim} is {has}, as at first use")
            else:
                told = (
                    f"{claim} is {has} and was {quoted(known[claim])} at first use: the name was given up and "
                    f"registered again, or moved; if it is yours still, authproxy publisher unpin"
                )
                yield Finding(claim, met=False, sentence=told)

    def _pending(self, each: Publisher) -> Iterator[Finding]:
        pin = self.pins.get(each.label)
        if each.create and pin is not None and pin.used is None and self.now >= pin.since + PENDING_LIFE:
            days = PENDING_LIFE // 86_400
            told = f"it may create projects and was not used within {days} days, so it ended: authproxy publisher unpin"
            yield Finding("create", met=False, sentence=told)


@dataclass(frozen=True, slots=True)
class Matched:
    """Whose token it is. What `pin` says is stored in the key's transaction: two first uses may come at once."""

    publisher: Publisher
    pin: Mapping[str, str] | None
    asked: Asked = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unmatched:
    """Nobody's token. `reason` is for the client: it says of the file only which claims of its own name are wrong."""

    reason: str
    asked: Asked = field(repr=False)
    ended: bool = False  # somebody's, who was never used and has ended


def match(publishers: Iterable[Publisher], claims: Claims, pins: Mapping[str, Pin], *, now: int) -> Matched | Unmatched:
    """Find the publisher of a verified token."""
    asked = Asked(tuple(publishers), claims, pins, now)
    met = [each for each in asked.publishers if asked.meets(each)]
    if not met:
        return Unmatched(_reason(asked), asked, ended=any(map(asked.is_of, asked.publishers)))
    best = max(met, key=lambda each: each.specific)  # the first of equals
    return Matched(best, asked.pin(best), asked)


def _reason(asked: Asked) -> str:
    """Tell the client what it sent, and where its own repository is known, which claims are not as they must be."""
    there = [each for each in asked.publishers if asked.claims.get("iss") == each.issuer]
    if not there:
        return f"no trusted publisher has tokens of the issuer {shown_value(asked.claims.get('iss'))}"
    said = ((claim, look_up(asked.claims, (claim,))) for claim in _TELLING)
    told = [f"{claim} {shown_value(value)}" for claim, value in said if value is not None][:_TOLD]
    near = [asked.trial(each) for each in there if each.checks and each.checks[0].met(asked.claims)]
    nearest = min(near, key=lambda trial: len(trial.unmet), default=None)
    besides = f"; there is one, and it is about another {', '.join(nearest.unmet[:_TOLD])}" if nearest else ""
    return f"no trusted publisher takes this token of {', '.join(told) or 'nobody'}{besides}"
