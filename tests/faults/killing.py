"""A proxy that is killed again and again before a real pypiserver, and what must hold between two of its lives."""

import itertools
import os
import random
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.zygote import Zygote, zygote
from tests.peers import wire
from tests.peers.forms import Part, body_of, post, upload
from tests.peers.packages import Package, wheel
from tests.peers.programs import clean_environment
from tests.peers.proxy import Installation, installation
from tests.peers.pypiserver import PypiServer, pypiserver

POLICY = {
    "release": {"allow": [{"actions": ["upload", "delete"], "packages": ["acme-*"], "create": True}], "lifetime": "9d"}
}
STARTED_WITHIN, DIES_WITHIN, SETTLED_WITHIN = 20.0, 30.0, 30.0  # seconds
PROJECTS = 5
# A delete marks the files when it is admitted, and whoever settles one that was left open takes the mark away.
_BEING_DELETED = (
    "SELECT files.filename FROM files JOIN record ON record.project = files.project AND record.version = files.version"
    " JOIN claims ON claims.record_id = record.id WHERE files.removed IS NOT NULL AND record.action = 'delete'"
)


@dataclass(slots=True)
class Killing:
    """The scene. `sent` is every file that ever went out, `stored` and `removed` what its sender was told."""

    zygote: Zygote
    made: Installation
    index: PypiServer
    key: str
    dice: random.Random
    sent: dict[str, bytes] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    removing: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    other: list[str] = field(default_factory=list)
    lives: int = 0
    _seen: set[str] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def _answers(self) -> int:
        return len(self.stored) + len(self.removed) + len(self.other)

    def start(self, *patch: str) -> int:
        """Begin a life; it listens."""
        child = self.zygote.fork(
            "serve", "--config", self.made.config, out=self.made.folder / "serve.log", patch=("impatient", *patch)
        )
        deadline = time.monotonic() + STARTED_WITHIN
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(self.made.address, timeout=1):
                return child
            time.sleep(0.004)
        raise AssertionError((self.made.folder / "serve.log").read_text()[-3000:])

    def live(self, *patch: str, deletes: bool = False, until: tuple[int, float] | None = None) -> None:
        """One life with two clients at work; it ends by its own step, or is killed so many answers and seconds later."""
        child, before = self.start(*patch), self._answers()
        clients = [threading.Thread(target=self._client, args=(deletes,)) for _ in range(2)]
        for client in clients:
            client.start()
        if until is not None:
            answers, seconds = until
            deadline = time.monotonic() + DIES_WITHIN
            while self._answers() < before + answers and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        for client in clients:
            client.join(DIES_WITHIN)
            assert not client.is_alive(), f"{patch} was never reached"
        self.kill(child)

    def stop(self, child: int) -> None:
        """End a life in peace."""
        wire.exchange(self.made.address, wire.get("/-/healthz"))  # until it answers, nobody waits for a signal
        os.kill(child, signal.SIGTERM)
        assert self.zygote.wait(child) == 0

    def kill(self, child: int) -> None:
        """End a life, whatever it is at."""
        os.kill(child, signal.SIGKILL)
        assert self.zygote.wait(child) == -signal.SIGKILL
        self.lives += 1

    def _client(self, deletes: bool) -> None:
        with suppress(OSError, wire.Closed):
            while True:
                package = self._package()
                self.sent[package.filename] = package.content
                answer = wire.exchange(self.made.address, upload(package, self.key))
                if answer.status == 200:
                    self.stored.add(package.filename)
                else:
                    self.other.append(f"{answer.status} {answer.reason}")
                if deletes and answer.status == 200:
                    self._delete(package)

    def _delete(self, package: Package) -> None:
        self.removing.add(package.filename)
        fields = {":action": "remove_pkg", "name": package.name, "version": package.version}
        body = body_of(Part(name, value.encode()) for name, value in fields.items())
        answer = wire.exchange(self.made.address, post(body, key=self.key))
        if answer.status == 200:
            self.removed.add(package.filename)
        else:
            self.other.append(f"{answer.status} {answer.reason}")

    def _package(self) -> Package:
        number = next(self._numbers)
        payload = self.dice.randbytes(150_000 if number % 3 == 0 else 200)  # one in three goes through a spool file
        return wheel(f"acme-{number % PROJECTS}", f"1.{number}", payload=payload)

    def rows(self, sql: str) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(f"file:{self.made.database}?mode=ro", uri=True, timeout=10)) as database:
            return database.execute(sql).fetchall()

    def faults(self, *, whole: bool = False) -> list[str]:
        """What must not be, while a proxy lives again: of the files since the last look, or of all."""
        there = {path.name: path for path in self.index.packages.rglob("*.whl")}
        known = {name for (name,) in self.rows("SELECT filename FROM files WHERE removed IS NULL")}
        claimed = {n for (n,) in self.rows("SELECT filename FROM claims JOIN record ON record.id = record_id")}
        claimed |= {name for (name,) in self.rows(_BEING_DELETED)}
        on_record = {n for (n,) in self.rows("SELECT filename FROM record WHERE outcome = 'stored'")}
        found = [f"{name} is in the index without a row" for name in sorted(there.keys() - known - claimed)]
        found += [f"{name} was stored and is gone" for name in sorted(self.stored - self.removing - there.keys())]
        found += [f"{name} was stored and is not on record" for name in sorted(self.stored - on_record)]
        found += [f"{name} was removed and is there" for name in sorted(self.removed & there.keys())]
        fresh = there if whole else {name: there[name] for name in there.keys() - self._seen}
        found += [f"{name} is truncated" for name, path in fresh.items() if not _same(path, self.sent[name])]
        self._seen |= fresh.keys()
        found += [f"{path.name} is left in the state directory" for path in self.made.spooled()]
        return found

    def end(self) -> list[str]:
        """One last life, which settles everything and ends in peace; what must not be after it."""
        child = self.start()
        deadline = time.monotonic() + SETTLED_WITHIN
        while self.rows("SELECT id FROM claims") and time.monotonic() < deadline:
            time.sleep(0.05)
        found = self.faults(whole=True)
        found += [f"claim {number} is open still" for (number,) in self.rows("SELECT id FROM claims")]
        found += [
            f"record {n} is {o}"
            for n, o in self.rows("SELECT id, outcome FROM record WHERE outcome IN ('pending', 'different')")
        ]
        chain = self.made.run("audit", "verify")
        found += [] if chain.code == 0 else [chain.said]
        there = {path.name for path in self.index.packages.rglob("*.whl")}
        known = {name for (name,) in self.rows("SELECT filename FROM files WHERE removed IS NULL")}
        found += [f"{name} has a row and is not in the index" for name in sorted(known - there)]
        self.stop(child)
        found += [f"{path.name} is left beside the database" for path in self.made.folder.glob("*.run-*")]
        return found


def _same(path: Path, content: bytes) -> bool:
    """Whether the index has these bytes; it may be writing them at this moment."""
    for _ in range(50):
        if path.read_bytes() == content:
            return True
        time.sleep(0.02)
    return False


@contextmanager
def killing(folder: Path) -> Iterator[Killing]:
    """Set the scene."""
    with pypiserver(folder / "index") as index:
        made = installation(folder / "proxy", index.url, key_policies=POLICY, limits={"spool_memory": "16KiB"})
        key = made.create_key()
        root = str(Path(__file__).parents[2])
        with zygote(clean_environment(folder, PYTHONPATH=root)) as running:
            yield Killing(running, made, index, key.text, random.Random(5))
