"""A supervisor over workers that misbehave, run as a program: `python -m tests.web.supervised CASE CONFIG`.

Each worker speaks as a real one does, and serves one byte, its number, to whoever connects.
"""

import errno
import json
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from authproxy.config import Address, Config, load
from authproxy.web import supervisor
from authproxy.web.crew import Work, Worker
from authproxy.web.doors import Doors
from authproxy.web.service import Service
from authproxy.web.supervisor import Supervisor


class Written(Service):
    """What systemd would be told, on stdout. It wants a sign of life every second."""

    def __init__(self) -> None:
        super().__init__("/nowhere", 1.0)

    def _tell(self, *lines: str) -> None:
        print("told", lines[0], flush=True)


def say(line: socket.socket, word: str) -> None:
    line.sendall(json.dumps([word, []]).encode() + b"\n")


def serve(doors: Doors, number: int, line: socket.socket, *, until: set[signal.Signals]) -> int:
    """Give each caller the number, say now and then that it lives, and end by these signals."""
    ended: list[int] = []
    for each in until:
        signal.signal(each, lambda received, _: ended.append(received))
    signal.signal(signal.SIGHUP, lambda *_: say(line, "ready"))
    doors.keep_only(number)
    [door] = doors.share(number)
    door.listen(100)
    with selectors.DefaultSelector() as selector:
        selector.register(door, selectors.EVENT_READ)
        say(line, "ready")
        while not ended:
            for _ in selector.select(0.1):
                connection, _ = door.accept()
                connection.sendall(str(number).encode())
                connection.close()
            say(line, "alive")
    return 0


def well(doors: Doors, number: int, line: socket.socket) -> int:
    return serve(doors, number, line, until={signal.SIGTERM})


def dies_at_start(doors: Doors, number: int, line: socket.socket) -> int:
    return 9 if number == 1 else well(doors, number, line)


def dies_ever_after(doors: Doors, number: int, line: socket.socket) -> int:
    mark = Path("served")
    if number == 1 and mark.exists():
        return 9
    if number == 1:
        mark.touch()
        print("victim", os.getpid(), flush=True)
    return well(doors, number, line)


def first_cannot(doors: Doors, number: int, line: socket.socket) -> int:
    print("started", number, flush=True)
    return 5 if number == 0 else well(doors, number, line)


def hangs(doors: Doors, number: int, line: socket.socket) -> int:
    mark = Path("hung")
    if number == 1 and not mark.exists():
        mark.touch()
        say(line, "ready")
        os.kill(os.getpid(), signal.SIGSTOP)
    return well(doors, number, line)


def hangs_at_start(doors: Doors, number: int, line: socket.socket) -> int:
    mark = Path("hung")
    if number == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGSTOP)
    return well(doors, number, line)


def stays(doors: Doors, number: int, line: socket.socket) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return serve(doors, number, line, until=set())


def deaf_to_reloads(doors: Doors, number: int, line: socket.socket) -> int:
    say(line, "ready")
    end = time.monotonic() + 30
    while time.monotonic() < end:
        time.sleep(0.1)
        say(line, "alive")
    return 0


def scarce(started: Callable[..., Worker]) -> Callable[..., Worker]:
    """Have no room for the second worker, twice."""
    refused: list[int] = []

    def start(number: int, *others: object) -> Worker:
        if number == 1 and len(refused) < 2:
            refused.append(number)
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return started(number, *others)

    return start


CASES: dict[str, Callable[[Doors, int, socket.socket], int]] = {
    each.__name__: each
    for each in (well, dies_at_start, dies_ever_after, first_cannot, hangs, hangs_at_start, stays, deaf_to_reloads)
} | {"no_room_at_first": well}


def main() -> int:
    case, file = CASES[sys.argv[1]], Path(sys.argv[2])
    os.chdir(file.parent)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s %(restart_in)s", force=True)
    logging.getLogger().handlers[0].setFormatter(
        logging.Formatter("log %(message)s %(restart_in)s", defaults={"restart_in": ""})
    )
    supervisor.PAUSES = (0.0, 0.1, 0.2)  # type: ignore[misc]
    supervisor.SILENCE = supervisor.SPARE = supervisor.RELOADED = 1.0  # type: ignore[misc]
    supervisor.BEGINNING = 3.0  # type: ignore[misc]
    if sys.argv[1] == "no_room_at_first":
        supervisor.started = scarce(supervisor.started)
    config = load(file)
    config = replace(
        config, workers=2, limits=replace(config.limits, upload_deadline=1), listen=Address("127.0.0.1", 0)
    )
    doors = Doors.open(config, shares=2)
    print("at", doors.share(0)[0].getsockname()[1], flush=True)

    def work(_: Config) -> Work:
        return lambda number, line: case(doors, number, line)

    return Supervisor(
        config, lambda: load(file), work, doors, Written(), lambda _: print("listening", flush=True)
    ).run()


if __name__ == "__main__":
    sys.exit(main())
