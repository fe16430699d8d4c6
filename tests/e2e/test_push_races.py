"""Who uploads to the source in the very moment of a push gets nothing into the target that nobody judged: real devpi."""

import asyncio
import itertools
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from authproxy.backend import push as pushing
from authproxy.store import holds
from authproxy.web import holding
from tests.e2e.test_push import settings
from tests.peers import wire
from tests.peers.devpi import Devpi
from tests.peers.forms import body_of, parts_of, post
from tests.peers.packages import Package, sdist, wheel
from tests.peers.ports import Address
from tests.peers.proxy import Installation, Key, installation, listening_here

pytestmark = pytest.mark.e2e

ROUNDS = 20
# Seconds between the last look and the push: time enough for the attacker, with the hold and without.
OPEN_DOOR = 0.1


@dataclass
class Race:
    """A proxy in this process, two volatile indexes, and what the attacker was answered."""

    made: Installation
    address: Address
    server: Devpi
    dev: str
    stable: str
    attacker: Key
    promoter: Key
    answers: list[int] = field(default_factory=list)
    door: threading.Event = field(default_factory=threading.Event)  # open between our last look and the push
    timed: bool = False

    def put(self, package: Package, index: str) -> None:
        """Straight to devpi."""
        raw = post(body_of(parts_of(package)), key=None, target=f"/{index}/", more=self.server.as_service())
        assert wire.exchange(self.server.address, raw).status == 200

    async def push(self, version: str) -> int:
        fields = {"name": "acme-core", "version": version, "source": self.dev, "target": self.stable}
        body = json.dumps(fields).encode()
        raw = post(body, key=self.promoter.text, target="/-/push", content_type="application/json")
        return (await asyncio.to_thread(wire.exchange, self.address, raw)).status

    @asynccontextmanager
    async def attacked(self, packages: Iterator[Package]) -> AsyncIterator[None]:
        """Upload one after the other through the proxy, without a pause, or as soon as the door is open."""
        over = threading.Event()

        def attack() -> None:
            while not over.is_set():
                if self.timed and not self.door.wait(0.01):
                    continue
                raw = post(body_of(parts_of(next(packages))), key=self.attacker.text, target=f"/{self.dev}/")
                self.answers.append(wire.exchange(self.address, raw).status)

        thread = threading.Thread(target=attack, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            await asyncio.to_thread(thread.join)

    def held(self, version: str) -> dict[str, str]:
        """What the target has of a release: names and hashes."""
        answer = self.server.ask("GET", f"/{self.stable}/acme-core?ignore_bases=")
        listed = json.loads(answer.body)["result"].get(version, {}) if answer.status == 200 else {}
        return {link["href"].rpartition("/")[2]: link["hashes"]["sha256"] for link in listed.get("+links", ())}

    def unjudged(self, version: str) -> set[str]:
        """What the target has of a release and no row of the record says was stored there."""
        judged = {
            (row["filename"], row["sha256"])
            for row in self.made.rows("record")
            if row["index_name"] == self.stable and row["outcome"] == "stored"
        }
        found = set(self.held(version).items())
        return {name for name, _ in found - judged}


@pytest.fixture
async def race(tmp_path: Path, devpi_server: Devpi, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Race]:
    dev, stable = (devpi_server.new_index(volatile=True) for _ in range(2))
    packages = [{"match": "*", "indexes": [dev], "overwrite": "allow"}, {"match": "*", "indexes": [stable]}]
    made = installation(
        tmp_path / "proxy", devpi_server.url, **settings(devpi_server.url, dev, stable) | {"packages": packages}
    )
    ask = pushing._ask

    door = threading.Event()

    async def later(*given: object) -> tuple[int, str]:
        door.set()
        await asyncio.sleep(OPEN_DOOR)
        door.clear()
        return await ask(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(pushing, "_ask", later)
    monkeypatch.setattr(holding, "PATIENCE", 10.0)  # the attacker is never done
    async with listening_here(made) as address:
        attacker = made.create_key("--allow", f"upload:acme-core@{dev}")
        promoter = made.create_key("--allow", f"push+create,upload+create:acme-*@{dev},{stable}")
        yield Race(made, address, devpi_server, dev, stable, attacker, promoter, door=door)


Attack = Callable[[Race, int], Awaitable[tuple[int, bool]]]


async def added(race: Race, number: int) -> tuple[int, bool]:
    """More and more files in the source; the status, and whether one of them came along."""
    version = f"1.{number}"
    for package in (wheel("acme-core", version), sdist("acme-core", version)):
        await asyncio.to_thread(race.put, package, race.dev)
    names = (f"acme_core-{version}-cp3{n}-none-any.whl" for n in itertools.count(10))
    async with race.attacked(wheel("acme-core", version, filename=name) for name in names):
        await asyncio.sleep(0.05)
        status = await race.push(version)
    return status, bool(await asyncio.to_thread(race.unjudged, version))


async def flipped(race: Race, number: int) -> tuple[int, bool]:
    """A file of the target becomes another in the source and back; the status, and whether it did in the target."""
    version = f"1.{number}"
    mine, other = (wheel("acme-core", version, payload=payload) for payload in (b"A", b"B"))
    for package in (mine, sdist("acme-core", version)):
        await asyncio.to_thread(race.put, package, race.dev)
    raw = post(body_of(parts_of(mine)), key=race.promoter.text, target=f"/{race.stable}/")
    assert (await asyncio.to_thread(wire.exchange, race.address, raw)).status == 200
    async with race.attacked(itertools.cycle([other, mine])):
        await asyncio.sleep(0.05)
        status = await race.push(version)
    held = (await asyncio.to_thread(race.held, version))[mine.filename]
    known = {
        row["sha256"]
        for row in race.made.rows("files")
        if (row["index_name"], row["version"]) == (race.stable, version) and row["filename"] == mine.filename
    }
    assert known <= {held}, "we know what the target has"
    return status, held != mine.sha256


ATTACKS = [pytest.param(added, id="added files"), pytest.param(flipped, id="flipped bytes")]


@pytest.mark.parametrize("timed", [False, True], ids=["all the time", "at the right time"])
@pytest.mark.parametrize("attack", ATTACKS)
async def test_the_attacker_never_wins(race: Race, attack: Attack, timed: bool) -> None:
    """Not once; some pushes were done, and some of the uploads were told to wait."""
    race.timed = timed
    found = [await attack(race, number) for number in range(ROUNDS)]
    assert [won for _, won in found if won] == []
    assert {status for status, _ in found} <= {200, 400, 503}
    assert 200 in {status for status, _ in found}, found
    assert 503 in race.answers
    assert race.made.rows("claims") == []


@pytest.mark.parametrize("attack", ATTACKS)
async def test_without_the_hold_the_attacker_wins(race: Race, attack: Attack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: the same loop, nobody asks for the hold. Even so it is found out, and is no success."""
    monkeypatch.setattr(holds, "over", lambda *_: None)
    race.timed = True
    found = []
    for number in range(ROUNDS):
        found.append(await attack(race, number))
        if len([won for _, won in found if won]) > 1:
            break
    won = [status for status, won in found if won]
    assert won, found
    assert set(won) == {400}
    alarms = [row for row in race.made.rows("record") if row["code"] == "index-refused"]
    assert len(alarms) >= len(won)
