"""What a file is called and whose it is: one upload, one project, for every reader.

This room owns project names (PEP 503 over the grammar of PEP 508), versions (PEP 440) and the filenames of wheels and
sdists. It reads by the packaging standards alone: what an index makes of the same filename is asked in
`authproxy.backend`, what stands inside the file too. It refuses to know which names exist.

Everything is ASCII before it is anything else: a case-insensitive `[a-z]` takes U+212A KELVIN SIGN for a letter, and
`str.lower` makes a plain `k` of it, so readers that normalise at different moments file one name under two projects.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, NewType

from authproxy.domain.refusal import Code, Refused, quoted, refuse

# packaging is loaded where it is needed: `authproxy derive` reads names, and it takes as long as all of the rest.
if TYPE_CHECKING:
    from packaging.version import Version

ProjectName = NewType("ProjectName", str)
"""A project name in its normal form: `[a-z0-9]` with single hyphens inside, nothing else."""

# No standard bounds a name. A refusal has to show two of them and a sentence in 400 characters.
PROJECT_LIMIT = 100
# setuptools-scm's longest (`1.2.3.post0.dev123+g0123abcd.d20261231`) has 40; at 4,300 digits int() raises.
VERSION_LIMIT = 100
# NAME_MAX of every common file system is 255, and a signature is stored under the same name with `.asc` behind it.
FILENAME_LIMIT = 251
# A wheel's tags are the cross product of three lists; the widest wheels on PyPI have about 50. Without a limit
# a name of 251 characters makes packaging build 70,000 of them.
TAGS_LIMIT = 1_000

# An upload asks for its one version ten times, and packaging reads it anew each time. What is none is not kept.
VERSIONS_KEPT = 256

_PROJECT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_VERSION = re.compile(r"[A-Za-z0-9.!+_-]+", re.ASCII)
_SEPARATORS = re.compile(r"[-_.]+")
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*", re.ASCII)
_BUILD = re.compile(r"[0-9][A-Za-z0-9_.]*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*", re.ASCII)

WHEEL_SUFFIX = ".whl"
SDIST_SUFFIXES = (".tar.gz", ".zip")


class Filetype(StrEnum):
    """What can be uploaded. Eggs, installers and `.tar.bz2` are read differently by every reader, or not at all."""

    WHEEL = "wheel"
    SDIST = "sdist"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A filename, read. `artifact` makes it; nothing in it needs checking again.

    `identity` is one ASCII text per file that an installer could tell from others: two filenames that spell the same
    project, version, build and tags have the same identity, and so have an sdist's `.zip` and `.tar.gz`.
    """

    filename: str  # exactly as it was sent
    project: ProjectName
    version: str  # canonical by PEP 440
    filetype: Filetype
    identity: str


def project_name(raw: str) -> ProjectName:
    """Return the normal form of a name that keeps to PEP 508's grammar; raise `Refused(NAME_INVALID)` for others."""
    if len(raw) > PROJECT_LIMIT or not _PROJECT.fullmatch(raw):
        raise refuse(
            Code.NAME_INVALID,
            f"{quoted(raw)} is no project name: it takes ASCII letters, digits and . _ - inside, "
            f"{PROJECT_LIMIT} characters at most",
        )
    return ProjectName(_SEPARATORS.sub("-", raw).lower())  # PEP 503


@lru_cache(VERSIONS_KEPT)
def version_text(raw: str) -> str:
    """Return the canonical form of a PEP 440 version; raise `Refused(NAME_INVALID)` for what is none."""
    return str(_version(raw))


def same_version(a: str, b: str) -> bool:
    """Whether two versions are equal by PEP 440, as 1.0 and 1.0.0 are; raise `Refused(NAME_INVALID)` for no version."""
    return _version(a) == _version(b)


def artifact(filename: str) -> Artifact:
    """Read the filename of a wheel or an sdist by the packaging standards; raise `Refused(NAME_INVALID)` for others."""
    if len(filename) > FILENAME_LIMIT or not _FILENAME.fullmatch(filename):
        raise refuse(
            Code.NAME_INVALID,
            f"{quoted(filename)} is no filename for an upload: it takes ASCII letters, digits and . _ + ! -, "
            f"begins with a letter or digit, and has {FILENAME_LIMIT} characters at most",
        )
    if filename.endswith(WHEEL_SUFFIX):
        return _wheel(filename)
    if filename.endswith(SDIST_SUFFIXES):
        return _sdist(filename)
    raise refuse(
        Code.NAME_INVALID,
        f"{quoted(filename)} is neither a wheel nor an sdist: it must end with .whl, .tar.gz or .zip in lower case",
    )


@lru_cache(VERSIONS_KEPT)
def _version(raw: str) -> "Version":
    from packaging.version import InvalidVersion, Version

    # packaging strips white space around a version; a reader that does not would see another one.
    if len(raw) <= VERSION_LIMIT and _VERSION.fullmatch(raw):
        try:
            return Version(raw)
        except InvalidVersion:
            pass
    raise refuse(Code.NAME_INVALID, f"{quoted(raw)} is no version: it must follow PEP 440, such as 1.2.3 or 2.0rc1")


def release_identity(project: str, version: str) -> str:
    """One ASCII text per release by PEP 440's equality: what the identities of all its files begin with."""
    from packaging.utils import canonicalize_version

    return f"{project} {canonicalize_version(version)}"


def _wheel(filename: str) -> Artifact:
    """Read `name-version[-build]-python-abi-platform.whl` (PEP 427)."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    parts = filename.removesuffix(WHEEL_SUFFIX).split("-")
    builds, tags = parts[2:-3], [part.lower().split(".") for part in parts[-3:]]
    fits = len(parts) in {5, 6} and all(map(_BUILD.fullmatch, builds)) and all(map(_TAG.fullmatch, parts[-3:]))
    if not fits or len(tags[0]) * len(tags[1]) * len(tags[2]) > TAGS_LIMIT:
        raise _unreadable(filename, "name-version-python-abi-platform.whl, or with a build number after the version")
    try:
        _, _, build, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        raise _unreadable(filename, "made of a name, a version and tags that PEP 427 and PEP 440 allow") from None
    project, version = project_name(parts[0]), version_text(parts[1])
    # The sorted lists say the same as the sorted cross product and stay as short as the filename. Lower case, since
    # two builds that differ in case alone are one file on some file systems.
    written_build = f"{build[0]}{build[1].lower()}" if build else ""
    written_tags = "-".join(".".join(sorted(set(tag))) for tag in tags)
    identity = f"{release_identity(project, version)} wheel {written_build} {written_tags}"
    return Artifact(filename, project, version, Filetype.WHEEL, identity)


def _sdist(filename: str) -> Artifact:
    """Read `name-version.tar.gz` (PEP 625), or `.zip`; older tools left hyphens in names, so the last one divides."""
    from packaging.utils import InvalidSdistFilename, parse_sdist_filename

    try:
        parse_sdist_filename(filename)
    except InvalidSdistFilename:
        raise _unreadable(filename, "name-version.tar.gz or .zip, with a version that PEP 440 allows") from None
    raw_name, _, raw_version = filename.removesuffix(".zip").removesuffix(".tar.gz").rpartition("-")
    project, version = project_name(raw_name), version_text(raw_version)
    identity = f"{release_identity(project, version)} sdist"
    return Artifact(filename, project, version, Filetype.SDIST, identity)


def _unreadable(filename: str, wanted: str) -> Refused:
    return refuse(Code.NAME_INVALID, f"{quoted(filename)} cannot be read as a package file: it must be {wanted}")
