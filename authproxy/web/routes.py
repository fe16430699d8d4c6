"""What a request is about, by its method and target alone, and who answers it."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs
from aiohttp.web import BaseRequest, Response, StreamResponse

from authproxy.audit import Origin
from authproxy.backend.flavour import Flavour
from authproxy.web import devpi_login, leakreports, opened, publishing, revoking
from authproxy.web.errors import phrase
from authproxy.web.forward_auth import is_asked
from authproxy.web.head import Address
from authproxy.web.own import own
from authproxy.web.parts import Parts
from authproxy.web.pushing import is_push, push
from authproxy.web.read import read
from authproxy.web.removing import is_removal, remove_at
from authproxy.web.upload import upload

# What is ours, and never the index's: no project, and no user of devpi, is called so.
OURS: Final = ("/-", "/_/", publishing.DISCOVERY)
# What is done where, by POST, with whatever is sent there and no login.
POSTS: Final = {**publishing.POSTS, revoking.PATH: "revoke", leakreports.PATH: "leaks"}

Handler = Callable[[Parts, BaseRequest, Origin, Address], Awaitable[StreamResponse]]


async def _upload(parts: Parts, request: BaseRequest, origin: Origin, address: Address) -> StreamResponse:
    done = await upload(parts, request, origin, address)
    headers = {"Cache-Control": "no-store"}
    if done.warning is None:
        return Response(text=f"{done.sentence}\n", headers=headers)
    told = f"{done.sentence}; {done.warning}"
    return Response(reason=phrase(told), text=f"{told}\n", headers=headers)


async def _delete(parts: Parts, request: BaseRequest, origin: Origin, address: Address) -> StreamResponse:
    sentence = await remove_at(parts, request, origin, address)
    return Response(text=f"{sentence}\n", headers={"Cache-Control": "no-store"})


async def _read(parts: Parts, request: BaseRequest, _origin: Origin, address: Address) -> StreamResponse:
    return await read(parts, request, address)


async def _own(parts: Parts, request: BaseRequest, _origin: Origin, address: Address) -> StreamResponse:
    return await own(parts, request, address)


async def _mint(parts: Parts, request: BaseRequest, origin: Origin, address: Address) -> StreamResponse:
    return await publishing.mint(parts, request, origin, address)


async def _burn(parts: Parts, request: BaseRequest, origin: Origin, address: Address) -> StreamResponse:
    return await publishing.burn(parts, request, origin, address)


async def _login(parts: Parts, request: BaseRequest, _origin: Origin, address: Address) -> StreamResponse:
    return await devpi_login.login(parts, request, address)


async def _about(parts: Parts, request: BaseRequest, _origin: Origin, address: Address) -> StreamResponse:
    return await devpi_login.about(parts, request, address)


async def _push(parts: Parts, request: BaseRequest, origin: Origin, address: Address) -> StreamResponse:
    return await push(parts, request, origin, address)


async def _opened(parts: Parts, request: BaseRequest, _origin: Origin, address: Address) -> StreamResponse:
    return await opened.pass_on(parts, request, address)


ROUTES: Final[dict[str, Handler]] = {
    "upload": _upload,
    "delete": _delete,
    "push": _push,
    "opened": _opened,
    "auth": _own,
    "own": _own,
    "mint": _mint,
    "burn": _burn,
    "revoke": revoking.revoke,
    "leaks": leakreports.report,
    "login": _login,
    "about": _about,
    "read": _read,
}


def action_of(flavour: Flavour, request: BaseRequest) -> str:
    """Say what a request is about: a name of ROUTES."""
    path = request.raw_path
    if request.method == hdrs.METH_POST and path in flavour.uploads:
        return "upload"
    if is_removal(flavour, request):
        return "delete"
    if is_push(request):
        return "push"
    if opened.is_opened(flavour, request):
        return "opened"
    if is_asked(path):
        return "auth"
    if request.method == hdrs.METH_POST and path in POSTS:
        return POSTS[path]
    if path.startswith(OURS):
        return "own"
    if devpi_login.is_login(flavour, request):
        return "login"
    return "about" if devpi_login.is_about(flavour, request) else "read"
