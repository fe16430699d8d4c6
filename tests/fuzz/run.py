"""Running the fuzzer as a program: with seeds, for so many seconds, and what it has found."""

import base64
import importlib.util
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

VECTORS = Path(__file__).parents[1] / "vectors"
ROOT = Path(__file__).parents[2]
GRACE = 60.0  # seconds for the start, and for the last input
LONGEST = {"config": 4_096, "form": 4_096, "key": 512, "filename": 256}  # bytes of an input


@dataclass(frozen=True, slots=True)
class Ran:
    """How it ended. `crashes` are the inputs that raised what is no refusal."""

    code: int
    said: str
    crashes: tuple[bytes, ...]

    @property
    def inputs(self) -> int:
        found = re.findall(r"^#(\d+)\s", self.said, re.MULTILINE)
        return int(found[-1]) if found else 0

    @property
    def summary(self) -> str:
        coverage = re.findall(r"cov: (\d+)", self.said)
        branches = f", {coverage[-1]} branches reached" if coverage else ""
        return f"{self.inputs} inputs{branches}, {len(self.crashes)} crashes" + (
            f", exit code {self.code}" if self.code else ""
        )


def is_installed() -> bool:
    """atheris has wheels for Linux on x86-64."""
    return importlib.util.find_spec("atheris") is not None


def seeds_of(name: str) -> dict[str, bytes]:
    """What a target begins with, by the name of its file; of the form, what clients have really sent besides."""
    found = {path.name: path.read_bytes() for path in sorted((VECTORS / "fuzz" / name).glob("*"))}
    if name == "form":
        for path in sorted((VECTORS / "uploads").glob("*.json")):
            captured = json.loads(path.read_text())
            boundary = captured["content_type"].partition("boundary=")[2].strip('"').encode()
            found[path.stem] = b"\x07" + base64.b64decode("".join(captured["body"])).replace(boundary, b"b")
    if name == "config":
        found["example"] = (ROOT / "config.example.yaml").read_bytes()
    return found


def fuzzed(name: str, seconds: int, kept: Path, scratch: Path) -> Ran:
    """Run one target. `kept` grows by what reached something new, `scratch` holds the seeds and what crashed."""
    kept.mkdir(parents=True, exist_ok=True)
    seeds, crashed = scratch / "seeds", scratch / "crashed"
    for folder in (seeds, crashed):
        folder.mkdir()
    for called, octets in seeds_of(name).items():
        (seeds / called).write_bytes(octets)
    longest = LONGEST.get(name, 64)
    options = [f"-max_total_time={seconds}", f"-max_len={longest}", f"-artifact_prefix={crashed}/", "-timeout=10"]
    argv = [sys.executable, "-m", "tests.fuzz.engine", name, *options, "-print_final_stats=1", str(kept), str(seeds)]
    ran = subprocess.run(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds + GRACE, check=False
    )
    said = ran.stdout.decode("utf-8", "replace")
    return Ran(ran.returncode, said, tuple(path.read_bytes() for path in sorted(crashed.iterdir())))
