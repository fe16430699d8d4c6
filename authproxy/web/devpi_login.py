"""What devpi-client asks before it works: where everything is (`+api`), and for a login (`POST /+login`).

Both are answered here, for the holders of keys, because devpi's own answers would be about another account or none: it
knows no key, and must not be shown one. A login proves the key and hands it back as the session's password, which the
client keeps and sends from then on; there is no session of ours to lose. The index hears nothing of a login, and is
asked for `+api` as nobody, so that neither answer can name the service account.
"""

import json
from http import HTTPStatus
from typing import Any, Final

from aiohttp import hdrs
from aiohttp.web import BaseRequest, Response, StreamResponse

from authproxy.authority.credential import key_of_login
from authproxy.backend.client import AGENT, ANSWER_LIMIT, whole
from authproxy.backend.flavour import Flavour
from authproxy.config import Reads
from authproxy.domain.access import Principal
from authproxy.domain.caveats import Lifetime
from authproxy.domain.grants import ANY
from authproxy.domain.policy import KEYS_ONLY, admit_passwords
from authproxy.domain.refusal import Code, Refused, refuse
from authproxy.web.answers import marked, private
from authproxy.web.credentials import holder_of, may_log_in, presented, proved
from authproxy.web.head import Address, no_body
from authproxy.web.parts import Parts
from authproxy.web.read import read
from authproxy.web.receive import bounded_body, texts

# The body of a login: a name, and a key of some 70 characters, or a derived one (`domain.derived`).
LOGIN_LIMIT: Final = 8 * 1024  # bytes

# devpi-client needs a number, and shows it in hours: for a key that does not expire, those of a year.
ENDLESS: Final = 365 * 24 * 60 * 60  # seconds

NO_PASSWORDS: Final = (
    "the index's own passwords are not logged in through this proxy: log in as __token__ with an API key as the "
    "password, or let `devpi use` have the user and the password in its URL"
)
FIELDS: Final = ("user", "password")
BAD_LOGIN: Final = 'a login is a JSON object with two strings, "user" and "password"'
NO_API: Final = "the index did not say where its pages are: it answered in a form that is not devpi's, try again later"


def is_login(flavour: Flavour, request: BaseRequest) -> bool:
    """Whether this is a client's login."""
    return flavour.sessions is not None and request.method == hdrs.METH_POST and request.raw_path == flavour.login


def is_about(flavour: Flavour, request: BaseRequest) -> bool:
    """Whether this asks who is logged in. Whether anybody may ask it is for the table of reads to say."""
    return flavour.sessions is not None and request.raw_path.endswith(flavour.sessions.about)


async def login(parts: Parts, request: BaseRequest, address: Address) -> Response:
    """Log the holder of a key in. What stands in the headers is not looked at: it may be a login that has ended.

    Raises Refused (credential-invalid, request-invalid, length-required, too-large, timeout, throttled, busy).
    """
    sent = texts(await bounded_body(request, LOGIN_LIMIT, "a login"), FIELDS)
    if sent is None:
        raise refuse(Code.REQUEST_INVALID, BAD_LOGIN)
    user, password = sent["user"], sent["password"]
    key_text = key_of_login(user, password, parts.config.keys.prefix)
    if key_text is None:
        # What the sentence offers besides keys has to be true.
        allowed = admit_passwords(parts.config.policy, now=parts.now()) is None
        raise refuse(Code.CREDENTIAL_INVALID, NO_PASSWORDS) if allowed else Refused(KEYS_ONLY)
    principal = await proved(parts, key_text, address)
    may_log_in(principal, parts.now())
    # The other half of what has just been proved: the client sends it with the same user name.
    result = {"password": password, "expiration": _left(principal, parts.now())}
    page = {"status": 200, "type": "proxyauth", "message": "login successful", "result": result}
    return _answer(parts, page)


def _left(principal: Principal, now: int) -> int:
    """The seconds for which a key will be taken yet."""
    key, public_id = principal.key, principal.public_id
    secret = key.secret(public_id) if key is not None and public_id is not None else None
    ends = [each.expires for each in (key, secret) if each is not None and each.expires is not None]
    ends += [each.expires for each in principal.caveats or () if isinstance(each, Lifetime)]
    return max(0, min(ends, default=now + ENDLESS) - now)


async def about(parts: Parts, request: BaseRequest, address: Address) -> StreamResponse:
    """Say where everything is, and which key asks: to whoever has one, whatever it may do.

    Under `reads: key` also to nobody in particular, of the indexes that stand here: a client has to know where to log
    in. Everybody else asks the index, as for any page. Raises Refused.
    """
    asked, credential = parts.readers.asked(request.method, request.raw_path), presented(parts, request)
    no_body(request)
    ours = asked.index in (ANY, *parts.backend.flavour.indexes)
    if ours and credential is not None and credential.key_text is not None:
        holder = await holder_of(parts, credential, address)
        may_log_in(holder, parts.now())
        return await _told(parts, asked.target, address, ["ok", holder.public_id, []])
    if ours and credential is None and parts.config.reads is Reads.KEY:
        return await _told(parts, asked.target, address, ["noauth", "", []])
    return await read(parts, request, address)


async def _told(parts: Parts, target: str, address: Address, status: list[Any]) -> Response:
    headers = {"Accept": "application/json", "User-Agent": AGENT, "X-Forwarded-For": str(address)}
    async with await parts.backend.read(hdrs.METH_GET, target, headers) as answer:
        content = await whole(answer, ANSWER_LIMIT) or b""
    if answer.status == HTTPStatus.NOT_FOUND:  # by its number: an index may say 520, which is no HTTPStatus
        return _answer(parts, {"message": "the index has no such index", "type": "error"}, HTTPStatus.NOT_FOUND)
    try:
        result = json.loads(content)["result"]
        page = {"type": "apiconfig", "result": {**result, "authstatus": status}}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise refuse(Code.INDEX_UNREACHABLE, NO_API) from None
    return _answer(parts, page)


def _answer(parts: Parts, page: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    flavour = parts.backend.flavour
    headers = private(flavour) | marked(flavour) | {"Content-Type": "application/json"}
    return Response(status=status, body=json.dumps(page).encode(), headers=headers)
