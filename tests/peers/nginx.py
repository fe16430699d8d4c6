"""A real nginx, where one is installed, with one of its site files and everything else in a folder of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.ports import Address
from tests.peers.programs import Program, daemon, serving

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def installed() -> str | None:
    """Where nginx is, None where it is not."""
    return daemon("nginx")


@contextmanager
def nginx(folder: Path, site: str, address: Address) -> Iterator[Program]:
    """Run nginx with this text in its `http` block until the `with` ends. `address` is where the text listens."""
    folder.mkdir()
    program = installed()
    assert program is not None
    (folder / "site.conf").write_text(site, encoding="utf-8")
    # A worker of an nginx that root started changes its user, and could not enter the folder.
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = " ".join(f"{what}_temp_path {folder}/{what};" for what in _TEMPORARY)
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; worker_processes 1; pid {folder}/pid; error_log stderr;\n"
        f"events {{ worker_connections 256; }}\nhttp {{ {temporary} include {folder}/site.conf; }}\n",
        encoding="utf-8",
    )
    argv = [program, "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"]
    with serving(argv, folder / "nginx.log", address) as running:
        yield running
