"""For which names two lists of package rules say different things. The first match decides, so order is compared too.

Names are sorted by the patterns that they match, old and new (`meetings`); all names of one set are asked of the same
rules, so one comparison tells of them all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from authproxy.domain.attestations import AttestationRule
from authproxy.domain.effects import Difference, Effect, by_count, by_set, limit, together
from authproxy.domain.grants import ANY, Pattern
from authproxy.domain.meetings import WORK, meetings
from authproxy.domain.names import Filetype
from authproxy.domain.passwords import Passwords
from authproxy.domain.rules import MetadataCheck, Overwrite, PackageRule, Policy, Requirement

# Each takes what the one before it does.
TAKEN: Final = {
    Passwords.REFUSE: frozenset[str](),
    Passwords.WARN: frozenset({"warn"}),
    Passwords.ALLOW: frozenset({"warn", "allow"}),
}
# What everybody meets who may upload at all, so that it makes no difference whether it is enforced.
_MET_BY_ALL: Final = {str(Requirement.KEY)}
# Which keys meet a requirement.
_MEETING: Final = {
    Requirement.KEY: frozenset({"plain", "minted", "signed"}),
    Requirement.TRUSTED_PUBLISHER: frozenset({"minted"}),
    Requirement.SIGNED: frozenset({"signed"}),
}
_OVERWRITES: Final = {Overwrite.NEVER: 0, Overwrite.ALLOW: 1}
_METADATA: Final = {MetadataCheck.VERIFY: 0, MetadataCheck.OFF: 1}


@dataclass(frozen=True, slots=True)
class Asked:
    """The rules that are asked about a name: those on trial, and the one that decides; None where nobody may."""

    trials: tuple[PackageRule, ...]
    rule: PackageRule | None


@dataclass(frozen=True, slots=True)
class RuleChange:
    """Names for which something changes. `before` and `after` are None where there are too many kinds to compare."""

    before: Asked | None
    after: Asked | None
    example: str  # the shortest of these names
    indexes: tuple[str, ...]
    differences: tuple[Difference, ...]

    @property
    def effect(self) -> Effect:
        """All differences together."""
        return together(each.effect for each in self.differences)

    @property
    def names(self) -> str:
        """Say which names, as far as patterns can: rules before these take some of them away."""
        sides = [each.rule.match for each in (self.before, self.after) if each is not None and each.rule is not None]
        narrow = [each for each in sides if all(it.covers(each) for it in sides)]
        if narrow or not sides:
            return narrow[0].text if narrow else ANY
        return f"{sides[0].text} that also match {sides[1].text}"


def rule_changes(old: Policy, new: Policy, indexes: Sequence[str], work: int = WORK) -> tuple[RuleChange, ...]:
    """Find the names for which the rules change, in these indexes."""
    if _plain(old) == _plain(new):
        return ()
    texts = sorted({rule.match.text for policy in (old, new) for rule in policy.packages})
    known = meetings(texts, work)
    if known is None:
        told = "the patterns overlap in more ways than can be compared: any name may be decided otherwise"
        return (RuleChange(None, None, "", tuple(indexes), (Difference(Effect.CHANGES, "rules", told),)),)
    ranks = [_ranked(policy) for policy in (old, new)]
    found: dict[tuple[Asked, Asked], tuple[str, list[str]]] = {}
    for matched, name in sorted(known.items(), key=lambda each: (len(each[1]), each[1])):
        for index in indexes:
            before, after = (_asked(rank, [texts[each] for each in matched], index) for rank in ranks)
            _, where = found.setdefault((before, after), (name, []))
            if index not in where:
                where.append(index)
    changes = (
        RuleChange(before, after, name, tuple(where), tuple(_differences(old, new, before, after)))
        for (before, after), (name, where) in found.items()
    )
    return tuple(each for each in changes if each.differences)


def _plain(policy: Policy) -> tuple[object, ...]:
    """The rules without their labels, which say where they stand."""
    return (*(replace(rule, label="") for rule in policy.packages), policy.passwords.uploads)


_Ranked = dict[str, list[tuple[int, PackageRule]]]


def _ranked(policy: Policy) -> _Ranked:
    ranked: _Ranked = {}
    for rank, rule in enumerate(policy.packages):
        ranked.setdefault(rule.match.text, []).append((rank, rule))
    return ranked


def _asked(ranked: _Ranked, texts: Sequence[str], index: str) -> Asked:
    """Find, as `rules_for` does, the rules for names that match these patterns and no other."""
    here = sorted(
        ((rank, rule) for text in texts for rank, rule in ranked.get(text, ())),
        key=lambda each: each[0],
    )
    trials: list[PackageRule] = []
    for _, rule in here:
        if not rule.indexes or index in rule.indexes:
            if rule.enforce:
                return Asked(tuple(trials), rule)
            trials.append(rule)
    return Asked(tuple(trials), trials[0] if trials else None)


def _differences(old: Policy, new: Policy, before: Asked, after: Asked) -> Iterator[Difference]:
    was, now = before.rule, after.rule
    if was is None and now is None:
        return
    if was is None or now is None:
        widens = was is None
        told = f"{now.label} lets them in" if now is not None else "no rule is about them, so nobody may upload them"
        yield Difference(Effect.WIDENS if widens else Effect.NARROWS, "rule", told)
    else:
        yield from _decided(old, new, was, now)
    if [_content(each) for each in before.trials] != [_content(each) for each in after.trials]:
        labels = ", ".join(each.label for each in after.trials) or "no rule"
        yield Difference(Effect.NOTES, "trial", f"{labels} is on trial")
    if was is not None and now is not None and was.match != now.match:
        yield Difference(Effect.SAME, "rule", f"{now.label} decides, it was {was.label}")


def _content(rule: PackageRule) -> PackageRule:
    return replace(rule, label="", match=Pattern(""), indexes=())


def _decided(old: Policy, new: Policy, was: PackageRule, now: PackageRule) -> Iterator[Difference]:
    before, after = _enforced(was), _enforced(now)
    required = {str(was.require), str(now.require)}
    if len(required) > 1 or (required != _MET_BY_ALL and was.enforce != now.enforce):
        trial = "" if now.enforce else ", on trial"
        both = was.enforce and now.enforce
        effect = by_set(_MEETING[was.require], _MEETING[now.require]) if both else Effect.CHANGES
        yield Difference(effect, "require", f"require: {now.require}{trial}, it was {was.require}")
    if before.filetypes != after.filetypes:
        effect = by_set(set(map(str, before.filetypes)), set(map(str, after.filetypes)))
        told = f"filetypes: {_listed(after.filetypes)}, it was {_listed(before.filetypes)}"
        yield Difference(effect, "filetypes", told)
    if before.max_size != after.max_size:
        told = f"max_size: {limit(after.max_size)}, it was {limit(before.max_size)} bytes"
        yield Difference(by_count(before.max_size, after.max_size), "max_size", told)
    yield from _versions(before, after)
    for name, words in (("overwrite", _OVERWRITES), ("metadata", _METADATA)):
        one, other = getattr(was, name), getattr(now, name)
        if one != other:
            effect = Effect.WIDENS if words[other] > words[one] else Effect.NARROWS
            yield Difference(effect, name, f"{name}: {other}, it was {one}")
    if before.attestations is not after.attestations:
        effect = Effect.NARROWS if after.attestations is AttestationRule.REQUIRE else Effect.WIDENS
        told = f"attestations: {after.attestations}, it was {before.attestations}"
        yield Difference(effect, "attestations", told)
    if was.passwords is None and now.passwords is None:
        return  # told of the file as a whole
    words_for = was.passwords or old.passwords.uploads, now.passwords or new.passwords.uploads
    if words_for[0] is not words_for[1]:
        effect = by_set(*(TAKEN[each] for each in words_for))
        yield Difference(effect, "passwords", f"passwords: {words_for[1]}, it was {words_for[0]}")


def _listed(filetypes: frozenset[Filetype]) -> str:
    return " and ".join(sorted(filetypes))


def _versions(before: PackageRule, after: PackageRule) -> Iterator[Difference]:
    one, other = ({each.text for each in rule.versions} for rule in (before, after))
    if one != other:
        # An empty list takes them all.
        effect = Effect.WIDENS if not other else Effect.NARROWS if not one else by_set(one, other)
        was, now = (", ".join(sorted(each)) or "all" for each in (one, other))
        yield Difference(effect, "versions", f"versions: {now}, it was {was}")


def _enforced(rule: PackageRule) -> PackageRule:
    """What a rule refuses with: one on trial that decides refuses no file."""
    if rule.enforce:
        return rule
    everything = frozenset(Filetype)
    return replace(rule, filetypes=everything, max_size=None, versions=(), attestations=AttestationRule.ALLOW)
