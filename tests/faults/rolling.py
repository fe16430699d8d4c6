"""Three replicas with one PostgreSQL behind HAProxy, as deploy/haproxy/replicas.cfg has it, and clients that go on uploading."""

import hashlib
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from authproxy.store.postgres.engine import Login
from tests.peers import haproxy, wire
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.ports import LOOPBACK, Address, reserved_port
from tests.peers.postgres import PASSWORD, postgres_server, said
from tests.peers.proxy import Installation, Proxy, installation, served
from tests.peers.pypiserver import PypiServer, pypiserver

RECIPE = Path(__file__).parents[2] / "deploy" / "haproxy" / "replicas.cfg"
POLICY = {"release": {"allow": [{"actions": ["upload", "read"], "packages": ["acme-*"], "create": True}]}}
PLACES = ("10.0.0.11:8080", "10.0.0.12:8080", "10.0.0.13:8080")  # of the recipe
READY_WITHIN, ENDED_WITHIN = 30.0, 60.0  # seconds
A_CONNECTION = 5  # files for which a client keeps its connection, as twine does for those of one release


@dataclass
class Replica:
    """One that can be ended and started again. `stack` holds what runs."""

    made: Installation
    stack: ExitStack = field(default_factory=ExitStack)
    running: Proxy | None = None

    def start(self) -> None:
        self.running = self.stack.enter_context(served(self.made))

    def end(self, number: signal.Signals) -> int:
        """Send a signal; the exit code."""
        assert self.running is not None
        self.running.program.signal(number)
        code = self.running.program.wait(ENDED_WITHIN)
        self.stack.close()
        return code

    def is_ready(self) -> bool:
        try:
            return wire.exchange(self.made.address, wire.get("/-/readyz")).status == 200
        except (OSError, wire.Closed):
            return False


@dataclass
class Site:
    """All of it. `address` is HAProxy's."""

    index: PypiServer
    login: Login
    replicas: tuple[Replica, ...]
    address: Address
    key: str = field(repr=False)

    def restarted(self, number: signal.Signals) -> list[str]:
        """End and start each, one after the other; what must not be."""
        found = []
        for which, replica in enumerate(self.replicas):
            code = replica.end(number)
            found += [f"replica {which} ended with {code}"] if code else []
            replica.start()
            deadline = time.monotonic() + READY_WITHIN
            while not replica.is_ready():
                assert time.monotonic() < deadline, "a replica was not ready in time"
                time.sleep(0.05)
            time.sleep(1.5)  # until HAProxy has asked it, too
        return found


@dataclass
class Load:
    """Clients that upload without a pause and try nothing twice."""

    site: Site
    generation: int
    sent: dict[str, bytes] = field(default_factory=dict)
    stored: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def client(self, number: int) -> None:
        dice, version = random.Random(number), 0
        while not self.over.is_set():
            with wire.Conversation(self.site.address) as conversation:
                for _ in range(A_CONNECTION):
                    version += 1
                    payload = dice.randbytes(dice.choice((100, 20_000, 300_000)))
                    package = wheel(f"acme-{number}", f"{self.generation}.{version}", payload=payload)
                    self.sent[package.filename] = package.content
                    told = self._upload(conversation, upload(package, self.site.key), dice)
                    if told != "200":
                        self.failed.append(f"{package.filename} was told {told}")
                        break
                    self.stored.append(package.filename)

    def _upload(self, conversation: wire.Conversation, raw: bytes, dice: random.Random) -> str:
        """In three pieces; sometimes the network is slow, so that there is something to cut off at any moment."""
        at, pause = len(raw) // 3, dice.choice((0, 0, 0.2))
        try:
            for piece in (raw[:at], raw[at : 2 * at], raw[2 * at :]):
                conversation.send(piece)
                time.sleep(pause)
            answer = conversation.answer()
        except (OSError, wire.Closed) as exc:
            return f"nothing: {exc!r}"
        return str(answer.status) if answer.status == 200 else f"{answer.status} {answer.text[:200]}"

    def wrong(self) -> list[str]:
        """Failed uploads, successes that are none, files that are not whole, and what is open on record."""
        there = self.site.index.files()
        mine = {name: content for name, content in there.items() if name in self.sent}
        found = [*self.failed]
        found += [f"{name} was a success and is not there" for name in self.stored if name not in mine]
        found += [f"{name} is truncated" for name, content in mine.items() if content != self.sent[name]]
        pending = said(self.site.login, "SELECT filename FROM record WHERE outcome = 'pending'")
        found += [f"{name} is pending" for (name,) in pending]
        recorded = {sha256 for (sha256,) in said(self.site.login, "SELECT sha256 FROM record WHERE outcome = 'stored'")}
        unknown = [name for name in self.stored if hashlib.sha256(self.sent[name]).hexdigest() not in recorded]
        return found + [f"{name} is not on record" for name in unknown]


def rolled(site: Site, number: signal.Signals, *, rounds: int, clients: int, generation: int) -> list[str]:
    """Restart all replicas so many times under load; what must not be."""
    load = Load(site, generation)
    uploading = [threading.Thread(target=load.client, args=(each,)) for each in range(clients)]
    for each in uploading:
        each.start()
    found: list[str] = []
    try:
        time.sleep(1)
        for _ in range(rounds):
            found += site.restarted(number)
    finally:
        load.over.set()
        for each in uploading:
            each.join(60)
    found += load.wrong()
    kinds = Counter(each.rpartition(" was told ")[2][:40] for each in load.failed)
    print(
        f"{number.name}, {3 * rounds} restarts: {len(load.stored)} uploads stored, {len(load.failed)} failed {dict(kinds)}"
    )
    assert len(load.stored) > 10 * rounds
    return found


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """Run it until the `with` ends."""
    with postgres_server() as server, pypiserver(folder / "index") as index, ExitStack() as stack:
        login = server.create()
        replicas = [
            Replica(_installed(folder / f"replica-{number}", index, server.by_tcp(login))) for number in range(3)
        ]
        for each in replicas:
            stack.callback(each.stack.close)
            each.start()
        address, recipe = (LOOPBACK, reserved_port()), RECIPE.read_text(encoding="utf-8")
        replaced = {f"server {name} {place}": f"server {name} {each.made.address[0]}:{each.made.address[1]}"
                    for name, place, each in zip(("one", "two", "three"), PLACES, replicas, strict=True)}  # fmt: skip
        # Without TLS, which would have the two cores of a test machine do little else.
        replaced["bind :443 ssl crt /etc/haproxy/pypi.example.com.pem alpn http/1.1"] = (
            f"bind {address[0]}:{address[1]}"
        )
        for shipped, here in replaced.items():
            assert recipe.count(shipped) == 1, shipped
            recipe = recipe.replace(shipped, here)
        stack.enter_context(haproxy.haproxy(folder / "haproxy", recipe, address))
        yield Site(index, login, tuple(replicas), address, replicas[0].made.create_key().text)


def _installed(folder: Path, index: PypiServer, login: Login) -> Installation:
    folder.mkdir()
    (folder / "store-password").write_text(PASSWORD + "\n", encoding="ascii")
    (folder / "store-password").chmod(0o600)
    more = {"store": str(login.address), "store_password": {"file": "store-password"}, "trusted_proxies": [LOOPBACK]}
    return installation(folder, index.url, key_policies=POLICY, **more)
