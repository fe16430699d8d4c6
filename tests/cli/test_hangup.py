"""SIGHUP while the server starts: it ends nothing, and what it asked for happens."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from authproxy.cli.hangup import kept_for_later

DEADLINE = 60.0
HANGUP = 1 << (signal.SIGHUP - 1)


def takes_hangups(pid: int) -> bool:
    """Whether a program has said what SIGHUP is to do, by proc(5)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigIgn:", "SigCgt:"))]
    return any(mask & HANGUP for mask in masks)


# Each module that is loaded is asked what SIGHUP would do by then: the first of the command line is the earliest.
WATCH = """
import signal, sys
class Watch:
    def find_spec(self, name, *_):
        if name == "authproxy.cli":
            print(signal.getsignal(signal.SIGHUP).name)
sys.meta_path.insert(0, Watch())
from authproxy.__main__ import main
main()
"""


@pytest.mark.parametrize(("command", "found"), [("serve", "SIG_IGN"), ("probe", "SIG_DFL")])
def test_it_is_ignored_before_anything_is_loaded(command: str, found: str) -> None:
    """To load the server takes a second, and the configuration is read after it. Other commands end by it."""
    argv = [sys.executable, "-c", WATCH, command, "--help"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[0] == found


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_start_is_not_ended_by_it(config_file: Path, workers: str) -> None:
    """From its first line of Python on, until it listens; and one that came after the file was read is a reload."""
    log = config_file.with_name("serve.log")
    argv = [sys.executable, "-m", "authproxy", "serve", "--config", str(config_file), "--workers", workers]
    with log.open("wb") as stream, subprocess.Popen(argv, stdout=stream, stderr=stream) as program:
        try:
            deadline = time.monotonic() + DEADLINE
            while not takes_hangups(program.pid) and time.monotonic() < deadline:
                time.sleep(0.002)
            # The last of them is sent when the file was read, and long before the loop that takes them runs.
            read = False
            while not read and time.monotonic() < deadline:
                read = "there is no master key" in log.read_text()
                program.send_signal(signal.SIGHUP)
                time.sleep(0.02)
                assert program.poll() is None, log.read_text()
            while "the config was reloaded" not in log.read_text() and time.monotonic() < deadline:
                time.sleep(0.05)
            assert "the config was reloaded" in log.read_text()
            program.terminate()
            assert program.wait(DEADLINE) == 0
        finally:
            program.kill()


def test_it_is_repeated_once_and_only_where_it_came() -> None:
    """To whoever takes it by then; and afterwards everything is as it was."""
    before = signal.getsignal(signal.SIGHUP)
    taken: list[int] = []
    with kept_for_later() as hangups:
        hangups.repeat()
        os.kill(os.getpid(), signal.SIGHUP)
        assert hangups.came
        signal.signal(signal.SIGHUP, lambda number, _: taken.append(number))
        hangups.repeat()
        hangups.repeat()
    assert taken == [signal.SIGHUP]
    assert signal.getsignal(signal.SIGHUP) == before
