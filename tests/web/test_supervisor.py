"""Workers that misbehave, and what the supervisor makes of them; tests/e2e/test_workers.py has those that do not."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from authproxy.web.supervisor import PAUSES
from tests.peers.ports import LOOPBACK
from tests.peers.programs import Program, clean_environment
from tests.peers.proxy import settings
from tests.peers.waiting import wait_until

PATIENCE = 20.0
ROOT = Path(__file__).parents[2]


@contextmanager
def supervised(folder: Path, case: str) -> Iterator[Program]:
    """Run a case of `tests.web.supervised`."""
    file = folder / "authproxy.yaml"
    file.write_text(json.dumps(settings(folder, "http://127.0.0.1:9/", address=(LOOPBACK, 8080))))
    argv = [sys.executable, "-m", "tests.web.supervised", case, file]
    environment = clean_environment(folder)
    environment["PYTHONPATH"] = f"{ROOT}:{environment.get('PYTHONPATH', '')}"
    program = Program(argv, log=folder / "said.log", env=environment, cwd=ROOT)
    try:
        yield program
    finally:
        program.stop()


def answers(program: Program, number: int = 20) -> set[str]:
    """Which workers answer."""
    [port] = [int(line.split()[1]) for line in program.output().splitlines() if line.startswith("at ")]
    found = set()
    for _ in range(number):
        with socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as connection:
            found.add(connection.recv(1).decode())
    return found


def ready(program: Program) -> bool:
    return "told READY=1" in program.output()


def test_a_life(tmp_path: Path) -> None:
    """Both serve, systemd hears it, and of their being alive; the end is told, and its status is 0."""
    with supervised(tmp_path, "well") as program:
        wait_until(lambda: ready(program), program.output)
        assert answers(program, 40) == {"0", "1"}
        wait_until(lambda: program.output().count("told WATCHDOG=1") > 3, program.output)
        program.signal(signal.SIGTERM)
        assert program.wait(PATIENCE) == 0
        assert "told STOPPING=1" in program.output()


def test_one_that_dies_at_its_start_is_in_nobodys_way(tmp_path: Path) -> None:
    """It is tried again after longer and longer pauses, up to the longest; no connection waits for it meanwhile."""
    with supervised(tmp_path, "dies_at_start") as program:
        wait_until(lambda: program.output().count("takes its place") >= 5, program.output)
        assert answers(program) == {"0"}
        assert not ready(program)
        told = [line.split()[-1] for line in program.output().splitlines() if "takes its place" in line]
        assert told[:5] == ["0.0", "0.1", "0.2", "0.2", "0.2"]
        program.signal(signal.SIGTERM)
        assert program.wait(PATIENCE) == 0


def test_a_queue_that_nobody_comes_back_to_is_given_up(tmp_path: Path) -> None:
    """A worker is killed, and none after it starts: newcomers go to the others, and none waits at the dead one's door."""
    with supervised(tmp_path, "dies_ever_after") as program:
        wait_until(lambda: ready(program), program.output)
        [victim] = [int(line.split()[1]) for line in program.output().splitlines() if line.startswith("victim")]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: program.output().count("takes its place") >= 3, program.output)
        assert answers(program, 30) == {"0"}


def test_where_there_is_no_room_for_another_process_those_that_serve_go_on(tmp_path: Path) -> None:
    """A fork that fails (a limit, no memory) is tried again, and ends nobody."""
    with supervised(tmp_path, "no_room_at_first") as program:
        wait_until(lambda: ready(program), program.output)
        assert program.output().count("a worker could not be started") == 2
        assert answers(program, 40) == {"0", "1"}
        program.signal(signal.SIGTERM)
        assert program.wait(PATIENCE) == 0


def test_the_pauses_are_bounded() -> None:
    """A worker that could start again is not missed for long, and one that cannot takes no core."""
    assert PAUSES[0] == 0
    assert list(PAUSES) == sorted(PAUSES)
    assert 1 <= PAUSES[-1] <= 10


def test_where_the_first_cannot_start_nothing_does(tmp_path: Path) -> None:
    """What is wrong is told by one, whose exit status is everybody's."""
    with supervised(tmp_path, "first_cannot") as program:
        assert program.wait(PATIENCE) == 5
        assert [line for line in program.output().splitlines() if line.startswith("started")] == ["started 0"]


def test_one_that_hangs_is_killed_and_replaced(tmp_path: Path) -> None:
    """systemd's watchdog sees the supervisor alone; the supervisor sees its workers."""
    with supervised(tmp_path, "hangs") as program:
        wait_until(lambda: ready(program), program.output)
        wait_until(lambda: "a worker is killed" in program.output(), program.output)
        wait_until(lambda: program.output().count("a worker serves") == 3, program.output)
        assert answers(program, 40) == {"0", "1"}
        assert program.output().splitlines().count("listening") == 1  # the server began once


def test_one_that_hangs_as_it_begins_is_killed_and_replaced(tmp_path: Path) -> None:
    """Nobody waits for a worker that never says that it serves."""
    with supervised(tmp_path, "hangs_at_start") as program:
        wait_until(lambda: "a worker is killed" in program.output(), program.output)
        wait_until(lambda: ready(program), program.output)
        assert answers(program, 40) == {"0", "1"}


def test_who_does_not_end_is_killed_at_last(tmp_path: Path) -> None:
    """After twice the time that an upload may take; the exit status says that something was cut off."""
    with supervised(tmp_path, "stays") as program:
        wait_until(lambda: ready(program), program.output)
        before = time.monotonic()
        program.signal(signal.SIGTERM)
        assert program.wait(PATIENCE) == 1
        assert time.monotonic() - before > 2.5


@pytest.mark.parametrize(("case", "warned"), [("well", False), ("deaf_to_reloads", True)])
def test_a_reload_comes_to_an_end(tmp_path: Path, case: str, warned: bool) -> None:
    """systemd waits for it: ready again once all have it, or after a while in any case, which is told."""
    with supervised(tmp_path, case) as program:
        wait_until(lambda: ready(program), program.output)
        program.signal(signal.SIGHUP)
        wait_until(lambda: program.output().count("told READY=1") == 2, program.output)
        said = program.output()
        assert said.index("told RELOADING=1") < said.rindex("told READY=1")
        assert ("have not taken the new config" in said) == warned
