"""Trusted publishing as its clients speak it: where it is, for whom a token has to be, a key for a token, and its end.

The paths, the fields and the statuses are PyPI's, because uv, pdm and the publishing action of GitHub have them built
in, at the root of whatever host the upload URL names. They wait five seconds: what a mint waits for is bounded here.

Rule 1. Every failure of a mint is a 422 with a code and a sentence, and has changed nothing.
Rule 2. What is burned is told to nobody: the answer to a burn is always the same.
Rule 3. URLs are of `public_url`, never of the Host that somebody sent.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import hdrs
from aiohttp.web import BaseRequest, Response

from authproxy.audit import Origin
from authproxy.authority.minting import Minted
from authproxy.domain.grants import Action
from authproxy.domain.refusal import Refused
from authproxy.oidc import IssuerSilent, TokenCode, TokenRefused
from authproxy.oidc.compact import TOKEN_LIMIT
from authproxy.oidc.strict import json_object
from authproxy.store import StoreError
from authproxy.web.head import Address
from authproxy.web.parts import Parts
from authproxy.web.receive import bounded_body, drain

log: Final = logging.getLogger("authproxy.publishing")

AUDIENCE: Final = "/_/oidc/audience"
MINT: Final = "/_/oidc/mint-token"
BURN: Final = "/_/oidc/burn-token"
# The publishing action of GitHub, up to its releases of early 2024 and in many forks since, posts there.
MINTS: Final = frozenset({MINT, "/_/oidc/github/mint-token"})
# What is done where, by POST.
POSTS: Final[Mapping[str, str]] = {**dict.fromkeys(MINTS, "mint"), BURN: "burn"}
# PEP 807 (a draft), "Trusted Publishing Discovery".
DISCOVERY: Final = "/.well-known/pytp"
DISCOVERY_TYPE: Final = "application/vnd.pypi.pytp.v1+json"
_ACCEPTED: Final = frozenset({DISCOVERY_TYPE, "application/json", "application/*", "*/*"})

# Seconds until a mint answers, whatever it waits for: uv and pdm give up after five, and the answer takes a way, too.
ANSWER: Final = 4.5
# Bytes. The token, and the JSON around it: no escape is needed in a token.
MINT_LIMIT: Final = TOKEN_LIMIT + 1024
# A key has 70 characters.
BURN_LIMIT: Final = 8 * 1024
# Seconds for which what a client still sends is read before it is refused.
DRAIN: Final = 1.0

# PEP 807, "Feature Negotiation": how many uploads a key is good for.
SINGLE, MULTI = "single-use-token", "multi-use-token"
USES: Final[Mapping[str, int | None]] = {SINGLE: 1, MULTI: None}

FAILED: Final = "Token request failed"
OFF: Final = "trusted publishing is not set up here, use an API key"
SHAPE: Final = 'send {"token": "..."} with the ID token of the job'
LATE: Final = "this took too long, so no key was minted: try again"
STORE_DOWN: Final = "the proxy's store cannot keep a key now, so none was minted: try again"


async def audience(parts: Parts, _request: BaseRequest, _address: Address) -> Response:
    """Say for whom a token has to be; 404 is how clients are told that there is no trusted publishing.

    uv always asks this before an upload without credentials, and goes on without where it gets a 404.
    """
    if not parts.policy.publishers:
        return Response(status=404, text=f"{OFF}\n")
    return _page({"audience": parts.config.trusted_publishing.audience})


async def discovery(parts: Parts, request: BaseRequest, _address: Address) -> Response:
    """Say where the pages are that belong to an upload URL, whose path is in the query."""
    wanted = {part.partition(";")[0].strip().lower() for part in request.headers.get(hdrs.ACCEPT, "*/*").split(",")}
    if _ACCEPTED.isdisjoint(wanted):
        return _problem(HTTPStatus.NOT_ACCEPTABLE, f"this is {DISCOVERY_TYPE}: name it in Accept, or nothing")
    try:
        [(name, path)] = parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=True, max_num_fields=1)
    except ValueError:
        name, path = "", ""
    if name != "discover":
        return _problem(HTTPStatus.BAD_REQUEST, f"ask for {DISCOVERY}?discover= and the quoted path of an upload URL")
    index = parts.backend.flavour.uploads.get(path or "/")
    if index is None or not any(each.grant.reaches(Action.UPLOAD, index) for each in parts.policy.publishers.values()):
        return _problem(HTTPStatus.NOT_FOUND, "there is no trusted publishing for this upload URL")
    root = f"{parts.config.public_scheme}://{parts.config.public_host}"
    page = {
        "audience-endpoint": root + AUDIENCE,
        "token-mint-endpoint": root + MINT,
        "features": [SINGLE, MULTI],
        "default-features": [MULTI],
    }
    return _page(page, kind=DISCOVERY_TYPE)


async def mint(parts: Parts, request: BaseRequest, origin: Origin, address: Address) -> Response:
    """Give a key for a token, or say why not."""
    try:
        async with asyncio.timeout(ANSWER):
            minted = await _minted(parts, request, address)
    except TokenRefused as refused:
        return await _refused(parts, request, origin, refused.code, refused.description)
    except Refused as refused:
        return await _refused(parts, request, origin, TokenCode.PAYLOAD, refused.denial.reason)
    except TimeoutError:
        return await _refused(parts, request, origin, TokenCode.NOT_ENABLED, LATE)
    except StoreError as exc:
        log.error("the store failed", extra={"request_id": origin.request_id, "trouble": str(exc)})  # noqa: TRY400
        return await _refused(parts, request, origin, TokenCode.NOT_ENABLED, STORE_DOWN)
    key = minted.record
    told = {"key": key.id, "publisher": key.publisher, "claims": key.claims, "expires": key.expires}
    log.info("a key was minted", extra={"request_id": origin.request_id, "address": origin.address, **told})
    return _page({"success": True, "token": minted.text, "expires": key.expires})


async def _minted(parts: Parts, request: BaseRequest, address: Address) -> Minted:
    """Raise TokenRefused, Refused and StoreError."""
    if not parts.policy.publishers:
        raise TokenRefused(TokenCode.NOT_ENABLED, OFF)
    publishers, now = parts.publishers, parts.now()
    if wait := publishers.throttle.wait(address, None, now):
        told = f"too many tokens from this address were no good: try again in {wait} seconds"
        raise TokenRefused(TokenCode.NOT_ENABLED, told)
    try:
        token, uses = _asked(await bounded_body(request, MINT_LIMIT, "a request for a key"))
        claims = await publishers.verified(parts.config, token, now=now)
        return await publishers.minted(parts.policy, claims, uses, now=parts.now())
    except TokenRefused as refused:
        # Not for what is ours or the issuer's to mend: an outage must not shut out the jobs that come after it.
        if refused.code is not TokenCode.NOT_ENABLED and not isinstance(refused, IssuerSilent):
            publishers.throttle.failed_from(address, now)
        raise


def _asked(raw: bytes) -> tuple[str, int | None]:
    """Read a request: the token, and how many uploads the key shall be good for. Raises TokenRefused."""
    try:
        found = json_object(raw)
    except ValueError as exc:
        raise TokenRefused(TokenCode.PAYLOAD, f"the request cannot be read: {exc}; {SHAPE}") from None
    token, features = found.pop("token", None), found.pop("features", [])
    if not isinstance(token, str) or found:
        raise TokenRefused(TokenCode.PAYLOAD, f"the request is not what is taken here: {SHAPE}")
    if not isinstance(features, list) or len(features) > 1 or not set(map(str, features)) <= USES.keys():
        raise TokenRefused(TokenCode.PAYLOAD, f"the features that are known here are {SINGLE} or {MULTI}, one of them")
    return token, USES[features[0]] if features else None


async def _refused(parts: Parts, request: BaseRequest, origin: Origin, code: TokenCode, description: str) -> Response:
    told = {"request_id": origin.request_id, "address": origin.address, "code": code, "reason": description}
    log.warning("no key was minted", extra=told)
    answer = _page({"message": FAILED, "errors": [{"code": code, "description": description}]}, status=422)
    await _let_finish(parts, request, answer)
    return answer


async def burn(parts: Parts, request: BaseRequest, origin: Origin, address: Address) -> Response:
    """End a minted key, if that is what was sent; say the same whatever it was. Raises Refused (throttled).

    What ended nothing counts against its address, as what is sent to be revoked; what did does not, for the jobs of a
    CI have one address and burn a key each.
    """
    parts.revocations.hear(address, now := parts.now())
    burned = False
    answer = _page({"message": "Accepted", "errors": []}, status=202)
    try:
        async with asyncio.timeout(ANSWER):
            found = json_object(await bounded_body(request, BURN_LIMIT, "a request to burn a key")).get("token")
            if isinstance(found, str):
                await parts.revocations.possessions.listen(found, address, now=now)
                burned = await parts.publishers.minter.burn(found, now=now)
    except (Refused, ValueError, TimeoutError):
        await _let_finish(parts, request, answer)
    except StoreError as exc:
        log.error("a minted key was not burned", extra={"request_id": origin.request_id, "trouble": str(exc)})  # noqa: TRY400
        return answer  # which is no fault of the client's
    if burned:
        log.info("a minted key was burned", extra={"request_id": origin.request_id, "address": origin.address})
    else:
        parts.revocations.failed(address, now)
    return answer


async def _let_finish(parts: Parts, request: BaseRequest, answer: Response) -> None:
    """Read what the client still sends, for a moment, so that it listens; cut it off afterwards."""
    whole = False
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN):
            whole = await drain(request, parts.config.limits)
    if not whole:
        answer.force_close()


def _page(page: Mapping[str, object], *, status: int = 200, kind: str = "application/json") -> Response:
    # The type without a charset: uv compares it whole.
    headers = {"Content-Type": kind, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(status=status, body=json.dumps(page).encode("ascii"), headers=headers)


def _problem(status: HTTPStatus, detail: str) -> Response:
    """Say no as RFC 9457 does, which the draft asks for."""
    page = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
    return _page(page, status=status, kind="application/problem+json")
