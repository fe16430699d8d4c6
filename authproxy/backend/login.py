"""How the proxy's own account presents itself to the index: by its password, or by a session token bought with it.

devpi checks a password with Argon2, on every request (130 ms measured), and a token of its `/+login` in 1.7 ms. Tokens
live 10 hours, and a devpi that starts anew without `--secretfile` knows none of the old ones.

A `Login` is asked for the value of an Authorization header before each request that the service credentials are lent
to, and told when the index refused one. No password is in a log, a repr or a sentence here.
"""

import asyncio
import json
import math
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from authproxy.backend.answer import MISCONFIGURED
from authproxy.domain.refusal import Code, refuse

# A token is given up when so many of its seconds are left, or half of its life where that is less: devpi looks at it
# when the last byte of an upload is there, so that the upload has to end within them.
MARGIN: Final = 30 * 60
# No token is used longer than so many seconds, whatever the index promises of it: devpi itself gives 10 hours.
LONGEST: Final = 10 * 60 * 60
# A token that the index refuses is bought anew once in so many seconds: if that does not help, the account's rights are
# at fault. Without this, each request that is refused would cost the index an Argon2.
APART: Final = 60
# A login that the index refused is not tried again for so many seconds: a wrong password costs it an Argon2 as well.
PAUSE: Final = 5

# Sends a JSON body to the index's login and brings back status and answer. Raises Refused where the index is away.
Exchange = Callable[[bytes], Awaitable[tuple[int, bytes]]]


class Login(Protocol):
    """The service account's way in."""

    @property
    def renewable(self) -> bool:
        """Whether `renewed` may ever say yes."""
        ...

    async def authorization(self) -> str | None:
        """Return the value of the Authorization header, None without an account.

        Raises Refused (misconfigured, index-unreachable, index-timeout).
        """

    async def renewed(self, refused: str | None) -> bool:
        """Say whether asking again is worth it, after the index answered 401 or 403 to this value.

        Raises Refused (misconfigured, index-unreachable, index-timeout).
        """


def basic(username: str, password: str) -> str:
    """Write credentials as the value of an Authorization header."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode("ascii")


@dataclass(frozen=True, slots=True)
class Unchanging:
    """The same value for every request, or none."""

    value: str | None = field(repr=False)

    @property
    def renewable(self) -> bool:
        """Say no."""
        return False

    async def authorization(self) -> str | None:
        """Return the value."""
        return self.value

    async def renewed(self, _refused: str | None) -> bool:
        """Say no: there is no other."""
        return False


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)  # of the header
    until: float  # seconds of the clock, when it is given up


class Session:
    """devpi's session token: bought with the password, kept, and bought anew before it ends or once it is refused.

    However many requests wait for one, there is a single login at a time.
    """

    def __init__(
        self, username: str, password: str, exchange: Exchange, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._username = username
        self._password = password
        self._exchange = exchange
        self._clock = clock
        self._token: _Token | None = None
        self._paused = -math.inf  # until when no login is tried
        self._settled = -math.inf  # until when no token is at fault
        self._turn = asyncio.Lock()

    @property
    def renewable(self) -> bool:
        """Say yes: a token that ended too early is bought anew."""
        return True

    async def authorization(self) -> str:
        """Return a token that is good for a while, as the value of a header.

        Raises Refused (misconfigured, index-unreachable, index-timeout).
        """
        if (token := self._good()) is not None:
            return token.value
        async with self._turn:
            token = self._good() or await self._login()
            return token.value

    async def renewed(self, refused: str | None) -> bool:
        """Say whether another token is at hand now.

        Raises Refused (misconfigured, index-unreachable, index-timeout).
        """
        token = self._token
        if token is not None and token.value == refused:
            if self._clock() < self._settled:
                return False
            self._settled = self._clock() + APART
            self._token = None
        return await self.authorization() != refused

    def _good(self) -> _Token | None:
        token = self._token
        return token if token is not None and self._clock() < token.until else None

    async def _login(self) -> _Token:
        now = self._clock()
        if now < self._paused:
            raise refuse(Code.MISCONFIGURED, MISCONFIGURED)
        status, answer = await self._exchange(json.dumps({"user": self._username, "password": self._password}).encode())
        if 400 <= status < 500:
            self._paused = self._clock() + PAUSE
            raise refuse(Code.MISCONFIGURED, MISCONFIGURED)
        if status != 200 or (found := _token_of(answer)) is None:
            raise refuse(Code.INDEX_UNREACHABLE, f"the index behind the proxy gave no login, it answered {status}")
        secret, lives = found
        lives = min(lives, LONGEST)
        self._token = _Token(basic(self._username, secret), now + max(lives - MARGIN, lives / 2))
        return self._token


def _token_of(answer: bytes) -> tuple[str, float] | None:
    """Read `{"result": {"password": TOKEN, "expiration": SECONDS}}`; None for anything else."""
    try:
        page = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    result = page.get("result") if isinstance(page, dict) else None
    if not isinstance(result, dict):
        return None
    token, lives = result.get("password"), result.get("expiration")
    if not isinstance(token, str) or not token or isinstance(lives, bool) or not isinstance(lives, int | float):
        return None
    return (token, float(lives)) if lives > 0 else None
