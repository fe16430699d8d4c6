"""pypiserver 2.4: its routes, its own reading of a filename, and its project page.

It files an upload by the filename alone (measured; `name` and `version` of the form are never read), and it lists and
serves by the same reading. So that reading stands here once more, in our words; a test holds it against the real one. A
filename that the two read differently is one by which a key leaves its project.

This room is pure. It knows no connection, no key and no rule.
"""

import re
from html.parser import HTMLParser
from types import MappingProxyType
from urllib.parse import unquote, urlencode

from authproxy.backend.flavour import Flavour, IndexFile, Removal, RemovalRequest, Removals, Route, is_version, named
from authproxy.domain.grants import Action
from authproxy.domain.names import FILENAME_LIMIT, ProjectName, artifact, same_version
from authproxy.domain.refusal import Code, Refused, quoted, refuse

INDEX = "pypiserver"

_GET = frozenset({"GET", "HEAD"})
_NAME = r"(?P<project>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
# It serves its package folder with all folders below, except those whose name begins with a dot.
_FOLDERS = r"(?:[A-Za-z0-9_+!-][A-Za-z0-9._+!-]*/)*"
# pip and uv write `+` and `!` of a link as they stand; a client that escapes them is right too (RFC 3986, 2.2).
_FILE = r"(?P<filename>(?:[A-Za-z0-9_+!-]|%2[1Bb])(?:[A-Za-z0-9._+!-]|%2[1Bb])*)"

# In the order in which pypiserver's own router decides: fixed paths, then patterns as its `_app.py` lists them.
_READS = (
    Route(_GET, re.compile(r"/|/packages/?", re.ASCII), Action.READ, INDEX),
    Route(_GET, re.compile(r"/simple/?", re.ASCII), Action.READ, INDEX, listing=True),
    Route(frozenset({"POST"}), re.compile(r"/RPC2", re.ASCII), Action.READ, INDEX),  # search
    Route(_GET, re.compile(rf"/simple/{_NAME}/?", re.ASCII), Action.READ, INDEX),
    Route(_GET, re.compile(rf"/packages/{_FOLDERS}{_FILE}", re.ASCII), Action.READ, INDEX),
    Route(_GET, re.compile(rf"/{_NAME}/json", re.ASCII), Action.READ, INDEX),
    Route(_GET, re.compile(rf"/{_NAME}/?", re.ASCII), Action.READ, INDEX),
)

# What the reading below is defined on: what pypiserver lets in by upload and lists, less what only a lenient
# pattern lets in (a letter that is none of ASCII, a newline at the end).
_READABLE = re.compile(r"[A-Za-z0-9_+!-][A-Za-z0-9._+!-]*", re.ASCII)

_WHEEL = re.compile(
    r"(?P<name>.+?)-(?P<version>[0-9].*?)"  # the shortest name that a digit follows
    r"(?:-(?P<build>[0-9].*?))?"  # which it calls a part of the version
    r"-.+?-.+?-.+?\.whl",
    re.ASCII,
)
_ENDING = re.compile(
    r"(?:\.zip|\.tar\.gz|\.tgz|\.tar\.bz2|\.tar\.xz|\.egg"
    r"|-py[23]\.[0-9]-.*|\.win-amd64-py[23]\.[0-9]\..*|\.win32-py[23]\.[0-9]\..*)\Z",
    re.ASCII | re.IGNORECASE,
)
# `1.`, `1a`, `1!` ... behind a hyphen begin a version; a lone number (`-2-`) does not.
_VERSION_BEGINS = re.compile(r"-[0-9]+[a-z_.!+]", re.ASCII | re.IGNORECASE)
_PLATFORM_BEGINS = re.compile(
    r"[.-](?=cp[0-9]|py[0-9]|macosx|linux|sunos|solaris|irix|aix|cygwin|win)", re.ASCII | re.IGNORECASE
)


def reading(filename: str) -> tuple[ProjectName, str] | None:
    """Return the project under which pypiserver lists a file and the version it sees, or None where it is no package.

    The version is raw, and without the build of a wheel: pypiserver calls `foo-1.0-3-py3-none-any.whl` version
    `1.0-3`, sorts by that and compares it with nothing, so a build tag is no disagreement.
    """
    guessed = guess(filename)
    return None if guessed is None else named(*guessed)


def guess(filename: str) -> tuple[str, str] | None:
    """Read a filename as pypiserver's `guess_pkgname_and_version` does, but for the build of a wheel."""
    if len(filename) > FILENAME_LIMIT + len(".asc") or not _READABLE.fullmatch(filename):
        return None
    # It strips the characters of ".asc" from the end, not the ending: `x.tar.gz.ascc.asc` is an sdist to it.
    base = filename.rstrip(".asc") if filename.endswith(".asc") else filename
    if base.endswith(".whl"):
        wheel = _WHEEL.fullmatch(base)
        return (wheel["name"], wheel["version"]) if wheel else None
    ending = _ENDING.search(base)
    return _guess_archive(base[: ending.start()]) if ending else None


def _guess_archive(stem: str) -> tuple[str, str]:
    match stem.count("-"):
        case 0:
            return stem, ""
        case 1:
            name, _, version = stem.partition("-")
        case _ if "." not in stem:
            name, _, version = stem.rpartition("-")
        case _:
            name = _VERSION_BEGINS.split(stem, maxsplit=1)[0]
            version = _PLATFORM_BEGINS.split(stem[len(name) + 1 :], maxsplit=1)[0]
    return name, version


def filing(_name: str, _version: str, filename: str) -> tuple[ProjectName, str] | None:
    """Say where pypiserver puts an upload: by the filename alone, whatever the form says besides."""
    return reading(filename)


