"""The program at a unix socket, with TLS of its own, behind a balancer, and started by systemd's socket activation."""

import json
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import trustme

from authproxy.web.preface import SIGNATURE
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.programs import Program, clean_environment
from tests.peers.proxy import AUTHPROXY, Installation, installation
from tests.peers.recording import RecordingIndex
from tests.peers.waiting import wait_until
from tests.peers.wire import get

PATIENCE = 20.0  # seconds
CLIENT = "192.0.2.7"
HEADER = SIGNATURE + b"\x21\x11\x00\x0c" + bytes([192, 0, 2, 7, 198, 51, 100, 1, 0, 1, 0, 2])
READ = get("/simple/acme-core/")


@contextmanager
def started(made: Installation, *, argv: tuple[str, ...] = AUTHPROXY, **env: str) -> Iterator[Program]:
    """Run `serve` and wait until its log says that it listens, where it starts at once."""
    program = Program(
        [*argv, "serve", "--config", made.config],
        log=made.folder / "serve.log",
        env=clean_environment(made.folder, **env),
        cwd=made.folder,
    )
    try:
        if argv is AUTHPROXY:
            wait_until(lambda: '"listening"' in program.output() or not program.is_alive(), "it does not start")
        assert program.is_alive(), program.output()
        yield program
    finally:
        program.stop()


def exchange(connection: socket.socket, raw: bytes) -> bytes:
    connection.sendall(raw)
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    return answer


def certificate(made: Installation, ca: trustme.CA, name: str) -> None:
    """Write a new pair, as whatever renews certificates does."""
    issued = ca.issue_cert("pypi.test", common_name=name)
    (made.folder / "chain.pem").write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    (made.folder / "key.pem").write_bytes(issued.private_key_pem.bytes())
    (made.folder / "key.pem").chmod(0o600)


def secured(made: Installation, ca: trustme.CA, *, before: bytes = b"", **bounds: object) -> ssl.SSLSocket:
    """Connect, say what comes before the handshake, and shake hands as a client that trusts only this authority."""
    context = ssl.create_default_context()
    ca.configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    for name, value in bounds.items():
        setattr(context, name, value)
    plain = socket.create_connection(made.address, timeout=PATIENCE)
    plain.sendall(before)
    try:
        return context.wrap_socket(plain, server_hostname="pypi.test")
    except OSError:
        plain.close()
        raise


def shown(connection: ssl.SSLSocket) -> str:
    """The common name of the certificate that was shown."""
    parts = dict(part for group in connection.getpeercert()["subject"] for part in group)
    return parts["commonName"]


@pytest.mark.parametrize("workers", [1, 2], ids=["one process", "workers"])
def test_tls_of_its_own_takes_a_renewed_certificate(tmp_path: Path, recording: RecordingIndex, workers: int) -> None:
    """TLS 1.2 and 1.3 and HTTP/1.1; on SIGHUP new handshakes get the new pair, while a connection from before goes on;
    a pair that does not fit changes nothing and is told.
    """
    files = {"certificate": "chain.pem", "key": "key.pem"}
    made = installation(tmp_path / "p", recording.url, workers=workers)
    settings = json.loads(made.config.read_text()) | {
        "tls": files,
        "public_url": f"https://pypi.test:{made.address[1]}/",
    }
    made.config.write_text(json.dumps(settings))
    ca = trustme.CA()
    certificate(made, ca, "first")
    key = made.create_key()
    with started(made) as program:

        def reload(said: str) -> None:
            before = program.output().count(said)
            program.signal(signal.SIGHUP)
            wait_until(lambda: program.output().count(said) > before, "it was not told")

        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with secured(made, ca, minimum_version=version, maximum_version=version) as connection:
                assert (shown(connection), connection.selected_alpn_protocol()) == ("first", "http/1.1")
                raw = upload(wheel("acme-core", f"{version.value}.0"), key.text).replace(
                    b"\r\n", b"\r\nConnection: close\r\n", 1
                )
                assert exchange(connection, raw).startswith(b"HTTP/1.1 200")
        with secured(made, ca) as old:
            certificate(made, ca, "second")
            reload("the config was reloaded")
            wait_until(lambda: _name(made, ca) == "second", "the old certificate is shown")
            (made.folder / "key.pem").write_bytes(ca.issue_cert("pypi.test").private_key_pem.bytes())
            reload("is not that of the certificate")
            assert {_name(made, ca) for _ in range(6)} == {"second"}
            assert exchange(old, READ).startswith(b"HTTP/1.1 404")
        with closing(socket.create_connection(made.address, timeout=PATIENCE)) as plain:
            assert not exchange(plain, READ).startswith(b"HTTP/1.1")


