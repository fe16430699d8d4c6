"""What a kind of index is to this proxy: a table of routes, and its own way of reading a filename.

A `Flavour` is data: `authproxy.backend.pypiserver` fills one in. This room owns the two questions that are the same for
every index: which route is asked (`match`), and does the index read a filename as the packaging standards do (`agree`).
It opens no connection and judges nobody.

Rule 1. A target is matched as it came, undecoded, and goes on to the index as it came.
Rule 2. The first route that matches is the one. None means no: the index is not asked.
Rule 3. No query string. pip, uv, poetry and pdm send none (measured), and no route of ours needs one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from authproxy.domain.grants import Action
from authproxy.domain.names import Artifact, ProjectName, artifact, project_name, same_version
from authproxy.domain.refusal import Code, Refused, quoted, refuse

# A project has 100 characters and a filename 251; what is left serves folders between `/packages/` and the file.
TARGET_LIMIT = 1_000

# What a target may be made of before any route is tried. Of escapes only those of `+` and `!` are left: the two
# characters of a filename that a client may escape or not. Everything else has one spelling here.
_UNAMBIGUOUS = re.compile(r"(?:/(?!/|\.\.?(?:/|\Z))(?:[A-Za-z0-9._+!-]|%2[1Bb])*)+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Route:
    """One row of a flavour's table of reads.

    `pattern` is matched against the whole raw path. Its group `project` is a project's name in any spelling, its group
    `filename` the last segment of a file's path.
    """

    methods: frozenset[str]
    pattern: re.Pattern[str]
    action: Action
    index: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A read that a route allows to be asked. `project` is None where it concerns no single one, or not surely one."""

    action: Action
    index: str
    project: ProjectName | None
    target: str  # as it came; what goes on to the index


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A file that the index lists."""

    filename: str
    path: str  # the raw target to read it from
    digest: tuple[str, str] | None  # (hashlib's name, lower-case hex), where the index says one


@dataclass(frozen=True, slots=True)
class Flavour:
    """What one kind of index is like.

    `uploads` maps the exact raw target of an upload to the index it goes to. `reading` is that index's own reading of
    a filename, the version as it stands there, or None where it would not list the file.
    `page` gives the raw target of a project's listing, `files` reads one.
    """

    name: str
    uploads: Mapping[str, str]
    reads: tuple[Route, ...]
    reading: Callable[[str], tuple[ProjectName, str] | None]
    page: Callable[[ProjectName], str]
    files: Callable[[bytes], tuple[IndexFile, ...]]
    passed_on: str  # what the reads are, for the sentence that refuses all others


def match(flavour: Flavour, method: str, raw_target: str) -> Asked:
    """Find the route of a read; raise `Refused` (request-invalid, no-route, name-invalid) where there is none."""
    if "?" in raw_target:
        raise refuse(Code.REQUEST_INVALID, f"{quoted(raw_target)} has a query string, ask for the path alone")
    if len(raw_target) > TARGET_LIMIT or not _UNAMBIGUOUS.fullmatch(raw_target):
        raise refuse(
            Code.REQUEST_INVALID,
            f"{quoted(raw_target)} is no path that has one reading: it takes / between ASCII letters, digits and "
            f". _ + ! -, no escapes but %2B and %21, no empty or dot segments, {TARGET_LIMIT} characters at most",
        )
    for route in flavour.reads:
        found = route.pattern.fullmatch(raw_target)
        if found and method in route.methods:
            return Asked(route.action, route.index, _project(flavour, found.groupdict()), raw_target)
    raise refuse(Code.NO_ROUTE, f"{quoted(raw_target)} is not passed on: this proxy passes on {flavour.passed_on}")


def _project(flavour: Flavour, groups: dict[str, str]) -> ProjectName | None:
    if "project" in groups:
        return project_name(groups["project"])
    if "filename" in groups:
        return _project_of(flavour, groups["filename"].replace("%2B", "+").replace("%2b", "+").replace("%21", "!"))
    return None


def _project_of(flavour: Flavour, filename: str) -> ProjectName | None:
    """Whose file it is, where an index may hold what we would never have let in.

    Where the standards and the index each name another project, neither grants the file: it then takes the right to
    read everything.
    """
    read = flavour.reading(filename)
    try:
        known = artifact(filename)
    except Refused:
        return read and read[0]
    return known.project if read is None or read[0] == known.project else None


def agree(flavour: Flavour, file: Artifact) -> None:
    """Raise `Refused(MISMATCH)` unless the index files this artifact under the same project, as an equal version.

    The index lists and serves by its own reading alone, so a key for `foo-bar-2x` that uploads
    `foo-bar-2x-1.0.tar.gz` would write to pypiserver's `foo-bar` (measured).
    """
    read = flavour.reading(file.filename)
    if read is not None and read[0] == file.project and _equal(read[1], file.version):
        return
    ours = quoted(f"{file.project} {file.version}")
    theirs = "no package file" if read is None else quoted(f"{read[0]} {read[1]}")
    raise refuse(
        Code.MISMATCH,
        f"{quoted(file.filename)} is {ours} by the packaging standards and {theirs} to the index: "
        "upload it under a name that both read alike",
    )


def _equal(read: str, version: str) -> bool:
    try:
        return same_version(read, version)
    except Refused:
        return False
