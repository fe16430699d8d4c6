"""A release goes from one of devpi's indexes into another: which files it has, how devpi is asked, what came of it.

devpi copies within itself: whatever its source lists under the name and the version at that moment (measured), so that
all of it must be readable here before it is asked. Who changes the source through us is kept out meanwhile; what came
past us shows afterwards, when the target is compared with what was judged and with what it had before. `devpi push`
asks by a method PUSH of its own; the request is written anew by us, and it names an index of the config: with `posturl`
in place of `targetindex` devpi would send the files to any URL.

What became of it the listing of the target says: an answer may be lost, and a push that is refused may have copied a
part. Where no answer came, devpi may still be at it, and nothing counts as not there.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from authproxy.backend.answer import answered, no_of, said_by
from authproxy.backend.client import AGENT, ANSWER_LIMIT, Backend, whole
from authproxy.backend.flavour import Flavour, IndexFile, is_version
from authproxy.domain.access import Outcome
from authproxy.domain.names import ProjectName, same_version
from authproxy.domain.refusal import Code, Denial, Refused, quoted, refuse

METHOD: Final = "PUSH"
# Seconds after which a release that was just being changed is settled.
AGAIN: Final = 2


@dataclass(frozen=True, slots=True)
class Push:
    """A release as the source has it. `spelled`: its version as devpi writes it, 1.0 and 1.0.0 are two to it."""

    source: str
    target: str
    project: ProjectName
    version: str  # canonical
    spelled: tuple[str, ...]
    files: tuple[IndexFile, ...]  # each with its sha256

    def sha256(self, identity: str) -> str:
        """Lower-case hex, of a file of the release."""
        return next(each.digest[1] for each in self.files if each.artifact.identity == identity and each.digest)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that a release in the target has and had not before, and that nobody judged. `file`: where it is one."""

    name: str
    file: IndexFile | None


@dataclass(frozen=True, slots=True)
class PushAnswer:
    """What became of a push: `outcomes` by the identity of a file. `over`: the index is surely done with it."""

    outcomes: dict[str, Outcome]
    status: int | None
    denial: Denial | None = None
    over: bool = True
    arrivals: tuple[Arrival, ...] = ()


async def plan(backend: Backend, source: str, target: str, project: ProjectName, version: str) -> Push:
    """Find a release in the source. Raises Refused (request-invalid, mismatch; what reading a listing raises)."""
    page = await backend.listing(source, project)
    found = None if page is None else planned(backend.flavour, page, (source, target), project, version)
    if found is None:
        # 404 would let a client look elsewhere, and this is its key's own mistake.
        raise refuse(
            Code.REQUEST_INVALID,
            f"{source} has no files of release {version} of {quoted(project)}: there is nothing to push",
        )
    return found


def planned(flavour: Flavour, page: bytes, way: tuple[str, str], project: ProjectName, version: str) -> Push | None:
    """Read a release off the listing of its project; None where it has no files.

    Raises Refused (index-unreachable, mismatch).
    """
    if flavour.files(page) is None:
        return None
    releases: dict[str, Any] = json.loads(page)["result"]
    spelled = tuple(raw for raw in sorted(releases) if is_version(raw, version))
    links = [link for raw in spelled for link in _links(releases[raw])]
    if not links:
        return None
    files = flavour.files(json.dumps({"result": {raw: releases[raw] for raw in spelled}}).encode()) or ()
    strange = next((each.filename for each in files if not _belongs(each, project, version)), None)
    if strange is not None or len(files) != len(links):
        what = "a file that is neither a wheel nor an sdist" if strange is None else quoted(strange)
        raise refuse(
            Code.MISMATCH,
            f"{way[0]} has {what} in release {version} of {quoted(project)}, and devpi would push it along",
        )
    if any(each.digest is None or each.digest[0] != "sha256" for each in files):
        raise refuse(
            Code.MISMATCH, f"{way[0]} does not say the sha256 of every file of release {version} of {quoted(project)}"
        )
    if len({each.artifact.identity for each in files}) != len(files):
        raise refuse(
            Code.MISMATCH,
            f"{way[0]} has one file of release {version} of {quoted(project)} in two spellings, delete one of them",
        )
    return Push(*way, project, version, spelled, files)


def _belongs(file: IndexFile, project: ProjectName, version: str) -> bool:
    return file.artifact.project == project and same_version(file.artifact.version, version)


