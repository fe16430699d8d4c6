"""Whether the index takes somebody's own password for uploads, asked with a form that changes nothing.

`:action=verify` goes through the index's own check of who may upload and is then left alone: pypiserver ignores it with
200, devpi answers 400, "not supported" (measured). So a password is judged where passwords are kept, before a byte of
the upload is read, and whoever has none learns nothing of what the index holds.

An index that gives the same answer to nobody at all has judged nothing: its yes would open the proxy to everyone.
"""

from typing import Final

from authproxy.backend.answer import said_by
from authproxy.backend.client import AGENT, ANSWER_LIMIT, REFUSALS, Backend, whole
from authproxy.domain.refusal import Code, refuse

HARMLESS: Final = b"%3Aaction=verify"
URLENCODED: Final = "application/x-www-form-urlencoded"

OPEN_INDEX: Final = (
    "proxy is misconfigured: the index takes uploads without a password, so that it cannot say whose is right; its "
    "operator must set passwords to refuse, or give the index passwords"
)


async def taken(backend: Backend, index: str, own: str, address: str) -> bool:
    """Ask an index whether whoever sends the Authorization `own` may upload to it.

    Raises Refused (misconfigured, index-unreachable, index-timeout).
    """
    if await _welcome(backend, index, {}, address):
        raise refuse(Code.MISCONFIGURED, OPEN_INDEX)
    return await _welcome(backend, index, {"Authorization": own}, address)


async def known(backend: Backend, own: str, address: str) -> bool:
    """Ask an index that says who it takes somebody for whether it knows whoever sends the Authorization `own`.

    Raises Refused (index-unreachable, index-timeout).
    """
    sessions = backend.flavour.sessions
    if sessions is None:
        return False
    headers = {"Authorization": own, "Accept": "application/json", "User-Agent": AGENT, "X-Forwarded-For": address}
    async with await backend.read("GET", sessions.about, headers) as response:
        if response.status in REFUSALS:
            return False
        if response.status != 200:
            raise refuse(Code.INDEX_UNREACHABLE, f"the index does not say who asks, it answered {response.status}")
        return backend.flavour.recognises(await whole(response, ANSWER_LIMIT) or b"")


async def _welcome(backend: Backend, index: str, own: dict[str, str], address: str) -> bool:
    headers = {**own, "Content-Type": URLENCODED, "User-Agent": AGENT, "X-Forwarded-For": address}
    async with await backend.read("POST", backend.flavour.target(index), headers, HARMLESS) as response:
        if response.status in REFUSALS:
            return False
        if response.status == backend.flavour.welcome:
            return True
        said = said_by(await whole(response, ANSWER_LIMIT) or b"")
    reason = f"the index does not say who may upload, it answered {response.status}"
    raise refuse(Code.INDEX_UNREACHABLE, f"{reason}: {said}" if said else reason)
