"""What a package rule asks, whoever comes: of an upload who, which file, which version, how large; of a delete who.

This room takes the rule's side alone. What a key may do stands in `authproxy.domain.policy`, which asks here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.explanation import Trail
from authproxy.domain.grants import Action
from authproxy.domain.names import Filetype
from authproxy.domain.passwords import WAY_OVER, PasswordRule, Passwords
from authproxy.domain.refusal import Code, Denial, quoted
from authproxy.domain.rules import PackageRule, Policy, Requirement, rules_for
from authproxy.domain.sizes import exact, over

# Three texts of this length and the rest of a sentence fit into a reason phrase of 500 characters.
_LISTED: Final = 3
_LISTED_LENGTH: Final = 60

# Who meets a requirement. One without a line here is met by nobody.
_MEETS: Final = {Requirement.KEY: (PrincipalKind.KEY, PrincipalKind.PASSWORD)}


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


def listed(texts: Sequence[str]) -> str:
    """Join the first few of them for a sentence."""
    shown = [text if len(text) <= _LISTED_LENGTH else text[: _LISTED_LENGTH - 3] + "..." for text in texts]
    more = f" and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
    return ", ".join(shown[:_LISTED]) + more or "nothing"


def _requirement(question: Question, rule: PackageRule) -> Denial | str:
    if question.principal.kind not in _MEETS.get(rule.require, ()):
        return Denial(Code.NOT_ALLOWED, f"{rule.label} requires {quoted(rule.require)}, which this is not")
    if question.principal.kind is PrincipalKind.PASSWORD:
        return _password(question, rule)
    return f"it requires {quoted(rule.require)}, which this is"


def _password(question: Question, rule: PackageRule) -> Denial | str:
    """Open `require: key` to passwords where the rule, or else the file, says so and the last day has not passed."""
    word = password_word(rule, question.passwords)
    if word is Passwords.REFUSE:
        return Denial(Code.NOT_ALLOWED, f"{rule.label} takes no passwords: {WAY_OVER}")
    return question.passwords.over(question.now) or f"passwords: {word}"


def password_word(rule: PackageRule, passwords: PasswordRule) -> Passwords:
    """Say what becomes of passwords under a rule, its own word before the file's."""
    return passwords.uploads if rule.passwords is None else rule.passwords


def _filetype(question: Question, rule: PackageRule) -> Denial | str:
    artifact, allowed = question.access.artifact, listed(sorted(rule.filetypes))
    filetype = artifact.filetype if artifact else question.filetype
    if filetype is None:
        return f"no file was named; it takes {allowed}"
    if filetype not in rule.filetypes:
        what = quoted(artifact.filename) if artifact else "the file"
        return Denial(Code.FILETYPE, f"{what} is of the type {filetype}: {rule.label} takes {allowed}")
    return f"it takes {allowed}"


def _version(question: Question, rule: PackageRule) -> Denial | str:
    if not rule.versions:
        return "it takes every version"
    version, allowed = question.version, listed([each.text for each in rule.versions])
    if version is None:
        return f"no version was named; it takes {allowed}"
    if not any(each.matches(version) for each in rule.versions):
        return Denial(Code.VERSION, f"version {quoted(version)} may not be uploaded: {rule.label} takes {allowed}")
    return f"version {quoted(version)} is among {allowed}"


def _size(question: Question, rule: PackageRule) -> Denial | str:
    size = question.access.size
    if rule.max_size is None:
        return "it has no limit of its own"
    if size is None:
        return f"no size was named; it takes {exact(rule.max_size)}"
    if size > rule.max_size:
        has, most = over(size, rule.max_size)
        return Denial(Code.TOO_LARGE, f"the file has {has}: {rule.label} takes at most {most}")
    return f"{size} bytes are at most {exact(rule.max_size)}"


_Check = Callable[[Question, PackageRule], Denial | str]
_WHO: Final[tuple[tuple[str, _Check], ...]] = (("require", _requirement),)
_WHAT: Final[tuple[tuple[str, _Check], ...]] = (("filetypes", _filetype), ("versions", _version), ("max_size", _size))


def ruled(trail: Trail, policy: Policy, question: Question) -> PackageRule | Denial:
    """Find the rule of an upload, a push or a delete, and ask all that it asks of such.

    What may come in says nothing of what may go: `filetypes`, `versions` and `max_size` are not asked of a delete, or a
    release that a stricter rule lets in no more could never be cleaned up.
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
