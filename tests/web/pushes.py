"""A proxy before a devpi of two indexes; requests for a push as `authproxy push` writes them, and as they should not be."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from authproxy.config import load
from authproxy.store import migrate
from authproxy.web.server import listening
from tests.backend.test_push import DEV, STABLE, Held
from tests.peers.proxy import settings
from tests.peers.recording import RecordingIndex, Seen
from tests.peers.wire import basic, head
from tests.web.conftest import Running


def allow(*actions: str, indexes: tuple[str, ...] = (DEV, STABLE), **more: object) -> dict[str, Any]:
    return {"actions": list(actions), "packages": ["acme-*"], "indexes": list(indexes), **more}


POLICIES = {
    "release": {"allow": [allow("push", create=True)], "uses": 2},
    "old": {"allow": [allow("push")]},
    "from": {"allow": [allow("push", indexes=(DEV,))]},
    "into": {"allow": [allow("push", indexes=(STABLE,), create=True)]},
    "upload": {"allow": [allow("upload", "read", "delete", create=True)]},
}
FIELDS = {"name": "acme-core", "version": "1.0", "source": DEV, "target": STABLE}


@asynccontextmanager
async def before_devpi(
    tmp_path: Path, recording: RecordingIndex, changes: Mapping[str, object]
) -> AsyncIterator[Running]:
    """Run it; `changes` are settings that differ from the plain ones."""
    recording.answer = Held()
    backend: dict[str, object] = {
        "flavour": "devpi",
        "url": recording.url,
        "indexes": [DEV, STABLE],
        "username": "service",
    }
    backend |= {"password": {"file": "backend-password"}, "timeouts": {"read": "1s", "upload": "1s"}}
    (tmp_path / "backend-password").write_text("s3cret-passw0rd")
    (tmp_path / "backend-password").chmod(0o600)
    (tmp_path / "state").mkdir()
    more = {"key_policies": POLICIES, "backend": backend, **changes}
    file = tmp_path / "authproxy.yaml"
    plain = settings(tmp_path, recording.url, address=("127.0.0.1", 0), **more)
    file.write_text(json.dumps(plain | {"public_url": "https://pypi.acme.test/"}))
    config = load(file)
    await migrate(config.store)
    async with listening(config) as (app, url):
        where = urlsplit(url)
        yield Running(app, (where.hostname or "", where.port or 0), file)


def held(recording: RecordingIndex) -> Held:
    assert isinstance(recording.answer, Held)
    return recording.answer


def pushes(recording: RecordingIndex) -> list[Seen]:
    return [seen for seen in recording.requests if seen.method not in {"GET", "POST"}]


def pushing(
    key: str | None, body: object = None, *more: tuple[str, str], media: str = "application/json", **changes: object
) -> bytes:
    """The request; `body` instead of the honest fields, or `changes` of them."""
    said = FIELDS | changes if body is None else body
    octets = said if isinstance(said, bytes) else json.dumps(said).encode()
    credential = [] if key is None else [("Authorization", basic("__token__", key))]
    framing = [("Content-Length", str(len(octets))), ("Content-Type", media), ("Connection", "close")]
    return head("POST", "/-/push", [*credential, *framing, *more]) + octets


TWICE = b'{"name":"acme-core","version":"1.0","source":"team/dev","target":"team/stable","target":"team/other"}'
BODIES: dict[str, object] = {
    "nothing": b"",
    "no object": [],
    "a list of pairs": list(FIELDS.items()),
    "a name": "acme-core",
    "no target": {name: FIELDS[name] for name in ("name", "version", "source")},
    "a target twice": TWICE,
    "one field more": FIELDS | {"posturl": "http://192.0.2.1/"},
    "devpi's own field": FIELDS | {"targetindex": STABLE},
    "a number": FIELDS | {"version": 1.0},
    "nothing for a target": FIELDS | {"target": None},
    "an object for a target": FIELDS | {"target": {"index": STABLE}},
    "a list for a target": FIELDS | {"target": [STABLE]},
    "text that is not ASCII": json.dumps(FIELDS | {"name": "acm\u00e9"}, ensure_ascii=False).encode(),
    "something behind it": json.dumps(FIELDS).encode() + b"{}",
    "a depth": b"[" * 3000,
}


VALUES = [
    ("target", "team/other", "no index behind this proxy"),
    ("target", "team/../team/stable", "no index behind this proxy"),
    ("target", "team%2Fstable", "no index behind this proxy"),
    ("target", "TEAM/STABLE", "no index behind this proxy"),
    ("target", "team/stable\n", "no index behind this proxy"),
    ("target", "team/st\u0430ble", "no index behind this proxy"),
    ("target", "http://192.0.2.1/", "no index behind this proxy"),
    ("target", "*", "no index behind this proxy"),
    ("source", "root/pypi", "no index behind this proxy"),
    ("source", "", "no index behind this proxy"),
    ("source", STABLE, "both source and target"),
    ("name", "acme-*", "no project name"),
    ("name", "../acme", "no project name"),
    ("name", "acme-\N{KELVIN SIGN}ore", "no project name"),
    ("version", "latest", "no version"),
    ("version", "1.*", "no version"),
]
