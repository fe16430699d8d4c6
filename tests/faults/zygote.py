"""A program that has imported authproxy and forks one `authproxy ...` after the other, so that five hundred can be killed.

Each child is the real program from its command line on: its own process, its own files and sockets. What a step of
`steps` patches is patched in the child alone, after the fork. One line of JSON in, one line out:
`{"argv": [...], "out": FILE, "patch": [NAME, ...]}` answers the child's process id, `{"wait": PID}` its exit status.
"""

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def main() -> None:
    """Serve orders until stdin ends."""
    import authproxy.cli.key
    import authproxy.cli.serve
    import authproxy.web.server  # noqa: F401 - what is imported here is paid for once
    from authproxy.cli import main as command_line
    from tests.faults import steps

    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        child = os.fork()
        if child:
            print(child, flush=True)
            continue
        out = os.open(order["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for number, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out), (2, out)):
            os.dup2(source, number)
        for name in order["patch"]:
            steps.PATCHES[name]()
        command_line(order["argv"], prog_name="authproxy")


@dataclass(frozen=True, slots=True)
class Zygote:
    """The running program, seen from the test."""

    program: "subprocess.Popen[str]"
    children: set[int] = field(default_factory=set)  # not waited for yet, so that their numbers are theirs

    def fork(self, *argv: str | Path, out: Path, patch: tuple[str, ...] = ()) -> int:
        """Start one `authproxy ...`; its process id."""
        child = self._ask({"argv": [str(each) for each in argv], "out": str(out), "patch": patch})
        self.children.add(child)
        return child

    def wait(self, child: int) -> int:
        """Wait for its end; negative where a signal ended it."""
        status = self._ask({"wait": child})
        self.children.remove(child)
        return status

    def _ask(self, order: Mapping[str, Any]) -> int:
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        self.program.stdin.write(json.dumps(order) + "\n")
        self.program.stdin.flush()
        return int(self.program.stdout.readline())


@contextmanager
def zygote(env: Mapping[str, str]) -> Iterator[Zygote]:
    """Run it until the `with` ends."""
    argv = [sys.executable, "-m", "tests.faults.zygote"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(env)) as program:
        running = Zygote(program)
        try:
            yield running
        finally:
            for child in running.children:
                os.kill(child, signal.SIGKILL)
            assert program.stdin is not None
            program.stdin.close()
            program.wait(10)


if __name__ == "__main__":
    main()
