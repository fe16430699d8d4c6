"""What a package rule asks, whoever comes: of an upload who, which file, which version, how large; of a delete who.

This room takes the rule's side alone. What a key may do stands in `authproxy.domain.policy`, which asks here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.attestations import AttestationRule, is_of, signers, told
from authproxy.domain.explanation import Trail
from authproxy.domain.grants import Action
from authproxy.domain.keys import KeyKind
from authproxy.domain.names import Filetype
from authproxy.domain.narrowing import signed
from authproxy.domain.passwords import WAY_OVER, PasswordRule, Passwords
from authproxy.domain.publishers import Publisher
from authproxy.domain.refusal import Code, Denial, listed, quoted
from authproxy.domain.rules import PackageRule, Policy, Requirement, rules_for
from authproxy.domain.sizes import exact, over

# Who meets a requirement. One without a line here is met by nobody.
_MEETS: Final = {
    Requirement.KEY: (PrincipalKind.KEY, PrincipalKind.PASSWORD),
    Requirement.SIGNED: (PrincipalKind.KEY,),
}

# What to do instead of sending a key as it is.
EXEC: Final = "run authproxy exec -- twine upload dist/*"
PUBLISH: Final = (
    "run in the CI, without a key, uv publish --trusted-publishing always, "
    "or authproxy exec --oidc -- twine upload dist/*"
)
NOT_MINTED: Final = (
    "upload with an API key, authproxy exec -- twine upload dist/*; jobs of trusted publishers are let in by "
    "require: trusted-publisher"
)
_DERIVE: Final = "send what authproxy derive --expires 5m makes of the key"


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks for what and when: unix seconds."""

    principal: Principal
    access: Access
    now: int
    version: str | None
    passwords: PasswordRule
    whole: bool = True  # an upload names its file and size; a person who asks may leave them open
    placed: bool = True  # and from where it would come
    filetype: Filetype | None = None  # of a file that has no name yet
    publishers: Mapping[str, Publisher] = field(default_factory=dict)  # whose attestations count


# Of a yes: what `Trail.passed` takes.
Sentence = str | Callable[[], str]


def _requirement(question: Question, rule: PackageRule) -> Denial | Sentence:
    if rule.require is Requirement.TRUSTED_PUBLISHER:
        return _published(question, rule)
    if question.principal.kind not in _MEETS.get(rule.require, ()):
        return Denial(Code.NOT_ALLOWED, f"{rule.label} requires {quoted(rule.require)}, which this is not")
    if question.principal.kind is PrincipalKind.PASSWORD:
        return _password(question, rule)
    if rule.require == Requirement.SIGNED and (unsigned := _unsigned(question)):
        if _is_minted(question.principal):
            return Denial(Code.NOT_ALLOWED, f"{rule.label} requires {quoted(rule.require)}: {unsigned}, {NOT_MINTED}")
        instead = EXEC if question.access.action is Action.UPLOAD else _DERIVE
        return Denial(Code.NOT_ALLOWED, f"{rule.label} requires {quoted(rule.require)}: {unsigned}, {instead}")
    return lambda: f"it requires {quoted(rule.require)}, which this is"


def _published(question: Question, rule: PackageRule) -> Denial | str:
    action = question.access.action
    if _is_minted(question.principal):
        return f"it requires {quoted(rule.require)}, whose key this is"
    instead = PUBLISH if action is Action.UPLOAD else f"and what such a one gets may {action} nothing"
    reason = f"{rule.label} requires {quoted(rule.require)}, which {question.principal.name} is not: {instead}"
    return Denial(Code.NOT_ALLOWED, reason)


def _is_minted(who: Principal) -> bool:
    return who.key is not None and who.key.kind is KeyKind.MINTED


def _unsigned(question: Question) -> str | None:
    who = question.principal
    if _is_minted(who):
        return f"{who.name} was minted for a trusted publisher, whose jobs send it as it is"
    if who.caveats is None:
        return f"{who.name} came as it is"
    why = signed(who.caveats, question.now)
    return why and f"{who.name} is none that will do, {why}"


def _password(question: Question, rule: PackageRule) -> Denial | str:
    """Open `require: key` to passwords where the rule, or else the file, says so and the last day has not passed."""
    word = password_word(rule, question.passwords)
    if word is Passwords.REFUSE:
        return Denial(Code.NOT_ALLOWED, f"{rule.label} takes no passwords: {WAY_OVER}")
    return question.passwords.over(question.now) or f"passwords: {word}"


def password_word(rule: PackageRule, passwords: PasswordRule) -> Passwords:
    """Say what becomes of passwords under a rule, its own word before the file's."""
    return passwords.uploads if rule.passwords is None else rule.passwords


