"""A real index behind a relay, authproxy before it, clients that upload, and what must hold whatever the relay does."""

import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.e2e.indexes import _held
from tests.faults.relay import FAULTS, Relay, relay
from tests.peers import wire
from tests.peers.clients import Ran
from tests.peers.devpi import SERVICE, SERVICE_PASSWORD, Devpi
from tests.peers.forms import body_of, parts_of, post
from tests.peers.packages import Package, wheel
from tests.peers.ports import Address
from tests.peers.proxy import Proxy, proxy
from tests.peers.pypiserver import Server, pypiserver

TIMEOUTS = {"connect": "1s", "read": "1s", "upload": "2s"}
DEVPI_TIMEOUTS = {"connect": "2s", "read": "2s", "upload": "4s"}  # a sound upload of 1.5 MB takes it a second
POLICIES = {"release": {"allow": [{"actions": ["upload", "read"], "packages": ["acme-*"], "create": True}]}}
AGAIN_WITHIN = 1.0  # seconds after the fault in which a read and an upload pass
FREE_WITHIN = 10.0  # seconds after the fault in which the index itself is free again
SETTLED_WITHIN = 15.0  # seconds after the fault in which every upload can be made again
AT_ONCE = 10
KINDS = 4  # of windows, which take turns


@dataclass
class Scene:
    """`holds` says which files of a project the index has. `address` is where clients upload."""

    name: str
    relay: Relay
    address: Address
    target: str
    key: str
    holds: Callable[[str], dict[str, bytes]]
    numbers: Iterator[int] = field(default_factory=itertools.count)
    told: Counter[str] = field(default_factory=Counter)
    usual: float = 0.0  # seconds that a read and an upload took just before a fault
    slowest: float = 0.0
    reconcile: Callable[[], Ran] = lambda: Ran(0, "")
    left: dict[str, dict[Package, int]] = field(default_factory=dict)

    def upload(self, package: Package) -> int:
        """The status that the client is told; 0 for a connection that broke."""
        try:
            raw = post(body_of(parts_of(package)), key=self.key, target=self.target)
            return wire.exchange(self.address, raw, timeout=20).status
        except (OSError, wire.Closed):
            return 0

    def read(self, project: str) -> int:
        simple = f"{self.target}+simple/{project}/" if self.target != "/" else f"/simple/{project}/"
        credential = ("Authorization", wire.basic("__token__", self.key))
        try:
            return wire.exchange(self.address, wire.get(simple, [credential]), timeout=20).status
        except (OSError, wire.Closed):
            return 0

    def window(self, fault: str, uploads: int = AT_ONCE, *, settled: bool = True) -> list[str]:
        """Some uploads at once while the index has a fault, and then none: what must not be, once and afterwards.

        Where they are not `settled` at once by their clients, `end` will see to them.
        """
        number = next(self.numbers)
        project = f"acme-{number}"
        dice = self.relay.dice
        packages = [
            wheel(project, f"1.{each}", payload=dice.randbytes(dice.choice((100, 3_000, 60_000, 1_500_000))))
            for each in range(uploads)
        ]
        before = f"{project}-0"
        if number % KINDS:  # the proxy knows the project by then; else the fault meets its first question too
            before = project
        self.usual = self.tried(before, "0.9")[2]
        self.relay.everything = number % KINDS == 3
        self.relay.fault = FAULTS[fault]
        with ThreadPoolExecutor(uploads) as clients:
            statuses = list(clients.map(self.upload, packages))
        self.relay.heal()
        self.told.update(str(status) for status in statuses)
        told = dict(zip(packages, statuses, strict=True))
        found = self.again(project) + self.wrong(project, told)
        if settled:
            found += self.settled(project, told)
        else:
            self.left[project] = told
        return [f"{fault}, window {number}: {each}" for each in found]

    def end(self) -> list[str]:
        """What no client has made again: settled by the operator's command, and then made again."""
        ran = self.reconcile()
        found = [] if ran.code == 0 else [f"afterwards `audit reconcile` ended with {ran.code}: {ran.said}"]
        for project, told in self.left.items():
            found += self.wrong(project, told) + self.settled(project, told)
        return found

    def tried(self, project: str, version: str) -> tuple[int, int, float]:
        """A read and an upload of something new: what both were told, and how many seconds they took."""
        began = time.monotonic()
        read, uploaded = self.read(project), self.upload(wheel(project, version))
        return read, uploaded, time.monotonic() - began

    def freed(self) -> list[str]:
        """Wait for the index: with one thread it has to end first what came whole, and nobody may keep it any longer."""
        began = time.monotonic()
        try:
            wire.exchange(self.relay.behind, wire.get("/"), timeout=2 * FREE_WITHIN)
        except (OSError, wire.Closed):
            return ["afterwards the index did not answer"]
        took = time.monotonic() - began
        return [f"the index was kept busy for {took:.1f} s"] if took > FREE_WITHIN else []

    def again(self, project: str) -> list[str]:
        """All works again at once after the fault. On a busy machine all takes longer, as it did before the fault."""
        found = self.freed()
        read, uploaded, took = self.tried(project, "9.0")
        self.slowest = max(self.slowest, took)
        found += [] if uploaded == 200 else [f"afterwards an upload was answered {uploaded}"]
        found += [] if read in {200, 303, 404} else [f"afterwards a read was answered {read}"]
        limit = AGAIN_WITHIN + 2 * self.usual
        return found + ([f"afterwards a read and an upload took {took:.1f} s of {limit:.1f}"] if took > limit else [])

    def wrong(self, project: str, told: dict[Package, int]) -> list[str]:
        """Successes that are none, and files that are not whole."""
        there, found = self.holds(project), []
        for package, status in told.items():
            content = there.get(package.filename)
            if status == 200 and content != package.content:
                what = "is not there" if content is None else f"has {len(content)} of {len(package.content)} bytes"
                found.append(f"{package.filename} was a success and {what}")
            elif content is not None and content != package.content:
                found.append(f"{package.filename} is truncated")
        return found

    def settled(self, project: str, told: dict[Package, int]) -> list[str]:
        """What was no success is made again, by all clients at once, until it is one; then everything is there."""
        deadline = time.monotonic() + SETTLED_WITHIN
        left = [package for package, status in told.items() if status != 200]
        with ThreadPoolExecutor(AT_ONCE) as clients:
            while left and time.monotonic() < deadline:
                statuses = list(clients.map(self.upload, left))
                left = [package for package, status in zip(left, statuses, strict=True) if status != 200]
        there = self.holds(project)
        missing = [each for each in told if each not in left and there.get(each.filename) != each.content]
        return [f"{each.filename} cannot be uploaded again" for each in left] + [
            f"{each.filename} is not in the index at the end" for each in missing
        ]

    def summary(self, fault: str, runs: int) -> str:
        told = ", ".join(f"{status}: {times}" for status, times in sorted(self.told.items()))
        return f"{self.name} {fault}: {runs} uploads, told {told}; works again within {self.slowest:.2f} s"


