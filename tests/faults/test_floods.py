"""Floods of keys that are none, and a SIGTERM in the middle of work: whoever has a good key notices little."""

import base64
import os
import random
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from authproxy.domain import keys
from tests.e2e.scene import Scene, recorded
from tests.faults.measured import MIB, memory
from tests.peers import wire
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.proxy import Installation, installation, served
from tests.peers.pypiserver import pypiserver

SENDERS, CLIENTS = 6, 4
MOST_MEMORY = 256 * MIB


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with recorded(tmp_path) as made:
        yield made


def unknown(_: str, dice: random.Random) -> str:
    """A key with the right layout and checksum, and an id that nobody has."""
    public_id = keys.name_secret(keys.name_key(dice.randbytes(16)), "0")
    return keys.mint("apx", public_id, dice.randbytes(32))


def wrong(key: str, dice: random.Random) -> str:
    """A key's own id with another secret."""
    return keys.mint("apx", keys.PublicId(key.split("_")[1]), dice.randbytes(32))


def nonsense(_: str, dice: random.Random) -> str:
    return base64.b85encode(dice.randbytes(dice.randint(1, 200))).decode().replace(":", "-")


KINDS = {"unknown ids": unknown, "wrong secrets": wrong, "nonsense": nonsense}


@contextmanager
def flood(scene: Scene, kind: str) -> Iterator[Counter[int]]:
    """Uploads with bogus keys by some clients, as fast as they are answered, while the `with` lasts."""
    over, told = threading.Event(), Counter[int]()
    package = wheel("acme-flood")

    def send(seed: int) -> None:
        dice = random.Random(seed)
        while not over.is_set():
            key = KINDS[kind](scene.key.text, dice)
            with suppress(OSError, wire.Closed):
                told[wire.exchange(scene.proxy.address, upload(package, key)).status] += 1

    senders = [threading.Thread(target=send, args=(number,)) for number in range(SENDERS)]
    for each in senders:
        each.start()
    try:
        yield told
    finally:
        over.set()
        for each in senders:
            each.join(30)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", KINDS)
def test_a_flood_of_bogus_keys(scene: Scene, kind: str) -> None:
    """All are told 401, 429 or 503 and nothing of them reaches the index; a key that has worked goes on working."""
    assert scene.upload(wheel("acme-core", "0.1")).status == 200
    scene.index.forget()
    taken: list[float] = []
    with flood(scene, kind) as told:
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            began = time.monotonic()
            assert scene.upload(wheel("acme-core", f"1.{len(taken)}")).status == 200
            taken.append(time.monotonic() - began)
    resident = memory(scene.proxy.program.pid)
    print(
        f"{kind}: {told.total()} bogus keys told {dict(told)}, {len(taken)} uploads meanwhile, "
        f"median {statistics.median(taken) * 1000:.0f} ms, {resident / MIB:.0f} MiB"
    )
    assert set(told) <= {401, 429, 503}
    assert told.total() > 20
    assert len(taken) > 5
    assert resident < MOST_MEMORY
    assert not any(b"acme_flood" in seen.body for seen in scene.index.uploads)


@pytest.mark.timeout(60)
def test_control_a_key_that_never_worked_has_to_wait(scene: Scene) -> None:
    """The flood is a flood: a good key that comes from its address for the first time is held up with it."""
    fresh = scene.proxy.create_key()
    with flood(scene, "unknown ids") as told:
        deadline = time.monotonic() + 20
        while told[429] < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        answer = scene.upload(wheel("acme-core", "2.0"), fresh)
    assert answer.status in {429, 503}, answer


class Load:
    """Clients that upload without a pause until nobody lets them in, and what they were told."""

    def __init__(self, made: Installation, key: str, seed: int) -> None:
        self._made, self._key, self._dice = made, key, random.Random(seed)
        self.sent: dict[str, bytes] = {}
        self.stored: list[str] = []
        self.faults: list[str] = []
        self.told = Counter[str]()

    def client(self, number: int) -> None:
        for version in range(100_000):
            payload = self._dice.randbytes(self._dice.choice((50, 200_000)))
            package = wheel(f"acme-{number}", f"1.{version}", payload=payload)
            self.sent[package.filename] = package.content
            try:
                conversation = wire.Conversation(self._made.address)
            except ConnectionError:
                self.told["not let in"] += 1
                return
            with conversation:
                try:
                    conversation.send(upload(package, self._key))
                    status = conversation.answer().status
                except (OSError, wire.Closed):
                    self.faults.append(f"{package.filename} was cut off")
                    return
            self.told[str(status)] += 1
            if status == 200:
                self.stored.append(package.filename)


def end_under_load(folder: Path, number: signal.Signals, seconds: float, seed: int) -> tuple[list[str], Counter[str]]:
    """A signal while clients upload without a pause; what must not be, and what they were told."""
    with pypiserver(folder / "index") as index:
        made = installation(folder / "proxy", index.url)
        load = Load(made, made.create_key().text, seed)
        with served(made) as running:
            clients = [threading.Thread(target=load.client, args=(number,)) for number in range(CLIENTS)]
            for each in clients:
                each.start()
            time.sleep(seconds)
            os.kill(running.program.pid, number)
            code = running.program.wait(60)
            for each in clients:
                each.join(30)
        there, found = index.files(), load.faults
        found += [f"{name} was a success and is not there" for name in load.stored if name not in there]
        found += [f"{name} is truncated" for name, content in there.items() if content != load.sent[name]]
        found += [f"it ended with {code}"] if code else []
        pending = [row["filename"] for row in made.rows("record") if row["outcome"] == "pending"]
        return found + [f"{name} is pending" for name in pending], load.told


@pytest.mark.timeout(180)
def test_sigterm_under_load(tmp_path: Path) -> None:
    """Every upload that was let in is answered, what was a success is there, nothing is pending, the exit code is 0."""
    found, told = end_under_load(tmp_path, signal.SIGTERM, 2.0, 1)
    print(dict(told))
    assert found == []
    assert told["200"] > 3


@pytest.mark.timeout(180)
def test_control_an_end_without_a_drain_is_caught(tmp_path: Path) -> None:
    """SIGKILL at the same moment: uploads are cut off, and the same look says so."""
    found, _ = end_under_load(tmp_path, signal.SIGKILL, 2.0, 1)
    assert any("was cut off" in each for each in found), found


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_twenty_sigterms_under_load(tmp_path: Path) -> None:
    """At twenty moments."""
    told = Counter[str]()
    for seed in range(20):
        found, more = end_under_load(tmp_path / str(seed), signal.SIGTERM, 0.5 + seed / 10, seed)
        told += more
        assert found == [], seed
    print(f"20 ends by SIGTERM: {dict(told)}")
