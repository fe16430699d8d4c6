"""devpi-server 6: its routes, where it files an upload, and its listing of a project.

It files an upload by the form's `name` and `version` (measured): the filename must only begin with the one and contain
the other somewhere. So those rules stand here once more, in our words; a test holds them against the real ones.

Every route names its index, so that a key for one never reaches another; an upload goes to one of the indexes of the
config and nowhere else. Whatever devpi has besides has no route here and is not passed on: push, `+status`,
replication, refreshing a mirror; users, indexes and test results only where the config opens them (`opened`). A
`+login` is answered by the proxy itself.

This room is pure. It knows no connection, no key and no rule.
"""

import json
import re
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote, urlsplit

from authproxy.backend.flavour import (
    Flavour,
    IndexFile,
    Removal,
    RemovalRequest,
    Removals,
    Route,
    Sessions,
    is_version,
    named,
)
from authproxy.domain.grants import ANY, Action
from authproxy.domain.names import FILENAME_LIMIT, ProjectName, artifact
from authproxy.domain.refusal import Code, Refused, refuse

_GET: Final = frozenset({"GET", "HEAD"})
# devpi lets more into the names of users and indexes; what the config can name is this.
_WORD: Final = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_INDEX: Final = rf"(?P<index>{_WORD}/{_WORD})"
_NAME: Final = r"(?P<project>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
_LETTER: Final = r"(?:[A-Za-z0-9._+!-]|%2[1Bb])"
_VERSION: Final = rf"[A-Za-z0-9]{_LETTER}*"
_FILENAME: Final = rf"(?P<filename>[A-Za-z0-9_]{_LETTER}*?)"
# A file of a stage lies under 16 digits of its sha256, one of a mirror without hashes under a folder for its page. pip
# asks for `%2Bf` and uv for `+f` (measured).
_FOLDER: Final = rf"(?:\+|%2[Bb])(?:f/[0-9a-f]{{3}}/[0-9a-f]{{13}}|e/[A-Za-z0-9_]{_LETTER}*)"

# What devpi-client asks besides the path (measured): `devpi use` and `devpi index`, `devpi list --ignore-bases`.
_NO_PROJECTS: Final = frozenset({"no_projects="})
_IGNORE_BASES: Final = frozenset({"ignore_bases="})
# The body of the GET that `devpi use -l` sends, with and without `--user` (measured).
_NOTHING: Final = b"{}"


def _read(
    path: str,
    *,
    index: str | None = None,
    queries: frozenset[str] = frozenset(),
    lends: bool = True,
    listing: bool = False,
    spare: bytes = b"",
) -> Route:
    return Route(_GET, re.compile(path, re.ASCII), Action.READ, index, queries, lends, listing, spare)


# No two match the same target: a name holds no `+`. `+api` says who is logged in, so our credentials never go there: a
# reader would be shown the service account.
_READS: Final = (
    _read(r"/\+api", index=ANY),
    _read(rf"/{_WORD}/\+api", index=ANY),
    _read(rf"/{_INDEX}/\+api", lends=False),
    _read(rf"/{_INDEX}/\+simple/?", listing=True),
    _read(rf"/{_INDEX}/\+simple/{_NAME}/?"),
    _read(rf"/{_INDEX}/{_FOLDER}/{_FILENAME}(?:\.metadata)?"),  # .metadata: PEP 658
    _read(r"/", index=ANY, spare=_NOTHING),
    _read(rf"/{_WORD}/?", index=ANY, spare=_NOTHING),
    _read(rf"/{_INDEX}/?", queries=_NO_PROJECTS),
    _read(rf"/{_INDEX}/{_NAME}/?", queries=_IGNORE_BASES),
    _read(rf"/{_INDEX}/{_NAME}/{_VERSION}/?"),
)

# devpi_common.validation: `safe_filenames`, `safe_name_rex` and `legal_package_name`.
_ARCHIVE: Final = re.compile(r"[^\n]+?\.(?:exe|tar\.gz|bz2|rpm|deb|zip|tgz|egg|dmg|msi|whl)", re.ASCII | re.IGNORECASE)
_OTHERS: Final = re.compile(r"[^A-Za-z0-9]+")
# PEP 427 escapes what is neither letter nor digit in the version of a wheel.
_UNESCAPED: Final = re.compile(r"[^\w.]+", re.ASCII)


