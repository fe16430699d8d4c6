"""Running a client: in our place or beside us, its exit status is ours, and what is sent to us reaches it."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHIN = 30.0  # seconds

# A client that says what it was started with, what it is sent, and ends when it is told to.
CLIENT = """\
import os, signal, sys, time
print("blocked", sorted(n.name for n in signal.pthread_sigmask(signal.SIG_BLOCK, ())), flush=True)
print("args", sys.argv[1:], os.environ["ONLY"], len(os.environ) <= 3, flush=True)
def end(number, frame):
    os.write(1, f"got {signal.Signals(number).name}\\n".encode())
    if number != signal.SIGUSR1:
        sys.exit(40 + number)
for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(each, end)
os.write(1, b"ready\\n")
time.sleep(30 if "wait" in sys.argv else 0)
if "killed" in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(7)
"""

BESIDE = "import sys; from authproxy.client.running import run; sys.exit(run({argv!r}, {env!r}))"
INSTEAD = "from authproxy.client.running import become; become({argv!r}, {env!r})"


@contextmanager
def started(tmp_path: Path, code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A client that runs, until it has said that it is ready."""
    client = tmp_path / "client.py"
    client.write_text(CLIENT)
    argv = [sys.executable, str(client), "a b", "$HOME;*", *arguments]
    written = code.format(argv=argv, env={"ONLY": "this", "PATH": os.environ["PATH"]})
    command = [sys.executable, "-c", written]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
        try:
            yield running
        finally:
            running.kill()


@pytest.mark.parametrize("code", [BESIDE, INSTEAD], ids=["beside us", "in our place"])
def test_it_is_run_as_it_was_typed(tmp_path: Path, code: str) -> None:
    """No shell reads its arguments, its environment is what it was given, no signal is blocked; its status is ours."""
    with started(tmp_path, code) as running:
        said, _ = running.communicate(timeout=WITHIN)
    assert "args ['a b', '$HOME;*'] this True" in said
    assert "blocked []" in said
    assert running.returncode == 7


@pytest.mark.parametrize("code", [BESIDE, INSTEAD], ids=["beside us", "in our place"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_is_sent_to_us_reaches_it(tmp_path: Path, code: str, number: signal.Signals) -> None:
    """It can do what it likes with it, and the status that it then ends with is ours."""
    with started(tmp_path, code, "wait") as running:
        assert running.stdout is not None
        assert "ready\n" in iter(running.stdout.readline, "")
        running.send_signal(signal.SIGUSR1)
        assert running.stdout.readline() == "got SIGUSR1\n"
        running.send_signal(number)
        said, _ = running.communicate(timeout=WITHIN)
    assert said == f"got {number.name}\n"
    assert running.returncode == 40 + number


@pytest.mark.parametrize("code", [BESIDE, INSTEAD], ids=["beside us", "in our place"])
def test_what_python_ignores_is_not_ignored_by_the_client(code: str) -> None:
    """`authproxy exec -- uv publish | head` ends at a closed pipe as uv alone does."""
    written = code.format(argv=["/bin/cat", "/proc/self/status"], env={})
    command = [sys.executable, "-c", written]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN, check=True)
    [ignored] = [int(line.split()[1], 16) for line in ran.stdout.splitlines() if line.startswith("SigIgn:")]
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        assert not ignored & 1 << (number - 1)


@pytest.mark.parametrize(("code", "status"), [(BESIDE, 128 + 9), (INSTEAD, -9)], ids=["beside us", "in our place"])
def test_a_client_that_is_killed_is_told_as_a_shell_tells_it(tmp_path: Path, code: str, status: int) -> None:
    """128 and the number of the signal beside us; in our place it is we who are killed."""
    with started(tmp_path, code, "killed") as running:
        running.communicate(timeout=WITHIN)
    assert running.returncode == status


@pytest.mark.parametrize("name", ["run", "become"])
def test_a_program_that_is_not_there_is_said(name: str) -> None:
    """By a sentence, and the process goes on as it was."""
    code = f"""
import signal
from authproxy.client.running import {name}
from authproxy.client.errors import ClientError
try:
    {name}(["no-such-program"], {{"PATH": "/nowhere"}})
except ClientError as error:
    print(error, sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=WITHIN, check=True
    )
    assert ran.stdout == "there is no program no-such-program here []\n"


# A client that counts how often it is interrupted: the C handler writes one byte each time, Python's may run once for two.
COUNTING = """\
import os, signal, time
read_end, write_end = os.pipe()
os.set_blocking(write_end, False)
signal.set_wakeup_fd(write_end)
signal.signal(signal.SIGINT, lambda *_: None)
os.write(1, b"ready")
ends = time.monotonic() + 1.5
while time.monotonic() < ends:
    time.sleep(0.01)
os.write(1, b"count %d." % len(os.read(read_end, 1000)))
os._exit(3)
"""


def test_a_terminal_has_told_it_already() -> None:
    """Control-C at a terminal reaches every process in its foreground; passed on by us it would arrive twice."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        code = BESIDE.format(argv=[sys.executable, "-c", COUNTING], env={"PATH": os.environ["PATH"]})
        os.execv(sys.executable, [sys.executable, "-c", code])
    said = b""
    while b"ready" not in said:
        said += os.read(terminal, 1000)
    for _ in range(10):
        os.write(terminal, b"\x03")
        time.sleep(0.08)
    while not (found := re.search(rb"count (\d+)\.", said)):
        said += os.read(terminal, 1000)
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 3
    assert 1 <= int(found[1]) <= 10, said
