"""What a verified token says, one check at a time: which claim, how it is compared, what is wanted.

A claim that is missing, or is no text, number or boolean, meets no check. Claims are compared as they are written, so
that the number 74 and the text "74" are the same: issuers differ in this, and what they sign is theirs either way.

This room knows neither signatures (`authproxy.oidc` has seen to them) nor whose claims these are
(`authproxy.domain.publishers`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from authproxy.domain.grants import glob_matches
from authproxy.domain.refusal import quoted

Claims = Mapping[str, object]

# The way to a claim inside of others: ("kubernetes.io", "namespace").
Path = tuple[str, ...]


class Way(StrEnum):
    """How a claim is compared."""

    EXACT = "exact"
    FOLDED = "folded"  # in upper or lower case, where both are ASCII
    GLOB = "glob"  # with one of them; of a list in the token, any of its items
    NEVER = "never"  # it is there, and is none of them
    AGREES = "agrees"  # folded, where the token has it at all
    WORKFLOW = "workflow"  # a file of GitHub's at the very commit or ref that the token is for
    PIPELINE = "pipeline"  # the same of GitLab's


class Role(StrEnum):
    """What a check is about: it decides which of two publishers is the more specific one."""

    NAME = "name"
    ID = "id"
    ENVIRONMENT = "environment"
    REF = "ref"


@dataclass(frozen=True, slots=True)
class Check:
    """One claim and what it must be. Several `wanted` are alternatives, except for files: (whose, which)."""

    path: Path
    way: Way
    wanted: tuple[str, ...]
    role: Role = Role.NAME

    @property
    def claim(self) -> str:
        """The name of the claim, for people."""
        return ".".join(self.path)

    def met(self, claims: Claims) -> bool:
        """Whether the token passes."""
        return _WAYS[self.way](self.wanted, look_up(claims, self.path), claims)

    @property
    def exact(self) -> bool:
        """Whether it leaves one value alone."""
        return len(self.wanted) == 1 and not (self.way is Way.GLOB and "*" in self.wanted[0])


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a check, in a sentence for the operator."""

    claim: str
    met: bool
    sentence: str


def finding(check: Check, claims: Claims) -> Finding:
    """Ask, and say what the claim is and what it must be."""
    shown, met = shown_value(look_up(claims, check.path)), check.met(claims)
    said = f"{check.claim} is {shown}"
    return Finding(check.claim, met, said if met else f"{said}: it must {_wanted(check)}")


def look_up(claims: Claims, path: Path) -> object:
    """Find a claim; None where there is none."""
    value: object = claims
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def written(value: object) -> str | None:
    """Write a claim as it is compared; None for what is neither text nor a whole number nor a boolean."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    return None


def shown_value(value: object) -> str:
    """Write a claim for a sentence."""
    if value is None:
        return "missing"
    text = written(value)
    if text is not None:
        return quoted(text)
    return f"a list of {len(value)}" if isinstance(value, list) else "no text"


def folded(text: str) -> str:
    """Lower-case, where that is safe: U+212A (KELVIN SIGN) would become a plain k, and another name this one."""
    return text.lower() if text.isascii() else text


def _wanted(check: Check) -> str:
    words = " or ".join(map(quoted, check.wanted))
    if check.way is Way.NEVER:
        return f"not be {words}"
    if check.way in _REFS:
        return f"be {quoted(''.join(check.wanted))}, an @, and the token's own {' or '.join(_REFS[check.way])}"
    return f"be {words}"


def _exact(wanted: tuple[str, ...], value: object, _claims: Claims) -> bool:
    return written(value) in wanted


def _folded(wanted: tuple[str, ...], value: object, _claims: Claims) -> bool:
    text = written(value)
    return text is not None and folded(text) in map(folded, wanted)


def _glob(wanted: tuple[str, ...], value: object, _claims: Claims) -> bool:
    texts = list(map(written, value if isinstance(value, list) else [value]))
    return any(glob_matches(each, text) for each in wanted for text in texts if text is not None)


def _never(wanted: tuple[str, ...], value: object, _claims: Claims) -> bool:
    text = written(value)
    return text is not None and text not in wanted


def _agrees(wanted: tuple[str, ...], value: object, claims: Claims) -> bool:
    return value is None or _folded(wanted, value, claims)


# Where a token says which ref, and which commit, it is for. A workflow of a deployment to a commit has no ref.
_REFS: Final[Mapping[Way, tuple[str, ...]]] = {Way.WORKFLOW: ("ref", "sha"), Way.PIPELINE: ("ref_path", "sha")}


def _file(way: Way) -> "_Way":
    """Compare `OWNER/REPO/.github/workflows/FILE@REF`, or GitLab's `HOST/PROJECT//FILE@REF`.

    The name before it is folded, as GitHub and GitLab do; the file is not. The ref is the token's own, as PyPI asks it
    (warehouse/oidc/models): a file at another ref is not the one that this run was started from.
    """

    def file(wanted: tuple[str, ...], value: object, claims: Claims) -> bool:
        whose, which = wanted
        text = written(value) or ""
        refs = [ref for name in _REFS[way] if (ref := written(claims.get(name)))]
        return folded(text[: len(whose)]) == folded(whose) and text[len(whose) :] in {f"{which}@{ref}" for ref in refs}

    return file


_Way = Callable[[tuple[str, ...], object, Claims], bool]
_WAYS: Final[Mapping[Way, _Way]] = {
    Way.EXACT: _exact,
    Way.FOLDED: _folded,
    Way.GLOB: _glob,
    Way.NEVER: _never,
    Way.AGREES: _agrees,
    Way.WORKFLOW: _file(Way.WORKFLOW),
    Way.PIPELINE: _file(Way.PIPELINE),
}
