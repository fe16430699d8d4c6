"""buildah with a storage of its own: images and containers without an engine, a registry or anything of the machine's.

Its chroot isolation needs root and no more. It has no switch for a root that cannot be written to, so containers are
run in a mount namespace in which theirs is mounted read-only, as `docker run --read-only` and Kubernetes do it.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tests.peers.clients import Client, Ran
from tests.peers.programs import Program, clean_environment

PATIENCE = 600.0  # seconds; a build installs everything that authproxy needs
ENDED_WITHIN = 20.0  # seconds for the process inside
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"  # where Debian has those that it trusts

# The real base is in a registry. Debian's own Python under its name does for a build: pip, venv, and nothing else of it.
_STAND_IN = ("ca-certificates", "python3", "python3-pip")
_NEEDED = ("buildah", "mmdebstrap", "unshare", "mount")

# Read-only, but for /run, which belongs to root: buildah makes a file there.
_SEALED = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && mount -t tmpfs -o mode=755,size=64k tmpfs "$0/run" && exec "$@"'


def need_buildah() -> None:
    """Skip where an image cannot be built, and say what is missing."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"building an image takes {', '.join(missing)}: apt install buildah mmdebstrap")
    if os.geteuid() != 0:
        pytest.skip("building an image without an engine takes root")


@dataclass(frozen=True, slots=True)
class Container:
    """A container of one image. `volumes` are folders of this machine: where they are seen, and `:ro` perhaps."""

    buildah: "Buildah"
    name: str
    root: Path
    volumes: Mapping[Path, str]

    def argv(self, *command: str) -> list[str]:
        """What runs `command` in it, with the user and the environment of the image, its root read-only."""
        mounts = [word for here, there in self.volumes.items() for word in ("--volume", f"{here}:{there}")]
        run = self.buildah.argv("run", "--isolation", "chroot", "--network", "host", *mounts, self.name, "--", *command)
        return ["unshare", "--mount", "sh", "-c", _SEALED, str(self.root), *run]

    def run(self, *command: str) -> Ran:
        """Run one command to its end."""
        return Client(self.buildah.folder).run(self.argv(*command))

    @contextmanager
    def running(self, *command: str, log: Path) -> Iterator[int]:
        """Run `command`; yields the id of its process. In the end it gets a SIGTERM, as `docker stop` sends it."""
        program = Program(self.argv(*command), log=log, env=clean_environment(self.buildah.folder))
        try:
            yield _inner(program, command[0])
        finally:
            for pid in reversed(descendants(program.pid)):
                _terminate(pid)
            try:
                program.wait(ENDED_WITHIN)
            finally:
                program.stop()


class Buildah:
    """Images and containers in a folder, which is all that there is to remove."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def argv(self, *arguments: str) -> list[str]:
        storage = ["--storage-driver", "vfs", "--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run"]
        return ["buildah", *storage, *arguments]

    def do(self, *arguments: str) -> str:
        """What buildah printed last; AssertionError with all of it where it failed."""
        ran = subprocess.run(
            self.argv(*arguments),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return (ran.stdout.split() or [""])[-1]

    def make_base(self, name: str) -> None:
        """Put a small Debian with Python into the storage, under the name of the real base image."""
        suite = name.rpartition("-")[2]
        archive = self.folder / "base.tar"
        made = subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(_STAND_IN)}", suite, archive],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert made.returncode == 0, made.stderr
        container = self.do("from", "scratch")
        self.do("add", container, str(archive), "/")
        archive.unlink()
        # The real one has it there, in front of Debian's own programs.
        self.do(
            "run", "--isolation", "chroot", container, "--", "ln", "-s", "/usr/bin/python3", "/usr/local/bin/python"
        )
        self.do("commit", "--format", "docker", "--rm", container, name)

    def build(
        self,
        context: Path,
        tag: str,
        arguments: Mapping[str, str] = MappingProxyType({}),
        dockerfile: str = "Dockerfile",
    ) -> None:
        """Build the Dockerfile of a folder. OCI's own format has no HEALTHCHECK: buildah would leave it out."""
        told = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        trusted = os.environ.get("SSL_CERT_FILE", CERTIFICATES)
        told += ["--volume", f"{trusted}:{CERTIFICATES}:ro"] if Path(trusted).exists() else []
        options = ["--isolation", "chroot", "--format", "docker", "--pull-never", "--layers=false"]
        self.do("build", *options, *told, "--file", str(context / dockerfile), "--tag", tag, str(context))

    def settings(self, image: str) -> Mapping[str, Any]:
        """What the image says of itself: Docker's `Config`."""
        return self._inspected(image)["Docker"]["config"]

    def history(self, image: str) -> Sequence[Mapping[str, Any]]:
        return self._inspected(image)["Docker"]["history"]

    def _inspected(self, image: str) -> Any:
        argv = self.argv("inspect", "--type", "image", image)
        return json.loads(subprocess.run(argv, capture_output=True, timeout=PATIENCE, check=True).stdout)

    @contextmanager
    def container(self, image: str, volumes: Mapping[Path, str] = MappingProxyType({})) -> Iterator[Container]:
        """A container of an image of this storage."""
        name = self.do("from", "--pull-never", image)
        try:
            # buildah mounts a folder of its own at each VOLUME, and which of two mounts is on top is chance (seen).
            for volume in self.settings(image).get("Volumes") or ():
                self.do("config", "--volume", f"{volume}-", name)
            root = Path(self.do("mount", name))
            for there in volumes.values():  # engines make what they mount on, before they close the root
                (root / there.partition(":")[0].lstrip("/")).mkdir(parents=True, exist_ok=True)
            yield Container(self, name, root, volumes)
        finally:
            self.do("umount", name)
            self.do("rm", name)


def _inner(program: Program, name: str) -> int:
    """The process of the program within; buildah's own are its parents."""
    deadline = time.monotonic() + ENDED_WITHIN
    while time.monotonic() < deadline and program.is_alive():
        for pid in descendants(program.pid):
            words = _words(pid)
            if any(Path(word).name == name for word in words[:2]):
                return pid
        time.sleep(0.05)
    raise RuntimeError(f"{name} did not start; it said:\n{program.output()}")


def _words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
    except OSError:
        return []


def descendants(pid: int) -> list[int]:
    """The processes below one, parents first."""
    try:
        below = [
            int(word)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for word in (task / "children").read_text().split()
        ]
    except OSError:
        return []
    return [each for child in below for each in (child, *descendants(child))]


def _terminate(pid: int) -> None:
    """End a process of the container; buildah and its shell end with it."""
    words = _words(pid)
    if words and not any("buildah" in word for word in words):
        os.kill(pid, 15)
