"""More connections than anybody needs: honest uploads go on, memory stays small, descriptors run out without harm."""

import asyncio
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.crowd import gathering
from tests.faults.measured import MIB, cpu, descriptors, memory, served_with
from tests.peers import wire
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.programs import clean_environment
from tests.peers.proxy import Key, Proxy, installation, served
from tests.peers.pypiserver import PypiServer, pypiserver
from tests.peers.recording import RecordingIndex

MANY = 10_000
MOST_MEMORY = 256 * MIB
FEW = 200  # descriptors; a crowd of twice as many comes
ROOT = str(Path(__file__).parents[2])


@dataclass
class Honest:
    """Somebody with small uploads, one after the other."""

    proxy: Proxy | PypiServer
    key: Key
    number: int = 0

    def told(self) -> wire.Answer:
        self.number += 1
        return wire.exchange(self.proxy.address, upload(wheel("acme-core", f"1.{self.number}"), self.key.text))

    def upload(self) -> float:
        """Seconds; it is a success."""
        began = time.perf_counter()
        answer = self.told()
        took = time.perf_counter() - began
        assert answer.status == 200, answer
        return took

    def p99(self, count: int) -> tuple[float, float]:
        """The median and the 99th percentile of so many, in milliseconds."""
        taken = [self.upload() * 1000 for _ in range(count)]
        return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


@pytest.fixture
def honest(tmp_path: Path, recording: RecordingIndex) -> Iterator[Honest]:
    with served(installation(tmp_path / "proxy", recording.url)) as running:
        yield Honest(running, running.create_key())


def slow_connections(honest: Honest, count: int, uploads: int, tmp_path: Path) -> tuple[float, int]:
    """How much longer the 99th percentile is before a crowd than without, and the memory; the best of three looks."""
    pid, ratios = honest.proxy.program.pid, []
    honest.p99(30)
    idle = honest.p99(uploads)
    env = clean_environment(tmp_path, PYTHONPATH=ROOT)
    with gathering(honest.proxy.address, count, honest.key.text, env) as crowd:
        there = crowd.gathered(count, 120)
        for _ in range(3):
            crowded = honest.p99(uploads)
            ratios.append(crowded[1] / idle[1])
            print(
                f"{there} slow connections ({crowd.reopened} opened anew): median {crowded[0]:.1f} ms, "
                f"99th percentile {crowded[1]:.1f} ms; idle {idle[0]:.1f} and {idle[1]:.1f} ms; "
                f"{memory(pid) / MIB:.0f} MiB"
            )
            if ratios[-1] < 2:
                break
        there = crowd.gathered(count, 30)
        assert there >= count * 0.99
        return min(ratios), memory(pid)


@pytest.mark.timeout(120)
def test_hundreds_of_slow_connections_are_hardly_noticed(honest: Honest, tmp_path: Path) -> None:
    """The short form: as many as a laptop's limit lets through; the time is held in the long one."""
    _, resident = slow_connections(honest, 800, 60, tmp_path)
    assert resident < MOST_MEMORY
    assert honest.upload() < 5


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_ten_thousand_slow_connections(honest: Honest, tmp_path: Path) -> None:
    """Half heads and half bodies; honest uploads take less than twice as long, memory stays under 256 MiB."""
    limit = descriptors()
    # The crowd needs one each; the proxy keeps a quarter of its own for the work.
    count = min(MANY, limit * 3 // 4 - 300)
    print(f"{limit} descriptors for one process here: {count} connections")
    ratio, resident = slow_connections(honest, count, 300, tmp_path)
    assert resident < MOST_MEMORY
    assert ratio < 2


@pytest.mark.timeout(120)
def test_control_a_server_that_slow_connections_stop_is_caught(tmp_path: Path) -> None:
    """The same look at an index that serves one connection at a time: sixty slow ones, and no upload gets through."""
    with pypiserver(tmp_path / "index", server="gunicorn") as index:
        honest = Honest(index, Key("none", "no-key"))
        assert honest.upload() < 5
        with pytest.raises((OSError, wire.Closed)):
            slow_connections(honest, 60, 30, tmp_path)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_descriptors_used_up(tmp_path: Path, recording: RecordingIndex, loop: str) -> None:
    """Twice as many connections as descriptors: honest uploads pass, the log stays short, the processor idle."""
    without = tmp_path / "without"
    (without / "uvloop").mkdir(parents=True)
    (without / "uvloop" / "__init__.py").write_text("raise ImportError\n")
    made = installation(tmp_path / "proxy", recording.url)
    with served_with(made, FEW, paths=[without] if loop == "asyncio" else []) as running:
        honest = Honest(running, made.create_key())
        honest.upload()
        env = clean_environment(tmp_path, PYTHONPATH=ROOT)
        lines = len(running.log.splitlines())
        with gathering(running.address, 2 * FEW, "", env, seconds=1) as crowd:
            there = crowd.gathered(FEW // 2, 30)
            used, began = cpu(running.program.pid), time.monotonic()
            done = _as_many_as_pass(honest, 3.0)
            busy = (cpu(running.program.pid) - used) / (time.monotonic() - began)
        said = len(running.log.splitlines()) - lines
        print(
            f"{loop}: {there} of {2 * FEW} connections, {done} honest uploads meanwhile, {said} lines, {busy:.0%} busy"
        )
        assert done >= (5 if loop == "uvloop" else 1)  # asyncio takes a thousand at once, and then none for a second
        assert said < 3 * done + 50, running.log[-2_000:]
        assert "Traceback" not in running.log
        assert honest.upload() < 5
        assert running.spooled() == []


def _as_many_as_pass(honest: Honest, seconds: float) -> int:
    """Uploads that were a success. What was cut off before it was heard is tried again, as clients do, and so is what
    the store had no descriptor for (asyncio takes a thousand connections before anybody can end one).
    """
    done, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            answer = honest.told()
        except (OSError, wire.Closed):
            continue
        assert answer.status in {200, 503}, answer
        done += answer.status == 200
    return done


_BARE = """
import asyncio, resource, sys
from authproxy.web.descriptors import keep_quiet
async def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    if sys.argv[1] == "quiet":
        keep_quiet(asyncio.get_running_loop())
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(3)
asyncio.run(main())
"""


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("kind", "most"), [("quiet", 5), ("as asyncio is", None)])
def test_control_asyncio_alone_logs_without_bound(kind: str, most: int | None) -> None:
    """A bare server with as many connections as it has descriptors, and more: what it says in three seconds."""
    argv = [sys.executable, "-c", _BARE, kind]
    env = clean_environment(Path("/"), PYTHONPATH=ROOT)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        address = ("127.0.0.1", int(program.stdout.readline()))
        told: list[str] = []
        reading = threading.Thread(target=lambda: told.extend(program.stderr or ()))
        reading.start()
        asyncio.run(_stand_there(address, 80))
        program.wait(20)
        reading.join(10)
    lines = sum("no connection can be taken" in line or "out of system resource" in line for line in told)
    assert lines <= most if most is not None else lines > 100, lines


async def _stand_there(address: tuple[str, int], count: int) -> None:
    async with asyncio.timeout(10):
        made = await asyncio.gather(*(asyncio.open_connection(*address) for _ in range(count)))
        await asyncio.sleep(3.5)
        for _, writer in made:
            writer.close()
