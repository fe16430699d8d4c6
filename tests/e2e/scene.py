"""A proxy, the recording index behind it, and a key: what most socket-level tests stand on, made once for a module."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.peers import wire
from tests.peers.forms import upload
from tests.peers.packages import Package
from tests.peers.proxy import Key, Proxy, proxy
from tests.peers.recording import RecordingIndex, recording_index

LONGEST_SENTENCE = 500  # characters, as the contract says


@dataclass(frozen=True, slots=True)
class Scene:
    proxy: Proxy
    index: RecordingIndex
    key: Key

    def exchange(self, raw: bytes, *, timeout: float = wire.PATIENCE) -> wire.Answer:
        return wire.exchange(self.proxy.address, raw, timeout=timeout)

    def upload(self, package: Package, key: Key | None = None, *, timeout: float = wire.PATIENCE) -> wire.Answer:
        """An honest upload with this key, or with the scene's own."""
        return self.exchange(upload(package, (key or self.key).text), timeout=timeout)

    def files_of(self, package: Package) -> list[dict[str, Any]]:
        """The store's rows about the project."""
        return [row for row in self.proxy.rows("files") if row["project"] == package.name]


@contextmanager
def recorded(folder: Path, **settings: Any) -> Iterator[Scene]:
    """Start it all; `settings` as for `peers.proxy.settings`."""
    with recording_index() as index, proxy(folder / "proxy", index.url, **settings) as running:
        yield Scene(running, index, running.create_key())


def project_of(request: pytest.FixtureRequest) -> str:
    """A project name that no other test uses."""
    return "acme-" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")


def secret_of(key: Key) -> str:
    """The part of a key that nobody may see: behind the last underscore."""
    return key.text.rpartition("_")[2]


def assert_is_one_sentence(answer: wire.Answer) -> None:
    """The reason phrase and the body say the same, in printable ASCII of bounded length."""
    sentence = answer.text.removesuffix("\n")
    assert sentence == answer.reason
    assert sentence.isascii()
    assert sentence.isprintable()
    assert 10 <= len(sentence) <= LONGEST_SENTENCE
    assert answer.header("content-type") == "text/plain; charset=utf-8"
