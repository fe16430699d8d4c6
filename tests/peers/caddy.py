"""A real Caddy, where one is installed, with one Caddyfile and everything else in a folder of its own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.ports import LOOPBACK, Address
from tests.peers.programs import Program, serving


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
    with serving(argv, folder / "caddy.log", https, http) as running:
        yield running
