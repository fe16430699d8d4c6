"""A configuration that looks at an index, and the promise that looking changes nothing."""

import json
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from authproxy.cli.checkup import Finding
from authproxy.cli.checkup.dialect import NO_UPLOAD, NO_UPLOAD_HEADERS
from authproxy.cli.checkup.wire import ask, basic
from authproxy.config import Config, load
from tests.peers.devpi import SERVICE, SERVICE_PASSWORD, Devpi, devpi
from tests.peers.ports import LOOPBACK
from tests.peers.proxy import settings

NOWHERE = "http://127.0.0.1:9/"

Configured = Callable[..., Config]
Named = dict[str, Finding]


def named(findings: Iterator[Finding]) -> Named:
    """The findings by name; of two by one name the worse counts for nothing, so there must not be two."""
    found = list(findings)
    assert len({each.name for each in found}) == len(found), found
    return {each.name: each for each in found}


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    """Write a configuration and load it. Keywords as for `tests.peers.proxy.settings`."""

    def make(index_url: str = NOWHERE, **more: Any) -> Config:
        (tmp_path / "state").mkdir(exist_ok=True)
        path = tmp_path / "authproxy.yaml"
        document = settings(tmp_path, index_url, address=(LOOPBACK, 8080), **more)
        for secret in tmp_path.glob("backend-password"):
            secret.chmod(0o600)
        path.write_text(json.dumps(document), encoding="utf-8")
        return load(path)

    return make


def contents(*folders: Path) -> dict[str, tuple[bytes, int, int]]:
    """Every file below the folders, but for what servers log: its bytes, its mode, and when it was written."""
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".log"]
    return {
        str(path): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode), path.stat().st_mtime_ns) for path in paths
    }


@contextmanager
def nothing_changes(*folders: Path) -> Iterator[None]:
    """Hold that every file is the same afterwards, and that there is no other."""
    before = contents(*folders)
    yield
    assert contents(*folders) == before


def now() -> int:
    """Unix seconds."""
    return int(time.time())


@pytest.fixture(scope="session")
def cheap_devpi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devpi]:
    """A devpi-server that spends nothing on passwords: it starts and answers in a tenth of the time."""
    cheap = ("--argon2-time-cost", "1", "--argon2-memory-cost", "8", "--argon2-parallelism", "1")
    with devpi(tmp_path_factory.mktemp("devpi") / "devpi", *cheap) as running:
        # It hashes a password anew, in its own way, at the first login that may write, and counts that as a change.
        # Where doctor looks, the proxy has long logged in.
        headers = {**NO_UPLOAD_HEADERS, **basic(SERVICE, SERVICE_PASSWORD)}
        ask(running.url, f"/{running.new_index()}/", headers, method="POST", body=NO_UPLOAD)
        yield running
