"""A real HAProxy, where one is installed, with one configuration and everything else in a folder of its own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.ports import Address, wait_until_open
from tests.peers.programs import Program, clean_environment

# Debian keeps daemons where an ordinary user's PATH does not look.
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))


def installed() -> str | None:
    """Where HAProxy is, None where it is not."""
    return shutil.which("haproxy", path=_PATH)


@contextmanager
def haproxy(folder: Path, configuration: str, address: Address) -> Iterator[Program]:
    """Run HAProxy in the foreground until the `with` ends. `address` is where the configuration listens."""
    folder.mkdir()
    program = installed()
    assert program is not None
    file = folder / "haproxy.cfg"
    file.write_text(configuration, encoding="utf-8")
    running = Program(
        [program, "-db", "-f", file], log=folder / "haproxy.log", env=clean_environment(folder), cwd=folder
    )
    try:
        try:
            wait_until_open(address, running.is_alive)
        except RuntimeError as exc:
            raise RuntimeError(f"{exc}; it said:\n{running.output()}") from exc
        yield running
    finally:
        running.stop()
