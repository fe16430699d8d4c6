"""A release goes from one of devpi's indexes into another: which files it has, how devpi is asked, what came of it.

devpi copies within itself: whatever its source lists under the name and the version (measured), so that all of it must
be readable here before it is asked. `devpi push` asks by a method PUSH of its own; the request is written anew by us,
and it names an index of the config: with `posturl` in place of `targetindex` devpi would send the files to any URL.

What became of it the listing of the target says: an answer may be lost, and a push that is refused may have copied a
part. Where no answer came, devpi may still be at it, and nothing counts as not there.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from authproxy.backend.answer import MISCONFIGURED, said_by
from authproxy.backend.client import AGENT, ANSWER_LIMIT, Backend, whole
from authproxy.backend.flavour import Flavour, IndexFile, is_version
from authproxy.domain.access import Outcome
from authproxy.domain.names import ProjectName, same_version
from authproxy.domain.refusal import Code, Denial, Refused, quoted, refuse

METHOD: Final = "PUSH"


@dataclass(frozen=True, slots=True)
class Push:
    """A release as the source has it. `spelled`: its version as devpi writes it, 1.0 and 1.0.0 are two to it."""

    source: str
    target: str
    project: ProjectName
    spelled: tuple[str, ...]
    files: tuple[IndexFile, ...]  # each with its sha256

    def sha256(self, identity: str) -> str:
        """Lower-case hex, of a file of the release."""
        return next(each.digest[1] for each in self.files if each.artifact.identity == identity and each.digest)


@dataclass(frozen=True, slots=True)
class PushAnswer:
    """What became of a push: `outcomes` by the identity of a file."""

    outcomes: dict[str, Outcome]
    status: int | None
    denial: Denial | None = None


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
    links = [link for raw in spelled for link in releases[raw].get("+links", ()) if link["rel"] == "releasefile"]
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
    return Push(*way, project, spelled, files)


def _belongs(file: IndexFile, project: ProjectName, version: str) -> bool:
    return file.artifact.project == project and same_version(file.artifact.version, version)


async def carry_out(backend: Backend, push: Push, wanted: frozenset[str], address: str) -> PushAnswer:
    """Ask devpi to push; say what became of it. Never raises for what the index does.

    `wanted`: the identities of the files that the target does not have yet.
    """
    status, denial, answered = None, None, True
    for spelled in push.spelled:
        try:
            status, text = await _ask(backend, push, spelled, address)
            denial = _denial(status, text)
        except Refused as refused:
            answered, denial = False, refused.denial
        if denial is not None:
            break
    # 5xx: how far it came, only the index can tell, and perhaps later.
    missing = Outcome.REFUSED if answered and (status or 0) < 500 else Outcome.UNKNOWN
    try:
        there = await backend.files(push.target, push.project) or ()
    except Refused as refused:
        return PushAnswer(dict.fromkeys(wanted, Outcome.UNKNOWN), status, denial or refused.denial)
    held = {(file.artifact.identity, file.digest) for file in there}
    outcomes = {
        identity: Outcome.STORED if (identity, ("sha256", push.sha256(identity))) in held else missing
        for identity in wanted
    }
    if all(outcome is Outcome.STORED for outcome in outcomes.values()):
        return PushAnswer(outcomes, status)
    why = Denial(Code.INDEX_REFUSED, f"{push.target} does not list all files of {quoted(push.project)}: try again")
    return PushAnswer(outcomes, status, denial or why)


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
    said = f"the index answered {status}" + (f": {text}" if text else "")
    if 200 <= status < 300:
        return None
    if status in (401, 403):
        return Denial(Code.MISCONFIGURED, f"{MISCONFIGURED}; {said}")
    # devpi: the target is not volatile and has a file of the release, be it the same one.
    if status == 409:
        return Denial(Code.FILE_EXISTS, f"File already exists in the target: {said}")
    return Denial(Code.INDEX_REFUSED if status < 500 else Code.INDEX_UNREACHABLE, said)
