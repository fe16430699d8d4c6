"""What a key may do: actions x indexes x packages.

This room owns the pattern that names packages, the grant, and how a person writes one (`upload:acme-*`).
It knows nothing of keys, of policies or of who asks. Unknown actions and characters are refused, never
ignored: a grant that was read half would be another grant.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from authproxy.domain.names import PROJECT_LIMIT, ProjectName
from authproxy.domain.refusal import Code, quoted, refuse


class Action(StrEnum):
    """What can be done to an index. The values are what people write and what is stored: they stay."""

    READ = "read"
    UPLOAD = "upload"
    DELETE = "delete"  # of a release, with all its files
    PUSH = "push"  # of a release, from one index into another: it takes the grant in both


ANY = "*"

# No accepted project name is longer, so a longer pattern could only match by its stars; and matching costs
# pattern x name, so the limit is what bounds one decision.
PATTERN_LIMIT = PROJECT_LIMIT

# The characters of PEP 508 names, ASCII by listing them: under re.IGNORECASE U+212A (KELVIN SIGN) is a `k`.
_PATTERN = re.compile(r"[A-Za-z0-9._*-]+")
_SEPARATORS = re.compile(r"[-_.]+")
_INDEX = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
# What may make a project, and how that is written.
MAKING = frozenset({Action.UPLOAD, Action.PUSH})
_CREATE = "+create"


def glob_matches(glob: str, text: str) -> bool:
    """Whether `glob`, literal characters and `*` for any run of them, matches the whole of `text`.

    The leftmost place for each piece is always a right one, so nothing is tried twice: no glob backtracks, as
    `fnmatch` and regular expressions do on `*a*a*a*b`.
    """
    head, *pieces = glob.split(ANY)
    if not pieces:
        return text == head
    tail = pieces.pop()
    at, end = len(head), len(text) - len(tail)
    if at > end or not text.startswith(head) or not text.endswith(tail):
        return False
    for piece in pieces:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


@dataclass(frozen=True, slots=True)
class Pattern:
    """A glob over normalised project names. `text` is normalised too; `pattern()` makes one."""

    text: str

    def matches(self, project: ProjectName) -> bool:
        """Whether the pattern names this project. `foo-*` does not name `foo`."""
        return glob_matches(self.text, project)

    def covers(self, other: "Pattern") -> bool:
        """Whether every name that `other` matches is matched here too. Never wrongly yes; where unsure, no.

        A star of `other` stands for texts unknown, so only a star of ours may take it in. No literal piece of
        ours holds a `*`, hence reading `other.text` as if it were a name asks exactly that.
        """
        return glob_matches(self.text, other.text)


def pattern(raw: str) -> Pattern:
    """Read what a person wrote: `acme-*`, `Acme.Core`. Raises Refused(NAME_INVALID)."""
    if len(raw) > PATTERN_LIMIT:
        raise refuse(
            Code.NAME_INVALID,
            f"{quoted(raw)} is longer than {PATTERN_LIMIT} characters, longer than any project's name",
        )
    if not _PATTERN.fullmatch(raw):
        raise refuse(
            Code.NAME_INVALID,
            f"{quoted(raw)} is no package pattern: write letters, digits, '-', '_', '.' and '*' for any run",
        )
    text = re.sub(r"\*+", ANY, _SEPARATORS.sub("-", raw.lower()))
    if text.startswith("-") or text.endswith("-"):
        raise refuse(
            Code.NAME_INVALID,
            f"{quoted(raw)} matches no project: names start and end with a letter or digit",
        )
    return Pattern(text)


@dataclass(frozen=True, slots=True)
class Grant:
    """These actions, on these packages, in these indexes. What is not named here is not granted."""

    actions: frozenset[Action]
    packages: tuple[Pattern, ...]
    indexes: tuple[str, ...] = (ANY,)  # an index's exact name, or "*" for every one
    create: bool = False  # whether an upload or a push may make a project that the index does not have yet

    def reaches(self, action: Action, index: str) -> bool:
        """Whether this grant holds the action in that index for any package at all."""
        return action in self.actions and (ANY in self.indexes or index in self.indexes)

    def allows(self, action: Action, index: str, project: ProjectName | None) -> bool:
        """Whether this grant holds the access. `project` None is a listing of all: it takes the pattern `*`."""
        if not self.reaches(action, index):
            return False
        if project is None:
            return any(each.text == ANY for each in self.packages)
        return any(each.matches(project) for each in self.packages)

    def covers(self, other: "Grant") -> bool:
        """Whether whatever `other` allows is allowed here too. Never wrongly yes; where unsure, no."""
        return (
            other.actions <= self.actions
            and (self.create or not other.create)
            and (ANY in self.indexes or set(other.indexes) <= set(self.indexes))
            and all(any(ours.covers(theirs) for ours in self.packages) for theirs in other.packages)
        )

    def meet(self, other: "Grant") -> "Grant | None":
        """What both allow, None where that is nothing or no grant can say it: `a-*` and `*-b`. Never more."""
        actions = self.actions & other.actions
        indexes = self.indexes if ANY in other.indexes else other.indexes
        if ANY not in (*self.indexes, *other.indexes):
            indexes = tuple(each for each in self.indexes if each in other.indexes)
        packages = tuple(dict.fromkeys(_narrower(self.packages, other.packages)))
        if not (actions and indexes and packages):
            return None
        return Grant(actions, packages, indexes, self.create and other.create)


def _narrower(ones: Iterable[Pattern], others: Sequence[Pattern]) -> Iterator[Pattern]:
    for one in ones:
        for other in others:
            if one.covers(other):
                yield other
            elif other.covers(one):
                yield one


def shared(own: Iterable[Grant], given: Sequence[Grant]) -> tuple[Grant, ...]:
    """What a key with grants of its own may do under a policy that gives these, each said once."""
    found: list[Grant] = []
    for grant in own:
        for each in given:
            both = grant.meet(each)
            if both is not None and not any(known.covers(both) for known in found):
                found = [known for known in found if not both.covers(known)] + [both]
    # What came apart because two grants of the policy hold it is one again: `read,upload:acme-core`.
    alike: dict[tuple[object, ...], Grant] = {}
    for each in found:
        where = (each.packages, each.indexes, each.create)
        known = alike.get(where)
        alike[where] = each if known is None else replace(known, actions=known.actions | each.actions)
    return tuple(alike.values())


def _actions(text: str) -> tuple[frozenset[Action], bool]:
    words = text.split(",")
    creating = [f"{each}{_CREATE}" for each in Action if each in MAKING]
    known = [*map(str, Action), *creating]
    for word in words:
        if word not in known:
            raise refuse(Code.REQUEST_INVALID, f"{quoted(word)} is no action: there are {', '.join(known)}")
    create = any(word in creating for word in words)
    # A grant says create once, for all that it grants.
    if create and any(word in MAKING for word in words):
        raise refuse(
            Code.REQUEST_INVALID,
            f"{quoted(text)} says create for one action and not for the other: write two grants, or it for both",
        )
    return frozenset(Action(word.removesuffix(_CREATE)) for word in words), create


def index_name(raw: str) -> str:
    """Read an index's name (`team/dev`) or `*`. Raises Refused(NAME_INVALID)."""
    if raw != ANY and not _INDEX.fullmatch(raw):
        raise refuse(Code.NAME_INVALID, f"{quoted(raw)} is no index: write a name such as team/dev, or '*' for all")
    return raw


