"""A release is deleted from the index: which requests do it, what they hit, and what came of it.

The index's listing says how it spells the release; a `Flavour` makes the requests of it, each written anew by us, and
refuses where one of them would hit anything besides. What became of them the listing says again: an answer may be lost,
and an index that was asked for two spellings may have followed one.
"""

from dataclasses import dataclass
from typing import Final

from authproxy.backend.answer import answered, no_of, said_by
from authproxy.backend.client import AGENT, ANSWER_LIMIT, Backend, whole
from authproxy.backend.flavour import IndexFile, Removal, RemovalRequest
from authproxy.domain.access import Outcome
from authproxy.domain.names import ProjectName
from authproxy.domain.refusal import Code, Denial, Refused, quoted, refuse

URLENCODED: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class RemovalAnswer:
    """What became of a removal. `left`: the names of files that are still there."""

    outcome: Outcome
    status: int | None
    left: frozenset[str]
    denial: Denial | None = None


async def plan(backend: Backend, index: str, project: ProjectName, version: str) -> Removal:
    """Find a release in the index. Raises Refused (not-there, mismatch; what reading a listing raises)."""
    found = await _planned(backend, index, project, version)
    if found is None:
        raise refuse(
            Code.NOT_THERE, f"the index has no release {version} of {quoted(project)}: there is nothing to delete"
        )
    return found


async def carry_out(
    backend: Backend, index: str, project: ProjectName, version: str, removal: Removal, address: str
) -> RemovalAnswer:
    """Ask the index to delete a release; say what became of it. Never raises for what the index does."""
    status, denial = None, None
    for request in removal.requests:
        try:
            status, text = await _ask(backend, request, address)
        except Refused as refused:
            denial = refused.denial
            break
        if (denial := _denial(status, text)) is not None:
            break
    names = frozenset(file.filename for file in removal.files)
    try:
        again = await of_release(backend, index, project, version)
    except Refused as refused:
        return RemovalAnswer(Outcome.UNKNOWN, status, names, denial or refused.denial)
    if again is None:
        return RemovalAnswer(Outcome.REMOVED, status, frozenset())
    left = frozenset(file.filename for file in again)
    why = Denial(Code.INDEX_REFUSED, f"the index still has files of {quoted(project)} {version}: try again")
    return RemovalAnswer(Outcome.REFUSED, status, left, denial or why)


async def of_release(backend: Backend, index: str, project: ProjectName, version: str) -> tuple[IndexFile, ...] | None:
    """Read which package files the index has of a release, None where it has no such release.

    Raises Refused (mismatch; what reading a listing raises).
    """
    found = await _planned(backend, index, project, version)
    return None if found is None else found.files


async def _planned(backend: Backend, index: str, project: ProjectName, version: str) -> Removal | None:
    page = await backend.listing(index, project)
    return None if page is None else backend.flavour.removals.planned(page, index, project, version)


async def _ask(backend: Backend, request: RemovalRequest, address: str) -> tuple[int, str]:
    headers = {"User-Agent": AGENT, "Accept": "application/json, text/plain, */*", "X-Forwarded-For": address}
    if request.body:
        headers["Content-Type"] = URLENCODED
    async with await backend.lent(request.method, request.target, headers, request.body or None) as response:
        return response.status, said_by(await whole(response, ANSWER_LIMIT) or b"")


def _denial(status: int, text: str) -> Denial | None:
    # 404: somebody was quicker, and the listing says whether everything is gone.
    if status == 404:
        return None
    # devpi keeps what a non-volatile index has, and says so with the status of a missing right.
    if status == 403 and "volatile" in text:
        return Denial(Code.INDEX_REFUSED, answered(status, text))
    return no_of(status, text)
