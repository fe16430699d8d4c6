"""A program that runs beside the tests: started, its output kept in a file, ended by its own process id."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.peers.ports import Address, wait_until_open

ENDED_WITHIN = 10.0  # seconds between SIGTERM and SIGKILL

# A test is not to depend on who runs it: no settings of pip, uv, twine, keyring or authproxy come through.
_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "LD_LIBRARY_PATH", "PYTHONPATH")


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """An environment with a home of its own, and none of the caller's settings."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "HOME": str(home), "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "COLUMNS": "200", **more}


class Program:
    """A running program in a process group of its own."""

    def __init__(
        self, argv: Sequence[str | Path], *, log: Path, env: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(a) for a in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float = ENDED_WITHIN) -> int:
        return self._process.wait(seconds)

    def stop(self) -> int:
        """End the program and whatever it has started; its exit code."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(ENDED_WITHIN)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait(ENDED_WITHIN)


def daemon(name: str) -> str | None:
    """Where a daemon is, None where it is not: Debian keeps them where an ordinary user's PATH does not look."""
    return shutil.which(
        name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    )


@contextmanager
def serving(argv: Sequence[str | Path], log: Path, *addresses: Address) -> Iterator[Program]:
    """Run a server in the folder of its log until the `with` ends, which begins when it listens at these addresses."""
    running = Program(argv, log=log, env=clean_environment(log.parent), cwd=log.parent)
    try:
        try:
            for address in addresses:
                wait_until_open(address, running.is_alive)
        except RuntimeError as exc:
            raise RuntimeError(f"{exc}; it said:\n{running.output()}") from exc
        yield running
    finally:
        running.stop()
