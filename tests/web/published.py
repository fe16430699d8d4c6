"""The proxy in this process with a trusted publisher, and the CI that it trusts: an issuer of its own over TLS."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from authproxy.config import load
from authproxy.store import migrate
from authproxy.store.driver import sqlite3
from authproxy.web.server import listening
from tests.peers.ci_claims import github
from tests.peers.forms import body_of, parts_of, post
from tests.peers.issuer import LocalIssuer
from tests.peers.packages import wheel
from tests.peers.proxy import settings
from tests.peers.sqlite import dumped
from tests.peers.wire import Answer, head
from tests.web.conftest import Running

AUDIENCE = "pypi.acme.test"
CORE = wheel("acme-core")
MINT, BURN = "/_/oidc/mint-token", "/_/oidc/burn-token"
# The proxy has noted its publishers by the true clock before a test moves it.
START = int(time.time())


@dataclass(slots=True)
class Clock:
    """What time it is for the proxy and for the CI."""

    now: float = START


@dataclass(frozen=True, slots=True)
class Published:
    """The proxy, the CI, and the time."""

    running: Running
    issuer: LocalIssuer
    clock: Clock

    def token(self, **claims: Any) -> str:
        """What a job of acme/core, release.yml, environment pypi gets; None takes a claim away."""
        self.issuer.minted = getattr(self.issuer, "minted", 0) + 1  # type: ignore[attr-defined]
        said = github(self.issuer.url, AUDIENCE, int(self.clock.now))
        said |= {"jti": f"job-{self.issuer.minted}", **claims}  # type: ignore[attr-defined]
        return self.issuer.token({name: value for name, value in said.items() if value is not None})

    async def post(self, path: str, body: object, *headers: tuple[str, str]) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = [("Content-Length", str(len(raw))), ("Connection", "close"), *headers]
        return await self.running.ask(head("POST", path, sent) + raw)

    async def mint(self, token: str | None = None, **more: object) -> Answer:
        return await self.post(MINT, {"token": token or self.token(), **more})

    async def key(self, **claims: Any) -> str:
        """A key for a token."""
        answer = await self.mint(self.token(**claims))
        assert answer.status == 200, answer.text
        return str(json.loads(answer.body)["token"])

    def dump(self) -> list[str]:
        """All that the store holds."""
        with closing(sqlite3.connect(self.running.file.parent / "authproxy.db")) as connection:
            return dumped(connection)

    def rows(self, sql: str, *given: object) -> list[Any]:
        with closing(sqlite3.connect(self.running.file.parent / "authproxy.db")) as connection:
            return connection.execute(sql, given).fetchall()

    def reload(self, **changes: object) -> None:
        """Change the config, and let the proxy take it."""
        self.running.write(**changes)
        self.running.app.reload(load(self.running.file))


def publisher(issuer: LocalIssuer, **more: object) -> dict[str, object]:
    """The publisher as the file has it."""
    who = {"kind": "github", "issuer": issuer.url, "repository": "acme/core", "workflow": "release.yml"}
    return {**who, "environment": "pypi", "packages": ["acme-*"], "create": True, **more}


def trusting(issuer: LocalIssuer, *publishers: dict[str, object]) -> dict[str, object]:
    """The keys of a config that trusts this issuer's jobs."""
    at = {"audience": AUDIENCE, "issuers": {issuer.url: {"ca_file": str(issuer.ca_file)}}}
    return {"publishers": list(publishers) or [publisher(issuer)], "trusted_publishing": at}


@asynccontextmanager
async def published(folder: Path, index_url: str, issuer: LocalIssuer, **more: object) -> AsyncIterator[Published]:
    """Run it. `more` are keys of the config."""
    file, clock = folder / "authproxy.yaml", Clock()
    service = ("service", "s3cret-passw0rd")
    (folder / "state").mkdir()
    plain = settings(folder, index_url, address=("127.0.0.1", 0), service=service)
    (folder / "backend-password").chmod(0o600)
    file.write_text(json.dumps(plain | {"public_url": "https://pypi.acme.test/"} | trusting(issuer) | more))
    config = load(file)
    await migrate(config.store)
    async with listening(config) as (app, url):
        while not await app.parts.store.minting.pins():  # the chores of the start write to the store; then all is quiet
            await asyncio.sleep(0.01)
        app.parts = replace(app.parts, clock=lambda: clock.now)
        at = urlsplit(url)
        yield Published(Running(app, (at.hostname or "", at.port or 0), file), issuer, clock)


def error(answer: Answer) -> tuple[str, str]:
    """The code and the sentence of a refused mint, whose form never differs."""
    assert (answer.status, answer.header("Content-Type")) == (422, "application/json"), answer.text
    page = json.loads(answer.body)
    assert page.keys() == {"message", "errors"}
    assert page["message"] == "Token request failed"
    [found] = page["errors"]
    assert found.keys() == {"code", "description"}
    assert found["description"].isascii()
    assert found["description"].isprintable()
    return found["code"], found["description"]


async def upload(desk: Published, key: str) -> Answer:
    """An honest upload of acme-core 1.0."""
    return await desk.running.ask(post(body_of(parts_of(CORE)), key=key))
