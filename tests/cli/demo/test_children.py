"""Children: they answer or it is said why not, and when we leave they are gone."""

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from authproxy.cli.demo import children
from authproxy.cli.demo.children import ChildFailed, finish, free_ports, running, wait_until_ready

SERVER = "import http.server, sys; http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
PARENT = "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); print(p.pid, flush=True); time.sleep(60)"


def _python(program: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", program, *map(str, arguments)]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")  # an orphan that nobody has reaped yet is dead all the same
    return not status.exists() or "State:\tZ" not in status.read_text()


def _until(condition: object, seconds: float = 10.0) -> bool:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_server_is_ready_and_then_gone(tmp_path: Path) -> None:
    """The wait ends with the first answer, and after the block nothing listens any more."""
    (port,) = free_ports(None)
    with running("it", _python(SERVER, port), log=tmp_path / "log", environment={}) as child:
        wait_until_ready(child, port, "/")
        assert child.ended() is None
    assert child.process.returncode is not None
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_child_that_ends_shows_its_log(tmp_path: Path) -> None:
    """Whoever starts the demo sees the last words of what failed, not only that it did."""
    program = "import sys; sys.exit('the port is taken')"
    with (
        running("the index", _python(program), log=tmp_path / "log", environment={}) as child,
        pytest.raises(ChildFailed, match=r"(?s)the index ended with status 1.*the port is taken"),
    ):
        wait_until_ready(child, 1, "/")


def test_a_child_that_never_answers_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait is bounded."""
    monkeypatch.setattr(children, "READY_SECONDS", 0.3)
    (port,) = free_ports(None)
    with (
        running("it", _python("import time; time.sleep(60)"), log=tmp_path / "log", environment={}) as child,
        pytest.raises(ChildFailed, match="did not answer within"),
    ):
        wait_until_ready(child, port, "/")


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Politeness has an end."""
    monkeypatch.setattr(children, "STOP_SECONDS", 0.3)
    with running("it", _python(STUBBORN), log=tmp_path / "log", environment={}) as child:
        assert _until(lambda: "up" in (tmp_path / "log").read_text())
    assert child.process.returncode == -9


def test_grandchildren_end_too(tmp_path: Path) -> None:
    """What a child started in its session ends with it."""
    log = tmp_path / "log"
    with running("it", _python(PARENT), log=log, environment={}):
        assert _until(lambda: log.read_text().strip())
        grandchild = int(log.read_text())
        assert _alive(grandchild)
    assert _until(lambda: not _alive(grandchild))


def test_a_program_that_must_end_well_does_or_is_named(tmp_path: Path) -> None:
    """Its end is waited for; a failure, one that hangs and one that is not there are told apart, with its last words."""
    log = tmp_path / "log"
    finish("it", _python("print('done')"), log=log, environment={}, seconds=30)
    assert log.read_text() == "done\n"
    for argv, seconds, sentence in (
        (_python("import sys; sys.exit('no room')"), 30, "(?s)it ended with status 1.*no room"),
        (_python("import time; time.sleep(60)"), 0.3, "it did not end within"),
        ([str(tmp_path / "nowhere")], 30, "it cannot be started"),
    ):
        with pytest.raises(ChildFailed, match=sentence):
            finish("it", argv, log=log, environment={}, seconds=seconds)


def test_ports_are_free_and_differ() -> None:
    """No port is given twice, and one that is taken is not given at all."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = free_ports(taken.getsockname()[1], None, None)
        assert len({*ports, taken.getsockname()[1]}) == 4


def test_a_preferred_port_is_given_where_it_is_free() -> None:
    """A person gets the port that the documentation speaks of."""
    (port,) = free_ports(None)
    assert free_ports(port) == [port]
