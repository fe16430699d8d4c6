"""What a new rule file changes: which grants of a key policy widen or narrow, and which names a rule decides otherwise.

Law: what is not told here has not changed. Whoever's question is answered otherwise by the new file finds the reason
among the changes (a property test draws files and questions). The other way round a change may be told that no key
notices, since globs are compared by covering: `*` is not seen to be all of `a*`, `b*` and so on.

This room compares two policies. It knows neither the keys that there are nor what was uploaded.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from authproxy.domain.effects import Difference, Effect, by_count, by_set, limit, period, together
from authproxy.domain.grants import ANY, Action, Grant, format_grant
from authproxy.domain.networks import within
from authproxy.domain.publishers import Publisher
from authproxy.domain.rulechanges import TAKEN, RuleChange, rule_changes
from authproxy.domain.rules import KeyPolicy, Policy, Rate, policy_of

__all__ = ["Comparison", "Difference", "Effect", "PolicyChange", "RuleChange", "compare"]

# No index, project or key is made by reading or deleting.
_MAKES_NOTHING = frozenset({Action.READ, Action.DELETE})


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """What becomes of the keys of one key policy, or of one trusted publisher."""

    policy: str
    differences: tuple[Difference, ...]

    @property
    def effect(self) -> Effect:
        """All differences together."""
        return together(each.effect for each in self.differences)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that changes; empty where nothing does."""

    policies: tuple[PolicyChange, ...]
    rules: tuple[RuleChange, ...]
    passwords: tuple[Difference, ...]  # what the file says for every package that has no word of its own
    publishers: tuple[PolicyChange, ...] = ()  # by label

    @property
    def effect(self) -> Effect:
        """All changes together: SAME where no answer changes."""
        found = [each.effect for each in self.policies + self.publishers] + [each.effect for each in self.rules]
        return together(found + [each.effect for each in self.passwords])


def compare(old: Policy, new: Policy, indexes: Sequence[str]) -> Comparison:
    """Say what changes from the old to the new, in these indexes as far as package rules are concerned."""
    names = sorted({*old.key_policies, *new.key_policies})
    pairs = ((name, old.key_policies.get(name), new.key_policies.get(name)) for name in names)
    changes = (PolicyChange(name, tuple(_policy(before, after))) for name, before, after in pairs)
    return Comparison(
        tuple(each for each in changes if each.differences),
        rule_changes(old, new, indexes),
        tuple(_passwords(old, new)),
        publisher_changes(old, new),
    )


def publisher_changes(old: Policy, new: Policy) -> tuple[PolicyChange, ...]:
    """Say what becomes of the tokens of trusted publishers, and of the keys that were minted for them."""
    labels = sorted({*old.publishers, *new.publishers})
    pairs = ((label, old.publishers.get(label), new.publishers.get(label)) for label in labels)
    changes = (PolicyChange(label, tuple(_publisher(before, after))) for label, before, after in pairs)
    return tuple(each for each in changes if each.differences)


def _publisher(before: Publisher | None, after: Publisher | None) -> Iterator[Difference]:
    if after is None:
        told = "it is gone: its tokens get no key, and the keys that were minted for them end"
        yield Difference(Effect.NARROWS, "publisher", told)
    elif before is None:
        told = f"it is new: its tokens get keys that may {format_grant(after.grant)}"
        yield Difference(Effect.WIDENS, "publisher", told)
    else:
        # What tells publishers apart stands in the label, and that is the same: ids alone may differ.
        gone, come = (set(one.checks) - set(other.checks) for one, other in ((before, after), (after, before)))
        for check in sorted(gone | come, key=lambda check: (check.claim, check.wanted)):
            effect = Effect.WIDENS if check in gone else Effect.NARROWS
            word = "no longer asked" if check in gone else "asked now"
            yield Difference(effect, "claims", f"{check.claim} {' or '.join(check.wanted)} is {word}")
        yield from _policy(policy_of(before), policy_of(after))


def _passwords(old: Policy, new: Policy) -> Iterator[Difference]:
    before, after = old.passwords, new.passwords
    if before.uploads is not after.uploads:
        yield Difference(
            by_set(TAKEN[before.uploads], TAKEN[after.uploads]),
            "passwords",
            f"passwords.uploads: {after.uploads}, it was {before.uploads}",
        )
    if before.until != after.until:
        effect = by_count(*(None if day is None else day.toordinal() for day in (before.until, after.until)))
        yield Difference(effect, "until", f"passwords.until: {limit(after.until)}, it was {limit(before.until)}")


