"""Row `exec`: what `authproxy exec` adds to a twine upload, from the command to its end.

Real twine, a real proxy before a real pypiserver, a release: a wheel and an sdist, 20 KB each. Plain is `twine upload`
with the key itself in its environment; beside it `authproxy exec -- twine upload` with that key in a file: it reads the
files, derives a key for them, and becomes twine. Both are programs as a shell starts them, by turns, on one core; index
and proxy have the other. It is the least that there is to an upload: no TLS, no network, small files.
"""

import io
import os
import statistics
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from authproxy.config.masters import MASTER_BYTES, written
from bench import ours, peers, wheels
from bench.run import Run
from bench.table import Line, Row, Target, median_ratio

CLIENT, SERVERS = (0,), (1,)
UPLOADS = 5  # of each way in a round; their median counts
SECONDS = 60.0  # for one upload
PLAIN, SIGNED = "twine upload, with the key", "authproxy exec -- twine upload"
AT_MOST = Target(1.1, at_least=False)
TITLE = (
    "a wheel and an sdist, 20 KB each, by real twine through authproxy into pypiserver; client and servers a core each"
)


def measure(run: Run) -> list[Row]:
    """Rounds of both, by turns."""
    packages = run.scratch / "exec-packages"
    taken: dict[str, list[float]] = {PLAIN: [], SIGNED: []}
    with peers.pypiserver(run.scratch, packages, kind="auto", checks=False, cores=SERVERS) as index:
        made = ours.install(run.scratch, index.port)
        _with_master_key(made)
        with ours.serving(made, SERVERS) as proxy:
            ways = _ways(run.scratch, proxy)
            for number in range(run.rounds + 1):  # the first warms up: byte code, the key, connections
                round_: dict[str, list[float]] = {PLAIN: [], SIGNED: []}
                for upload in range(UPLOADS):
                    for name in run.turns((PLAIN, SIGNED), upload):
                        round_[name].append(_seconds(_release(run.scratch), *ways[name]))
                if number:
                    for name, samples in round_.items():
                        taken[name].append(statistics.median(samples))
                run.say(f"exec: round {number} of {run.rounds}")
    return [Row("exec", TITLE, tuple(_lines(taken)))]


def _with_master_key(made: ours.Installation) -> None:
    """Let the installation derive: what exec makes is judged by the key's sealed half."""
    path = made.config.parent / "master-key"
    path.write_text(written(os.urandom(MASTER_BYTES)))
    path.chmod(0o600)
    made.config.write_text(made.config.read_text() + "keys: {master_key: {file: master-key}}\n")


def _ways(scratch: Path, proxy: ours.Proxy) -> dict[str, tuple[Sequence[str], Mapping[str, str]]]:
    """The two command lines, without the wheel, and their environments."""
    key = proxy.installation.key()
    kept = scratch / "exec-key"
    kept.write_text(key)
    kept.chmod(0o600)
    url = f"http://127.0.0.1:{proxy.server.port}/"
    place = ["--repository-url", url]
    pinned = ["taskset", "--cpu-list", ",".join(map(str, CLIENT))]
    twine = [str(Path(sys.executable).parent / "twine"), "upload", *place]
    plain = {**os.environ, "TWINE_USERNAME": "__token__", "TWINE_PASSWORD": key}
    signed = [str(_program(scratch)), "exec", "--key-file", str(kept), "--"]
    return {PLAIN: ((*pinned, *twine), plain), SIGNED: ((*pinned, *signed, *twine), dict(os.environ))}


def _program(scratch: Path) -> Path:
    """The program as pip installs it, of the code that is measured."""
    path = scratch / "authproxy"
    path.write_text(f"#!{sys.executable}\nimport sys\nfrom authproxy.__main__ import main\nsys.exit(main())\n")
    path.chmod(0o755)
    return path


def _release(scratch: Path) -> list[Path]:
    """Files that the index does not have."""
    number = time.time_ns()
    wheel = scratch / wheels.filename(number)
    with wheel.open("wb") as file:
        wheels.write(file, wheels.version(number), wheels.SMALL_WHEEL - wheels.OVERHEAD)
    inside = wheel.name.removesuffix("-py3-none-any.whl")
    sdist = scratch / f"{inside}.tar.gz"
    members = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {wheels.PROJECT}\nVersion: {wheels.version(number)}\n".encode(),
        "blob.bin": os.urandom(wheels.SMALL_WHEEL - wheels.OVERHEAD),
    }
    with tarfile.open(sdist, "w:gz") as archive:
        for name, raw in members.items():
            member = tarfile.TarInfo(f"{inside}/{name}")
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return [wheel, sdist]


def _seconds(files: Sequence[Path], command: Sequence[str], environ: Mapping[str, str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        [*command, *map(str, files)], env=environ, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    taken = time.perf_counter() - began
    if done.returncode:
        raise peers.PeerError(f"{command}: {done.stdout}{done.stderr}")
    for path in files:
        path.unlink()
    return taken


def _lines(taken: Mapping[str, Sequence[float]]) -> list[Line]:
    plain, signed = taken[PLAIN], taken[SIGNED]
    return [
        Line(PLAIN, f"{statistics.median(plain) * 1000:.0f} ms", samples=tuple(plain)),
        Line(
            SIGNED,
            f"{statistics.median(signed) * 1000:.0f} ms",
            median_ratio(signed, plain),
            "of plain",
            AT_MOST,
            tuple(signed),
        ),
    ]
