"""What goes out to an index, and what is made of what comes back: over real sockets, against an index that records."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from authproxy.backend.answer import UploadAnswer
from authproxy.backend.client import PARSED_AT_ONCE, Backend, Upstream
from authproxy.backend.encoding import Encoded, encode
from authproxy.backend.flavour import IndexFile
from authproxy.backend.form import FilePart, Form
from authproxy.backend.pypiserver import PYPISERVER
from authproxy.backend.standing import trouble_of
from authproxy.domain.access import Outcome
from authproxy.domain.names import artifact, project_name
from authproxy.domain.refusal import Code, Refused
from tests.peers.ports import reserved_port
from tests.peers.recording import Early, Hang, Raw, RecordingIndex, Reply, Script, Seen

CONTENT = b"the bytes of a wheel"
FORM = Form(
    (("name", "acme"), ("version", "1.0"), (":action", "file_upload")),
    FilePart("acme-1.0-py3-none-any.whl", len(CONTENT)),
)
PROJECT = project_name("acme")


async def chunks(*, last: bool) -> AsyncIterator[bytes]:
    """The file in two pieces. Credentials that never change are never tried again."""
    assert last
    yield CONTENT[:5]
    yield CONTENT[5:]


def upstream(url: str, **more: object) -> Upstream:
    """An upstream with a service account and little patience."""
    settings = {"username": "service", "password": "s3cret", "read_timeout": 0.5, "upload_timeout": 2.0, **more}
    return Upstream(url, "pypi.acme.test", "https", **settings)  # type: ignore[arg-type]


async def uploaded(url: str, **more: object) -> UploadAnswer:
    """Send the form once."""
    async with Backend(upstream(url, **more), PYPISERVER) as backend:
        return await backend.upload("pypiserver", encoded(), chunks, "192.0.2.7")


def encoded() -> Encoded:
    """The form as bytes."""
    return encode(FORM, "b" * 32)


async def test_an_upload_carries_our_bytes_and_our_headers_only(recording: RecordingIndex) -> None:
    """Exact length, our credentials, the public host for the index's links, nothing else."""
    assert await uploaded(recording.url) == UploadAnswer(Outcome.STORED, 200)
    [seen] = recording.requests
    assert seen.body == encoded().head + CONTENT + encoded().tail
    assert dict(seen.headers) == {
        "Host": "pypi.acme.test",
        "X-Forwarded-Host": "pypi.acme.test",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "192.0.2.7",
        "Authorization": "Basic c2VydmljZTpzM2NyZXQ=",
        "User-Agent": "authproxy",
        "Accept": "text/plain, */*",
        "Content-Type": f"multipart/form-data; boundary={'b' * 32}",
        "Content-Length": str(len(seen.body)),
        "Connection": "close",
    }


async def test_every_upload_has_a_connection_of_its_own(recording: RecordingIndex) -> None:
    """Body bytes that an early answer left behind must not become the next request."""
    async with Backend(upstream(recording.url), PYPISERVER) as backend:
        for _ in range(3):
            await backend.upload("pypiserver", encoded(), chunks, "192.0.2.7")
    assert [seen.connection for seen in recording.requests] == [1, 2, 3]


ANSWERS: dict[str, tuple[Script, Outcome, Code | None]] = {
    "a no": (Reply(400, b"no"), Outcome.REFUSED, Code.INDEX_REFUSED),
    "a refused login": (Reply(401, b""), Outcome.REFUSED, Code.MISCONFIGURED),
    "a redirect that is not followed": (
        Reply(302, b"", (("Location", "/elsewhere"),)),
        Outcome.REFUSED,
        Code.MISCONFIGURED,
    ),
    "a failure": (Reply(500, b""), Outcome.UNKNOWN, Code.INDEX_UNREACHABLE),
    "garbage": (Raw(b"\x00\x01 what is this\r\n\r\n"), Outcome.UNKNOWN, Code.INDEX_UNREACHABLE),
    "a closed connection": (Raw(b""), Outcome.UNKNOWN, Code.INDEX_UNREACHABLE),
    "a reset": (Raw(b"", reset=True), Outcome.UNKNOWN, Code.INDEX_UNREACHABLE),
    "half an answer": (
        Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"),
        Outcome.UNKNOWN,
        Code.INDEX_UNREACHABLE,
    ),
    "no answer at all": (Hang(), Outcome.UNKNOWN, Code.INDEX_TIMEOUT),
}


