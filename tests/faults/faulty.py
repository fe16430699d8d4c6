"""A real index behind a relay, authproxy before it, clients that upload, and what must hold whatever the relay does."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.indexes import _held
from tests.faults.relay import FAULTS, Relay, relay
from tests.peers import wire
from tests.peers.devpi import SERVICE, SERVICE_PASSWORD, Devpi
from tests.peers.forms import body_of, parts_of, post
from tests.peers.packages import Package, wheel
from tests.peers.ports import Address
from tests.peers.proxy import proxy
from tests.peers.pypiserver import Server, pypiserver

TIMEOUTS = {"connect": "1s", "read": "1s", "upload": "2s"}
POLICIES = {"release": {"allow": [{"actions": ["upload", "read"], "packages": ["acme-*"], "create": True}]}}
AGAIN_WITHIN = 1.0  # seconds after the fault in which a read and an upload pass
SETTLED_WITHIN = 15.0  # seconds after the fault in which every upload can be made again
AT_ONCE = 10


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
    slowest: float = 0.0
    patience: float = SETTLED_WITHIN

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

    def window(self, fault: str, uploads: int = AT_ONCE) -> list[str]:
        """Some uploads at once while the index has a fault, and then none: what must not be, once and afterwards."""
        number = next(self.numbers)
        project = f"acme-{number}"
        dice = self.relay.dice
        packages = [
            wheel(project, f"1.{each}", payload=dice.randbytes(dice.choice((100, 3_000, 60_000, 1_500_000))))
            for each in range(uploads)
        ]
        if number % 4:  # the proxy knows the project by then; else the fault meets its first question too
            assert self.upload(wheel(project, "0.9")) == 200
        self.relay.everything = number % 4 == 3
        self.relay.fault = FAULTS[fault]
        with ThreadPoolExecutor(uploads) as clients:
            statuses = list(clients.map(self.upload, packages))
        self.relay.heal()
        self.told.update(str(status) for status in statuses)
        found = self.again(project)
        found += self.wrong(project, dict(zip(packages, statuses, strict=True)))
        return [f"{fault}, window {number}: {each}" for each in found]

    def again(self, project: str) -> list[str]:
        """A read and an upload of something new, at once after the fault."""
        began = time.monotonic()
        read, uploaded = self.read(project), self.upload(wheel(project, "9.0"))
        took = time.monotonic() - began
        self.slowest = max(self.slowest, took)
        found = [] if uploaded == 200 else [f"afterwards an upload was answered {uploaded}"]
        found += [] if read in {200, 303, 404} else [f"afterwards a read was answered {read}"]
        return found + ([f"afterwards a read and an upload took {took:.1f} s"] if took > AGAIN_WITHIN else [])

    def wrong(self, project: str, told: dict[Package, int]) -> list[str]:
        """Successes that are none, files that are not whole, and uploads that cannot be made again."""
        there = self.holds(project)
        found = []
        for package, status in told.items():
            content = there.get(package.filename)
            if status == 200 and content != package.content:
                what = "is not there" if content is None else f"has {len(content)} of {len(package.content)} bytes"
                found.append(f"{package.filename} was a success and {what}")
            elif content is not None and content != package.content:
                found.append(f"{package.filename} is truncated")
        deadline = time.monotonic() + self.patience
        left = [package for package, status in told.items() if status != 200]
        while left and time.monotonic() < deadline:
            left = [package for package in left if self.upload(package) != 200]
        found += [f"{package.filename} cannot be uploaded again" for package in left]
        missing = [package.filename for package in told if self.holds(project).get(package.filename) != package.content]
        return found + [f"{name} is not in the index at the end" for name in missing if name not in " ".join(found)]

    def summary(self, fault: str, runs: int) -> str:
        told = ", ".join(f"{status}: {times}" for status, times in sorted(self.told.items()))
        return f"{self.name} {fault}: {runs} uploads, told {told}; works again within {self.slowest:.2f} s"


@contextmanager
def before_pypiserver(folder: Path, server: Server, *, read_back: bool = True) -> Iterator[Scene]:
    with pypiserver(folder / "index", server=server) as index, relay(index.address) as between:
        backend = {"flavour": "pypiserver", "url": between.url, "timeouts": TIMEOUTS, "read_back": read_back}
        with proxy(folder / "proxy", between.url, backend=backend, key_policies=POLICIES) as running:

            def holds(project: str) -> dict[str, bytes]:
                stem = project.replace("-", "_")
                return {path.name: path.read_bytes() for path in index.packages.glob(f"{stem}-*")}

            yield Scene(server, between, running.address, "/", running.create_key().text, holds)


@contextmanager
def before_devpi(folder: Path, server: Devpi) -> Iterator[Scene]:
    name = server.new_index()
    with relay(server.address) as between:
        account = {"username": SERVICE, "password": {"file": "backend-password"}}
        backend: dict[str, Any] = {"flavour": "devpi", "url": between.url, "indexes": [name], **account}
        backend |= {"timeouts": TIMEOUTS, "read_back": True}
        settings = {"backend": backend, "key_policies": POLICIES, "service": (SERVICE, SERVICE_PASSWORD)}
        with proxy(folder / "proxy", between.url, **settings, reads="key") as running:
            key = running.create_key().text
            yield Scene("devpi", between, running.address, f"/{name}/", key, lambda p: _held(server, f"{name}/", p))