def filing(name: str, version: str, filename: str) -> tuple[ProjectName, str] | None:
    """Say where devpi puts an upload, or None where it refuses the form. The version is the name of a release to it."""
    contained = version in filename or _UNESCAPED.sub("_", version) in filename
    if not contained or not _ARCHIVE.fullmatch(filename) or not _normal(filename).startswith(_normal(name)):
        return None
    return named(name, version)


def _normal(name: str) -> str:
    return _OTHERS.sub("-", name).lower()


# devpi_common.metadata, `splitbasename`: endings of archives, those of wheels apart.
_ENDING: Final = re.compile(
    r"(?:\.deb|\.dmg|\.msi|\.zip|\.tar\.gz|\.tgz|\.tar\.bz2|\.doc\.zip|\.macosx-[0-9]+.*|\.linux-.*|-[^-]+?\.src\.rpm"
    r"|-[^-]+?\.rpm|\.win-amd68-py[23]\.[0-9]\..*|\.win32-py[23]\.[0-9]\..*|\.win.*\..*"
    r"|-(?:py|cp|ip|pp|jy)[23][0-9.]*.*\..*)\Z",
    re.ASCII | re.IGNORECASE,
)
_ARCHIVES: Final = frozenset(
    {".deb", ".dmg", ".doc.zip", ".egg", ".exe", ".msi", ".rpm", ".tar", ".tar.bz2", ".tar.gz", ".tgz", ".whl", ".zip"}
)
_SUFFIX: Final = re.compile(r"(?:\.doc\.zip|(?:\.tar)?\.[^.]*)\Z", re.ASCII | re.IGNORECASE)
_WHEEL: Final = re.compile(r"(?P<name>.+?)-(?P<version>.*?)(?:-[0-9].*?)?-.+?-.+?-.+?\.whl", re.ASCII)
_RELEASE: Final = r"(?:[1-9][0-9]*!)?(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*"
_POST_AND_DEV: Final = r"(?:\.post(?:0|[1-9][0-9]*))?(?:\.dev(?:0|[1-9][0-9]*))?"
_LOCAL: Final = r"[a-z0-9]+(?:[-_.][a-z0-9]+)*"
_STEMS: Final = (
    re.compile(rf"([^.]+?)-({_RELEASE}(?:(?:a|b|rc)(?:0|[1-9][0-9]*))?{_POST_AND_DEV}(?:\+{_LOCAL})?)", re.ASCII),
    re.compile(
        rf"([^.]+?)-({_RELEASE}(?:(?:a|b|rc|alpha|beta)(?:0|[1-9][0-9]*))?{_POST_AND_DEV}(?:-{_LOCAL})?)", re.ASCII
    ),
)
_READABLE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+!-]*", re.ASCII)


def reading(filename: str) -> tuple[ProjectName, str] | None:
    """Return the project and the version that devpi reads off a filename, or None where it is no package.

    It reads them for mirrors alone (measured): in a stage, a file is whose the form said. Uploads are judged by
    `filing`; this tells whose a file in the index may be that came there without us.
    """
    guessed = guess(filename)
    return None if guessed is None else named(*guessed)


def guess(filename: str) -> tuple[str, str] | None:
    """Read a filename as devpi's `splitbasename` does."""
    if len(filename) > FILENAME_LIMIT or not _READABLE.fullmatch(filename):
        return None
    suffix = _SUFFIX.search(filename)
    if suffix is not None and suffix[0] == ".whl" and (wheel := _WHEEL.fullmatch(filename)):
        return wheel["name"], wheel["version"]
    if suffix is None or suffix[0].lower() not in _ARCHIVES:
        return None
    ending = _ENDING.search(filename)  # an .egg and an .exe are in the version, to devpi
    stem = filename[: ending.start()] if ending else filename
    if "-" not in stem:
        return stem, ""
    for pattern in _STEMS:
        if found := pattern.fullmatch(stem):
            return found[1], found[2]
    name, _, version = stem.rpartition("-")
    return name, version


def page(index: str, project: ProjectName) -> str:
    """Return the raw target of a project's listing in one index, without what it takes from its bases."""
    return f"/{index}/{project}?ignore_bases="


