"""The service account's way in: one login at a time, kept while it is good, bought anew when it is not."""

import asyncio
import json
import logging
from base64 import b64decode
from dataclasses import dataclass, field

import pytest

from authproxy.backend.login import APART, LONGEST, MARGIN, PAUSE, Session, Unchanging, basic
from authproxy.domain.refusal import Code, Refused

PASSWORD = "correct-horse-battery"
HOUR = 3600


@dataclass
class Index:
    """What gives tokens: each login another one. Time passes when a test says so."""

    lives: object = 10 * HOUR
    status: int = 200
    answer: bytes | None = None
    now: float = 1000.0
    logins: list[dict[str, str]] = field(default_factory=list)
    pause: float = 0.0
    under_way: int = 0
    most: int = 0

    async def exchange(self, body: bytes) -> tuple[int, bytes]:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(self.pause)
        self.under_way -= 1
        self.logins.append(json.loads(body))
        page = {"result": {"password": f"token-{len(self.logins)}", "expiration": self.lives}, "type": "proxyauth"}
        return self.status, json.dumps(page).encode() if self.answer is None else self.answer

    def session(self, kind: type[Session] = Session) -> Session:
        return kind("svc", PASSWORD, self.exchange, lambda: self.now)


def token(value: str | None) -> str:
    """What stands behind the user name."""
    assert value is not None
    username, _, secret = b64decode(value.removeprefix("Basic ")).decode().partition(":")
    assert username == "svc"
    return secret


async def refused(session: Session) -> Code:
    with pytest.raises(Refused) as caught:
        await session.authorization()
    assert PASSWORD not in caught.value.denial.reason
    return caught.value.denial.code


async def test_an_unchanging_login_is_itself() -> None:
    """pypiserver takes the password each time; asking again would get the same no."""
    login = Unchanging(basic("svc", PASSWORD))
    assert await login.authorization() == "Basic c3ZjOmNvcnJlY3QtaG9yc2UtYmF0dGVyeQ=="
    assert not await login.renewed(await login.authorization())
    assert await Unchanging(None).authorization() is None


async def test_a_token_is_bought_with_the_password_and_kept() -> None:
    """One login, then the token for as long as it is good."""
    index = Index()
    session = index.session()
    assert [token(await session.authorization()) for _ in range(3)] == ["token-1"] * 3
    assert index.logins == [{"user": "svc", "password": PASSWORD}]


async def all_at_once(session: Session) -> set[str | None]:
    return set(await asyncio.gather(*(session.authorization() for _ in range(20))))


class Hasty(Session):
    """The control: it asks whenever it has no token."""

    async def authorization(self) -> str:
        token = self._good() or await self._login()
        return token.value


async def test_never_more_than_one_login_at_a_time() -> None:
    """Twenty requests that meet no token wait for one login; the control makes twenty, each of them an Argon2."""
    index = Index(pause=0.01)
    assert len(await all_at_once(index.session())) == 1
    assert (index.most, len(index.logins)) == (1, 1)
    control = Index(pause=0.01)
    await all_at_once(control.session(Hasty))
    assert control.most == 20


@pytest.mark.parametrize(
    ("lives", "good_for"),
    [
        pytest.param(10 * HOUR, 10 * HOUR - MARGIN, id="devpi's ten hours, less the longest upload"),
        pytest.param(40, 20, id="half of a short life"),
        pytest.param(10**9, LONGEST - MARGIN, id="a promise that nobody keeps"),
    ],
)
async def test_a_token_is_renewed_before_it_ends(lives: int, good_for: int) -> None:
    """The first request after that moment logs in again."""
    index = Index(lives=lives)
    session = index.session()
    assert token(await session.authorization()) == "token-1"
    index.now += good_for - 1
    assert token(await session.authorization()) == "token-1"
    index.now += 1
    assert token(await session.authorization()) == "token-2"


async def test_a_token_that_the_index_forgot_is_replaced_once() -> None:
    """devpi that starts anew knows no old token; whoever was refused with it asks again with the next, by one login."""
    index = Index(pause=0.01)
    session = index.session()
    old = await session.authorization()
    assert await asyncio.gather(*(session.renewed(old) for _ in range(10))) == [True] * 10
    assert token(await session.authorization()) == "token-2"
    assert len(index.logins) == 2


async def test_the_next_token_is_not_at_fault() -> None:
    """An account without the right is refused with any token: asking for more would cost an Argon2 each time."""
    index = Index()
    session = index.session()
    assert await session.renewed(await session.authorization())
    index.now += APART - 1
    assert [await session.renewed(await session.authorization()) for _ in range(5)] == [False] * 5
    assert len(index.logins) == 2
    index.now += 1
    assert await session.renewed(await session.authorization())
    assert len(index.logins) == 3


async def test_a_refused_login_is_not_repeated_at_once() -> None:
    """A wrong password in the config must not keep the index hashing; after a while it may have been mended there."""
    index = Index(status=401)
    session = index.session()
    assert [await refused(session) for _ in range(5)] == [Code.MISCONFIGURED] * 5
    assert len(index.logins) == 1
    index.now += PAUSE
    index.status = 200
    assert token(await session.authorization()) == "token-2"


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        pytest.param(500, None, id="a failure"),
        pytest.param(302, None, id="a redirect"),
        pytest.param(201, None, id="another yes"),
        pytest.param(200, b"", id="nothing"),
        pytest.param(200, b"[]", id="a list"),
        pytest.param(200, b'{"result": []}', id="a result that is a list"),
        pytest.param(200, b'{"result": {"expiration": 36000}}', id="no token"),
        pytest.param(200, b'{"result": {"password": "", "expiration": 36000}}', id="an empty token"),
        pytest.param(200, b'{"result": {"password": 5, "expiration": 36000}}', id="a token that is no text"),
        pytest.param(200, b'{"result": {"password": "a"}}', id="no end"),
        pytest.param(200, b'{"result": {"password": "a", "expiration": true}}', id="an end that is no number"),
        pytest.param(200, b'{"result": {"password": "a", "expiration": NaN}}', id="an end that is not a number"),
        pytest.param(200, b'{"result": {"password": "a", "expiration": 0}}', id="an end that has come"),
        pytest.param(200, b"[" * 100_000, id="too deep a nest"),
    ],
)
async def test_what_is_no_login(status: int, answer: bytes | None) -> None:
    """An index that answers in another form is not there for us; it may be the next time."""
    index = Index(status=status, answer=answer)
    session = index.session()
    assert await refused(session) is Code.INDEX_UNREACHABLE
    index.status, index.answer = 200, None
    assert token(await session.authorization()) == "token-2"


async def test_no_secret_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the password nor a token is in a repr or a log."""
    caplog.set_level(logging.DEBUG)
    index = Index()
    session = index.session()
    value = await session.authorization()
    shown = repr(session) + repr(session._token) + repr(Unchanging(value)) + caplog.text
    assert PASSWORD not in shown
    assert value not in shown
