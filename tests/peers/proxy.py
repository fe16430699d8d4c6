"""authproxy itself, as its operator runs it: a config file, `authproxy serve`, and the command line beside it."""

import json
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from authproxy.store.driver import sqlite3
from tests.peers.clients import Client, Ran
from tests.peers.ports import LOOPBACK, Address, reserved_port
from tests.peers.programs import Program, serving

Settings = Mapping[str, Any]

AUTHPROXY = (sys.executable, "-m", "authproxy")
RELEASE: Settings = {"release": {"allow": [{"actions": ["upload"], "packages": ["acme-*"], "create": True}]}}
ANY_PACKAGE: Sequence[Settings] = ({"match": "*"},)


@dataclass(frozen=True, slots=True)
class Key:
    """A key as `key create --json` shows it, this once."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Installation:
    """A config file, what lies beside it, and the command line that reads it."""

    folder: Path
    config: Path
    address: Address

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}/"

    @property
    def database(self) -> Path:
        return self.folder / "authproxy.db"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def run(self, *arguments: str | Path) -> Ran:
        """`authproxy ... --config FILE`; for what it prints on stdout and stderr together."""
        return Client(self.folder).run([*AUTHPROXY, *arguments, "--config", self.config])

    def create_key(self, *options: str, policy: str = "release") -> Key:
        ran = self.run("key", "create", "--policy", policy, "--owner", "ci@acme.test", "--json", *options)
        assert ran.code == 0, ran.said
        shown = json.loads(ran.said)
        return Key(shown["id"], shown["key"])

    def rows(self, table: str) -> list[dict[str, Any]]:
        """What the store holds, read by nobody's code but SQLite's."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]

    def spooled(self) -> list[Path]:
        """Files that an upload has left behind."""
        return [path for path in self.state.rglob("*") if path.is_file()]


@dataclass(frozen=True, slots=True)
class Proxy(Installation):
    """An installation that is being served."""

    program: Program

    @property
    def log(self) -> str:
        return self.program.output()


def settings(
    folder: Path,
    index_url: str,
    *,
    address: Address,
    key_policies: Settings = RELEASE,
    packages: Sequence[Settings] = ANY_PACKAGE,
    service: tuple[str, str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """The config as a mapping; `more` adds top-level keys or replaces them."""
    backend: dict[str, Any] = {"flavour": "pypiserver", "url": index_url}
    if service is not None:
        (folder / "backend-password").write_text(service[1] + "\n", encoding="utf-8")
        backend |= {"username": service[0], "password": {"file": "backend-password"}}
    return {
        "listen": f"{address[0]}:{address[1]}",
        "public_url": f"http://{address[0]}:{address[1]}/",
        "backend": backend,
        "store": "sqlite:///authproxy.db",
        "state_directory": "state",
        "key_policies": key_policies,
        "packages": list(packages),
        **more,
    }


def installation(folder: Path, index_url: str, **more: Any) -> Installation:
    """Write a config and make the database that it names. Keywords as for `settings`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state").mkdir()
    address = (LOOPBACK, reserved_port())
    config = folder / "authproxy.yaml"
    # JSON is YAML: every string is quoted, so nothing of it can be taken for a number or a truth value.
    config.write_text(json.dumps(settings(folder, index_url, address=address, **more), indent=2), encoding="utf-8")
    made = Installation(folder, config, address)
    migrated = made.run("db", "migrate")
    assert migrated.code == 0, migrated.said
    return made


@contextmanager
def served(made: Installation) -> Iterator[Proxy]:
    """Run `authproxy serve` until the `with` ends."""
    argv = [*AUTHPROXY, "serve", "--config", made.config]
    with serving(argv, made.folder / "serve.log", made.address) as program:
        yield Proxy(made.folder, made.config, made.address, program)


@asynccontextmanager
async def listening_here(made: Installation) -> AsyncIterator[Address]:
    """Run the proxy within this process, over a real socket; for a test that looks inside."""
    from authproxy.config import load
    from authproxy.web.server import listening

    async with listening(load(made.config)) as (_, url):
        where = urlsplit(url)
        yield where.hostname or LOOPBACK, where.port or 0


@contextmanager
def proxy(folder: Path, index_url: str, **more: Any) -> Iterator[Proxy]:
    """An installation made and served. Keywords as for `settings`."""
    with served(installation(folder, index_url, **more)) as running:
        yield running
