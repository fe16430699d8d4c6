"""Whether the index is there, and takes us for who we are: what readiness asks before anybody uploads."""

from collections.abc import Mapping
from typing import Final

from authproxy.backend.answer import MISCONFIGURED
from authproxy.backend.client import AGENT, ANSWER_LIMIT, Backend, whole
from authproxy.domain.names import ProjectName
from authproxy.domain.refusal import Code, Refused, refuse

# A project that no index has: asking for it costs an index little and shows whether it takes our credentials.
PROBE: Final = ProjectName("authproxy-readiness-probe")


async def trouble_of(backend: Backend) -> str | None:
    """Say in one sentence what is wrong with the index; None where it answers and takes our credentials."""
    try:
        for index in backend.flavour.indexes:
            await _stands(backend, index)
    except Refused as refused:
        return refused.denial.reason
    return None


async def _stands(backend: Backend, index: str) -> None:
    """Raise Refused where an index is not there or takes no credentials of ours.

    devpi is not asked for a project that no index has: it would look for it in the mirrors behind, each time.
    """
    if backend.flavour.standing is None:
        await backend.files(index, PROBE)
        return
    target, credentials = backend.flavour.standing(index), await backend.credentials()
    if await _recognised(backend, index, target, credentials):
        return
    # A new token may be all that it takes.
    renewed = await backend.renewed(credentials)
    if not renewed or not await _recognised(backend, index, target, await backend.credentials()):
        raise refuse(Code.MISCONFIGURED, MISCONFIGURED)


async def _recognised(backend: Backend, index: str, target: str, credentials: Mapping[str, str]) -> bool:
    """Whether an index knows our account: it answers everybody, and says there who asked."""
    headers = {**credentials, "Accept": backend.flavour.accept, "User-Agent": AGENT}
    async with await backend.read("GET", target, headers) as response:
        if response.status in backend.flavour.absent:
            raise refuse(Code.MISCONFIGURED, f"proxy is misconfigured: the index has no {index}")
        if response.status != 200:
            raise refuse(Code.INDEX_UNREACHABLE, f"the index behind the proxy answered {response.status}")
        return not credentials or backend.flavour.recognises(await whole(response, ANSWER_LIMIT) or b"")