async def carry_out(
    backend: Backend, push: Push, wanted: frozenset[str], address: str, replaceable: frozenset[str] = frozenset()
) -> PushAnswer:
    """Ask devpi to push, if the source is still what was judged; say what became of it. Never raises for the index.

    `wanted`: the identities of the files that the target does not have yet, as far as we know. One of them that came
    there past us, with other bytes, ends the push unless it is `replaceable`: a volatile target would replace it.
    """
    try:
        before = await _listed(backend, push)
        again = await plan(backend, push.source, push.target, push.project, push.version)
        if again != push:
            changed = f"release {push.version} of {quoted(push.project)} changed in {push.source} meanwhile, try again"
            raise refuse(Code.BUSY, changed, retry_after=AGAIN)
        _require_free(push, before, wanted - replaceable)
    except Refused as refused:
        return PushAnswer(dict.fromkeys(wanted, Outcome.FAILED), None, refused.denial)
    status, denial = await _asked(backend, push, address)
    # 5xx: how far it came, only the index can tell, and perhaps later.
    clear = status is not None and status < 500
    try:
        after = await _listed(backend, push)
    except Refused as refused:
        return PushAnswer(dict.fromkeys(wanted, Outcome.UNKNOWN), status, denial or refused.denial, clear)
    missing = Outcome.REFUSED if clear else Outcome.UNKNOWN
    outcomes = _outcomes(push, wanted, after, missing)
    arrived = all(outcome is Outcome.STORED for outcome in outcomes.values())
    why = Denial(Code.INDEX_REFUSED, f"{push.target} does not list all files of {quoted(push.project)}: try again")
    # One request is one transaction to devpi: where its files are, all of it has been done.
    done = clear or (arrived and len(push.spelled) == 1)
    strange = _unjudged(push, before, after)
    return PushAnswer(outcomes, status, None if arrived else denial or why, done, strange)


def _require_free(push: Push, before: "_Listing", wanted: frozenset[str]) -> None:
    for file in before.values():
        identity = None if file is None else file.artifact.identity
        if file is not None and identity in wanted and file.digest != ("sha256", push.sha256(file.artifact.identity)):
            raise refuse(
                Code.FILE_EXISTS,
                f"File already exists: {push.target} has {quoted(file.filename)} with other bytes, "
                "release a new version instead",
            )


def _outcomes(push: Push, wanted: frozenset[str], after: "_Listing", missing: Outcome) -> dict[str, Outcome]:
    held = {(file.artifact.identity, file.digest) for file in after.values() if file is not None}
    return {
        identity: Outcome.STORED if (identity, ("sha256", push.sha256(identity))) in held else missing
        for identity in wanted
    }


# By the name of a file and its hash, as the index writes them.
_Listing = dict[tuple[str, str], IndexFile | None]


async def _listed(backend: Backend, push: Push) -> _Listing:
    """Read all files that the target has of the release, also those that no installer takes. Raises Refused."""
    page = await backend.listing(push.target, push.project)
    if page is None or backend.flavour.files(page) is None:
        return {}
    found: _Listing = {}
    releases: dict[str, Any] = json.loads(page)["result"]
    for raw, release in releases.items():
        for link in _links(release) if is_version(raw, push.version) else ():
            read = backend.flavour.files(json.dumps({"result": {raw: {"+links": [link]}}}).encode())
            name = urlsplit(link["href"]).path.rpartition("/")[2]
            file = read[0] if read else None
            found[name, file.digest[1] if file and file.digest else str(link.get("hashes"))] = file
    return found


def _links(release: dict[str, Any]) -> list[dict[str, Any]]:
    return [link for link in release.get("+links", ()) if link["rel"] == "releasefile"]


def _unjudged(push: Push, before: _Listing, after: _Listing) -> tuple[Arrival, ...]:
    judged = {(file.filename, push.sha256(file.artifact.identity)) for file in push.files}
    return tuple(
        Arrival(key[0], file)
        for key, file in sorted(after.items(), key=lambda each: each[0])
        if key not in before and key not in judged
    )


async def _asked(backend: Backend, push: Push, address: str) -> tuple[int | None, Denial | None]:
    """Ask for each spelling of the release until one is refused. The status is None where one got no answer."""
    status: int | None = None
    try:
        # No longer than the release is held in its source.
        async with asyncio.timeout(backend.upstream.upload_timeout):
            for spelled in push.spelled:
                status, text = await _ask(backend, push, spelled, address)
                if (denial := _denial(status, text)) is not None:
                    return status, denial
    except Refused as refused:
        return None, refused.denial
    except TimeoutError:
        return None, Denial(Code.INDEX_TIMEOUT, "the index behind the proxy did not answer in time, try again")
    return status, None


async def _ask(backend: Backend, push: Push, version: str, address: str) -> tuple[int, str]:
    headers = {
        "User-Agent": AGENT,
        "Accept": "application/json",
        "Content-Type": "application/json",
        "X-Forwarded-For": address,
    }
    body = json.dumps({"name": push.project, "version": version, "targetindex": push.target}).encode("ascii")
    async with await backend.lent(METHOD, f"/{push.source}", headers, body) as response:
        return response.status, said_by(await whole(response, ANSWER_LIMIT) or b"")


def _denial(status: int, text: str) -> Denial | None:
    # devpi: the target is not volatile and has a file of the release, be it the same one.
    if status == 409:
        return Denial(Code.FILE_EXISTS, f"File already exists in the target: {answered(status, text)}")
    return no_of(status, text)
