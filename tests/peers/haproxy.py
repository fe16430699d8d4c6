"""A real HAProxy, where one is installed, with one configuration and everything else in a folder of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.ports import Address
from tests.peers.programs import Program, daemon, serving


def installed() -> str | None:
    """Where HAProxy is, None where it is not."""
    return daemon("haproxy")


@contextmanager
def haproxy(folder: Path, configuration: str, address: Address) -> Iterator[Program]:
    """Run HAProxy in the foreground until the `with` ends. `address` is where the configuration listens."""
    folder.mkdir()
    program = installed()
    assert program is not None
    file = folder / "haproxy.cfg"
    file.write_text(configuration, encoding="utf-8")
    with serving([program, "-db", "-f", file], folder / "haproxy.log", address) as running:
        yield running
