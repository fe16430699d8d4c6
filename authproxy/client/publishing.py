"""Trusted publishing from the job's side: for whom a token has to be, a key for it, and the key's end.

Three requests to the root of the proxy's host, whatever path the upload URL has (PyPI's own protocol). The key is
burned when the block ends that it is for, however that ends: SIGTERM and SIGHUP, which a CI sends to a job that is
cancelled, end the block here and not the program. Only SIGKILL leaves a key behind, for the minutes that it has.
"""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final
from urllib.parse import urlsplit

from authproxy.client import wire
from authproxy.client.errors import ClientError
from authproxy.client.keytext import key_text
from authproxy.client.running import KILLED, PASSED_ON

AUDIENCE: Final = "/_/oidc/audience"
MINT: Final = "/_/oidc/mint-token"
BURN: Final = "/_/oidc/burn-token"

_JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}
# What a terminal, or a CI whose job is cancelled, ends a program with.
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# More of a proxy's sentence than this helps nobody.
_SENTENCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Minted:
    """A key that was minted for this job. `expires` is in unix seconds."""

    text: str = field(repr=False)
    expires: int


def root_of(url: str) -> str:
    """The root of the host that uploads go to. Raises ClientError for one that a token may not travel to."""
    if not wire.is_private(url):
        raise ClientError(f"an ID token travels over https:// alone, and uploads go to {url}")
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


@contextmanager
def minted(url: str, token_for: Callable[[str], str], tell: Callable[[str], None]) -> Iterator[Minted]:
    """Mint a key for an upload URL, and burn it when the block ends. Raises ClientError where there is none.

    `token_for` gets the job's token for an audience; `tell` is for what a person should know and can do nothing about.
    """
    root = root_of(url)
    token = token_for(audience(root))
    with _signals() as let_through:
        key = mint(root, token)
        try:
            with let_through():
                yield key
        finally:
            try:
                burn(root, key)
            except ClientError as error:
                tell(f"the key was not burned and ends by itself: {error}")


def audience(root: str) -> str:
    """Ask for whom a token has to be. Raises ClientError."""
    reply = wire.ask(root + AUDIENCE, headers={"Accept": "application/json"})
    if reply.status == 404:
        raise ClientError(f"{root} has no trusted publishing: its configuration names no `publishers`")
    found = _document(root, reply).get("audience")
    if reply.status != 200 or not isinstance(found, str) or not found:
        raise ClientError(f"{root} does not say for whom a token has to be: it answers {reply.status}")
    return found


def mint(root: str, token: str) -> Minted:
    """Get a key for a token, which is then used up. Raises ClientError with the proxy's own sentence."""
    reply = wire.ask(root + MINT, headers=_JSON, body=json.dumps({"token": token}).encode())
    page = _document(root, reply)
    if reply.status != 200:
        raise ClientError(f"{root} gives no key for this job: {_why(page, reply.status)}")
    text, expires = page.get("token"), page.get("expires")
    if not isinstance(text, str) or not isinstance(expires, int):
        raise ClientError(f"{root} gives no key for this job: what it answers has none")
    return Minted(key_text(text), expires)


def burn(root: str, key: Minted) -> None:
    """End a key. Raises ClientError where it cannot be known that it did."""
    reply = wire.ask(root + BURN, headers=_JSON, body=json.dumps({"token": key.text}).encode())
    if reply.status != 202:
        raise ClientError(f"{root} answers {reply.status}")


def _document(root: str, reply: wire.Reply) -> dict[str, Any]:
    try:
        found = json.loads(reply.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ClientError(f"{root} answers {reply.status} with what is no JSON: is a proxy with `publishers` there?")
    return found


def _why(page: dict[str, Any], status: int) -> str:
    try:
        [first, *_] = page["errors"]
        return f"{first['description']} ({first['code']})"[:_SENTENCE]
    except (KeyError, TypeError, ValueError):
        return f"it answers {status}"


@contextmanager
def _signals() -> Iterator[Callable[[], Any]]:
    """Hold signals back while a key is minted and burned; let the first end the block in between, as an exception.

    What is ignored, as a shell does with SIGINT for a program in its background, stays ignored.
    """
    heard = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]

    def ended(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal module's signature
        for each in heard:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(KILLED + number)

    @contextmanager
    def let_through() -> Iterator[None]:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)

    handlers = {number: signal.signal(number, ended) for number in heard}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    try:
        yield let_through
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
