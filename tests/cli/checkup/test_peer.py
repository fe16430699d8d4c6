"""The index as somebody to talk to."""

from authproxy.cli.checkup.peer import peer_of, stranger
from authproxy.cli.checkup.wire import basic
from tests.cli.checkup.conftest import Configured
from tests.peers.recording import RecordingIndex


def test_it_is_asked_as_the_proxy_asks(configured: Configured, recording: RecordingIndex) -> None:
    """With the public host, and nobody's credentials unless they are given."""
    peer = peer_of(configured(recording.url, public_url="https://pypi.test/", service=("svc", "s3cret")))
    peer.get("/simple/")
    peer.get("/simple/", peer.own)
    without, given = recording.requests
    assert (without.header("Host"), without.header("X-Forwarded-Proto")) == ("pypi.test", "https")
    assert without.header("Authorization") is None
    assert given.header("Authorization") == basic("svc", "s3cret")["Authorization"]


def test_an_upload_of_nothing(configured: Configured, recording: RecordingIndex) -> None:
    """A form without a file, to where uploads go."""
    peer_of(configured(recording.url)).try_upload("", stranger())
    [seen] = recording.requests
    assert (seen.method, seen.target) == ("POST", "/")
    assert str(seen.header("Content-Type")).startswith("multipart/form-data; boundary=")
    assert b"filename" not in seen.body


def test_another_address_of_it(configured: Configured, recording: RecordingIndex) -> None:
    """The same port, the same headers."""
    peer = peer_of(configured(recording.url.replace("127.0.0.1", "localhost")))
    assert peer.host == "localhost"
    assert peer.get_at("127.0.0.1", "/").status == 404
    assert peer.port == recording.address[1]


def test_ports_of_the_scheme(configured: Configured) -> None:
    """Where the URL names none."""
    assert peer_of(configured("http://index.test/")).port == 80
    assert peer_of(configured("https://index.test/")).port == 443


def test_secrets_have_no_repr(configured: Configured) -> None:
    """Neither in clear nor as base64."""
    peer = peer_of(configured(service=("svc", "hunter2-of-the-index")))
    assert peer.own["Authorization"].split()[1] not in repr(peer)
    assert "hunter2" not in repr(peer)


def test_nobody_is_the_stranger() -> None:
    """It is another one every time."""
    assert stranger() != stranger()
