"""What systemd is told, over a real datagram socket, and what it hands over, with real descriptors."""

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from authproxy.web.service import NOTHING, Service, WrongSockets, handed_over, service


@contextmanager
def systemd(address: str) -> Iterator[socket.socket]:
    """The receiving end, as systemd has it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        receiver.settimeout(5)
        yield receiver


def lines(receiver: socket.socket) -> list[str]:
    return receiver.recv(4096).decode().split("\n")


@pytest.fixture(params=["a path", "an abstract name"])
def line(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """NOTIFY_SOCKET as it is written, and its other end."""
    name = f"authproxy-test-{os.getpid()}-{time.monotonic_ns()}"
    written, address = (f"@{name}", f"\0{name}") if "abstract" in request.param else (str(tmp_path / "n"),) * 2
    with systemd(address) as receiver:
        yield written, receiver


def test_a_life_is_told(line: tuple[str, socket.socket]) -> None:
    """Ready, a reload with the clock that systemd compares, ready again, a sign of life, a status, the end."""
    written, receiver = line
    told = service({"NOTIFY_SOCKET": written})
    told.ready("http://127.0.0.1:8080/")
    assert lines(receiver) == ["READY=1", "STATUS=http://127.0.0.1:8080/"]
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    told.reloading()
    first, moment = lines(receiver)
    assert first == "RELOADING=1"
    assert before <= int(moment.removeprefix("MONOTONIC_USEC=")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    told.alive()
    assert lines(receiver) == ["WATCHDOG=1"]
    told.status("two\nlines" + "x" * 1000)
    [status] = lines(receiver)
    assert (status[:16], len(status)) == ("STATUS=two lines", 207)
    told.stopping("draining")
    assert lines(receiver) == ["STOPPING=1", "STATUS=draining"]


def test_the_line_is_nobody_elses(tmp_path: Path) -> None:
    """What is started from here must not speak for the service: the variables are taken out."""
    env = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    service(env)
    assert env == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("more", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
        ({}, None),
    ],
    ids=["for anybody", "for this process", "for another process", "none", "nonsense", "no digits", "not set"],
)
def test_the_watchdog_is_that_of_this_process(more: dict[str, str], seconds: float | None) -> None:
    """sd_watchdog_enabled(3)."""
    assert service({"NOTIFY_SOCKET": "/run/n", **more}).watchdog == seconds
    assert service(dict(more)).watchdog is None


@pytest.mark.parametrize("address", ["", "relative", "vsock:2:1234"])
def test_without_a_socket_nothing_is_said(address: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nor where it is of a kind that we do not speak."""
    told = service({"NOTIFY_SOCKET": address} if address else {})
    for say in (told.reloading, told.alive):
        say()
    told.ready("x")
    assert caplog.text == ""


def test_a_systemd_that_does_not_listen_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line in the log."""
    with caplog.at_level(logging.WARNING):
        Service(str(tmp_path / "nobody")).ready("x")
    assert [record.getMessage() for record in caplog.records] == ["systemd was not told"]


@pytest.fixture
def descriptors(tmp_path: Path) -> Iterator[dict[str, socket.socket]]:
    """A socket of each kind that might be handed over."""
    made = {
        "tcp": socket.create_server(("127.0.0.1", 0)),
        "tcp6": socket.create_server(("::1", 0), family=socket.AF_INET6),
        "unix": socket.socket(socket.AF_UNIX),
        "bound": socket.socket(),
        "datagram": socket.socket(type=socket.SOCK_DGRAM),
    }
    made["unix"].bind(str(tmp_path / "a.sock"))
    made["unix"].listen()
    made["bound"].bind(("127.0.0.1", 0))
    yield made
    for each in made.values():
        each.close()


def hand(sockets: list[socket.socket], names: str = "", **more: str) -> dict[str, str]:
    """The environment for these, which stand where `handed_over(env, first=...)` begins to look."""
    start = 700
    for at, each in enumerate(sockets):
        os.dup2(each.fileno(), start + at)
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names, **more}


def test_sockets_are_taken_by_their_names(descriptors) -> None:
    """All but the one for metrics are for clients; none of them is passed on to what is started from here."""
    order = [descriptors[name] for name in ("tcp", "unix", "tcp6")]
    env = hand(order, "web:metrics:authproxy.socket", PATH="/bin")
    found = handed_over(env, 700)
    assert [each.getsockname() for each in found.clients] == [order[0].getsockname(), order[2].getsockname()]
    assert found.metrics is not None
    assert found.metrics.getsockname() == order[1].getsockname()
    assert env == {"PATH": "/bin"}
    for each in (*found.clients, found.metrics):
        assert not each.get_inheritable()
        assert each.gettimeout() == 0
        each.close()


@pytest.mark.parametrize("env", [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_FDS": "1"}], ids=str)
def test_what_is_for_another_process_is_not_taken(env: dict[str, str]) -> None:
    """A shell in between has another number; its descriptors 3 and following are anything."""
    assert handed_over(env) == NOTHING


@pytest.mark.parametrize(
    ("names", "kinds", "words"),
    [
        ("", ["bound"], "Accept=no"),
        ("", ["tcp", "datagram"], "ListenStream="),
        ("metrics", ["tcp"], "none for clients"),
        ("metrics:metrics:a", ["tcp", "tcp6", "unix"], "2 sockets of the name metrics"),
    ],
    ids=["one that does not listen", "datagrams", "metrics alone", "metrics twice"],
)
def test_wrong_sockets_have_their_sentence(descriptors, names: str, kinds: list[str], words: str) -> None:
    """Each says what to write into the unit."""
    env = hand([descriptors[kind] for kind in kinds], names)
    with pytest.raises(WrongSockets, match=words):
        handed_over(env, 700)
    for at in range(len(kinds)):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(700 + at)


@pytest.mark.parametrize("number", ["65", "x", "-1", ""])
def test_a_number_that_is_none_is_refused(number: str) -> None:
    """As is one that no unit has."""
    with pytest.raises(WrongSockets, match="no number"):
        handed_over({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": number})


def test_a_descriptor_that_is_no_socket_is_refused(tmp_path: Path) -> None:
    """A file, and one that is not open at all."""
    with (tmp_path / "file").open("wb") as file:
        for number in (file.fileno(), 999):
            with pytest.raises(WrongSockets, match="is no socket"):
                handed_over({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}, number)
