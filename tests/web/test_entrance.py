"""What comes before HTTP: over real sockets, in this process; tests/e2e/test_entrances.py asks the program."""

import asyncio
import logging
import socket
import ssl
import threading
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme

from authproxy.config import SecretReference, SecretSource, TlsFiles
from authproxy.web import entrance
from authproxy.web.doors import CannotListen
from authproxy.web.entrance import Tls
from authproxy.web.preface import SIGNATURE
from tests.peers.recording import RecordingIndex
from tests.peers.wire import basic, get
from tests.web.conftest import Running

CLIENT = "192.0.2.7"
V1 = f"PROXY TCP4 {CLIENT} 198.51.100.1 50000 443\r\n".encode()
V2 = SIGNATURE + b"\x21\x11\x00\x0c" + bytes([192, 0, 2, 7, 198, 51, 100, 1, 0, 1, 0, 2])
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"
BEHIND = {"trusted_proxies": ["127.0.0.1"], "proxy_protocol": True}
READ = get("/simple/acme-core/")

behind = pytest.mark.parametrize("running", [BEHIND], indirect=True, ids=["behind a balancer"])


def say(address, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Send pieces and read until the end; nothing where the connection was cut off."""
    with closing(socket.socket()) as connection:
        connection.settimeout(10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answer = b""
        try:
            connection.connect(address)
            for piece in pieces:
                connection.sendall(piece)
                if pause:
                    threading.Event().wait(pause)
            while piece := connection.recv(65536):
                answer += piece
        except (ConnectionResetError, BrokenPipeError):
            return b""
    return answer


def seen(recording: RecordingIndex) -> str | None:
    """The address that the index was told."""
    return recording.requests[-1].header("X-Forwarded-For")


@behind
@pytest.mark.parametrize(
    ("header", "client"),
    [(V1, CLIENT), (V2, CLIENT), (LOCAL, "127.0.0.1"), (b"PROXY UNKNOWN\r\n", "127.0.0.1")],
    ids=["version 1", "version 2", "local", "unknown"],
)
async def test_the_client_is_whom_the_balancer_names(
    running: Running, recording: RecordingIndex, header: bytes, client: str
) -> None:
    """With the request in the same packet, and byte by byte; where none is named, it is the balancer itself."""
    for pieces, pause in (((header + READ,), 0.0), ((*(bytes([each]) for each in header), READ), 0.001)):
        answer = await asyncio.to_thread(say, running.address, *pieces, pause=pause)
        assert answer.startswith(b"HTTP/1.1 404")
        assert seen(recording) == client


@behind
async def test_what_the_client_claims_besides_is_not_believed(running: Running, recording: RecordingIndex) -> None:
    """Its X-Forwarded-For stands as it would without a balancer: only a trusted proxy's counts."""
    claimed = get("/simple/acme-core/", [("X-Forwarded-For", "203.0.113.9")])
    await asyncio.to_thread(say, running.address, V2 + claimed)
    assert seen(recording) == CLIENT
    await asyncio.to_thread(say, running.address, LOCAL + claimed)
    assert seen(recording) == "203.0.113.9"


@behind
@pytest.mark.parametrize(
    "raw",
    [
        READ,
        b"PROXY TCP4 192.0.2.7\r\n" + READ,
        SIGNATURE + b"\x31\x11\x00\x00" + READ,
        b"\x16\x03\x01\x00\x05hello",
        V1 + V1,
    ],
    ids=["no header", "half a line", "an unknown version", "TLS", "two headers"],
)
async def test_who_says_it_wrong_is_cut_off(running: Running, recording: RecordingIndex, raw: bytes) -> None:
    """No answer, no request, no word to the index; a second header is a malformed request, which has an answer."""
    answer = await asyncio.to_thread(say, running.address, raw)
    assert answer == b"" or (raw == V1 + V1 and answer.startswith(b"HTTP/1.0 400"))
    recording.assert_saw_nothing()


@pytest.mark.parametrize("running", [BEHIND | {"trusted_proxies": ["10.0.0.0/8"]}], indirect=True, ids=["elsewhere"])
async def test_whoever_is_not_trusted_is_cut_off(
    running: Running, recording: RecordingIndex, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever he says: he could name anybody."""
    with caplog.at_level(logging.INFO):
        for raw in (V1 + READ, V2 + READ, LOCAL + READ, READ):
            assert await asyncio.to_thread(say, running.address, raw) == b""
    recording.assert_saw_nothing()
    assert {record.address for record in caplog.records if "cut off" in record.message} == {"127.0.0.1"}


async def test_without_the_setting_a_header_is_nonsense(running: Running, recording: RecordingIndex) -> None:
    """Anybody could send one."""
    for header in (V1, V2):
        assert (await asyncio.to_thread(say, running.address, header + READ)).startswith(b"HTTP/1.0 400")
    recording.assert_saw_nothing()


@behind
async def test_who_does_not_come_to_the_end_is_cut_off(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that waits for its header holds a descriptor."""
    monkeypatch.setattr(entrance, "PREFACE", 0.2)
    for raw in (b"", b"PROXY TCP4 192.0.2.7", V2[:-1]):
        assert await asyncio.to_thread(say, running.address, raw) == b""


@behind
async def test_a_reload_changes_who_is_trusted(running: Running, recording: RecordingIndex) -> None:
    """From the next connection on."""
    from authproxy.config import load

    running.write(trusted_proxies=["10.0.0.0/8"])
    running.app.reload(load(running.file))
    assert await asyncio.to_thread(say, running.address, V1 + READ) == b""


def pair(folder: Path, *names: str, authority: trustme.CA | None = None) -> tuple[TlsFiles, trustme.CA]:
    """A certificate in files, as `tls` names them."""
    ca = authority or trustme.CA()
    issued = ca.issue_cert(*names)
    files = TlsFiles(
        folder / "chain.pem",
        folder / "key.pem",
        SecretReference(SecretSource.FILE, "chain.pem"),
        SecretReference(SecretSource.FILE, "key.pem"),
    )
    files.certificate.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    files.key.write_bytes(issued.private_key_pem.bytes())
    return files, ca


def test_a_pair_that_does_not_fit_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The context stays, and the log says why; a good pair is a new context."""
    files, ca = pair(tmp_path, "pypi.test")
    tls = Tls(files)
    before = tls.context
    tls.renew()
    assert isinstance(tls.context, ssl.SSLContext)
    assert tls.context is not before
    good = tls.context
    (tmp_path / "other").mkdir()
    other, _ = pair(tmp_path / "other", "pypi.test", authority=ca)
    for wrong in (other.key.read_bytes(), b"", b"nonsense"):
        files.key.write_bytes(wrong)
        tls.renew()
        assert tls.context is good
    files.key.unlink()
    tls.renew()
    assert tls.context is good
    troubles = [record.trouble for record in caplog.records]
    assert "is not that of the certificate" in troubles[0]
    assert "no certificate with its key" in troubles[1]
    assert "cannot be read" in troubles[3]


def test_a_server_does_not_start_with_a_wrong_pair(tmp_path: Path) -> None:
    """It was good when the file was read, and is not any more."""
    files, _ = pair(tmp_path, "pypi.test")
    files.key.write_bytes(b"")
    with pytest.raises(CannotListen) as caught:
        Tls(files)
    assert caught.value.setting == "tls"


def test_without_tls_there_is_nothing_to_renew() -> None:
    """Most have a web server before the proxy."""
    tls = Tls(None)
    tls.renew()
    assert tls.context is None


@behind
async def test_a_machine_without_descriptors_takes_connections_again(
    running: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It waits a moment, and whoever stood in the queue is served."""
    import resource

    monkeypatch.setattr(entrance, "EXHAUSTED", 0.2)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    client = await asyncio.to_thread(socket.create_connection, running.address, 10)
    await asyncio.sleep(0.1)
    with closing(client), closing(socket.socket()) as second:
        resource.setrlimit(resource.RLIMIT_NOFILE, (second.fileno() + 1, hard))
        try:
            await asyncio.to_thread(second.connect, running.address)
            await asyncio.sleep(0.3)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        second.settimeout(10)
        await asyncio.to_thread(second.sendall, V1 + READ)
        assert (await asyncio.to_thread(second.recv, 100)).startswith(b"HTTP/1.1 404")
    assert "no connection can be taken" in caplog.text


HERE = {"allow": [{"actions": ["read"], "packages": ["*"]}], "networks": ["10.1.0.0/16"]}
FORWARD = BEHIND | {"reads": "key", "key_policies": {"install": HERE}}
FORWARD |= {"trusted_proxies": ["127.0.0.1", "10.0.0.0/8"]}


@pytest.mark.parametrize("running", [FORWARD], indirect=True, ids=["forward auth behind a balancer"])
async def test_a_yes_is_said_again_to_whom_it_was_said(running: Running) -> None:
    """And to nobody else whose header names another client: neither from outside of the key's networks, nor at all."""
    asked = [("X-Original-Method", "GET"), ("X-Original-URI", "/simple/acme-core/")]
    question = get("/-/auth", [("Authorization", basic("__token__", await running.key("install"))), *asked])

    async def status(client: str) -> int:
        header = SIGNATURE + b"\x21\x11\x00\x0c" + ip_address(client).packed + bytes([127, 0, 0, 1, 0, 1, 0, 2])
        answer = await asyncio.to_thread(say, running.address, header + question)
        return int(answer.split()[1])

    assert [await status(client) for client in ("10.2.0.9", "10.1.0.1", "10.1.0.1")] == [403, 200, 200]
    assert [await status(client) for client in ("10.2.0.9", "203.0.113.9")] == [403, 403]
