"""The decision: rules AND grant AND restrictions, and where nothing says yes the answer is no.

This room judges what it is given. It does not know how a principal was proved, what the index holds (a project
that is not there yet, a file that is) or what happens elsewhere meanwhile: an `Admission` carries what those who
know must still hold to (`may_create`, `overwrite`, `uses`, `rate`).

`decide` and `explain` take the same walk; one keeps the answer, the other the way to it as well.
"""

from dataclasses import dataclass, replace
from typing import Final

from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.checks import Question, password_word, ruled
from authproxy.domain.endings import warning
from authproxy.domain.explanation import Admission, Explanation, Step, Trail
from authproxy.domain.grants import MAKING, Action, Grant, format_grant, shared
from authproxy.domain.holding import DEAD_KEY, holder_of, taken_away
from authproxy.domain.keys import KeyRecord
from authproxy.domain.names import Filetype
from authproxy.domain.passwords import WAY_OVER, Passwords
from authproxy.domain.refusal import Code, Denial, listed, quoted
from authproxy.domain.rules import (
    KeyPolicy,
    MetadataCheck,
    Overwrite,
    PackageRule,
    Policy,
    Rate,
    Requirement,
    rule_for,
)
from authproxy.domain.versions import VersionPattern

__all__ = [
    "DEAD_KEY",
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
    "admit_passwords",
    "admit_uploader",
    "decide",
    "explain",
    "held",
    "rule_for",
]

KEYS_ONLY: Final = Denial(
    Code.CREDENTIAL_INVALID, "this proxy takes API keys only: user __token__, the key as the password"
)


@dataclass(frozen=True, slots=True)
class _Grants:
    """Those of the policy, or the key's own; and the key, because a refusal says what it may by both."""

    name: str
    grants: tuple[Grant, ...]
    key: KeyRecord
    key_policy: KeyPolicy


def held(key: KeyRecord, key_policy: KeyPolicy) -> tuple[Grant, ...]:
    """What a key may do under its policy: all of it, or what its own grants leave of it."""
    return shared(key.grants, key_policy.allow) if key.grants else key_policy.allow


def _may(key: KeyRecord, key_policy: KeyPolicy) -> str:
    return listed([format_grant(each) for each in held(key, key_policy)])


def _grant(trail: Trail, question: Question, asked: _Grants) -> Grant | Denial:
    """Find the grant that allows this in the index that it is about; of a push, one for each of its two indexes."""
    access = question.access
    if access.source is not None:
        taken = _grant_in(trail, question, replace(asked, name=f"{asked.name} in source"), access.source)
        if isinstance(taken, Denial):
            return taken
    return _grant_in(trail, question, asked, access.index)


def _grant_in(trail: Trail, question: Question, asked: _Grants, index: str) -> Grant | Denial:
    access = question.access
    allowing = [each for each in asked.grants if each.allows(access.action, index, access.project)]
    if not allowing:
        what = "the list of all projects" if access.project is None else quoted(access.project)
        where = "" if access.source is None else f" {'from' if index == access.source else 'into'} {index}"
        may = _may(asked.key, asked.key_policy)
        reason = f"{question.principal.name} may not {access.action} {what}{where}: it may {may}"
        return trail.refused(asked.name, Denial(Code.NOT_ALLOWED, reason))
    # The order of grants means nothing, so one that says create is never hidden by another that does not:
    # otherwise taking the latter away would widen the key.
    chosen = next((each for each in allowing if each.create), allowing[0])
    trail.passed(asked.name, lambda: f"{format_grant(chosen)} allows it")
    return chosen


def _password(trail: Trail, policy: Policy, question: Question) -> Admission | Denial:
    """Walk with somebody whose password the index has taken: no grants, so uploads alone, and the rules."""
    who, action = question.principal, question.access.action
    if action is not Action.UPLOAD:
        return trail.refused("password", Denial(Code.NOT_ALLOWED, f"{who.name} may not {action}: {WAY_OVER}"))
    rule = ruled(trail, policy, question)
    if isinstance(rule, Denial):
        return rule
    word = password_word(rule, policy.passwords)
    return Admission(
        rule=rule.label,
        grant=f"passwords: {word}",
        may_create=True,  # as the index lets its users
        overwrite=rule.overwrite,
        metadata=rule.metadata,
        rate=None,
        uses=None,
        warning=policy.passwords.warning if word is Passwords.WARN else None,
        would_refuse=tuple(trail.would_refuse),
    )


def _granted(trail: Trail, policy: Policy, question: Question) -> tuple[KeyRecord, KeyPolicy, Grant, Grant] | Denial:
    """Find the grant of the key's policy and the key's own that allow this, one and the same where it has none."""
    holder = holder_of(trail, policy, question)
    if isinstance(holder, Denial):
        return holder
    key, key_policy = holder
    granted = _grant(trail, question, _Grants("grant", key_policy.allow, *holder))
    if isinstance(granted, Denial):
        return granted
    own = _grant(trail, question, _Grants("own grant", key.grants, *holder)) if key.grants else granted
    if isinstance(own, Denial):
        return own
    if question.principal.caveats is not None:
        # What a read or a delete does not name it never will.
        whole = question.whole or question.access.action not in MAKING
        if denial := taken_away(trail, question, whole=whole):
            return denial
    return key, key_policy, granted, own