def _name(made: Installation, ca: trustme.CA) -> str:
    with secured(made, ca) as connection:
        return shown(connection)


def test_the_balancers_header_stands_before_the_handshake(tmp_path: Path, recording: RecordingIndex) -> None:
    """In the same packet as the client's first words of TLS, or in one of its own."""
    made = installation(tmp_path / "p", recording.url, trusted_proxies=["127.0.0.1"], proxy_protocol=True)
    certificate(made, ca := trustme.CA(), "first")
    settings = json.loads(made.config.read_text())
    settings |= {"tls": {"certificate": "chain.pem", "key": "key.pem"}, "public_url": "https://pypi.test/"}
    made.config.write_text(json.dumps(settings))
    with started(made):
        with secured(made, ca, before=HEADER) as connection:
            assert exchange(connection, READ).startswith(b"HTTP/1.1 404")
        assert recording.requests[-1].header("X-Forwarded-For") == CLIENT
        context = ssl.create_default_context()
        ca.configure_trust(context)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        spoken = context.wrap_bio(incoming, outgoing, server_hostname="pypi.test")
        with pytest.raises(ssl.SSLWantReadError):
            spoken.do_handshake()
        with closing(socket.create_connection(made.address, timeout=PATIENCE)) as plain:
            plain.sendall(HEADER + outgoing.read())
            assert plain.recv(1)[:1] == b"\x16", "what came behind the header was lost"


@pytest.mark.parametrize("workers", [1, 2], ids=["one process", "workers"])
def test_a_unix_socket_serves_and_is_gone_afterwards(tmp_path: Path, recording: RecordingIndex, workers: int) -> None:
    """The server before it says who the client is; a start after a kill finds the dead socket and takes its place."""
    made = installation(tmp_path / "p", recording.url, workers=workers, trusted_proxies=["unix"], socket_mode="600")
    path = made.folder / "a.sock"
    settings = json.loads(made.config.read_text()) | {"listen": f"unix:{path}"}
    made.config.write_text(json.dumps(settings))
    for ending in (signal.SIGKILL, signal.SIGTERM):
        with started(made) as program:
            assert path.stat().st_mode & 0o777 == 0o600
            for _ in range(4):
                with closing(socket.socket(socket.AF_UNIX)) as connection:
                    connection.connect(str(path))
                    claimed = get("/simple/acme-core/", [("X-Forwarded-For", CLIENT)])
                    assert exchange(connection, claimed).startswith(b"HTTP/1.1 404")
                assert recording.requests[-1].header("X-Forwarded-For") == CLIENT
            program.signal(ending)
            program.wait(PATIENCE)
            (made.folder / "serve.log").unlink()
        assert path.exists() == (ending == signal.SIGKILL)


@pytest.mark.parametrize("workers", [1, 2], ids=["one process", "workers"])
def test_who_has_just_connected_is_served_to_the_end(tmp_path: Path, recording: RecordingIndex, workers: int) -> None:
    """SIGTERM comes between the connection and the head of its first upload, or in the middle of that head."""
    made = installation(tmp_path / "p", recording.url, workers=workers)
    key = made.create_key()
    with started(made) as program:
        raws = [upload(wheel(f"acme-late{number}"), key.text) for number in range(8)]
        clients = [socket.create_connection(made.address, timeout=PATIENCE) for _ in raws]
        for number, (client, raw) in enumerate(zip(clients, raws, strict=True)):
            client.sendall(raw[: number * 10])
        program.signal(signal.SIGTERM)
        time.sleep(0.5)
        for number, (client, raw) in enumerate(zip(clients, raws, strict=True)):
            client.sendall(raw[number * 10 :])
        answers = [client.recv(65536)[:12] for client in clients]
        for client in clients:
            client.close()
        assert answers == [b"HTTP/1.1 200"] * len(raws)
        assert program.wait(PATIENCE) == 0
