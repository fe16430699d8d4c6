"""No request costs more than ten times its bytes, beyond what every request may: memory, disk, and what the index gets."""

import gzip
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.e2e.scene import Scene, recorded
from tests.faults.bombs import Bomb, bombs
from tests.faults.measured import MIB, cpu, forget_peak, memory, peak
from tests.peers import wire
from tests.peers.packages import wheel
from tests.peers.programs import clean_environment

TIMES = 10
# What one request may take whatever its size: a batch on its way to the spool, what aiohttp reads ahead, an archive's
# own index; and the seconds of two loaded cores in which a process of Python does nothing but begin.
FIXED_MEMORY = 32 * MIB
FIXED_SECONDS = 1.0
BYTES_A_SECOND = 20 * MIB  # the slowest part of an honest upload, reading its archive, on a slow core
PATIENCE = 60.0


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with recorded(tmp_path_factory.mktemp("bombs"), reads="open") as made:
        for number in range(20):  # what is loaded and kept at the first uploads is no bomb's
            assert made.upload(wheel("acme-core", f"0.{number}", payload=bytes(100_000))).status == 200
        yield made


class Watched:
    """What a process takes from the beginning of the `with` to its end; its spool is looked at all the while."""

    def __init__(self, pid: int, folder: Path | None = None) -> None:
        self._pid, self._folder = pid, folder
        self.memory = self.disk = 0
        self.seconds = 0.0

    def __enter__(self) -> Self:
        forget_peak(self._pid)
        self._memory, self._cpu = memory(self._pid), cpu(self._pid)
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look)
        self._looking.start()
        return self

    def _look(self) -> None:
        """The spool has no name: its size is that of the descriptors without one (proc(5))."""
        while not self._over.wait(0.005):
            held = 0
            for each in Path(f"/proc/{self._pid}/fd").iterdir():
                try:
                    held += each.stat().st_size if str(each.readlink()).endswith("(deleted)") else 0
                except OSError:
                    continue
            self.disk = max(self.disk, held)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._looking.join()
        self.memory = peak(self._pid) - self._memory
        self.seconds = cpu(self._pid) - self._cpu

    def over(self, size: int) -> list[str]:
        """What was more than a request of so many bytes may take."""
        limits = {
            "memory": (self.memory, FIXED_MEMORY + TIMES * size),
            "disk": (self.disk, TIMES * size),
            "seconds": (self.seconds, FIXED_SECONDS + TIMES * size / BYTES_A_SECOND),
        }
        return [f"{what}: {taken:.1f} of {most:.1f}" for what, (taken, most) in limits.items() if taken > most]


def throw(scene: Scene, bomb: Bomb) -> str | None:
    """Send one; what it took too much of."""
    raw = bomb.request(scene.key.text)
    scene.index.forget()
    with Watched(scene.proxy.program.pid, scene.proxy.state) as watched:
        try:
            status = wire.exchange(scene.proxy.address, raw, timeout=PATIENCE).status
        except wire.Closed:
            status = 0
        time.sleep(0.05)
    over = watched.over(len(raw))
    if len(scene.index.octets) > TIMES * len(raw):
        over.append(f"the index got {len(scene.index.octets)} bytes")
    if status >= 500:
        over.append(f"it was answered {status}")
    print(
        f"{bomb.case}: {len(raw):,} bytes, {status}; {watched.memory / MIB:.1f} MiB, "
        f"{watched.disk:,} bytes on disk, {watched.seconds:.2f} s"
    )
    return f"{bomb.case}: {', '.join(over)}" if over else None


@pytest.mark.timeout(300)
def test_no_bomb_costs_more_than_ten_times_its_bytes(scene: Scene) -> None:
    """Each alone; afterwards an honest upload passes."""
    found = [fault for fault in (throw(scene, bomb) for bomb in bombs()) if fault]
    assert found == []
    assert scene.upload(wheel("acme-core", "9.0")).status == 200
    assert scene.proxy.spooled() == []


_NAIVE = """
import asyncio
from aiohttp import web
async def main():
    async def handle(request):
        return web.Response(text=str(len(b"".join([each async for each in request.content.iter_any()]))))
    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site.port, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.timeout(60)
def test_control_what_unpacks_a_body_is_caught() -> None:
    """aiohttp's server as it comes makes 100 MB of 100 KB: the same look finds it."""
    argv = [sys.executable, "-c", _NAIVE]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=clean_environment(Path("/"))) as program:
        assert program.stdout is not None
        address = ("127.0.0.1", int(program.stdout.readline()))
        body = gzip.compress(bytes(100_000_000), 9)
        framing = [("Content-Encoding", "gzip"), ("Content-Length", str(len(body))), ("Connection", "close")]
        with Watched(program.pid) as watched:
            wire.exchange(address, wire.head("POST", "/", framing) + body, timeout=PATIENCE)
        program.kill()
    assert any("memory" in each for each in watched.over(len(body)))