def _by_operator(running: Proxy) -> Callable[[], Ran]:
    """The command, with the timeouts that an installation has unless it says otherwise."""
    settings = json.loads(running.config.read_text())
    del settings["backend"]["timeouts"]
    patient = replace(running, config=running.folder / "patient.yaml")
    patient.config.write_text(json.dumps(settings))
    return lambda: patient.run("audit", "reconcile", "--open")


@contextmanager
def before_pypiserver(folder: Path, server: Server, *, read_back: bool = True) -> Iterator[Scene]:
    with pypiserver(folder / "index", server=server) as index, relay(index.address) as between:
        backend = {"flavour": "pypiserver", "url": between.url, "timeouts": TIMEOUTS, "read_back": read_back}
        with proxy(folder / "proxy", between.url, backend=backend, key_policies=POLICIES) as running:

            def holds(project: str) -> dict[str, bytes]:
                stem = project.replace("-", "_")
                return {path.name: path.read_bytes() for path in index.packages.glob(f"{stem}-*")}

            key = running.create_key().text
            yield Scene(server, between, running.address, "/", key, holds, reconcile=_by_operator(running))


@contextmanager
def before_devpi(folder: Path, server: Devpi) -> Iterator[Scene]:
    name = server.new_index()
    with relay(server.address) as between:
        account = {"username": SERVICE, "password": {"file": "backend-password"}}
        backend: dict[str, Any] = {"flavour": "devpi", "url": between.url, "indexes": [name], **account}
        backend |= {"timeouts": DEVPI_TIMEOUTS, "read_back": True}
        settings = {"backend": backend, "key_policies": POLICIES, "service": (SERVICE, SERVICE_PASSWORD)}
        with proxy(folder / "proxy", between.url, **settings, reads="key") as running:
            key = running.create_key().text

            def holds(project: str) -> dict[str, bytes]:
                return _held(server, f"{name}/", project)

            yield Scene("devpi", between, running.address, f"/{name}/", key, holds, reconcile=_by_operator(running))