def _filetype(question: Question, rule: PackageRule) -> Denial | Sentence:
    artifact = question.access.artifact
    filetype = artifact.filetype if artifact else question.filetype
    if filetype is None:
        return lambda: f"no file was named; it {_takes(rule)}"
    if filetype not in rule.filetypes:
        what = quoted(artifact.filename) if artifact else "the file"
        return Denial(Code.FILETYPE, f"{what} is of the type {filetype}: {rule.label} {_takes(rule)}")
    return lambda: f"it {_takes(rule)}"


def _takes(rule: PackageRule) -> str:
    return f"takes {listed(sorted(rule.filetypes))}"


def _version(question: Question, rule: PackageRule) -> Denial | str:
    if not rule.versions:
        return "it takes every version"
    version, allowed = question.version, listed([each.text for each in rule.versions])
    if version is None:
        return f"no version was named; it takes {allowed}"
    if not any(each.matches(version) for each in rule.versions):
        return Denial(Code.VERSION, f"version {quoted(version)} may not be uploaded: {rule.label} takes {allowed}")
    return f"version {quoted(version)} is among {allowed}"


def _size(question: Question, rule: PackageRule) -> Denial | Sentence:
    size, limit = question.access.size, rule.max_size
    if limit is None:
        return "it has no limit of its own"
    if size is None:
        return lambda: f"no size was named; it takes {exact(limit)}"
    if size > limit:
        has, most = over(size, limit)
        return Denial(Code.TOO_LARGE, f"the file has {has}: {rule.label} takes at most {most}")
    return lambda: f"{size} bytes are at most {exact(limit)}"


def _attestations(question: Question, rule: PackageRule) -> Denial | str:
    access = question.access
    if rule.attestations is AttestationRule.ALLOW or access.project is None:
        return "it asks for no attestation"
    whose = signers(question.publishers.values(), access.project)
    nobody = "a publisher of kind github or gitlab that may upload it, which the configuration does not have"
    jobs = listed([quoted(each.label) for each in whose]) if whose else nobody
    if not (question.whole or access.action is Action.PUSH):
        return f"no file was named; it takes one with an attestation of {jobs}"
    pins = access.attested.pins
    found = [each for each in access.attested.found if any(is_of(each, it, pins.get(it.label, {})) for it in whose)]
    if found:
        said = "verified" if found[0].verified else "as it claims, not verified"
        return f"it has an attestation of {quoted(found[0].publisher)}, {said}"
    others = access.attested.found
    more = f", and {len(others) - 1} more" if len(others) > 1 else ""
    has = access.attested.flaw or (f"this has one of {told(others[0])}{more}" if others else "this has none")
    return Denial(Code.ATTESTATION, f"{rule.label} requires an attestation of {jobs}, and {has}")


_Check = Callable[[Question, PackageRule], Denial | Sentence]
_WHO: Final[tuple[tuple[str, _Check], ...]] = (("require", _requirement),)
_WHAT: Final[tuple[tuple[str, _Check], ...]] = (
    ("filetypes", _filetype),
    ("versions", _version),
    ("max_size", _size),
    ("attestations", _attestations),
)


def ruled(trail: Trail, policy: Policy, question: Question) -> PackageRule | Denial:
    """Find the rule of an upload, a push or a delete, and ask all that it asks of such.

    What may come in says nothing of what may go: of `filetypes`, `versions`, `max_size` and `attestations` a delete is
    asked none, or a release that a stricter rule lets in no more could never be cleaned up.
    """
    access = question.access
    if access.project is None or (question.whole and (access.artifact is None or access.size is None)):
        wanted = (
            "an upload names a project, a file and its size" if question.whole else "name the project that it is about"
        )
        return trail.refused("rule", Denial(Code.FORM_INVALID, wanted))
    trials, rule = rules_for(policy, access.project, access.index)
    for trial in trials:
        _tried(trail, question, trial)
    if rule is None:
        reason = f"no package rule is about {quoted(access.project)}, so nobody may {access.action} it"
        return trail.refused("rule", Denial(Code.NO_RULE, reason))
    trail.rule = rule.label
    first = "is the first that matches" if rule.enforce else "is on trial and refuses nothing; no other rule matches"
    trail.passed("rule", f"{rule.label} {first}")
    for name, check in _checks(access.action):
        if rule.enforce or (check is _requirement and question.principal.kind is PrincipalKind.PASSWORD):
            answer = check(question, rule)
            if isinstance(answer, Denial):
                return trail.refused(name, answer)
            trail.passed(name, answer)
    return rule


def _checks(action: Action) -> tuple[tuple[str, _Check], ...]:
    return _WHO if action is Action.DELETE else _WHO + _WHAT


def _tried(trail: Trail, question: Question, rule: PackageRule) -> None:
    """Ask a rule on trial all that it asks, and note what it would refuse with."""
    for _, check in _checks(question.access.action):
        answer = check(question, rule)
        if isinstance(answer, Denial):
            trail.excused("trial", answer)
            return
    trail.passed("trial", lambda: f"{rule.label} is on trial and would let it pass")
