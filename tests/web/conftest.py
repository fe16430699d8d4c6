"""The proxy in this process, on a real socket, before an index that records."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from authproxy.authority import NewKey
from authproxy.backend.client import Backend, Upstream
from authproxy.backend.pypiserver import PYPISERVER
from authproxy.config import load
from authproxy.store import Store, migrate
from authproxy.web import looks
from authproxy.web.app import App
from authproxy.web.ledger import Ledger
from authproxy.web.server import listening
from tests.peers.issuer import LocalIssuer, local_issuer
from tests.peers.proxy import settings
from tests.peers.recording import RecordingIndex
from tests.peers.wire import Answer, exchange
from tests.web.ledgers import KEY, Index

if TYPE_CHECKING:
    from tests.web.published import Published

POLICIES = {
    "release": {"allow": [{"actions": ["upload"], "packages": ["acme-*"], "create": True}]},
    "install": {"allow": [{"actions": ["read"], "packages": ["*"]}]},
}


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two looks at the index come without a pause between them, but where a test is about the pause."""
    monkeypatch.setattr(looks, "PAUSE", 0.0)


@dataclass(frozen=True, slots=True)
class Running:
    """A running proxy with its config file."""

    app: App
    address: tuple[str, int]
    file: Path

    async def ask(self, raw: bytes) -> Answer:
        """Send one request over a socket; the server runs in this very loop, so the client has a thread."""
        return await asyncio.to_thread(exchange, self.address, raw)

    async def key(self, policy: str = "release") -> str:
        """Issue a key."""
        new = NewKey(owner="ci@acme.test", note="", policy=policy)
        _, text = await self.app.parts.authority.issue(new, now=self.app.parts.now())
        return text

    def write(self, **changes: object) -> None:
        """Change the config file."""
        self.file.write_text(json.dumps(json.loads(self.file.read_text()) | changes))


@pytest.fixture
async def running(tmp_path: Path, recording: RecordingIndex, request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    """A proxy; `request.param` holds settings that differ from the plain ones."""
    more = {"key_policies": POLICIES, **getattr(request, "param", {})}
    file = tmp_path / "authproxy.yaml"
    plain = settings(tmp_path, recording.url, address=("127.0.0.1", 0), service=("service", "s3cret-passw0rd"), **more)
    (tmp_path / "backend-password").chmod(0o600)
    (tmp_path / "state").mkdir()
    file.write_text(json.dumps(plain | {"public_url": "https://pypi.acme.test/"}))
    config = load(file)
    await migrate(config.store)
    async with listening(config) as (app, url):
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        yield Running(app, (parts.hostname, parts.port), file)


@pytest.fixture
def held(recording: RecordingIndex) -> Index:
    """The files of the index behind the ledger."""
    recording.answer = held = Index()
    return held


@pytest.fixture
async def ledger(tmp_path: Path, recording: RecordingIndex) -> AsyncIterator[Ledger]:
    """A ledger on a new store that knows one key."""
    url = f"sqlite:///{tmp_path}/authproxy.db"
    await migrate(url)
    store = await Store.open(url)
    await store.add_key(KEY)
    async with Backend(Upstream(recording.url, "pypi.acme.test", "https"), PYPISERVER) as backend:
        yield Ledger(store, backend)
    await store.close()


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[LocalIssuer]:
    """A CI's issuer over TLS."""
    with local_issuer(tmp_path) as made:
        yield made


@pytest.fixture
async def desk(tmp_path: Path, recording: RecordingIndex, issuer: LocalIssuer) -> "AsyncIterator[Published]":
    """A proxy that trusts one job of it."""
    from tests.web.published import published

    async with published(tmp_path, recording.url, issuer) as made:
        yield made
