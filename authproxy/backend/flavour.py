"""What a kind of index is to this proxy: a table of routes, and its own way of reading a filename.

A `Flavour` is data: `authproxy.backend.pypiserver` and `authproxy.backend.devpi` fill one in. This room owns the two
questions that are the same for every index: which route is asked (`match`), and does the index file an upload where the
packaging standards would (`agree`). It opens no connection and judges nobody.

Rule 1. A target is matched as it came, undecoded, and goes on to the index as it came.
Rule 2. The first route that matches is the one. None means no: the index is not asked.
Rule 3. No query string but the ones that a route names, each written out in full: pip, uv, poetry and pdm send none
        (measured).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from authproxy.domain.grants import Action
from authproxy.domain.names import Artifact, ProjectName, artifact, project_name, same_version, version_text
from authproxy.domain.refusal import Code, Refused, quoted, refuse

# A project has 100 characters and a filename 251; what is left serves folders between `/packages/` and the file.
TARGET_LIMIT = 1_000

# So many places for uploads fit into one sentence.
_PLACES = 3

# What a target may be made of before any route is tried. Of escapes only those of `+` and `!` are left: the two
# characters of a filename that a client may escape or not. Everything else has one spelling here.
_UNAMBIGUOUS = re.compile(r"(?:/(?!/|\.\.?(?:/|\Z))(?:[A-Za-z0-9._+!-]|%2[1Bb])*)+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Route:
    """One row of a flavour's table of reads.

    `pattern` is matched against the whole raw path. Its group `project` is a project's name in any spelling, its group
    `filename` the last segment of a file's path, and its group `index` the index, where `index` is None. `queries` are
    the query strings that may follow, without their `?`. `lends` is whether the service credentials may go with it.
    `spare` is a body that a GET may come with, and that is thrown away.
    """

    methods: frozenset[str]
    pattern: re.Pattern[str]
    action: Action
    index: str | None
    queries: frozenset[str] = frozenset()
    lends: bool = True
    listing: bool = False  # the list of all projects, of which a reader may be shown a part
    spare: bytes = b""


@dataclass(frozen=True, slots=True)
class Asked:
    """A read that a route allows to be asked. `project` is None where it concerns no single one, or not surely one.

    `lends` says whether the service credentials may go with it: into the indexes of the config alone, and not to what
    would tell whose they are.
    """

    action: Action
    index: str  # "*" where it concerns more than one
    project: ProjectName | None
    target: str  # as it came; what goes on to the index
    lends: bool = True
    listing: bool = False
    spare: bytes = b""


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A file that the index lists."""

    artifact: Artifact
    path: str  # the raw target to read it from
    digest: tuple[str, str] | None  # (hashlib's name, lower-case hex), where the index says one

    @property
    def filename(self) -> str:
        """Its name in the index."""
        return self.artifact.filename


@dataclass(frozen=True, slots=True)
class RemovalRequest:
    """One request that deletes something. `body` is urlencoded, or empty."""

    method: str
    target: str
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Removal:
    """How the index is asked to delete a release, and the files of it that are packages."""

    requests: tuple[RemovalRequest, ...]
    files: tuple[IndexFile, ...]


@dataclass(frozen=True, slots=True)
class Removals:
    """How an index deletes a release.

    `by_form`: by a `remove_pkg` form that comes to the target of uploads. `target`: by DELETE of such a raw target,
    with the groups `index`, `project` and `version`. `planned` reads a project's listing: raw page, index, project,
    canonical version; None where it has no such release. It raises Refused (mismatch).
    """

    by_form: bool
    target: re.Pattern[str] | None
    planned: Callable[[bytes, str, ProjectName, str], Removal | None]