def page(_index: str, project: ProjectName) -> str:
    """Return the raw target of a project's page."""
    return f"/simple/{project}/"


# Relative as its template writes links, or absolute as they leave it. A link with a host, and one that climbs, is not
# followed: what it leads to is not this index.
_LINK = re.compile(rf"(?:\.\./\.\.)?/packages/(?P<path>{_FOLDERS}(?P<filename>[A-Za-z0-9][A-Za-z0-9._+!-]*))", re.ASCII)
_DIGEST = re.compile(r"(?P<algorithm>md5|sha1|sha224|sha256|sha384|sha512)=(?P<hex>[0-9A-Fa-f]+)", re.ASCII)
_DIGEST_DIGITS = MappingProxyType({"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128})


def files(content: bytes) -> tuple[IndexFile, ...]:
    """Read the files of a project page, in its order; what is no artifact and no file of this index is left out."""
    parser = _Anchors()
    parser.feed(content.decode("utf-8", "replace"))
    parser.close()
    return tuple(file for href in parser.hrefs if (file := _linked(href)) is not None)


def projects(content: bytes) -> tuple[str, ...]:
    """Read the names on the page of all projects, each from where its link leads."""
    parser = _Anchors()
    parser.feed(content.decode("utf-8", "replace"))
    parser.close()
    return tuple(unquote(href).rstrip("/").rpartition("/")[2] for href in parser.hrefs)


class _Anchors(HTMLParser):
    """Collects where the anchors of a page lead."""

    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.hrefs += [value for name, value in attrs if name == "href" and value]

    def parse_marked_section(self, i: int, report: bool = True) -> int:  # noqa: FBT001, FBT002 - not our signature
        # The inherited one raises AssertionError at `<![x[` (CPython 77057); browsers read a comment there.
        return self.parse_bogus_comment(i, report)


def _linked(href: str) -> IndexFile | None:
    path, _, fragment = href.partition("#")
    link = _LINK.fullmatch(unquote(path))
    if link is None:
        return None
    try:
        known = artifact(link["filename"])
    except Refused:
        return None
    found = _DIGEST.fullmatch(fragment)
    whole = found is not None and len(found["hex"]) == _DIGEST_DIGITS[found["algorithm"]]
    digest = (found["algorithm"], found["hex"].lower()) if found is not None and whole else None
    return IndexFile(known, f"/packages/{link['path']}", digest)


def spelling(filename: str) -> tuple[str, str] | None:
    """Return the name and the version by which `remove_pkg` knows a file: raw, and compared as they stand."""
    guessed = guess(filename)
    wheel = _WHEEL.fullmatch(filename.rstrip(".asc") if filename.endswith(".asc") else filename)
    if guessed is None or wheel is None or wheel["build"] is None:
        return guessed
    return guessed[0], f"{guessed[1]}-{wheel['build']}"


def removal(content: bytes, _index: str, project: ProjectName, version: str) -> Removal | None:
    """Read from a project's page how to delete a release: one `remove_pkg` for each of its spellings.

    `remove_pkg` deletes whatever it reads as this name and version. All that it could read so begins with both, and
    is on this page, because what a page lists is of the same name, normalised (measured). Raises Refused (mismatch)
    where that would be a file of another release, or one whose reading nobody can be sure of.
    """
    parser = _Anchors()
    parser.feed(content.decode("utf-8", "replace"))
    parser.close()
    names = {unquote(href.partition("#")[0]).rpartition("/")[2] for href in parser.hrefs}
    ours = {name for name in names if _is_of(name, project, version)}
    spellings = {found for name in ours if (found := spelling(name)) is not None}
    for name in sorted(names - ours):
        known = spelling(name)
        hit = known in spellings if known else any(name.startswith(f"{n}-{v}") for n, v in spellings)
        if hit:
            raise refuse(
                Code.MISMATCH,
                f"the index would delete {quoted(name)} as well, which is not surely of {quoted(project)} {version}: "
                "its operator must move that file first",
            )
    requests = tuple(
        RemovalRequest("POST", "/", urlencode({":action": "remove_pkg", "name": name, "version": raw}).encode("ascii"))
        for name, raw in sorted(spellings)
    )
    return Removal(requests, tuple(file for file in files(content) if file.filename in ours)) if requests else None


def _is_of(filename: str, project: ProjectName, version: str) -> bool:
    """Whether a file, or the file of a signature, is of this release by the index's reading and by the standards'."""
    package = filename.removesuffix(".asc")
    read = reading(package)
    if read is None or read[0] != project or not is_version(read[1], version):
        return False
    try:
        known = artifact(package)
    except Refused:
        return True  # an egg, an old spelling: the index's reading is the only one
    return known.project == project and same_version(known.version, version)


PYPISERVER = Flavour(
    name="pypiserver",
    indexes=(INDEX,),
    uploads=MappingProxyType({"/": INDEX}),
    target=lambda _index: "/",
    reads=_READS,
    reading=reading,
    filing=filing,
    page=page,
    root=lambda _index: "/simple/",
    projects=projects,
    accept="text/html",
    files=files,
    # A redirect is its way of saying "not here, ask the public index" (measured; `--disable-fallback` makes it a 404).
    absent=frozenset({404, *range(300, 400)}),
    standing=None,
    recognises=lambda _: True,
    outside=lambda scheme, host: {"X-Forwarded-Host": host, "X-Forwarded-Proto": scheme},
    login=None,
    welcome=200,
    removals=Removals(by_form=True, target=None, planned=removal),
    passed_on="/simple/, /simple/PROJECT/, /packages/FILE, /PROJECT/json and searches, and uploads to /",
)
