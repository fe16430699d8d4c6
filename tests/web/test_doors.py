"""Sockets bound here: one for each share, none in anybody's way, a unix socket only in the place of a dead one."""

import json
import os
import socket
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from authproxy.config import Address, Config, UnixAddress, load
from authproxy.web.doors import CannotListen, Doors
from authproxy.web.service import HandedOver
from tests.peers.ports import LOOPBACK, reserved_port
from tests.peers.proxy import settings


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A config that listens at a port of the system's choice."""
    path = tmp_path / "authproxy.yaml"
    path.write_text(json.dumps(settings(tmp_path, "http://127.0.0.1:9/", address=(LOOPBACK, 8080))))
    return replace(load(path), listen=Address(LOOPBACK, 0))


@pytest.fixture
def opened() -> Iterator[Callable[..., Doors]]:
    """Open doors that are closed after the test."""
    made: list[Doors] = []

    def opening(config: Config, *arguments: object, **more: object) -> Doors:
        made.append(Doors.open(config, *arguments, **more))
        return made[-1]

    yield opening
    for each in made:
        each.close()


def at(config: Config, path: Path, mode: int = 0o660) -> Config:
    return replace(config, listen=UnixAddress(str(path)), socket_mode=mode)


def port_of(doors: Doors, share: int = 0) -> int:
    return doors.share(share)[0].getsockname()[1]


def test_each_share_has_a_socket_of_its_own_at_one_port(config: Config, opened) -> None:
    """The kernel spreads connections over those that listen, and gives none to one that does not."""
    doors = opened(config, shares=3)
    assert len({port_of(doors, share) for share in range(3)}) == 1
    for share in range(2):
        doors.share(share)[0].listen()
    clients = [socket.create_connection((LOOPBACK, port_of(doors))) for _ in range(60)]
    came = Counter[int]()
    for share in range(2):
        while True:
            try:
                doors.share(share)[0].accept()[0].close()
            except BlockingIOError:
                break
            came[share] += 1
    assert came.total() == 60
    assert min(came.values()) > 10
    for each in clients:
        each.close()


def test_a_share_that_is_given_up_takes_no_newcomers(config: Config, opened) -> None:
    """Its queue goes with it, the port stays, and the next worker listens at it again."""
    doors = opened(config, shares=2)
    port = port_of(doors)
    for share in range(2):
        doors.share(share)[0].listen()
    doors.renew(0)
    clients = [socket.create_connection((LOOPBACK, port)) for _ in range(20)]
    for _ in clients:
        doors.share(1)[0].accept()[0].close()
    doors.share(0)[0].listen()
    assert port_of(doors) == port
    for each in clients:
        each.close()


@pytest.mark.parametrize("shares", [1, 2])
@pytest.mark.parametrize("first", [1, 2])
def test_a_port_that_is_taken_is_told(config: Config, opened, first: int, shares: int) -> None:
    """Also where both servers would share it by SO_REUSEPORT: nobody would see that half of the clients go elsewhere."""
    running = opened(config, shares=first)
    for share in range(first):
        running.share(share)[0].listen()
    taken = replace(config, listen=Address(LOOPBACK, port_of(running)))
    with pytest.raises(CannotListen, match="address already in use"):
        Doors.open(taken, shares=shares)


def test_control_so_reuseport_alone_lets_a_second_server_in(config: Config, opened) -> None:
    """What the test above is about: the kernel says nothing."""
    running = opened(config, shares=2)
    running.share(0)[0].listen()
    with socket.socket() as second:
        second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        second.bind((LOOPBACK, port_of(running)))
        second.listen()


def test_metrics_have_one_socket_and_their_own_name(config: Config, opened) -> None:
    """Whoever cannot listen says for which key of the file."""
    port = reserved_port()
    watched = replace(config, metrics=Address(LOOPBACK, port))
    assert [each.getsockname()[1] for each in opened(watched, shares=3).metrics] == [port]
    with pytest.raises(CannotListen) as caught:
        Doors.open(watched)
    assert (caught.value.setting, str(caught.value.address)) == ("metrics", f"{LOOPBACK}:{port}")


@pytest.mark.parametrize(
    ("address", "words"),
    [(Address("192.0.2.1", 0), "cannot assign"), (Address("nowhere.invalid", 0), "nowhere.invalid cannot be resolved")],
    ids=["not of this machine", "no name"],
)
def test_an_address_that_is_not_here(config: Config, address: Address, words: str) -> None:
    """In words."""
    with pytest.raises(CannotListen, match=words):
        Doors.open(replace(config, listen=address))


def test_every_address_of_a_host_is_bound_at_one_port(config: Config, opened) -> None:
    """`localhost` is two of them where there is IPv6."""
    doors = opened(replace(config, listen=Address("localhost", 0)))
    found = {each.getsockname()[:2] for each in doors.share(0)}
    assert {host for host, _ in found} == {
        each[4][0] for each in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)
    }
    assert len({port for _, port in found}) == 1
    assert doors.url == f"http://localhost:{port_of(doors)}/"


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_a_unix_socket_has_its_mode_whatever_the_umask(config: Config, tmp_path: Path, opened, mode: int) -> None:
    """The umask takes nothing from it, and adds nothing."""
    before = os.umask(0o077)
    try:
        opened(at(config, tmp_path / "a.sock", mode))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.sock").stat().st_mode) == mode


