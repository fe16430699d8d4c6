"""The service account at a devpi, over real sockets: what goes out, and what happens when a token is refused."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from authproxy.backend.answer import UploadAnswer
from authproxy.backend.client import Backend, Upstream
from authproxy.backend.devpi import devpi
from authproxy.backend.encoding import encode
from authproxy.backend.form import FilePart, Form
from authproxy.domain.access import Outcome
from authproxy.domain.names import project_name
from authproxy.domain.refusal import Code, Refused
from tests.peers.recording import Hang, RecordingIndex, Reply, Script, Seen

PASSWORD = "s3cret"
CONTENT = b"the bytes of a wheel"
FORM = Form((("name", "acme"), (":action", "file_upload")), FilePart("acme-1.0-py3-none-any.whl", len(CONTENT)))
ENCODED = encode(FORM, "b" * 32)
PROJECT = project_name("acme")
LISTING = {"type": "projectconfig", "result": {"1.0": {"name": "acme"}}}
API = json.dumps({"type": "apiconfig", "result": {"authstatus": ["ok", "svc", []]}}).encode()
OUTSIDE = {"Host": "pypi.acme.test", "X-Outside-URL": "https://pypi.acme.test"}


class Spooled:
    """The file in two pieces, until somebody has read it for the last time."""

    def __init__(self) -> None:
        self.gone = False

    async def __call__(self, *, last: bool) -> AsyncIterator[bytes]:
        assert not self.gone, "the disk has its room back"
        self.gone = last
        yield CONTENT[:5]
        yield CONTENT[5:]


@dataclass
class Index:
    """A devpi that knows one token at a time, and no password but at its login."""

    logins: int = 0
    login: Script | None = None  # instead of a token
    refusal: Reply = field(default_factory=lambda: Reply(401, b"who are you"))

    @property
    def token(self) -> str:
        return f"Basic {b64encode(f'svc:token-{self.logins}'.encode()).decode()}"

    def __call__(self, seen: Seen) -> Script:
        if seen.target == "/+login":
            self.logins += 1
            page = {"result": {"password": f"token-{self.logins}", "expiration": 36000}}
            return self.login or Reply(200, json.dumps(page).encode())
        if seen.header("Authorization") != self.token:
            return self.refusal
        if seen.target.endswith("/+api"):
            return Reply(200, API)
        return Reply(200, b"" if seen.method == "POST" else json.dumps(LISTING).encode())


@pytest.fixture
def index(recording: RecordingIndex) -> Index:
    recording.answer = made = Index()
    return made


@pytest.fixture
async def backend(recording: RecordingIndex) -> AsyncIterator[Backend]:
    upstream = Upstream(recording.url, "pypi.acme.test", "https", "svc", PASSWORD, read_timeout=0.5)
    async with Backend(upstream, devpi(("team/dev", "team/prod"))) as made:
        yield made


async def upload(backend: Backend) -> UploadAnswer:
    return await backend.upload("team/dev", ENCODED, Spooled(), "192.0.2.7")


async def test_a_login_then_a_token(recording: RecordingIndex, index: Index, backend: Backend) -> None:
    """The password goes to the login alone; what is ours is on every request, and nothing besides."""
    assert await upload(backend) == UploadAnswer(Outcome.STORED, 200)
    assert await backend.files("team/prod", PROJECT) == ()
    login, sent, asked = recording.requests
    assert (login.method, login.target) == ("POST", "/+login")
    assert json.loads(login.body) == {"user": "svc", "password": PASSWORD}
    assert login.header("Authorization") is None
    assert (sent.target, asked.target) == ("/team/dev/", "/team/prod/acme?ignore_bases=")
    assert sent.body == ENCODED.head + CONTENT + ENCODED.tail
    for seen in recording.requests:
        assert {name: value for name, value in seen.headers if name in OUTSIDE} == OUTSIDE
        assert not [name for name, _ in seen.headers if name.lower().startswith("x-devpi")]
    assert sent.header("Authorization") == asked.header("Authorization") == index.token
    assert PASSWORD.encode() not in recording.octets.replace(login.body, b"")


async def test_a_forgotten_token_is_renewed_and_the_upload_sent_again(
    recording: RecordingIndex, index: Index, backend: Backend
) -> None:
    """devpi that starts anew knows no old token: the client notices nothing of it, and the bytes are the same."""
    await upload(backend)
    index.logins = 5
    assert await upload(backend) == UploadAnswer(Outcome.STORED, 200)
    assert [seen.target for seen in recording.requests] == [
        "/+login",
        "/team/dev/",
        "/team/dev/",
        "/+login",
        "/team/dev/",
    ]
    assert recording.uploads[-1].body == recording.uploads[-3].body == ENCODED.head + CONTENT + ENCODED.tail
    index.logins = 10
    assert (await upload(backend)).outcome is Outcome.REFUSED  # twice in a minute: that is not the token's fault


async def test_a_forgotten_token_is_renewed_for_a_read(
    recording: RecordingIndex, index: Index, backend: Backend
) -> None:
    """Listings and whatever else is lent the credentials; once, not in a circle."""
    await backend.files("team/dev", PROJECT)
    index.logins = 5
    assert await backend.files("team/dev", PROJECT) == ()
    index.refusal = Reply(403, b"no")
    index.logins = 10
    with pytest.raises(Refused) as caught:
        await backend.files("team/dev", PROJECT)
    assert caught.value.denial.code is Code.MISCONFIGURED
    assert [seen.target for seen in recording.requests].count("/+login") == 2


async def test_an_account_without_the_right_is_named(recording: RecordingIndex, index: Index, backend: Backend) -> None:
    """What devpi says of it reaches the operator; one login more is all that it costs in a minute."""
    recording.answer = lambda seen: (
        index(seen) if seen.target == "/+login" else Reply(403, b"403 no permission to submit\n")
    )
    for _ in range(5):
        answer = await upload(backend)
        assert answer.denial is not None
        assert answer.denial.code is Code.MISCONFIGURED
        assert answer.denial.reason.endswith("the index answered 403: no permission to submit")
    assert index.logins == 2


LOGINS: dict[str, tuple[Script, Code]] = {
    "a wrong password": (Reply(401, b'{"message": "no"}'), Code.MISCONFIGURED),
    "a failure": (Reply(500), Code.INDEX_UNREACHABLE),
    "a page": (Reply(200, b"<html></html>"), Code.INDEX_UNREACHABLE),
    "a redirect": (Reply(302, b"", (("Location", "http://192.0.2.1/"),)), Code.INDEX_UNREACHABLE),
    "no answer": (Hang(), Code.INDEX_TIMEOUT),
}


@pytest.mark.parametrize(("login", "code"), LOGINS.values(), ids=LOGINS.keys())
async def test_without_a_login_nothing_goes_out(
    recording: RecordingIndex, index: Index, backend: Backend, login: Script, code: Code
) -> None:
    """No upload and no listing without credentials, which devpi would answer as for anybody."""
    index.login = login
    answer = await upload(backend)
    assert (answer.outcome, answer.denial and answer.denial.code) == (Outcome.FAILED, code)
    with pytest.raises(Refused) as caught:
        await backend.files("team/dev", PROJECT)
    assert caught.value.denial.code is code
    assert PASSWORD not in caught.value.denial.reason
    assert {seen.target for seen in recording.requests} == {"/+login"}


def test_the_password_has_no_repr() -> None:
    """An upstream and a login may end up in a log or a traceback."""
    assert PASSWORD not in repr(Upstream("http://127.0.0.1/", "a", "https", "svc", PASSWORD))
