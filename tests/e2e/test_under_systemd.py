"""The program as systemd starts it: it is told of its life, and takes the sockets that are handed over."""

import shutil
import signal
import socket
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.test_entrances import PATIENCE, READ, exchange, started, wait_until
from tests.peers.ports import LOOPBACK, reserved_port
from tests.peers.programs import clean_environment
from tests.peers.proxy import AUTHPROXY, installation
from tests.peers.recording import RecordingIndex
from tests.peers.wire import get


class Systemd:
    """NOTIFY_SOCKET's other end."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._receiver.bind(str(self.path))
        self._receiver.settimeout(PATIENCE)
        self.heard: list[str] = []

    def wait_for(self, word: str) -> None:
        """Listen until a message begins so."""
        deadline = time.monotonic() + PATIENCE
        while not self.heard or not self.heard[-1].startswith(word):
            assert time.monotonic() < deadline, self.heard
            self.heard.append(self._receiver.recv(4096).decode())

    def close(self) -> None:
        self._receiver.close()


@pytest.mark.parametrize("workers", [1, 2], ids=["one process", "workers"])
def test_systemd_hears_of_a_life(tmp_path: Path, recording: RecordingIndex, workers: int) -> None:
    """Ready once all of it serves, signs of life, a reload with its end, a bad reload with its end, the end."""
    made = installation(tmp_path / "p", recording.url, workers=workers)
    with closing(Systemd(tmp_path)) as systemd:
        env = {"NOTIFY_SOCKET": str(systemd.path), "WATCHDOG_USEC": "1000000"}
        with started(made, **env) as program:
            systemd.wait_for("READY=1")
            assert made.address[1] == int(systemd.heard[-1].split(":")[2].split("/")[0])
            for _ in range(3):
                systemd.heard.append("")
                systemd.wait_for("WATCHDOG=1")
            text = made.config.read_text()
            for new in (text, "listen: ["):
                made.config.write_text(new)
                program.signal(signal.SIGHUP)
                systemd.wait_for("RELOADING=1\nMONOTONIC_USEC=")
                systemd.wait_for("READY=1")
            program.signal(signal.SIGTERM)
            systemd.wait_for("STOPPING=1")
            assert program.wait(PATIENCE) == 0


needs_activation = pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="systemd is not installed"
)


@needs_activation
@pytest.mark.parametrize("workers", [1, 2], ids=["one process", "workers"])
def test_systemd_hands_sockets_over(tmp_path: Path, recording: RecordingIndex, workers: int) -> None:
    """Two for clients, a port and a unix socket, and one for metrics: `listen` and `metrics` of the file are not used,
    and the first connection, which started the program, is served.
    """
    other, path, metrics = reserved_port(), tmp_path / "handed.sock", reserved_port()
    made = installation(tmp_path / "p", recording.url, workers=workers, metrics=f"{LOOPBACK}:{reserved_port()}")
    argv = [
        "systemd-socket-activate",
        f"--listen={LOOPBACK}:{other}",
        f"--listen={path}",
        f"--listen={LOOPBACK}:{metrics}",
    ]
    environment = [f"--setenv={name}" for name in clean_environment(made.folder)]
    with started(made, argv=(*argv, "--fdname=web:local:metrics", *environment, *AUTHPROXY)) as program:
        wait_until(lambda: "Listening" in program.output(), "it does not listen")
        for _ in range(4):
            with closing(socket.create_connection((LOOPBACK, other), timeout=PATIENCE)) as connection:
                assert exchange(connection, READ).startswith(b"HTTP/1.1 404")
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(path))
            assert exchange(connection, READ).startswith(b"HTTP/1.1 404")
        with closing(socket.create_connection((LOOPBACK, metrics), timeout=PATIENCE)) as connection:
            assert b"authproxy_requests_total" in exchange(connection, get("/metrics"))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(made.address)
        # systemd-socket-activate has become the program: what would not be so is that its number is another's.
        assert Path(f"/proc/{program.pid}/exe").resolve() == Path(AUTHPROXY[0]).resolve()
        program.signal(signal.SIGTERM)
        assert program.wait(PATIENCE) == 0


@needs_activation
def test_wrong_sockets_are_told(tmp_path: Path, recording: RecordingIndex) -> None:
    """Accept=yes, which hands over connections: one sentence."""
    made, port = installation(tmp_path / "p", recording.url), reserved_port()
    environment = [f"--setenv={name}" for name in clean_environment(made.folder)]
    argv = ("systemd-socket-activate", "--accept", f"--listen={LOOPBACK}:{port}", *environment, *AUTHPROXY)
    with started(made, argv=argv) as program:
        wait_until(lambda: "Listening" in program.output(), "it does not listen")
        with closing(socket.create_connection((LOOPBACK, port), timeout=PATIENCE)):
            wait_until(lambda: "write Accept=no in the socket unit" in program.output(), "nothing was said")
        assert "Traceback" not in program.output()
