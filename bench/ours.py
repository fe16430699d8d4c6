"""authproxy as an administrator installs it: a config file, a migrated store, keys made by the command line."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import peers

COMMAND_SECONDS = 60.0
POLICY = "bench"


@dataclass(frozen=True, slots=True)
class Installation:
    """A directory with a config and a store; nothing runs yet."""

    config: Path
    database: Path
    port: int

    def command(self, *words: str) -> str:
        """Run one authproxy command on this installation; returns its stdout."""
        line = [sys.executable, "-m", "authproxy", *words, "--config", str(self.config)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
        if done.returncode:
            raise peers.PeerError(f"authproxy {' '.join(words)}: {done.stderr}")
        return done.stdout

    def key(self) -> str:
        """Make a key that may do everything here."""
        return str(json.loads(self.command("key", "create", "--policy", POLICY, "--owner", "bench", "--json"))["key"])


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running installation."""

    installation: Installation
    server: peers.Server

    def credential(self) -> str:
        """user:password of a new key that may do everything here."""
        return f"__token__:{self.installation.key()}"


def install(scratch: Path, behind: int, more: str = "") -> Installation:
    """Write a config in front of the index on port `behind`, and make the store. `more` are lines of YAML."""
    home = scratch / f"authproxy-{uuid.uuid4().hex[:8]}"
    home.mkdir(mode=0o700)
    made = Installation(home / "config.yaml", home / "authproxy.db", peers.free_port())
    made.config.write_text(
        f"listen: 127.0.0.1:{made.port}\n"
        f"public_url: http://127.0.0.1:{made.port}/\n"
        f"backend:\n  flavour: pypiserver\n  url: http://127.0.0.1:{behind}/\n"
        f"store: sqlite:///{made.database}\n"
        f"state_directory: {home}\n"
        "limits: {max_upload: 2GiB}\n"
        "log: {level: warning}\n"  # no line per request, as for the others
        "reads: index\n"
        f"key_policies:\n  {POLICY}:\n    allow:\n"
        '      - {actions: [upload, read], packages: ["*"], create: true}\n'
        "    lifetime: 90d\n"
        'packages:\n  - {match: "*", require: key, max_size: 2GiB}\n' + more
    )
    made.command("db", "migrate")
    return made


@contextmanager
def serving(made: Installation, cores: Sequence[int] | None) -> Iterator[Proxy]:
    """Run an installation until the block ends."""
    command = [sys.executable, "-m", "authproxy", "serve", "--config", str(made.config)]
    with peers.started("authproxy", command, made.port, made.config.parent, cores) as server:
        yield Proxy(made, server)


@contextmanager
def proxy(scratch: Path, behind: int, cores: Sequence[int] | None, more: str = "") -> Iterator[Proxy]:
    """Install, with `more` lines of YAML, and run."""
    with serving(install(scratch, behind, more), cores) as running:
        yield running
