"""Who asks: from the Authorization header of a request, or devpi-client's own, to a Principal.

Keys are judged by `authority`. What is not a key of ours is foreign: an index's own password, which some reads pass on
and no upload takes. What looks like a key is never foreign, however broken, so that no key ever reaches an index.
"""

from aiohttp import hdrs
from aiohttp.web import BaseRequest

from authproxy.authority.credential import Credential, credential_of, with_session
from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.caveats import Lifetime, Networks
from authproxy.domain.grants import ANY, Action
from authproxy.domain.holding import underived
from authproxy.domain.narrowing import narrowed
from authproxy.domain.policy import KEYS_ONLY
from authproxy.domain.refusal import Code, Denial, Refused, refuse
from authproxy.web.head import Address
from authproxy.web.parts import Parts


def presented(parts: Parts, request: BaseRequest) -> Credential | None:
    """Read the credential that a request presents, if any. Raises Refused (credential-invalid, request-invalid)."""
    prefix, sessions = parts.config.keys.prefix, parts.backend.flavour.sessions
    shown = credential_of(request.headers.getall(hdrs.AUTHORIZATION, ()), prefix)
    if sessions is None or sessions.header not in request.headers:
        return shown
    return with_session(shown, request.headers.getall(sessions.header), prefix, header=sessions.header)


def recalled(parts: Parts, request: BaseRequest, address: Address) -> Principal | None:
    """Return the holder of a key who sent this very credential before, without reading it; None says nothing."""
    header = _only(parts, request)
    return None if header is None else parts.authority.recall(header, address, now=parts.now())


async def key_holder(parts: Parts, request: BaseRequest, address: Address) -> Principal:
    """Prove who asks where only a key will do. Raises Refused (credential-missing, credential-invalid, ...)."""
    known = recalled(parts, request, address)
    return known or await remembered(parts, request, presented(parts, request), address)


async def remembered(parts: Parts, request: BaseRequest, credential: Credential | None, address: Address) -> Principal:
    """Prove who presents this as `holder_of` does, so that `recalled` knows it the next time."""
    holder = await holder_of(parts, credential, address)
    if (header := _only(parts, request)) is not None:
        parts.authority.remember(header, holder)
    return holder


def _only(parts: Parts, request: BaseRequest) -> str | None:
    """The one header that presents all that is presented; None where there is none, or another beside it."""
    values, sessions = request.headers.getall(hdrs.AUTHORIZATION, ()), parts.backend.flavour.sessions
    if len(values) != 1 or (sessions is not None and sessions.header in request.headers):
        return None
    [value] = values
    return str(value)


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


def in_force(principal: Principal, now: int) -> None:
    """Refuse a derived key that has ended, or comes from elsewhere, where no rule is asked. Raises Refused (caveat)."""
    asked = [each for each in principal.caveats or () if isinstance(each, Lifetime | Networks)]
    denial = narrowed(asked, Access(Action.READ, ANY, None), principal.address, now=now, whole=False)
    if denial is not None:
        raise refuse(denial.code, f"{principal.name} {denial.reason}")


def may_log_in(principal: Principal, now: int) -> None:
    """Refuse what no session may be of: as `in_force`, and a key of which only what is derived is taken.

    It would be stored, and sent with every request. Raises Refused (caveat, not-allowed).
    """
    if (only := underived(principal)) is not None:
        raise Refused(only)
    in_force(principal, now)


def anonymous(address: Address) -> Principal:
    """Whoever presents nothing."""
    return Principal(PrincipalKind.ANONYMOUS, address)
