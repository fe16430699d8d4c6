"""Who asks, with a password of the index's own: the index judges it, before a byte of the body is read.

Only where the operator allows such uploads is the index asked at all, by the client's own user name and password, which
are written anew and go nowhere else. Nothing of ours answers before it has said yes: neither our rows nor our view of
the index are for strangers.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from authproxy.authority import Authority
from authproxy.authority.credential import Credential, password_of
from authproxy.backend.answer import PASSWORD_WRONG
from authproxy.backend.client import Backend
from authproxy.backend.login import basic
from authproxy.backend.passwords import known, taken
from authproxy.domain.access import Principal, PrincipalKind
from authproxy.domain.policy import KEYS_ONLY, Policy, admit_passwords
from authproxy.domain.refusal import Code, Denial, Refused, refuse
from authproxy.web.head import Address

log: Final = logging.getLogger("authproxy.passwords")

# Passwords that the index hashes for us at a time (bcrypt, some 70 ms each); it is also how many guesses of one address
# can be under way when the throttle has to say no.
TURNS: Final = 4
# How many may wait for their turn, about two seconds' worth; everybody else is told to come back.
WAITING: Final = 100


UNKNOWN_USER: Final = Denial(Code.PASSWORD_WRONG, "the index knows nobody with this user name and password")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who uploads. `own` is the Authorization that goes to the index in place of ours, of a user with a password."""

    principal: Principal
    own: str | None = field(default=None, repr=False)


class IndexPasswords:
    """Proves passwords by asking the index."""

    def __init__(self, backend: Backend, authority: Authority) -> None:
        self._backend = backend
        self._authority = authority
        self._turns = asyncio.Semaphore(TURNS)
        self._waiting = 0

    async def proved(self, credential: Credential, policy: Policy, index: str, address: Address, *, now: int) -> Sender:
        """Prove a foreign credential for an upload. `now` is unix seconds.

        Raises Refused (credential-invalid, password-wrong, password-ended, throttled, busy; misconfigured and
        index-unreachable, index-timeout where the index cannot say).
        """
        if (denial := admit_passwords(policy, now=now)) is not None:
            raise Refused(denial)
        known = password_of(credential)
        if known is None:
            raise Refused(KEYS_ONLY)
        user, password = known
        own = basic(user, password)
        if not await self._in_turn(lambda: taken(self._backend, index, own, str(address)), address, now):
            self._authority.presented_wrong(address, now)
            raise Refused(PASSWORD_WRONG)
        return Sender(Principal(PrincipalKind.PASSWORD, address, user=user), own)

    async def known(self, credential: Credential, address: Address, *, now: int) -> str | None:
        """Prove that the index knows who presents this; return the Authorization to ask it with, None for no password.

        What the user may do there is not asked. Raises Refused as `proved` does.
        """
        found = password_of(credential)
        if found is None:
            return None
        own = basic(*found)
        if not await self._in_turn(lambda: known(self._backend, own, str(address)), address, now):
            self._authority.presented_wrong(address, now)
            raise Refused(UNKNOWN_USER)
        return own

    async def _in_turn(self, judged: Callable[[], Awaitable[bool]], address: Address, now: int) -> bool:
        self._heard(address, now)
        if self._waiting >= WAITING:
            raise refuse(Code.BUSY, "too many passwords are being checked: try again later", retry_after=2)
        self._waiting += 1
        try:
            async with self._turns:
                self._heard(address, now)  # others of this address may have failed meanwhile
                return await judged()
        finally:
            self._waiting -= 1

    def _heard(self, address: Address, now: int) -> None:
        if (denial := self._authority.turned_away(address, now)) is not None:
            raise Refused(denial)
