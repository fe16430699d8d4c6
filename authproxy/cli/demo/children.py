"""A program that must run beside us, answer, and be gone afterwards.

Knows processes, ports and log files; not what the programs do. Every wait here is bounded: a demo that hangs teaches
nobody anything.
"""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

LOOPBACK = "127.0.0.1"

# From exec to the first answer. Two cores that do something else besides took 6 s for the slower of our two children.
READY_SECONDS = 40.0

# Between SIGTERM and SIGKILL. The proxy drains its requests on SIGTERM; in a demo nothing of worth is under way.
STOP_SECONDS = 10.0

# How much of a log is shown where a child failed.
LOG_LINES = 15


class ChildFailed(Exception):
    """A child did not come up, or ended too soon. The text is a sentence and the end of its log."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running program. `name` is what a person calls it: the index, the proxy."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def ended(self) -> str | None:
        """Say that it ended, with the last lines of its log; None while it runs."""
        status = self.process.poll()
        return None if status is None else self.failure(f"ended with status {status}")

    def failure(self, what: str) -> str:
        """A sentence about this child, and the end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="backslashreplace").splitlines()[-LOG_LINES:]
        return "\n".join([f"{self.name} {what}; the end of {self.log}:", *(f"    {line}" for line in lines)])

    def stop(self) -> None:
        """End it and everything it started: politely, then not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
                return


@contextlib.contextmanager
def running(name: str, argv: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> Iterator[Child]:
    """Start a program whose output goes to `log`, and end it when the block is left, however it is left.

    A session of its own keeps the terminal's Ctrl-C away from it: we decide the order in which things end.
    """
    with log.open("ab") as output:
        child = Child(name, _start(argv, output, environment), log)
    try:
        yield child
    finally:
        child.stop()


def finish(name: str, argv: Sequence[str], *, log: Path, environment: Mapping[str, str], seconds: float) -> None:
    """Run a program to its end. Raises ChildFailed where it fails, is not there, or takes longer than `seconds`."""
    try:
        with running(name, argv, log=log, environment=environment) as child:
            try:
                status = child.process.wait(seconds)
            except subprocess.TimeoutExpired:
                raise ChildFailed(child.failure(f"did not end within {seconds:.0f} seconds")) from None
    except OSError as exc:
        raise ChildFailed(f"{name} cannot be started: {exc}") from None
    if status != 0:
        raise ChildFailed(child.failure(f"ended with status {status}"))


def _start(argv: Sequence[str], output: BinaryIO, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own interpreter, arguments as a list
        argv,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        start_new_session=True,
    )


def wait_until_ready(child: Child, port: int, path: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait until `path` on loopback answers 200. Raises ChildFailed where the child ends first or takes too long."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        ended = child.ended()
        if ended is not None:
            raise ChildFailed(ended)
        if _answers(port, path):
            return
        sleep(0.05)
    raise ChildFailed(child.failure(f"did not answer within {READY_SECONDS:.0f} seconds"))


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_ports(*preferred: int | None) -> list[int]:
    """Find ports on loopback that nobody listens on now: the preferred ones where they are free, else any.

    All are held until the last is found, so no port is given out twice.
    """
    with contextlib.ExitStack() as held:
        return [_free_port(held.enter_context(socket.socket()), port) for port in preferred]


def _free_port(probe: socket.socket, preferred: int | None) -> int:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((LOOPBACK, preferred or 0))
    except OSError:
        probe.bind((LOOPBACK, 0))
    port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port