def parse_grant(text: str) -> Grant:
    """Read `ACTIONS:PACKAGES`, both lists with commas, and `@INDEXES` where not all are meant.

    `upload:acme-*`, `read,upload:acme-core,acme-docs`, `upload+create:acme-*`, `upload:acme-*@team/dev`,
    `push:acme-*@team/dev,team/stable`. Raises Refused(REQUEST_INVALID | NAME_INVALID).
    """
    actions, colon, rest = text.partition(":")
    if not colon:
        raise refuse(Code.REQUEST_INVALID, f"{quoted(text)} is no grant: write ACTIONS:PACKAGES, as in upload:acme-*")
    granted, create = _actions(actions)
    packages, at, indexes = rest.partition("@")
    return Grant(
        granted,
        tuple(pattern(each) for each in packages.split(",")),
        tuple(index_name(each) for each in indexes.split(",")) if at else (ANY,),
        create,
    )


def format_grant(grant: Grant) -> str:
    """Write a grant so that `parse_grant` reads the same one."""
    words = sorted(grant.actions)
    actions = [f"{word}{_CREATE if grant.create and word in MAKING else ''}" for word in words]
    where = "" if grant.indexes == (ANY,) else "@" + ",".join(grant.indexes)
    return f"{','.join(actions)}:{','.join(each.text for each in grant.packages)}{where}"
