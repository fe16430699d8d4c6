"""Which projects an index has: its own list of them, read whole.

The list is the one thing that is asked of an index as a whole, and for adopting what it holds alone (`audit adopt`).
"""

from dataclasses import dataclass

from authproxy.backend.answer import MISCONFIGURED
from authproxy.backend.client import AGENT, PAGE_LIMIT, REFUSALS, Backend, whole
from authproxy.domain.names import ProjectName, project_name
from authproxy.domain.refusal import Code, Refused, refuse


@dataclass(frozen=True, slots=True)
class Projects:
    """The projects of an index in the order of their names, and how many names in its list are none."""

    names: tuple[ProjectName, ...]
    unreadable: int = 0


async def projects(backend: Backend, index: str) -> Projects:
    """Read the list of an index. Raises Refused (index-unreachable, index-timeout, misconfigured)."""
    headers = {"Accept": backend.flavour.accept, "User-Agent": AGENT}
    async with await backend.lent("GET", backend.flavour.root(index), headers) as response:
        if response.status in REFUSALS:
            raise refuse(Code.MISCONFIGURED, MISCONFIGURED)
        page = await whole(response, PAGE_LIMIT)
        if response.status != 200 or page is None:
            raise refuse(
                Code.INDEX_UNREACHABLE, f"the index could not list its projects, it answered {response.status}"
            )
    found: set[ProjectName] = set()
    unreadable = 0
    for raw in backend.flavour.projects(page):
        try:
            found.add(project_name(raw))
        except Refused:
            unreadable += 1
    return Projects(tuple(sorted(found)), unreadable)
