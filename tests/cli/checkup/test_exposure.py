"""Who gets past the proxy: listeners on real addresses of this machine, and what they would take from a stranger."""

from collections.abc import Callable
from typing import Any

import pytest

from authproxy.cli.checkup import exposure
from authproxy.cli.checkup.index import check_index
from authproxy.cli.checkup.machine import own_addresses
from authproxy.cli.checkup.peer import peer_of
from authproxy.config import Address
from tests.cli.checkup.conftest import Configured, named, nothing_changes, now
from tests.peers.devpi import ROOT, ROOT_PASSWORD, Devpi
from tests.peers.ports import LOOPBACK
from tests.peers.pypiserver import PypiServer, pypiserver
from tests.peers.recording import RecordingIndex, Reply, Seen

SERVICE = ("authproxy", "s3rvice-passw0rd")

needs_an_address = pytest.mark.skipif(not own_addresses(), reason="this machine has no address but loopback")


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory: pytest.TempPathFactory, start: Callable[..., Any]) -> Callable[..., PypiServer]:
    """pypiserver at all addresses, as it listens by default; with or without a password."""
    running: dict[bool, PypiServer] = {}

    def of(*, locked: bool) -> PypiServer:
        if locked not in running:
            folder = tmp_path_factory.mktemp("everywhere") / "index"
            running[locked] = start(pypiserver(folder, host="0.0.0.0", htpasswd=SERVICE if locked else None))
        return running[locked]

    return of


@needs_an_address
@pytest.mark.parametrize(
    ("locked", "expected"),
    [
        pytest.param(True, {"index-alone": "warning"}, id="with a password"),
        pytest.param(False, {"index-alone": "warning", "index-uploads": "problem"}, id="open to everybody"),
    ],
)
def test_an_index_that_others_reach(
    configured: Configured, everywhere: Callable[..., PypiServer], locked: bool, expected: dict[str, str]
) -> None:
    """The address at which it was found is named, and the flag that ends it; open to the network is a problem."""
    index = everywhere(locked=locked)
    config = configured(index.url, service=SERVICE if locked else None)
    with nothing_changes(index.packages.parent, config.file.parent):
        found = named(check_index(config, now=now()))
    assert {name: str(each.verdict) for name, each in found.items() if each.verdict != "ok"} == expected
    assert f"port {index.address[1]}" in found["index-alone"].sentence
    assert any(address in found["index-alone"].sentence for address in own_addresses())
    assert "-i 127.0.0.1" in str(found["index-alone"].advice)


@needs_an_address
def test_an_address_in_backend_url(configured: Configured, everywhere: Callable[..., PypiServer]) -> None:
    """What is not loopback can perhaps be reached by others; only the network knows."""
    index = everywhere(locked=True)
    address = next(each for each in own_addresses() if ":" not in each)
    found = named(check_index(configured(f"http://{address}:{index.address[1]}/", service=SERVICE), now=now()))
    assert found["index-alone"].verdict == "warning"
    assert "not loopback" in found["index-alone"].sentence


@needs_an_address
def test_another_program_on_the_same_port_is_not_the_index(
    configured: Configured, recording: RecordingIndex, index: PypiServer
) -> None:
    """The control: something answers at this machine's address and port, and it is not the index."""
    import socket
    from threading import Thread

    address = next(each for each in own_addresses() if ":" not in each)
    with socket.create_server((address, index.address[1])) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: nginx\r\n\r\nhi")

        thread = Thread(target=answer, daemon=True)
        thread.start()
        found = named(check_index(configured(index.url), now=now()))
        thread.join(10)
    assert not thread.is_alive()
    assert found["index-alone"].verdict == "ok"


def front(recording: RecordingIndex) -> Callable[[Seen], Reply]:
    """An index of which nothing is known but how it answers uploads; `Basic` of anybody is taken."""
    return lambda seen: Reply(200 if seen.method == "GET" else 400 if seen.header("Authorization") else 401)


def test_an_index_that_takes_any_password(configured: Configured, recording: RecordingIndex) -> None:
    """Nobody is refused, but anybody is let in: a made-up account shows it."""
    recording.answer = front(recording)
    found = named(check_index(configured(recording.url, service=SERVICE), now=now()))
    assert found["index-uploads"].verdict == "warning"
    assert "with any password" in found["index-uploads"].sentence


def test_a_host_that_does_not_resolve_is_beyond(configured: Configured) -> None:
    """It is not loopback as far as anybody knows."""
    peer = peer_of(configured("http://no-such-host.invalid:8081/"))
    assert exposure._ways_around(peer, exposure.Answer(200, {}, ""), Address(LOOPBACK, 8080)) == [
        "no-such-host.invalid"
    ]


@needs_an_address
def test_the_proxy_itself_is_no_way_around(configured: Configured, everywhere: Callable[..., PypiServer]) -> None:
    """Where the proxy listens at an address of this machine on the index's port, what answers there is the proxy."""
    index = everywhere(locked=True)
    peer = peer_of(configured(index.url, service=SERVICE))
    answer = peer.get("/")
    ways = exposure._ways_around(peer, answer, Address(LOOPBACK, 8080))
    assert ways
    for way in ways:
        assert way not in exposure._ways_around(peer, answer, Address(way, index.address[1]))


def test_the_empty_password_of_devpis_root(configured: Configured, cheap_devpi: Devpi) -> None:
    """It is a problem whoever reaches the index: root may do everything, and so may any program on this machine.

    The control: the same devpi once root has a password.
    """
    config = configured(backend={"flavour": "devpi", "url": cheap_devpi.url, "indexes": [cheap_devpi.new_index()]})
    cheap_devpi.result("PATCH", "/root", {"password": ""})
    try:
        found = named(check_index(config, now=now()))
    finally:
        cheap_devpi.result("PATCH", "/root", {"password": ROOT_PASSWORD}, user=(ROOT, ""))
    assert found["index-root"].verdict == "problem"
    assert "index-root" not in named(check_index(config, now=now()))
