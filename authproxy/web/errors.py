"""The one table that turns a refusal into a response.

Who shows what (measured, with the real clients): twine, pip, hatch and flit the reason phrase; uv the body, and of a
JSON body its `code`; poetry both. So the sentence stands in all three places.
"""

import json
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs
from aiohttp.web import BaseRequest, Response

from authproxy.domain.refusal import Code, Denial

STATUS: Final[dict[Code, int]] = {
    Code.CREDENTIAL_MISSING: 401,
    Code.CREDENTIAL_INVALID: 401,
    Code.PASSWORD_WRONG: 401,
    Code.PASSWORD_ENDED: 401,
    Code.THROTTLED: 429,
    Code.BUSY: 503,
    # A question of policy is never answered with 404 (uv would install the public package of that name), 409 (twine
    # takes it for success) or 5xx (twine would send the file five more times).
    Code.NOT_ALLOWED: 403,
    Code.NO_RULE: 403,
    Code.NETWORK: 403,
    Code.CREATE: 403,
    Code.FILETYPE: 403,
    Code.VERSION: 403,
    Code.USES_SPENT: 403,
    Code.RATE: 429,
    Code.CAVEAT: 403,
    Code.ATTESTATION: 403,
    Code.REQUEST_INVALID: 400,
    Code.NO_ROUTE: 403,
    Code.LENGTH_REQUIRED: 411,
    Code.TOO_LARGE: 413,
    Code.FORM_INVALID: 400,
    Code.NAME_INVALID: 400,
    Code.MISMATCH: 400,
    Code.DIGEST: 400,
    Code.ARCHIVE_INVALID: 400,
    Code.NOT_THERE: 404,  # to whom the delete was allowed
    Code.FILE_EXISTS: 400,
    Code.TIMEOUT: 408,
    Code.INDEX_REFUSED: 400,
    Code.INDEX_UNREACHABLE: 502,
    Code.INDEX_TIMEOUT: 504,
    Code.MISCONFIGURED: 403,
    Code.STORAGE_FULL: 507,
    Code.INTERNAL: 500,
}

# What nginx's auth_request takes for a no; it makes a 500 of every other status. A 5xx is no answer, and no yes either.
FRONT: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

# Both spaces and an answer line of 8 KiB (aiohttp's and urllib3's limit) would allow more; nobody reads more.
REASON_LIMIT: Final = 500

CHALLENGE: Final = 'Basic realm="pypi"'

# What a browser would need to render a page of ours is nothing at all.
_ALWAYS: Final = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}


def respond(
    denial: Denial, request: BaseRequest, *, to_front: bool = False, varies: str = hdrs.AUTHORIZATION
) -> Response:
    """Build the response for a refusal, in the form that this client's Accept header asks for.

    `to_front` says that a web server asked whether it may serve a read: it gets a status of `FRONT` for every no, and
    the sentence in a header, since nginx reads nothing else. `varies` names the headers that say who asks
    (`Flavour.varies`).
    """
    status = STATUS[denial.code]
    reason = phrase(denial.reason)
    headers = {**_ALWAYS, "Vary": varies, "Cache-Control": "no-store"}
    if to_front and status < HTTPStatus.INTERNAL_SERVER_ERROR:
        status = status if status in FRONT else HTTPStatus.FORBIDDEN
        headers["X-Authproxy-Reason"] = reason
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = CHALLENGE
    if denial.retry_after is not None:
        headers["Retry-After"] = str(max(1, denial.retry_after))
    if "application/json" in request.headers.get("Accept", ""):
        page = {"message": reason, "code": f"{status} {reason}", "title": HTTPStatus(status).phrase}
        # Content-Type without a charset: uv compares it whole.
        body, headers["Content-Type"] = json.dumps(page).encode("ascii"), "application/json"
    else:
        body, headers["Content-Type"] = f"{reason}\n".encode("ascii"), "text/plain; charset=utf-8"
    return Response(status=status, reason=reason, body=body, headers=headers)


def phrase(sentence: str) -> str:
    """A sentence as a reason phrase may hold it: printable ASCII, one line, at most 500 characters."""
    return "".join(c if " " <= c <= "~" else "?" for c in sentence)[:REASON_LIMIT]