def _walk(trail: Trail, policy: Policy, question: Question) -> Admission | Denial:
    if question.principal.kind is PrincipalKind.PASSWORD:
        return _password(trail, policy, question)
    found = _granted(trail, policy, question)
    if isinstance(found, Denial):
        return found
    if question.access.action is Action.PUSH and question.access.source is None:
        return trail.refused("source", Denial(Code.REQUEST_INVALID, "a push names the index that it takes from"))
    key, key_policy, granted, own = found
    texts = [format_grant(granted), format_grant(own)] if key.grants else [format_grant(granted)]
    trail.grant = " & ".join(texts)
    rule = None if question.access.action is Action.READ else ruled(trail, policy, question)
    if isinstance(rule, Denial):
        return rule
    if rule is None or question.access.action not in MAKING:
        return Admission(
            rule="" if rule is None else rule.label,
            grant=trail.grant,
            may_create=False,
            overwrite=Overwrite.NEVER,
            metadata=MetadataCheck.VERIFY,
            rate=None,
            uses=None,
            would_refuse=tuple(trail.would_refuse),
        )
    limits = [limit for limit in (key_policy.uses, key.uses) if limit is not None]
    return Admission(
        rule=rule.label,
        grant=trail.grant,
        may_create=granted.create and own.create,
        overwrite=rule.overwrite,
        metadata=rule.metadata,
        rate=key_policy.rate,
        uses=min(limits, default=None),
        warning=warning(key, question.principal.public_id or "", question.now),
        would_refuse=tuple(trail.would_refuse),
    )


def decide(policy: Policy, principal: Principal, access: Access, *, now: int) -> Admission | Denial:
    """Say whether the principal may do this. `now` is in unix seconds."""
    version = access.artifact.version if access.artifact else access.version
    # A push names its release first, and then each of its files; none of them has a size that we know.
    whole = access.action is Action.UPLOAD
    question = Question(principal, access, now, version, policy.passwords, whole, publishers=policy.publishers)
    return _walk(Trail(kept=False), policy, question)


def forbids(policy: Policy, principal: Principal, access: Access, *, now: int) -> Denial | None:
    """Say with what `decide` would refuse a key this, None where it would not: all that a read has to know.

    Package rules are about writing, so an upload is not to be asked about here. Without a key the answer is no.
    """
    assert access.action is Action.READ, "what is written has rules to keep, ask decide"
    found = _granted(Trail(kept=False), policy, Question(principal, access, now, None, policy.passwords))
    return found if isinstance(found, Denial) else None


def admit_uploader(
    policy: Policy, principal: Principal, index: str, *, now: int, removals: bool = False
) -> Denial | None:
    """Say before the body comes whether this principal may upload anything to this index at all.

    With `removals`, the body may also ask for a delete.

    A Denial here is one that `decide` would answer for every project. None promises nothing.
    """
    question = Question(principal, Access(Action.UPLOAD, index, None), now, None, policy.passwords)
    holder = holder_of(Trail(kept=False), policy, question)
    if isinstance(holder, Denial):
        return holder
    key, key_policy = holder
    for grants in (key_policy.allow, key.grants or key_policy.allow):
        actions = (Action.UPLOAD, Action.DELETE) if removals else (Action.UPLOAD,)
        if not any(each.reaches(action, index) for each in grants for action in actions):
            return Denial(Code.NOT_ALLOWED, f"{principal.name} may not upload here: it may {_may(key, key_policy)}")
    return None if principal.caveats is None else _early(question, removals=removals)


def _early(question: Question, *, removals: bool) -> Denial | None:
    """Say which caveat no upload to this index gets past, nor a delete where the body may ask for one."""
    denial = taken_away(Trail(kept=False), question, whole=False)
    delete = replace(question, access=replace(question.access, action=Action.DELETE))
    if removals and taken_away(Trail(kept=False), delete, whole=False) is None:
        return None
    return denial


def reaches(policy: Policy, principal: Principal, action: Action, index: str, *, now: int) -> bool:
    """Say whether a key may do this to any project of an index: who may read none is not shown an empty list."""
    question = Question(principal, Access(action, index, None), now, None, policy.passwords)
    holder = holder_of(Trail(kept=False), policy, question)
    if isinstance(holder, Denial):
        return False
    key, key_policy = holder
    return taken_away(Trail(kept=False), question, whole=False) is None and all(
        any(each.reaches(action, index) for each in grants)
        for grants in (key_policy.allow, key.grants or key_policy.allow)
    )


def admit_passwords(policy: Policy, *, now: int) -> Denial | None:
    """Say before the index is asked about a password whether any could upload anything, as `admit_uploader` does."""
    if all(password_word(rule, policy.passwords) is Passwords.REFUSE for rule in policy.packages):
        return KEYS_ONLY
    return policy.passwords.over(now)


def explain(
    policy: Policy,
    principal: Principal,
    access: Access,
    *,
    now: int,
    version: str | None = None,
    filetype: Filetype | None = None,
    placed: bool = True,
) -> Explanation:
    """Say what `decide` would, and why.

    `access` may lack the artifact and the size, and with `placed=False` the address counts as unknown: what is
    not named is not judged. `version` (canonical) and `filetype` stand in for a missing artifact. The key's own
    count of uses is judged here and not in `decide`: only a record fresh from the store has it right, and there
    `store` claims it.
    """
    trail = Trail()
    version = access.artifact.version if access.artifact else version or access.version
    question = Question(
        principal,
        access,
        now,
        version,
        policy.passwords,
        whole=False,
        placed=placed,
        filetype=filetype,
        publishers=policy.publishers,
    )
    decision = _walk(trail, policy, question)
    if isinstance(decision, Admission) and access.action in MAKING:
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
