"""The decision: rules AND grant AND restrictions, and where nothing says yes the answer is no.

This room judges what it is given. It does not know how a principal was proved, what the index holds (a project
that is not there yet, a file that is) or what happens elsewhere meanwhile: an `Admission` carries what those who
know must still hold to (`may_create`, `overwrite`, `uses`, `rate`).

`decide` and `explain` take the same walk; one keeps the answer, the other the way to it as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.explanation import Admission, Explanation, Step, Trail
from authproxy.domain.grants import Action, Grant, format_grant
from authproxy.domain.keys import KeyRecord
from authproxy.domain.refusal import Code, Denial, quoted
from authproxy.domain.rules import (
    KeyPolicy,
    MetadataCheck,
    Network,
    Overwrite,
    PackageRule,
    Policy,
    Rate,
    Requirement,
    VersionPattern,
    rule_for,
)

__all__ = [
    "Admission",
    "Explanation",
    "KeyPolicy",
    "MetadataCheck",
    "Overwrite",
    "PackageRule",
    "Policy",
    "Rate",
    "Requirement",
    "Step",
    "VersionPattern",
    "admit_uploader",
    "decide",
    "explain",
    "rule_for",
]

# One sentence for every key that does not work: a 401 does not say whether the key ever existed.
DEAD_KEY: Final = Denial(Code.CREDENTIAL_INVALID, "the key is not valid")

# Three texts of this length and the rest of a sentence fit into a reason phrase of 500 characters.
_LISTED: Final = 3
_LISTED_LENGTH: Final = 60

# Who meets a requirement. One without a line here is met by nobody.
_MEETS: Final = {Requirement.KEY: PrincipalKind.KEY}


@dataclass(frozen=True, slots=True)
class _Question:
    principal: Principal
    access: Access
    now: int
    version: str | None
    whole: bool = True  # an upload names its file and size; a person who asks may leave them open
    placed: bool = True  # and from where it would come


def _listed(texts: Sequence[str]) -> str:
    shown = [text if len(text) <= _LISTED_LENGTH else text[: _LISTED_LENGTH - 3] + "..." for text in texts]
    more = f" and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
    return ", ".join(shown[:_LISTED]) + more or "nothing"


def _within(address: IPv4Address | IPv6Address, networks: tuple[Network, ...]) -> bool:
    # A socket bound to `::` shows 192.0.2.1 as ::ffff:192.0.2.1 (RFC 4291, 2.5.5.2); rules name the former.
    plain = (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
    return not networks or any(plain in network for network in networks)


def _holder(trail: Trail, policy: Policy, question: _Question) -> tuple[KeyRecord, KeyPolicy] | Denial:
    who, key = question.principal, question.principal.key
    if who.kind is not PrincipalKind.KEY or key is None:
        return trail.refused("key", Denial(Code.CREDENTIAL_MISSING, "this takes an API key"))
    if dead := key.dead(question.now):
        return trail.refused("key", DEAD_KEY, f"{who.name} is {dead}")
    trail.passed("key", f"{who.name} is neither revoked nor paused nor expired")
    key_policy = policy.key_policies.get(key.policy)
    if key_policy is None:
        gone = f"{who.name} follows the key policy {quoted(key.policy)}, which the configuration does not have"
        return trail.refused("key policy", Denial(Code.NOT_ALLOWED, gone))
    trail.passed("key policy", f"it follows the key policy {quoted(key.policy)}")
    if not question.placed:
        trail.passed("network", "no address was named")
        return key, key_policy
    for whose, networks in (("its policy", key_policy.networks), ("the key itself", key.networks)):
        if not _within(who.address, networks):
            allowed = _listed([str(network) for network in networks])
            reason = f"{who.name} may not be used from {who.address}: {whose} allows {allowed}"
            return trail.refused("network", Denial(Code.NETWORK, reason))
    trail.passed("network", f"it may be used from {who.address}")
    return key, key_policy


def _grant(trail: Trail, question: _Question, name: str, grants: tuple[Grant, ...]) -> Grant | Denial:
    access = question.access
    allowing = [each for each in grants if each.allows(access.action, access.index, access.project)]
    if not allowing:
        what = "the list of all projects" if access.project is None else quoted(access.project)
        may = _listed([format_grant(each) for each in grants])
        reason = f"{question.principal.name} may not {access.action} {what}: it may {may}"
        return trail.refused(name, Denial(Code.NOT_ALLOWED, reason))
    # The order of grants means nothing, so one that says create is never hidden by another that does not:
    # otherwise taking the latter away would widen the key.
    chosen = next((each for each in allowing if each.create), allowing[0])
    trail.passed(name, f"{format_grant(chosen)} allows it")
    return chosen


def _requirement(question: _Question, rule: PackageRule) -> Denial | str:
    if _MEETS.get(rule.require) is not question.principal.kind:
        return Denial(Code.NOT_ALLOWED, f"{rule.label} requires {quoted(rule.require)}, which this is not")
    return f"it requires {quoted(rule.require)}, which this is"


def _filetype(question: _Question, rule: PackageRule) -> Denial | str:
    artifact, allowed = question.access.artifact, _listed(sorted(rule.filetypes))
    if artifact is None:
        return f"no file was named; it takes {allowed}"
    if artifact.filetype not in rule.filetypes:
        reason = f"{quoted(artifact.filename)} is of the type {artifact.filetype}: {rule.label} takes {allowed}"
        return Denial(Code.FILETYPE, reason)
    return f"it takes {allowed}"


def _version(question: _Question, rule: PackageRule) -> Denial | str:
    if not rule.versions:
        return "it takes every version"
    version, allowed = question.version, _listed([each.text for each in rule.versions])
    if version is None:
        return f"no version was named; it takes {allowed}"
    if not any(each.matches(version) for each in rule.versions):
        return Denial(Code.VERSION, f"version {quoted(version)} may not be uploaded: {rule.label} takes {allowed}")
    return f"version {quoted(version)} is among {allowed}"


def _size(question: _Question, rule: PackageRule) -> Denial | str:
    size = question.access.size
    if rule.max_size is None:
        return "it has no limit of its own"
    if size is None:
        return f"no size was named; it takes {rule.max_size} bytes"
    if size > rule.max_size:
        return Denial(Code.TOO_LARGE, f"the file has {size} bytes: {rule.label} takes at most {rule.max_size}")
    return f"{size} bytes are at most {rule.max_size}"


_RULE_CHECKS: Final[tuple[tuple[str, Callable[[_Question, PackageRule], Denial | str]], ...]] = (
    ("require", _requirement),
    ("filetypes", _filetype),
    ("versions", _version),
    ("max_size", _size),
)


def _rule(trail: Trail, policy: Policy, question: _Question) -> PackageRule | Denial:
    access = question.access
    if access.project is None or (question.whole and (access.artifact is None or access.size is None)):
        return trail.refused("rule", Denial(Code.FORM_INVALID, "an upload names a project, a file and its size"))
    rule = rule_for(policy, access.project)
    if rule is None:
        reason = f"no package rule is about {quoted(access.project)}, so nobody may upload it"
        return trail.refused("rule", Denial(Code.NO_RULE, reason))
    trail.rule = rule.label
    trail.passed("rule", f"{rule.label} is the first that matches")
    for name, check in _RULE_CHECKS:
        answer = check(question, rule)
        if isinstance(answer, Denial):
            return trail.refused(name, answer)
        trail.passed(name, answer)
    return rule


def _walk(trail: Trail, policy: Policy, question: _Question) -> Admission | Denial:
    holder = _holder(trail, policy, question)
    if isinstance(holder, Denial):
        return holder
    key, key_policy = holder
    granted = _grant(trail, question, "grant", key_policy.allow)
    if isinstance(granted, Denial):
        return granted
    own = _grant(trail, question, "own grant", key.grants) if key.grants else granted
    if isinstance(own, Denial):
        return own
    texts = [format_grant(granted), format_grant(own)] if key.grants else [format_grant(granted)]
    trail.grant = " & ".join(texts)
    if question.access.action is not Action.UPLOAD:
        return Admission(
            rule="",
            grant=trail.grant,
            may_create=False,
            overwrite=Overwrite.NEVER,
            metadata=MetadataCheck.VERIFY,
            rate=None,
            uses=None,
        )
    rule = _rule(trail, policy, question)
    if isinstance(rule, Denial):
        return rule
    limits = [limit for limit in (key_policy.uses, key.uses) if limit is not None]
    return Admission(
        rule=rule.label,
        grant=trail.grant,
        may_create=granted.create and own.create,
        overwrite=rule.overwrite,
        metadata=rule.metadata,
        rate=key_policy.rate,
        uses=min(limits, default=None),
    )


def decide(policy: Policy, principal: Principal, access: Access, *, now: int) -> Admission | Denial:
    """Say whether the principal may do this. `now` is in unix seconds."""
    version = access.artifact.version if access.artifact else None
    return _walk(Trail(), policy, _Question(principal, access, now, version))


def admit_uploader(policy: Policy, principal: Principal, index: str, *, now: int) -> Denial | None:
    """Say before the body comes whether this principal may upload anything to this index at all.

    A Denial here is one that `decide` would answer for every project. None promises nothing.
    """
    question = _Question(principal, Access(Action.UPLOAD, index, None), now, None)
    holder = _holder(Trail(), policy, question)
    if isinstance(holder, Denial):
        return holder
    key, key_policy = holder
    for grants in (key_policy.allow, key.grants or key_policy.allow):
        if not any(each.reaches(Action.UPLOAD, index) for each in grants):
            may = _listed([format_grant(each) for each in grants])
            return Denial(Code.NOT_ALLOWED, f"{principal.name} may not upload here: it may {may}")
    return None


def explain(
    policy: Policy,
    principal: Principal,
    access: Access,
    *,
    now: int,
    version: str | None = None,
    placed: bool = True,
) -> Explanation:
    """Say what `decide` would, and why.

    `access` may lack the artifact and the size, and with `placed=False` the address counts as unknown: what is
    not named is not judged. `version` (canonical) stands in for a missing artifact. The key's own count of uses is
    judged here and not in `decide`: only a record fresh from the store has it right, and there `store` claims it.
    """
    trail = Trail()
    version = access.artifact.version if access.artifact else version
    decision = _walk(trail, policy, _Question(principal, access, now, version, whole=False, placed=placed))
    if isinstance(decision, Admission) and access.action is Action.UPLOAD:
        decision = _used(trail, principal, decision)
    return Explanation(decision, trail.rule, trail.grant, tuple(trail.steps))


def _used(trail: Trail, principal: Principal, admission: Admission) -> Admission | Denial:
    used = principal.key.used if principal.key else 0
    if admission.uses is not None and used >= admission.uses:
        reason = f"{principal.name} has been used {used} times: it may be used {admission.uses} times"
        return trail.refused("uses", Denial(Code.USES_SPENT, reason))
    trail.passed("uses", f"used {used} times of {'any number' if admission.uses is None else admission.uses}")
    create = "it may create the project" if admission.may_create else "the index must have the project already"
    trail.passed("create", create)
    return admission
