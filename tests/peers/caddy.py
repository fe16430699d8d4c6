"""A real Caddy, where one is installed, with one Caddyfile and everything else in a folder of its own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.ports import LOOPBACK, Address, wait_until_open
from tests.peers.programs import Program, clean_environment


def installed() -> str | None:
    """Where Caddy is, None where it is not. AUTHPROXY_CADDY names one that is not in the PATH."""
    return shutil.which(os.environ.get("AUTHPROXY_CADDY", "caddy"))


@contextmanager
def caddy(folder: Path, sites: str, https: Address, http: Address) -> Iterator[Program]:
    """Run Caddy with these sites at these addresses, both of loopback, until the `with` ends."""
    folder.mkdir()
    program = installed()
    assert program is not None
    file = folder / "Caddyfile"
    # Sites that name no port have these. No API: its port is the same for every Caddy of the machine.
    own = f"admin off\n\tdefault_bind {LOOPBACK}\n\thttps_port {https[1]}\n\thttp_port {http[1]}"
    file.write_text(f"{{\n\t{own}\n}}\n{sites}", encoding="utf-8")
    argv: list[str | Path] = [program, "run", "--config", file, "--adapter", "caddyfile"]
    running = Program(argv, log=folder / "caddy.log", env=clean_environment(folder), cwd=folder)
    try:
        try:
            for address in (https, http):
                wait_until_open(address, running.is_alive)
        except RuntimeError as exc:
            raise RuntimeError(f"{exc}; it said:\n{running.output()}") from exc
        yield running
    finally:
        running.stop()
