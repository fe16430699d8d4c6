"""Small questions and answers over TLS: who is trusted, what is never followed, and how trouble is told."""

import socket
from pathlib import Path

import pytest

from authproxy.client import wire
from authproxy.client.errors import ClientError
from tests.peers.recording import Hang, Raw, RecordingIndex, Reply
from tests.peers.tls import tls_before

SECRET = "s3cret-token"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_a_question_and_its_answer(recording: RecordingIndex) -> None:
    """A GET, or with a body a POST; the status is whatever it is, and nothing of it is shown by accident."""
    recording.answer = lambda seen: Reply(422, b"no: " + seen.body)
    assert wire.ask(f"{recording.url}a?b=1", headers={"X-Mine": "1"}) == wire.Reply(422, b"no: ")
    assert wire.ask(f"{recording.url}a", body=b"{}").body == b"no: {}"
    assert [(seen.method, seen.target, seen.header("User-Agent")) for seen in recording.requests] == [
        ("GET", "/a?b=1", "authproxy"),
        ("POST", "/a", "authproxy"),
    ]
    assert SECRET not in repr(wire.Reply(200, SECRET.encode()))


def test_a_redirect_is_an_answer_and_not_a_way(recording: RecordingIndex) -> None:
    """What was sent goes nowhere else, whatever the answer names."""
    for status in (301, 302, 303, 307, 308):
        recording.forget()
        recording.answer = lambda _seen, status=status: Reply(status, b"", (("Location", f"{recording.url}elsewhere"),))
        assert wire.ask(f"{recording.url}here", headers={"Authorization": SECRET}).status == status
        assert [seen.target for seen in recording.requests] == ["/here"]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_tls_is_verified(
    recording: RecordingIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """A certificate that nobody vouches for is refused before a byte is sent; either variable names who vouches."""
    recording.answer = lambda _seen: Reply(200, b"here")
    with tls_before(recording.address, tmp_path) as front:
        with pytest.raises(ClientError, match="not trusted here: SSL_CERT_FILE names"):
            wire.ask(front.url, headers={"Authorization": SECRET})
        assert recording.octets == b""
        monkeypatch.setenv(variable, str(front.ca_file))
        assert wire.ask(front.url).body == b"here"
        with pytest.raises(ClientError, match="not trusted here"):
            wire.ask(front.url.replace("127.0.0.1", "localhost"))


def test_a_bundle_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, and nothing is sent without it."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/there/is/none.pem")
    with pytest.raises(ClientError, match=r"names /there/is/none\.pem"):
        wire.ask("https://127.0.0.1:9/")


def test_trouble_is_told_without_what_was_sent(recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody there, no answer, half an answer, too much of one: a sentence each."""
    monkeypatch.setattr(wire, "PATIENCE", 0.3)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/"
    answers = {
        "did not answer within 0.3 seconds": Hang(),
        "broke the connection off": Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        "or sent what is no answer": Raw(b"what?\r\n\r\n"),
        "more than 65536 bytes": Reply(200, bytes(wire.ANSWER_LIMIT + 1)),
    }
    for sentence, answer in answers.items():
        recording.answer = lambda _seen, answer=answer: answer
        with pytest.raises(ClientError, match=sentence) as caught:
            wire.ask(recording.url, headers={"Authorization": SECRET})
        assert SECRET not in str(caught.value)
    with pytest.raises(ClientError, match="cannot be reached: connection refused"):
        wire.ask(nobody)
    with pytest.raises(ClientError, match="cannot be reached"):
        wire.ask("http://no-such-host.invalid/")


def test_the_proxy_of_the_environment(recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked as other clients ask it; what is on this very machine's network passes it by."""
    monkeypatch.setenv("http_proxy", recording.url)
    recording.answer = lambda _seen: Reply(200, b"by the proxy")
    assert wire.ask("http://ci.acme.invalid/job").body == b"by the proxy"
    assert recording.requests[0].target == "http://ci.acme.invalid/job"
    with pytest.raises(ClientError, match="cannot be reached"):
        wire.ask("http://ci.acme.invalid/job", direct=True)


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("https://pypi.acme.test/", True),
        ("http://127.0.0.1:8080/", True),
        ("http://[::1]:8080/", True),
        ("http://pypi.acme.test/", False),
        ("ftp://127.0.0.1/", False),
        ("http://localhost.acme.test/", False),
    ],
)
def test_where_a_token_may_travel(url: str, private: bool) -> None:
    """Over TLS, or not at all over a wire."""
    assert wire.is_private(url) is private