def test_a_dead_socket_is_replaced_and_a_living_one_is_not(config: Config, tmp_path: Path, opened) -> None:
    """What was killed leaves its file behind; whoever listens keeps his, with who has connected."""
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.is_socket()
    living = opened(at(config, path), shares=2)
    assert living.share(0) == living.share(1)
    with pytest.raises(CannotListen, match="address already in use"):
        Doors.open(at(config, path))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    living.close()
    assert not path.exists()


def test_a_socket_with_a_full_queue_is_a_living_one(config: Config, tmp_path: Path) -> None:
    """A server that is too busy to take a connection is not dead."""
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as client:
        busy.bind(str(path))
        busy.listen(0)
        client.connect(str(path))
        with pytest.raises(CannotListen, match="address already in use"):
            Doors.open(at(config, path))
    assert path.is_socket()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_no_other_file_is_taken_away(config: Config, tmp_path: Path, kind: str) -> None:
    """Nor what a link leads to."""
    path, other = tmp_path / "a.sock", tmp_path / "other"
    other.write_text("mine")
    {"file": lambda: path.write_text("mine"), "folder": path.mkdir, "link": lambda: path.symlink_to(other)}[kind]()
    with pytest.raises(CannotListen, match="no socket"):
        Doors.open(at(config, path))
    assert os.path.lexists(path)
    assert other.read_text() == "mine"


def test_the_file_of_another_is_left_at_the_end(config: Config, tmp_path: Path, opened) -> None:
    """Somebody has put his own in its place; a worker that ends takes none away."""
    path = tmp_path / "a.sock"
    first = opened(at(config, path))
    path.unlink()
    opened(at(config, path))
    first.close()
    assert path.is_socket()


def test_a_start_that_fails_leaves_no_file(config: Config, tmp_path: Path) -> None:
    """Where the port of metrics is taken, nobody finds a socket behind which nobody is."""
    path = tmp_path / "s"
    with socket.create_server((LOOPBACK, 0)) as taken:
        where = replace(at(config, path), metrics=Address(LOOPBACK, taken.getsockname()[1]))
        with pytest.raises(CannotListen):
            Doors.open(where)
    assert not path.exists()


def test_a_worker_leaves_the_file_to_the_others(config: Config, tmp_path: Path, opened) -> None:
    """They serve it still."""
    path = tmp_path / "a.sock"
    opened(at(config, path)).close(clear=False)
    assert path.is_socket()


RACER = """
import sys
import time
from pathlib import Path
from dataclasses import replace
from authproxy.config import UnixAddress, load
from authproxy.web.doors import CannotListen, Doors
config = load(Path(sys.argv[1]))
unlink = Path.unlink
Path.unlink = lambda path: (time.sleep(0.2), unlink(path))  # between the look and what follows from it
print("go", flush=True)
sys.stdin.readline()
try:
    doors = Doors.open(replace(config, listen=UnixAddress(sys.argv[2])))
    print("has it", flush=True)
except CannotListen as exc:
    print(exc, flush=True)
sys.stdin.readline()
"""


def test_of_many_who_find_it_dead_one_gets_it(config: Config, tmp_path: Path) -> None:
    """Between the look and the bind nobody takes away what another has just made."""
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    argv = [sys.executable, "-c", RACER, str(config.file), str(path)]
    racers = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    try:
        for each in racers:
            assert each.stdout.readline() == "go\n"
        for each in racers:
            each.stdin.write("\n")
            each.stdin.flush()
        said = [each.stdout.readline() for each in racers]
    finally:
        for each in racers:
            each.communicate("\n", timeout=20)
    assert sorted(said) == ["address already in use\n"] * 5 + ["has it\n"]


def test_what_systemd_hands_over_is_used_and_not_what_the_file_says(config: Config, opened) -> None:
    """All processes serve all of it; what it does not hand over is bound here."""
    given = [socket.create_server((LOOPBACK, 0)) for _ in range(2)]
    metrics = Address(LOOPBACK, reserved_port())
    doors = opened(replace(config, metrics=metrics), HandedOver(tuple(given)), shares=2)
    assert doors.share(0) == doors.share(1) == given
    assert doors.url == f"http://{LOOPBACK}:{given[0].getsockname()[1]}/"
    assert [each.getsockname()[1] for each in doors.metrics] == [metrics.port]
    doors.renew(0)
    assert doors.share(0) == given


def test_a_worker_keeps_its_own_share(config: Config, opened) -> None:
    """The others' stay with the others."""
    doors = opened(config, shares=3)
    doors.keep_only(1)
    assert [doors.share(number)[0].fileno() >= 0 for number in range(3)] == [False, True, False]