@pytest.mark.parametrize(("script", "outcome", "code"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_what_becomes_of_an_upload(
    recording: RecordingIndex, script: Script, outcome: Outcome, code: Code | None
) -> None:
    """Only a clear yes counts, and one request is all an index ever sees of it."""
    recording.answer = lambda _: script
    answer = await uploaded(recording.url)
    assert (answer.outcome, answer.denial and answer.denial.code) == (outcome, code)
    assert len(recording.requests) == 1


async def test_a_yes_before_the_whole_body_is_no_yes(recording: RecordingIndex) -> None:
    """An index that answers early has stored a part at best (measured with gunicorn and wsgiref)."""
    recording.early = Early(Reply(200), after=10)

    async def endless(*, last: bool) -> AsyncIterator[bytes]:
        assert last
        for _ in range(200):
            yield b"x" * 1_000_000
            await asyncio.sleep(0)

    form = Form(FORM.fields, FilePart(FORM.content.filename, 200_000_000))
    async with Backend(upstream(recording.url), PYPISERVER) as backend:
        answer = await backend.upload("pypiserver", encode(form, "b" * 32), endless, "192.0.2.7")
    assert answer.outcome is Outcome.UNKNOWN
    recording.ended.set()  # the index goes, and with it the connection that it no longer read
    await asyncio.sleep(0.2)


async def test_an_index_that_is_not_there_saw_nothing() -> None:
    """A refused connection is a clear failure, not an unknown outcome."""
    answer = await uploaded(f"http://127.0.0.1:{reserved_port()}/")
    assert (answer.outcome, answer.denial and answer.denial.code) == (Outcome.FAILED, Code.INDEX_UNREACHABLE)


def page(*files: str) -> Callable[[Seen], Script]:
    """An index whose one project has these files."""
    links = "".join(f'<a href="../../packages/{file}#sha256={"0" * 64}">{file}</a><br>\n' for file in files)
    return lambda _: Reply(200, f"<html><body>{links}</body></html>".encode())


async def test_the_files_of_a_project(recording: RecordingIndex) -> None:
    """The page is asked for with the service credentials and read by the flavour."""
    recording.answer = page("acme-1.0.tar.gz")
    async with Backend(upstream(recording.url), PYPISERVER) as backend:
        files = await backend.files("pypiserver", PROJECT)
    assert files is not None
    assert [(file.filename, file.path) for file in files] == [("acme-1.0.tar.gz", "/packages/acme-1.0.tar.gz")]
    assert recording.requests[0].target == "/simple/acme/"
    assert recording.requests[0].header("Authorization") == "Basic c2VydmljZTpzM2NyZXQ="


ABSENT = {"404": Reply(404), "a redirect to the public index": Reply(303, b"", (("Location", "http://192.0.2.1/"),))}


@pytest.mark.parametrize("reply", ABSENT.values(), ids=ABSENT.keys())
async def test_a_project_that_is_not_there(recording: RecordingIndex, reply: Reply) -> None:
    """The redirect is an answer, not an instruction."""
    recording.answer = lambda _: reply
    async with Backend(upstream(recording.url), PYPISERVER) as backend:
        assert await backend.files("pypiserver", PROJECT) is None
        assert await backend.sha256("/packages/acme-1.0.tar.gz") is None


TROUBLES: dict[str, tuple[Script, Code]] = {
    "a refused login": (Reply(403), Code.MISCONFIGURED),
    "a failure": (Reply(500), Code.INDEX_UNREACHABLE),
    "no answer": (Hang(), Code.INDEX_TIMEOUT),
    "half an answer": (Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"), Code.INDEX_UNREACHABLE),
    "a closed connection": (Raw(b""), Code.INDEX_UNREACHABLE),
}


@pytest.mark.parametrize(("script", "code"), TROUBLES.values(), ids=TROUBLES.keys())
async def test_an_index_that_cannot_be_asked_is_no_empty_index(
    recording: RecordingIndex, script: Script, code: Code
) -> None:
    """To take a fault for "no such file" would let a file be overwritten or a project be created."""
    recording.answer = lambda _: script
    async with Backend(upstream(recording.url), PYPISERVER) as backend:
        with pytest.raises(Refused) as listing:
            await backend.files("pypiserver", PROJECT)
        with pytest.raises(Refused) as reading:
            await backend.sha256("/packages/acme-1.0.tar.gz")
        assert (listing.value.denial.code, reading.value.denial.code) == (code, code)
        assert await trouble_of(backend) == listing.value.denial.reason


async def test_reading_back(recording: RecordingIndex) -> None:
    """The hash is that of the bytes as they come."""
    recording.answer = lambda _: Reply(200, CONTENT)
    async with Backend(upstream(recording.url), PYPISERVER) as backend:
        assert await backend.sha256("/packages/acme-1.0.tar.gz") == hashlib.sha256(CONTENT).hexdigest()
        assert await trouble_of(backend) is None


async def test_an_index_without_a_login_is_sent_none(recording: RecordingIndex) -> None:
    """No service account, no Authorization header."""
    await uploaded(recording.url, username=None, password=None)
    assert recording.requests[0].header("Authorization") is None


def test_the_password_has_no_repr() -> None:
    """An upstream may end up in a log or a traceback."""
    assert "s3cret" not in repr(upstream("http://127.0.0.1/"))


@pytest.mark.parametrize("files", [3, 1500])
async def test_a_long_page_is_not_read_on_the_event_loop(recording: RecordingIndex, files: int) -> None:
    """2,000 files took 56 ms, during which no other request was served; short pages are not worth a thread."""
    threads: list[threading.Thread] = []

    def read(page: bytes) -> tuple[IndexFile, ...] | None:
        threads.append(threading.current_thread())
        return PYPISERVER.files(page)

    page = b"".join(b'<a href="/packages/acme-1.%d.tar.gz#md5=%032d">x</a>' % (n, n) for n in range(files))
    recording.answer = lambda _: Reply(200, page)
    async with Backend(upstream(recording.url), replace(PYPISERVER, files=read)) as backend:
        found = await backend.files("pypiserver", PROJECT)
    assert found is not None
    assert len(found) == files
    assert found[2].artifact == artifact("acme-1.2.tar.gz")
    assert (threads == [threading.main_thread()]) == (len(page) <= PARSED_AT_ONCE)
