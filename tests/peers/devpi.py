"""A real devpi-server that knows nothing of keys: one for a whole run, a new index for whoever asks."""

import itertools
import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.peers.ports import LOOPBACK, Address, reserved_port, wait_until_open
from tests.peers.programs import Program, clean_environment
from tests.peers.wire import Answer, basic, exchange, head

BIN = Path(sys.executable).parent
ROOT, ROOT_PASSWORD = "root", "root-passw0rd"
SERVICE, SERVICE_PASSWORD = "authproxy", "s3cret-of-the-service"
INITIALISED_WITHIN = 60.0  # seconds; about two on an idle machine

# About the server's own secret, not about passwords: without them a start takes 10 s instead of one (measured). A
# password costs its Argon2 each time whatever hash is stored (devpi makes a dear one of a cheap one), so sessions are
# used here.
_CHEAP_START = ("--argon2-memory-cost", "8", "--argon2-time-cost", "1", "--argon2-parallelism", "1")


@dataclass(frozen=True)
class Devpi:
    """Where it listens, where it lives, and what it takes of its administrator."""

    address: Address
    folder: Path
    program: Program
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    sessions: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}/"

    def ask(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        user: tuple[str, str] | None = (ROOT, ROOT_PASSWORD),
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request to the server itself, in JSON both ways."""
        sent = {"Accept": "application/json", "Connection": "close", **(headers or {})}
        if user is not None:
            sent["X-Devpi-Auth"] = b64encode(f"{user[0]}:{self.session(*user)}".encode()).decode()
        octets = b"" if body is None else json.dumps(body).encode()
        sent["Content-Length"] = str(len(octets))
        return exchange(self.address, head(method, target, sent.items()) + octets)

    def session(self, user: str, password: str) -> str:
        """What stands for the password, at a thousandth of its cost."""
        if (user, password) not in self.sessions:
            found = self.result("POST", "/+login", {"user": user, "password": password}, user=None)
            self.sessions[user, password] = found["password"]
        return self.sessions[user, password]

    def as_service(self) -> list[tuple[str, str]]:
        """The headers of a request that the service account makes without the proxy; the connection ends with it."""
        return [("Authorization", basic(SERVICE, self.session(SERVICE, SERVICE_PASSWORD))), ("Connection", "close")]

    def result(self, method: str, target: str, body: object = None, **more: Any) -> Any:
        """The `result` of an answer that must be a yes."""
        answer = self.ask(method, target, body, **more)
        assert answer.status in {200, 201}, (method, target, answer)
        return json.loads(answer.body).get("result")

    def new_user(self, name: str, password: str) -> None:
        self.result("PUT", f"/{name}", {"password": password})

    def new_index(
        self, *, user: str = "team", volatile: bool = False, uploaders: tuple[str, ...] = (SERVICE,), **more: object
    ) -> str:
        """Make an index that nobody has used; its name, `user/index`."""
        name = f"{user}/dev{next(self.numbers)}"
        settings = {"type": "stage", "bases": [], "volatile": volatile, "acl_upload": list(uploaders), **more}
        self.result("PUT", f"/{name}", settings)
        return name

    def releases(self, index: str, project: str) -> dict[str, list[str]]:
        """The files of a project in this very index, by release."""
        answer = self.ask("GET", f"/{index}/{project}?ignore_bases=")
        found = json.loads(answer.body)["result"] if answer.status == 200 else {}
        return {
            version: [link["href"].rpartition("/")[2] for link in release.get("+links", ())]
            for version, release in found.items()
        }

    def files(self, index: str) -> dict[str, bytes]:
        """What an index holds of its own: `project/version/filename` to the bytes."""
        projects = self.result("GET", f"/{index}")["projects"]
        found = {}
        for project in projects:
            for version, release in self.result("GET", f"/{index}/{project}?ignore_bases=").items():
                for link in release.get("+links", ()):
                    path = urlsplit(link["href"]).path
                    content = self.ask("GET", path, headers={"Accept": "*/*"}).body
                    found[f"{project}/{version}/{path.rpartition('/')[2]}"] = content
        return found

    def serial(self) -> int:
        """The number of the last change: whatever changes anything anywhere raises it."""
        said = self.ask("GET", "/+api").header("X-Devpi-Serial")
        assert said is not None
        return int(said)


@contextmanager
def devpi(folder: Path, *options: str) -> Iterator[Devpi]:
    """Run devpi-server with the users `authproxy` (the service account), `team` and `other`, and no index."""
    folder.mkdir(parents=True)
    making = [BIN / "devpi-init", "--serverdir", folder / "server", "--no-root-pypi", "--root-passwd", ROOT_PASSWORD]
    made = subprocess.run(
        making, env=clean_environment(folder), capture_output=True, timeout=INITIALISED_WITHIN, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    with serving(folder, (LOOPBACK, reserved_port()), *options) as running:
        for name, password in ((SERVICE, SERVICE_PASSWORD), ("team", "team-passw0rd"), ("other", "other-passw0rd")):
            running.new_user(name, password)
        yield running


@contextmanager
def serving(folder: Path, address: Address, *options: str) -> Iterator[Devpi]:
    """Run devpi-server on what is there already. Each start has a secret of its own, so that old tokens are no good."""
    argv = [BIN / "devpi-server", "--serverdir", folder / "server", "--host", LOOPBACK, "--port", str(address[1])]
    program = Program(
        [*argv, "--offline-mode", *_CHEAP_START, *options],
        log=folder / "devpi.log",
        env=clean_environment(folder),
        cwd=folder,
    )
    try:
        wait_until_open(address, program.is_alive)
        yield Devpi(address, folder, program)
    finally:
        program.stop()
