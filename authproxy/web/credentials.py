"""Who asks: from the Authorization header of a request to a Principal.

Keys are judged by `authority`. What is not a key of ours is foreign: an index's own password, which some reads pass on
and no upload takes. What looks like a key is never foreign, however broken, so that no key ever reaches an index.
"""

from aiohttp import hdrs
from aiohttp.web import BaseRequest

from authproxy.authority.credential import Credential, credential_of
from authproxy.domain.access import Principal, PrincipalKind
from authproxy.domain.policy import KEYS_ONLY
from authproxy.domain.refusal import Code, Denial, Refused, refuse
from authproxy.web.head import Address
from authproxy.web.parts import Parts


def presented(parts: Parts, request: BaseRequest) -> Credential | None:
    """Read the credential that a request presents, if any. Raises Refused (credential-invalid, request-invalid)."""
    return credential_of(request.headers.getall(hdrs.AUTHORIZATION, ()), parts.config.keys.prefix)


async def key_holder(parts: Parts, request: BaseRequest, address: Address) -> Principal:
    """Prove who asks where only a key will do. Raises Refused (credential-missing, credential-invalid, ...)."""
    return await holder_of(parts, presented(parts, request), address)


async def holder_of(parts: Parts, credential: Credential | None, address: Address) -> Principal:
    """Prove who presents this, where only a key will do. Raises Refused as `key_holder` does."""
    if credential is None:
        raise refuse(Code.CREDENTIAL_MISSING, "this needs an API key: user __token__, the key as the password")
    if credential.key_text is None:
        raise Refused(KEYS_ONLY)
    return await proved(parts, credential.key_text, address)


async def proved(parts: Parts, key_text: str, address: Address) -> Principal:
    """Prove a key. Raises Refused (credential-invalid, throttled, busy)."""
    principal = await parts.authority.authenticate(key_text, address, now=parts.now())
    if isinstance(principal, Denial):
        raise Refused(principal)
    return principal


def anonymous(address: Address) -> Principal:
    """Whoever presents nothing."""
    return Principal(PrincipalKind.ANONYMOUS, address)
