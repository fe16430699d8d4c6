"""What a request turned out to be about, for its line in the log: whose key, which file, as far as that was known.

A room says so when it knows; the line is written when the answer is out (`app`). Names are those that were checked, no
text of a client's; the log escapes them once more. Never a secret: a key by its public id.
"""

from collections.abc import Sequence
from typing import Final

from aiohttp.web import BaseRequest, RequestKey

from authproxy.domain.access import Access, Principal

_ABOUT: Final[RequestKey[dict[str, str]]] = RequestKey("authproxy.about", dict)


def told_of(request: BaseRequest, principal: Principal, access: Access | None = None) -> None:
    """Note who asks, and for what."""
    told: dict[str, str | None] = {"key": principal.public_id, "user": principal.user}
    if access is not None:
        artifact = access.artifact
        told |= {"index": access.index, "source": access.source, "project": access.project}
        told |= {"version": artifact.version if artifact else access.version}
        told |= {"file": artifact.filename if artifact else None, "sha256": access.sha256}
    request[_ABOUT] = {name: text for name, text in told.items() if text}


def told_missing(request: BaseRequest, what: Sequence[str]) -> None:
    """Note what keeps an upload from passing, by our words for it."""
    if what:
        request[_ABOUT] = {"missing": ", ".join(what)}


def about(request: BaseRequest) -> dict[str, str]:
    """What was noted: words for the line, none where nothing is known."""
    told: dict[str, str] = request.get(_ABOUT, {})
    return told
