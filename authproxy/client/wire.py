"""HTTP as a job needs it: a small question, a small answer, over verified TLS, within seconds. No redirect is followed.

A redirect would carry a token, or a key, to whoever the answer names. The proxy of the environment (HTTPS_PROXY) is
asked as other clients ask it. Which certificates are trusted is the system's to say, SSL_CERT_FILE's, and besides that
REQUESTS_CA_BUNDLE's, which is what twine, poetry and hatch are told by.
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from typing import Final
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPErrorProcessor, HTTPSHandler, ProxyHandler, Request, build_opener

from authproxy.client.errors import ClientError

# Seconds that the other side may say nothing. A mint answers within 4.5 s; a CI that is slow to sign gets its time.
PATIENCE: Final = 15.0
# Bytes of an answer. The largest is a token of 32 KiB in a little JSON.
ANSWER_LIMIT: Final = 64 * 1024
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; it may hold a token or a key."""

    status: int
    body: bytes = field(repr=False)


class _AsItCame(HTTPErrorProcessor):
    """Return every answer, whatever its status: so none is an exception, and none leads on to another place."""

    def http_response(self, request: Request, response: HTTPResponse) -> HTTPResponse:
        del request
        return response

    https_response = http_response


def ask(
    url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None, direct: bool = False
) -> Reply:
    """Send a GET, or with a body a POST. `direct` passes by the proxy of the environment. Raises ClientError."""
    host = urlsplit(url).netloc
    request = Request(url, data=body, headers={"User-Agent": "authproxy", **(headers or {})})  # noqa: S310
    handlers = [_AsItCame(), HTTPSHandler(context=_trusted()), *([ProxyHandler({})] if direct else [])]
    try:
        with build_opener(*handlers).open(request, timeout=PATIENCE) as response:
            found = response.read(ANSWER_LIMIT + 1)
            if response.length and len(found) <= ANSWER_LIMIT:
                raise HTTPException("it was cut short")
            status = response.status
    except (OSError, HTTPException, ValueError) as error:
        raise ClientError(f"{host} {_trouble(error)}") from None
    if len(found) > ANSWER_LIMIT:
        raise ClientError(f"{host} answers with more than {ANSWER_LIMIT} bytes")
    return Reply(status, found)


def is_private(url: str) -> bool:
    """Whether what is sent there can be read by nobody on the way."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def _trusted() -> ssl.SSLContext:
    context = ssl.create_default_context()
    bundle = os.environ.get("REQUESTS_CA_BUNDLE")
    if bundle:
        try:
            context.load_verify_locations(**{"capath" if os.path.isdir(bundle) else "cafile": bundle})  # noqa: PTH112
        except OSError:
            raise ClientError(f"REQUESTS_CA_BUNDLE names {bundle}, and there are no certificates") from None
    return context


def _trouble(error: Exception) -> str:
    """Say what went wrong, without what was sent or what came."""
    reason = error.reason if isinstance(error, URLError) else error
    match reason:
        case ssl.SSLCertVerificationError():
            return "has a TLS certificate that is not trusted here: SSL_CERT_FILE names the certificates to trust"
        case TimeoutError():
            return f"did not answer within {PATIENCE:g} seconds"
        case OSError() if reason.errno and reason.errno > 0:
            return f"cannot be reached: {(reason.strerror or os.strerror(reason.errno)).lower()}"
        case OSError():
            return "cannot be reached"
        case _:
            return "broke the connection off, or sent what is no answer"
