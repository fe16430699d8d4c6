"""What devpi takes besides packages, for whoever has a password of devpi's own: users, indexes, test results.

Nothing is opened but what the config names (`backend.opens`). devpi judges what its user may do; grants and rules say
nothing here, so a key opens none of it, and the service credentials go with none.

devpi takes whoever has a wrong password for nobody in particular, whom it lets make users and post test results, and
says 403 to the rest (measured). So the password is proved first, by asking devpi who it takes the sender for.
"""

import asyncio
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs
from aiohttp.web import BaseRequest, Response

from authproxy.authority.credential import Credential
from authproxy.backend.client import AGENT, PARSED_AT_ONCE, whole
from authproxy.backend.flavour import Flavour
from authproxy.backend.opened import BODY_LIMIT, Opened, opened, rewritten
from authproxy.domain.keys import shows_secret
from authproxy.domain.refusal import Code, Refused, refuse
from authproxy.web.answers import marked, private
from authproxy.web.credentials import holder_of, presented
from authproxy.web.head import Address, no_body, written
from authproxy.web.parts import Parts
from authproxy.web.passwords import UNKNOWN_USER
from authproxy.web.receive import bounded_body

# What devpi says of a user with all of its indexes, or of an index.
ANSWER_LIMIT: Final = 1024 * 1024  # bytes

JSON_TYPE: Final = "application/json"
FOR_USERS: Final = "this is for users of devpi: send a user name and devpi's own password, by HTTP Basic"
BAD_TYPE: Final = "the body is JSON here: send it with Content-Type: application/json"
STRANGE: Final = "the index answered in a form that is not devpi's: look there whether it did what was asked"


def is_opened(flavour: Flavour, request: BaseRequest) -> bool:
    """Whether this asks for something that the config has opened."""
    return _wanted(flavour, request) is not None


def _wanted(flavour: Flavour, request: BaseRequest) -> Opened | None:
    return opened(flavour.opens, flavour.indexes, request.method, request.raw_path)


async def pass_on(parts: Parts, request: BaseRequest, address: Address) -> Response:
    """Take one request to devpi, in its sender's name, and bring back what devpi says.

    Raises Refused (no-route, credential-missing, not-allowed, password-wrong, throttled, request-invalid, ...).
    """
    wanted = _wanted(parts.backend.flavour, request)
    if wanted is None:
        raise refuse(Code.NO_ROUTE, "this is not passed on")
    credential = presented(parts, request)
    if credential is not None and credential.key_text is not None:
        holder = await holder_of(parts, credential, address)
        raise refuse(
            Code.NOT_ALLOWED,
            f"{holder.name} may not {wanted.method} here: users, indexes and test results take devpi's own password",
        )
    own = await _proved(parts, credential, address)
    body = await _body(parts, request, wanted)
    headers = {
        str(hdrs.AUTHORIZATION): own,
        str(hdrs.ACCEPT): JSON_TYPE,
        str(hdrs.USER_AGENT): AGENT,
        "X-Forwarded-For": written(address),
    }
    if body is not None:
        headers[str(hdrs.CONTENT_TYPE)] = JSON_TYPE
    return await _answered(parts, wanted, headers, body, address)


async def _proved(parts: Parts, credential: Credential | None, address: Address) -> str:
    own = None if credential is None else await parts.passwords.known(credential, address, now=parts.now())
    if own is None:
        raise refuse(Code.CREDENTIAL_MISSING, FOR_USERS)
    return own


async def _body(parts: Parts, request: BaseRequest, wanted: Opened) -> bytes | None:
    if not wanted.body:
        no_body(request)
        return None
    if request.content_type != JSON_TYPE:
        raise refuse(Code.REQUEST_INVALID, BAD_TYPE)
    content = await bounded_body(request, BODY_LIMIT, "this request")
    if len(content) > PARSED_AT_ONCE:
        body = await asyncio.to_thread(rewritten, content, lists=wanted.lists)
    else:
        body = rewritten(content, lists=wanted.lists)
    if shows_secret(body.decode("ascii"), parts.config.keys.prefix):
        raise refuse(Code.REQUEST_INVALID, "the body holds a key: keep it out of there, and replace it")
    return body


async def _answered(
    parts: Parts, wanted: Opened, headers: dict[str, str], body: bytes | None, address: Address
) -> Response:
    async with await parts.backend.read(wanted.method, wanted.target, headers, body) as answer:
        if answer.status == HTTPStatus.UNAUTHORIZED:
            parts.authority.presented_wrong(address, parts.now())
            raise Refused(UNKNOWN_USER)
        content = await whole(answer, ANSWER_LIMIT)
        media = answer.headers.get(hdrs.CONTENT_TYPE, "")
    redirects = HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST
    if content is None or redirects or media.partition(";")[0].strip().lower() != JSON_TYPE:
        raise refuse(Code.INDEX_UNREACHABLE, STRANGE)
    flavour = parts.backend.flavour
    told = private(flavour) | marked(flavour) | {"Content-Type": JSON_TYPE}
    return Response(status=answer.status, body=content, headers=told)