@dataclass(frozen=True, slots=True)
class Sessions:
    """How the index's own client logs in (`devpi login`).

    `header` is what it sends its login in, as it stands behind `Basic`. `about` is how a target ends that says who is
    logged in. `version` is a header without which it doubts every answer.
    """

    header: str
    about: str
    version: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Flavour:
    """What one kind of index is like.

    Names: `indexes` are the ones behind this proxy; `uploads` maps every raw target of an upload that is taken to its
    index, and `target` says which of them we send it to.
    Filenames: `reading` is the index's own reading of one, the version as it stands there, or None where it would not
    list the file; `filing` says where it puts an upload, of the form's name, version and filename, or None for nowhere.
    Listings: `root` gives the raw target of the list of an index's own projects, and `projects` reads their names from
    it, as they stand there. `page` gives the raw target of a project's listing in an index, to be asked for with
    `accept`; `files` reads one, and None means that the index has no such project. `absent` are the statuses of a
    listing or a file that mean the same. `standing` gives a raw target that is absent only where the index itself is,
    None where there is one index alone; `recognises` reads from its answer whether the index knows who asked.
    Headers: `outside` tells the index the scheme and the host that clients see. `login` is the raw target that gives a
    session token for the service account, None where there is none.
    Deletes: `removals`. `sessions`: of a client of the index's own, None where it has none.
    """

    name: str
    indexes: tuple[str, ...]
    uploads: Mapping[str, str]
    target: Callable[[str], str]
    reads: tuple[Route, ...]
    reading: Callable[[str], tuple[ProjectName, str] | None]
    filing: Callable[[str, str, str], tuple[ProjectName, str] | None]
    page: Callable[[str, ProjectName], str]
    root: Callable[[str], str]
    projects: Callable[[bytes], tuple[str, ...]]
    accept: str
    files: Callable[[bytes], tuple[IndexFile, ...] | None]
    absent: frozenset[int]
    standing: Callable[[str], str] | None
    recognises: Callable[[bytes], bool]
    outside: Callable[[str, str], Mapping[str, str]]
    login: str | None
    welcome: int  # what whoever may upload is told of a form that changes nothing (`backend.passwords`)
    removals: Removals
    passed_on: str  # what the reads are, for the sentence that refuses all others
    sessions: Sessions | None = None
    pushes: bool = False  # whether it copies releases from one of its indexes into another (`backend.push`)
    opens: tuple[str, ...] = ()  # what else it takes, of the names in `backend.opened`

    @property
    def credentials(self) -> tuple[str, ...]:
        """The headers that say who asks."""
        return ("Authorization",) if self.sessions is None else ("Authorization", self.sessions.header)

    @property
    def varies(self) -> str:
        """The headers that an answer may depend on because they say who asks, as Vary names them."""
        return ", ".join(self.credentials)


def match(flavour: Flavour, method: str, raw_target: str) -> Asked:
    """Find the route of a read; raise `Refused` (request-invalid, no-route, name-invalid) where there is none."""
    path, mark, query = raw_target.partition("?")
    if len(path) > TARGET_LIMIT or not _UNAMBIGUOUS.fullmatch(path):
        raise refuse(
            Code.REQUEST_INVALID,
            f"{quoted(path)} is no path that has one reading: it takes / between ASCII letters, digits and "
            f". _ + ! -, no escapes but %2B and %21, no empty or dot segments, {TARGET_LIMIT} characters at most",
        )
    for route in flavour.reads:
        found = route.pattern.fullmatch(path)
        if found and method in route.methods:
            if mark and query not in route.queries:
                raise refuse(Code.REQUEST_INVALID, f"{quoted(raw_target)} has a query string, ask for the path alone")
            index = route.index or found["index"]
            lends = route.lends and index in flavour.indexes
            project = _project(flavour, found.groupdict())
            return Asked(route.action, index, project, raw_target, lends, route.listing, route.spare)
    if method == "POST":
        # Whoever uploads to the URL that installers read from needs no list of what is read there.
        taken = [flavour.target(index) for index in flavour.indexes]
        places = " or ".join(taken[:_PLACES]) + (f" or {len(taken) - _PLACES} more" if len(taken) > _PLACES else "")
        raise refuse(Code.NO_ROUTE, f"uploads go to {places}, not to {quoted(path)}")
    raise refuse(Code.NO_ROUTE, f"{quoted(path)} is not passed on: this proxy passes on {flavour.passed_on}")


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


def agree(flavour: Flavour, file: Artifact, name: str, version: str) -> None:
    """Raise `Refused(MISMATCH)` unless the index files this upload under the same project and version.

    `name` and `version` are the form's. pypiserver lists and serves by its own reading of the filename alone, so a key
    for `foo-bar-2x` that uploads `foo-bar-2x-1.0.tar.gz` would write to its `foo-bar`; devpi files by `name`, and `1.0`
    and `1.0.0` are two releases to it (measured).
    """
    filed = flavour.filing(name, version, file.filename)
    if filed is not None and filed[0] == file.project and _canonical(filed[1]) == file.version:
        return
    ours = quoted(f"{file.project} {file.version}")
    theirs = "no package file" if filed is None else quoted(f"{filed[0]} {filed[1]}")
    raise refuse(
        Code.MISMATCH,
        f"{quoted(file.filename)} is {ours} by the packaging standards and {theirs} to the index: "
        "upload it under a name that both read alike",
    )


def named(name: str, version: str) -> tuple[ProjectName, str] | None:
    """Return a project's name, normalised, and the version raw; None where no project can be called so."""
    try:
        return project_name(name), version
    except Refused:
        return None


def is_version(raw: str, version: str) -> bool:
    """Whether an index's text is this canonical version, by PEP 440: 1.0 is 1.0.0."""
    read = _canonical(raw)
    return read is not None and same_version(read, version)


def _canonical(version: str) -> str | None:
    try:
        return version_text(version)
    except Refused:
        return None
