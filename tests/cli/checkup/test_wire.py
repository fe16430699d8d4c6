"""One question, one answer, in bounded time, and a few words where there is none."""

import http.server
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from authproxy.cli.checkup.wire import ANSWER_LIMIT, Answer, Unanswered, ask, basic
from tests.peers.ports import LOOPBACK, reserved_port
from tests.peers.recording import Hang, Raw, RecordingIndex, Reply


def test_the_question_is_what_was_asked(recording: RecordingIndex) -> None:
    """The target to the letter, the headers, the body with its length, on a connection that ends."""
    ask(recording.url, "/a%2Fb?c", {"Host": "pypi.test", "X-One": "1"}, method="POST", body=b"xyz")
    [seen] = recording.requests
    assert (seen.method, seen.target, seen.body) == ("POST", "/a%2Fb?c", b"xyz")
    assert (seen.header("Host"), seen.header("X-One")) == ("pypi.test", "1")
    assert (seen.header("Content-Length"), seen.header("Connection")) == ("3", "close")


def test_a_redirect_is_an_answer(recording: RecordingIndex) -> None:
    """It is looked at and not followed."""
    recording.answer = lambda _: Reply(302, b"", (("Location", "/elsewhere"),))
    assert ask(recording.url, "/", {}).headers["location"] == "/elsewhere"
    assert len(recording.requests) == 1


def test_a_long_answer_is_cut(recording: RecordingIndex) -> None:
    """An index that sends gigabytes is not read to the end."""
    recording.answer = lambda _: Reply(200, b"x" * (ANSWER_LIMIT + 1000))
    assert len(ask(recording.url, "/", {}).text) == ANSWER_LIMIT


@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param(Hang(), "no answer within 0", id="silence"),
        pytest.param(Raw(b"220 mail.test ESMTP\r\n"), "the answer is not HTTP", id="another protocol"),
        pytest.param(Raw(b"", reset=True), "connection reset by peer", id="a reset"),
        pytest.param(Raw(b""), "hangs up without a word", id="nothing at all"),
    ],
)
def test_what_is_no_answer(recording: RecordingIndex, script: Hang | Raw, words: str) -> None:
    """A few words that say what happened."""
    recording.answer = lambda _: script
    with pytest.raises(Unanswered, match=words):
        ask(recording.url, "/", {}, patience=0.4)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param(f"http://{LOOPBACK}:{{port}}/", "connection refused", id="nobody there"),
        pytest.param("http://no-such-host.invalid/", "(?i)name", id="no such host"),
    ],
)
def test_who_is_not_there(url: str, words: str) -> None:
    """Nobody listening, and no such name."""
    with pytest.raises(Unanswered, match=words):
        ask(url.format(port=reserved_port()), "/", {}, patience=5.0)


def test_tls_to_who_has_none(recording: RecordingIndex) -> None:
    """https in backend.url and http behind it."""
    with pytest.raises(Unanswered):
        ask(recording.url.replace("http:", "https:"), "/", {}, patience=0.5)


@pytest.fixture
def self_signed(tmp_path: Path) -> Iterator[str]:
    """An https server whose certificate nobody vouches for."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Quiet(http.server.HTTPServer):
        def handle_error(self, request, client_address):
            """The client hangs up in the middle of the handshake; that is what is tested."""

    with Quiet((LOOPBACK, 0), http.server.BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"https://{LOOPBACK}:{server.server_port}/"
        server.shutdown()
        thread.join(10)


def test_a_certificate_that_nobody_vouches_for(self_signed: str) -> None:
    """That is what is said, since that is what has to be mended."""
    with pytest.raises(Unanswered, match="certificate is not trusted: self"):
        ask(self_signed, "/", {}, patience=5.0)


def test_patience_ends(recording: RecordingIndex) -> None:
    """The caller waits as long as it said."""
    recording.answer = lambda _: Hang()
    began = time.monotonic()
    with pytest.raises(Unanswered):
        ask(recording.url, "/", {}, patience=0.3)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("status", "lets_in"),
    [(400, True), (200, True), (401, False), (403, False), (404, None), (302, None), (405, None), (500, None)],
)
def test_who_may_upload(status: int, lets_in: bool | None) -> None:
    """400 is what an upload of nothing gets from who would take another; what is neither yes nor no is neither."""
    assert Answer(status, {}, "").lets_in is lets_in


def test_credentials() -> None:
    """RFC 7617."""
    assert basic("Aladdin", "open sesame") == {"Authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}