def projects(content: bytes) -> tuple[str, ...]:
    """Read the names of the projects that an index has itself, without those of its bases.

    Raises Refused (index-unreachable) for what is no description of an index.
    """
    try:
        names = json.loads(content)["result"]["projects"]
        return tuple(str(name) for name in names)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise refuse(Code.INDEX_UNREACHABLE, "the index listed its projects in a form that is not devpi's") from None


_PATH: Final = re.compile(
    rf"/{_WORD}/{_WORD}/\+f/[0-9a-f]{{3}}/[0-9a-f]{{13}}/(?P<filename>[A-Za-z0-9][A-Za-z0-9._+!-]*)", re.ASCII
)
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def files(content: bytes) -> tuple[IndexFile, ...] | None:
    """Read the files of a project's listing, releases in its order; None where this index has no release of it.

    A project that only a base has is listed as one without releases (measured). What is no artifact is left out.
    Raises Refused (index-unreachable) for what is no listing.
    """
    try:
        releases = json.loads(content)["result"]
        links = [link for release in releases.values() for link in release.get("+links", ())]
        found = [file for link in links if link["rel"] == "releasefile" and (file := _linked(link)) is not None]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise refuse(
            Code.INDEX_UNREACHABLE, "the index listed this project in a form that is not devpi's, try again later"
        ) from None
    return tuple(found) if releases else None


def _linked(link: dict[str, Any]) -> IndexFile | None:
    path = urlsplit(link["href"]).path
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    try:
        known = artifact(found["filename"])
    except Refused:
        return None
    sha256 = link["hashes"].get("sha256") if "hashes" in link else None
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        return IndexFile(known, path, None)
    return IndexFile(known, path, ("sha256", sha256))


# A release and nothing above it, without a query: devpi deletes whole projects, indexes and users by shorter paths, and
# what a non-volatile index has by `?force`.
_RELEASE_PATH: Final = re.compile(rf"/{_INDEX}/{_NAME}/(?P<version>{_VERSION})", re.ASCII)
_SPELLED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*", re.ASCII)


def removal(content: bytes, index: str, project: ProjectName, version: str) -> Removal | None:
    """Read from a project's listing how to delete a release: `1.0` and `1.0.0` are two to devpi.

    Raises Refused (index-unreachable) as `files` does.
    """
    if files(content) is None:
        return None
    releases: dict[str, Any] = json.loads(content)["result"]
    spelled = [raw for raw in sorted(releases) if _SPELLED.fullmatch(raw) and is_version(raw, version)]
    hit = json.dumps({"result": {raw: releases[raw] for raw in spelled}}).encode()
    requests = tuple(RemovalRequest("DELETE", f"/{index}/{project}/{quote(raw, safe='')}") for raw in spelled)
    return Removal(requests, files(hit) or ()) if requests else None


def recognises(content: bytes) -> bool:
    """Whether the answer of `+api` says that it knows who asks."""
    try:
        return bool(json.loads(content)["result"]["authstatus"][0] == "ok")
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return False


def devpi(indexes: tuple[str, ...], opens: tuple[str, ...] = ()) -> Flavour:
    """Make the flavour of a devpi with these indexes behind the proxy, each in writing `user/index`.

    `opens` names what it takes besides (`backend.opened`).
    """
    return Flavour(
        name="devpi",
        indexes=indexes,
        uploads=MappingProxyType({f"/{index}{slash}": index for index in indexes for slash in ("", "/")}),
        target=lambda index: f"/{index}/",
        reads=_READS,
        reading=reading,
        filing=filing,
        page=page,
        root=lambda index: f"/{index}",
        projects=projects,
        accept="application/json",
        files=files,
        absent=frozenset({404, 410}),  # 410: "existed, deleted in later serial"
        standing=lambda index: f"/{index}/+api",
        recognises=recognises,
        outside=lambda scheme, host: {"X-Outside-URL": f"{scheme}://{host}"},
        login="/+login",
        welcome=400,
        removals=Removals(by_form=False, target=_RELEASE_PATH, planned=removal),
        passed_on="/USER/INDEX/+simple/, /USER/INDEX/+simple/PROJECT/, files under +f and +e, /USER/INDEX/PROJECT and "
        f"+api, and uploads to {', '.join(f'/{index}/' for index in indexes)}",
        pushes=True,
        opens=opens,
        sessions=Sessions(header="X-Devpi-Auth", about="/+api", version=("X-Devpi-Api-Version", "2")),
    )