def _policy(before: KeyPolicy | None, after: KeyPolicy | None) -> Iterator[Difference]:
    if after is None:
        yield Difference(Effect.NARROWS, "policy", "it is gone: its keys may do nothing any more")
    elif before is None:
        may = ", ".join(map(format_grant, after.allow))
        yield Difference(Effect.WIDENS, "policy", f"it is new: its keys may {may}")
    else:
        yield from _grants(before.allow, after.allow)
        yield from _limits(before, after)


def _limits(before: KeyPolicy, after: KeyPolicy) -> Iterator[Difference]:
    if before.lifetime != after.lifetime:
        told = (
            f"lifetime: {period(after.lifetime)}, it was {period(before.lifetime)}; keys that there are keep their end"
        )
        yield Difference(by_count(before.lifetime, after.lifetime), "lifetime", told)
    if before.pause_unused != after.pause_unused:
        told = f"pause_unused: {period(after.pause_unused)}, it was {period(before.pause_unused)}"
        yield Difference(by_count(before.pause_unused, after.pause_unused), "pause_unused", told)
    narrower, wider = within(after.networks, before.networks), within(before.networks, after.networks)
    if not (narrower and wider):
        effect = Effect.NARROWS if narrower else Effect.WIDENS if wider else Effect.CHANGES
        was, now = (", ".join(map(str, each.networks)) or "everywhere" for each in (before, after))
        yield Difference(effect, "networks", f"its keys may be used from {now}, it was {was}")
    if before.uses != after.uses:
        told = f"uses: {limit(after.uses)}, it was {limit(before.uses)}"
        yield Difference(by_count(before.uses, after.uses), "uses", told)
    if before.rate != after.rate:
        was, now = (limit(each and f"{each.count} in {period(each.seconds)}") for each in (before.rate, after.rate))
        yield Difference(_by_rate(before.rate, after.rate), "rate", f"rate: {now}, it was {was}")


def _by_rate(before: Rate | None, after: Rate | None) -> Effect:
    if before is None or after is None:
        return Effect.WIDENS if after is None else Effect.NARROWS
    # More uploads in the same time or the same in less is more; more in a longer time may be either.
    if after.count >= before.count and after.seconds <= before.seconds:
        return Effect.WIDENS
    return Effect.NARROWS if after.count <= before.count and after.seconds >= before.seconds else Effect.CHANGES


def _atoms(grants: Iterable[Grant]) -> list[Grant]:
    """Take grants apart: one action, one pattern, one index each. Together they allow what the whole did."""
    return [
        Grant(frozenset({action}), (pattern,), (index,), create=grant.create and action not in _MAKES_NOTHING)
        for grant in grants
        for action in sorted(grant.actions)
        for index in ((ANY,) if ANY in grant.indexes else grant.indexes)
        for pattern in grant.packages
    ]


def _grants(before: tuple[Grant, ...], after: tuple[Grant, ...]) -> Iterator[Difference]:
    old, new = _atoms(before), _atoms(after)
    for effect, these, those, words in (
        (Effect.WIDENS, new, old, "may now"),
        (Effect.NARROWS, old, new, "may no longer"),
    ):
        uncovered = _uncovered(these, those)
        # What is allowed all the same, only not to create: to say that it is gone would be too much.
        making = {each for each in uncovered if each.create and not _uncovered([replace(each, create=False)], those)}
        for grant in _gathered(each for each in uncovered if each not in making):
            yield Difference(effect, "grant", f"{words} {format_grant(grant)}", grant)
        for grant in _gathered(replace(each, create=False) for each in uncovered if each in making):
            yield Difference(effect, "create", f"{words} create by {format_grant(grant)}", replace(grant, create=True))


def _uncovered(these: Sequence[Grant], those: Sequence[Grant]) -> list[Grant]:
    """Find what is not allowed on the other side. What stands there word for word is not compared with each."""
    plain = set(those)
    return [each for each in these if each not in plain and not any(it.covers(each) for it in those)]


def _gathered(atoms: Iterable[Grant]) -> Iterator[Grant]:
    """Put together again what differs by the package alone, for reading."""
    kinds: dict[tuple[frozenset[Action], tuple[str, ...], bool], dict[Grant, None]] = {}
    for atom in atoms:
        kinds.setdefault((atom.actions, atom.indexes, atom.create), {})[atom] = None
    for (actions, indexes, create), these in kinds.items():
        yield Grant(actions, tuple(each.packages[0] for each in these), indexes, create=create)
