"""What a running process takes: memory and time, read from /proc (proc(5))."""

import os
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.peers.ports import wait_until_open
from tests.peers.programs import Program, clean_environment
from tests.peers.proxy import AUTHPROXY, Installation, Proxy

MIB = 1024 * 1024
_TICK = os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> int:
    """Bytes that are resident now."""
    return _status(pid, "VmRSS")


def peak(pid: int) -> int:
    """The most bytes that were resident since `forget_peak`."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) * 1024


def cpu(pid: int) -> float:
    """Seconds of a core that it has used, in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def descriptors() -> int:
    """How many one process may have here."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


@contextmanager
def served_with(made: Installation, few: int, *, paths: Sequence[Path] = ()) -> Iterator[Proxy]:
    """`authproxy serve` with few descriptors; `paths` come first among those of its modules."""
    begin = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, ({few}, {few})); os.execv(sys.argv[1], sys.argv[1:])"
    argv = [sys.executable, "-c", begin, *AUTHPROXY, "serve", "--config", made.config]
    env = clean_environment(made.folder)
    env["PYTHONPATH"] = os.pathsep.join([*map(str, paths), *filter(None, [env.get("PYTHONPATH")])])
    program = Program(argv, log=made.folder / "serve.log", env=env, cwd=made.folder)
    try:
        wait_until_open(made.address, program.is_alive)
        yield Proxy(made.folder, made.config, made.address, program)
    finally:
        program.stop()
