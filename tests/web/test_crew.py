"""Forking a worker and hearing it. It is done in a process of its own: a fork of the tests would run their threads' locks."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from authproxy.web.crew import Wakeup, Worker, started
from authproxy.web.seat import LINE_LIMIT


@pytest.fixture
def pair():
    """A worker that is no process, and the other end of its line."""
    here, there = socket.socketpair()
    here.settimeout(0)
    yield Worker(0, 0, here, 0.0, 0.0), there
    here.close()
    there.close()


def test_words_come_in_any_pieces(pair) -> None:
    """A line may come in two reads, and two lines in one."""
    worker, there = pair
    assert worker.words() == []
    there.sendall(b'["rea')
    assert worker.words() == []
    there.sendall(b'dy"]\n["leaving"]\n["al')
    assert worker.words() == ["ready", "leaving"]
    assert worker.heard > 0
    there.sendall(b'ive", [["a", "b", "counter", []]]]\n')
    assert worker.words() == ["alive"]
    assert worker.counted() == [["a", "b", "counter", []]]


def test_what_was_not_said_to_its_end_is_not_heard(pair) -> None:
    """A worker that is killed in the middle of a line; the counts of the line before hold."""
    worker, there = pair
    there.sendall(b'["alive", [["a", "b", "counter", []]]]\n["alive", [["a"')
    there.close()
    assert worker.words() == ["alive"]
    assert worker.deaf
    assert worker.words() == []
    assert len(worker.counted()) == 1


def test_a_line_without_an_end_is_not_kept_for_ever(pair) -> None:
    """A worker that has lost its mind."""
    worker, there = pair
    there.settimeout(5)
    sent, piece = 0, b"x" * 100_000
    while not worker.deaf:
        sent += len(piece)
        there.sendall(piece)
        worker.words()
        assert sent < 2 * LINE_LIMIT


def test_an_answer_goes_over_the_line(pair) -> None:
    """And to one that does not listen any more it goes nowhere."""
    worker, there = pair
    worker.answer([["a", "b", "counter", []]])
    assert json.loads(there.recv(1000)) == [["a", "b", "counter", []]]
    there.close()
    worker.answer([])


SCRIPT = """
import json, os, signal, socket, sys, time
from authproxy.web.crew import Wakeup, started

def work(number, line):
    if number == 0:
        line.sendall(json.dumps(["ready"]).encode() + b"\\n")
        return 7
    if number == 1:
        raise RuntimeError("a defect")
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    fine = handlers == [signal.SIG_DFL, signal.SIG_IGN] and not blocked and wakeup_read.fileno() == -1
    line.sendall(json.dumps(["fine" if fine else "odd"]).encode() + b"\\n")
    time.sleep(60)

wakeup = Wakeup()
wakeup_read = wakeup._read
workers = [started(number, work, [wakeup]) for number in range(3)]
heard, ended = {}, {}
end = time.monotonic() + 20
while len(ended) < 3 and time.monotonic() < end:
    came, spoke = wakeup.wait(workers, 1)
    for each in spoke:
        heard.setdefault(each.number, []).extend(each.words())
        if each.number not in ended and {"fine", "odd"} & set(heard[each.number]):
            each.signal(signal.SIGTERM)
    for each in workers:
        if each.number not in ended and (status := each.ended()) is not None:
            ended[each.number] = status
wakeup.restore()
print(json.dumps([heard.get(0), heard.get(2), ended, signal.getsignal(signal.SIGTERM) == signal.SIG_DFL]))
"""


def test_a_worker_is_a_process_of_its_own() -> None:
    """Its exit status is what the work returns, 1 for a defect, which is told, and negative for a signal; nothing of the
    supervisor's signals and sockets is in it.
    """
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(ran.stdout) == [["ready"], ["fine"], {"0": 7, "1": 1, "2": -signal.SIGTERM}, True]
    assert "a defect" in ran.stderr


def test_a_fork_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No descriptor, or a supervisor that tries again and again would have none left; and no signal stays blocked."""

    def no_room() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", no_room)
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    with pytest.raises(BlockingIOError):
        started(0, lambda _number, _line: 0, [])
    assert len(list(descriptors.iterdir())) == before
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_signal_ends_the_wait() -> None:
    """Signals come as numbers, workers by what they say."""
    wakeup = Wakeup()
    try:
        signal.raise_signal(signal.SIGHUP)
        before = time.monotonic()
        assert wakeup.wait([], 5) == ({signal.SIGHUP}, [])
        assert wakeup.wait([], 0.01) == (set(), [])
        assert time.monotonic() - before < 2
    finally:
        wakeup.restore()
