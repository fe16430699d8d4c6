"""Every kind of secret through every path, at the level debug: none is in the log, in the metrics, or in the traces.

The log is taken as it goes to stderr, in both forms, with whatever aiohttp, asyncio and SQLAlchemy have to say.
"""

import asyncio
import io
import logging
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import pytest
from prometheus_client import generate_latest

from authproxy.cli.logs import FORMATS, JsonLines
from authproxy.web.server import _reload
from tests.peers.derived import new_key
from tests.peers.forms import body_of, parts_of, post, upload
from tests.peers.issuer import LocalIssuer
from tests.peers.masters import MASTER, derived, lifetime, once, with_master
from tests.peers.packages import wheel
from tests.peers.recording import Hang, Raw, RecordingIndex, Reply
from tests.peers.reporter import surrender
from tests.peers.wire import Closed, basic, exchange, get, head
from tests.web.collector import Collector, collector
from tests.web.published import BURN, Published, published
from tests.web.published import upload as upload_core
from tests.web.test_telemetry import ENDPOINT

ALICES, WRONG = "alices-0wn-Passw0rd", "a-wr0ng-Passw0rd"
SERVICE = "s3cret-passw0rd"  # `published` gives it to the index's account
POLICIES = {"release": {"allow": [{"actions": ["upload", "read"], "packages": ["*"], "create": True}]}}


@dataclass
class Secrets:
    """What must not be seen, by what it is."""

    known: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, text: str) -> str:
        self.known[what] = text
        return text

    def seen_in(self, text: str) -> list[str]:
        """Which are there: plain, quoted, or in the base64 of a header, whatever stands before them in it."""
        found = []
        for what, secret in self.known.items():
            inner = {b64encode(b"x" * shift + secret.encode())[4:-4].decode() for shift in range(3)}
            if any(each in text for each in (secret, quote(secret, safe=""), *inner)):
                found.append(what)
        return found


@pytest.fixture
def told() -> Iterator[dict[str, io.StringIO]]:
    """All that is logged, in each form, from before the proxy is there."""
    root, streams = logging.getLogger(), {name: io.StringIO() for name in FORMATS}
    handlers = [logging.StreamHandler(stream) for stream in streams.values()]
    before, level = root.handlers[:], root.level
    for handler, form in zip(handlers, FORMATS.values(), strict=True):
        handler.setFormatter(form())
    root.handlers[:] = [*before, *handlers]
    root.setLevel(logging.DEBUG)
    yield streams
    root.handlers[:] = before
    root.setLevel(level)


@asynccontextmanager
async def scene(
    folder: Path, recording: RecordingIndex, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Published, Collector]]:
    async with collector() as traces:
        monkeypatch.setenv(ENDPOINT, traces.url)
        more = {"keys": with_master(folder), "key_policies": POLICIES, "passwords": {"uploads": "allow"}}
        more |= {"backend": _backend(recording), "throttle": {"failures": 10_000}, "log": {"level": "debug"}}
        async with published(folder, recording.url, issuer, **more) as desk:
            yield desk, traces


def _backend(recording: RecordingIndex) -> dict[str, object]:
    account = {"username": "service", "password": {"file": "backend-password"}}
    return {"flavour": "pypiserver", "url": recording.url, "timeouts": {"read": "1s", "upload": "1s"}, **account}


def _named(secrets: Secrets, what: str, key: str) -> str:
    """A key or a derived key: what opens something is behind the last mark."""
    opens = key.rpartition("." if "." in key else "_")[2]  # what is derived has underscores within as well
    assert len(opens) > 20, "less would be found anywhere"
    secrets.add(what, opens)
    return key


async def _keys(desk: Published, secrets: Secrets) -> dict[str, str]:
    plain = _named(secrets, "a key", await desk.running.key())
    nonce = once(7, "acme-once")
    secrets.add("a nonce", nonce[-1].nonce)  # type: ignore[attr-defined]
    return {
        "plain": plain,
        "derived": _named(secrets, "a derived key", derived(plain, lifetime())),
        "once": _named(secrets, "a key for once", derived(plain, *nonce)),
        "minted": _named(secrets, "a minted key", await desk.key()),
        "unknown": _named(secrets, "a key that nobody knows", new_key()),
        "cut": _named(secrets, "a key cut short", new_key())[:-9],
        "forged": _named(secrets, "a derived key that is forged", derived(new_key(), lifetime())),
    }


def _requests(desk: Published, secrets: Secrets, keys: dict[str, str]) -> Iterator[bytes]:
    """Each path, with each kind, right and wrong."""
    package = wheel("acme-core", "2.0")
    for number, key in enumerate(keys.values()):
        yield upload(wheel("acme-once", f"1.{number}"), key)
        yield upload(wheel("acme-once", f"1.{number}"), key)  # again: known, or spent
        yield upload(package, key, name=key)
        yield post(body_of(parts_of(wheel("acme-agent", f"1.{number}"))), key=key, more=[("User-Agent", f"x/{key}")])
        yield upload(package, key, sha256_digest="0" * 64)
        yield post(body_of(parts_of(package))[:-30], key=key)
        for path in ("/simple/acme-core/", "/-/whoami", "/-/auth?x", f"/simple/{key}/", f"/?key={key}", "/-/nothing"):
            yield get(path, [("Authorization", basic("__token__", key)), ("User-Agent", f"pip/{key}")])
        yield get("/simple/", [("Authorization", f"Bearer {key}"), ("X-Forwarded-For", key), ("traceparent", key)])
        yield get("/simple/", [("Authorization", f"token {key}"), ("Authorization", basic(key, "")), ("Cookie", key)])
        yield b"GET /simple/ HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer " + key.encode() + b"\r\n\r\n"
        yield head("GET", f"/simple/%2e%2e/{quote(key)}", [("Host", key), ("Connection", "close")])
        yield head("BREW", "/", [("Authorization", basic("__token__", key)), ("Connection", "close")])
    for password in (ALICES, WRONG):
        said = [("Authorization", basic("alice", secrets.add(password, password))), ("Connection", "close")]
        yield post(body_of(parts_of(package)), key=None, more=said[:1])
        yield get("/simple/acme-core/", said[:1])
    token = secrets.add("a token of a job", desk.token())
    for sent in (token, token[:-8] + "AAAAAAAA", "." + token, "x" * 40_000):
        body = b'{"token": "' + sent.encode() + b'"}'
        for path in ("/_/oidc/mint-token", BURN, "/-/revoke"):
            framing = [
                ("Content-Length", str(len(body))),
                ("Content-Type", "application/json"),
                ("Connection", "close"),
            ]
            yield head("POST", path, framing) + body
    yield surrender(keys["unknown"])
    yield surrender(keys["cut"])


async def _drive(desk: Published, recording: RecordingIndex, secrets: Secrets, keys: dict[str, str]) -> set[int]:
    """Send it all while the index is well, and some of it while it is not; the statuses that came back."""
    answers = {
        "well": lambda seen: Reply(200) if seen.method == "POST" else Reply(404),
        "refuses": lambda _: Reply(403, b"no"),
        "fails": lambda _: Reply(500, b"a traceback"),
        "breaks": lambda _: Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", reset=True),
        "nonsense": lambda _: Raw(b"\x00\x01 garbage\r\n\r\n"),
    }
    statuses: set[int] = set()

    def send(raws: list[bytes]) -> None:
        for raw in raws:
            try:
                statuses.add(exchange(desk.running.address, raw).status)
            except Closed:
                statuses.add(0)

    for name, answer in answers.items():
        recording.answer = answer
        raws = list(_requests(desk, secrets, keys))
        await asyncio.to_thread(send, raws if name == "well" else raws[:: 5 + len(name) % 3])
    recording.answer = lambda _: Hang()
    await asyncio.to_thread(send, [upload(wheel("acme-late"), keys["plain"]), get("/simple/late/")])
    return statuses


async def test_no_secret_is_in_the_log_the_metrics_or_the_traces(
    tmp_path: Path,
    recording: RecordingIndex,
    issuer: LocalIssuer,
    monkeypatch: pytest.MonkeyPatch,
    told: dict[str, io.StringIO],
) -> None:
    """Nor after a defect of ours whose text holds a header, a store that is gone, and a reload that failed."""
    secrets = Secrets()
    secrets.add("the password of the index's account", SERVICE)
    for what, text in (("base64", b64encode(MASTER).decode()), ("hex", MASTER.hex()), ("repr", repr(MASTER)[2:-1])):
        secrets.add(f"the master key in {what}", text)
    async with scene(tmp_path, recording, issuer, monkeypatch) as (desk, traces):
        keys = await _keys(desk, secrets)
        statuses = await _drive(desk, recording, secrets, keys)
        app = desk.running.app
        good, secret = app.parts, {"Authorization": basic("__token__", keys["plain"])}

        class Broken:
            def __getattr__(self, _: str) -> object:
                raise RuntimeError(f"a defect while it had {secret} and {keys['plain']} and {keys['derived']}")

        app.parts = replace(good, readers=Broken(), backend=good.backend)  # type: ignore[arg-type]
        statuses.add((await desk.running.ask(get("/simple/acme-core/", [*secret.items()]))).status)
        app.parts = good
        desk.running.write(store=f"postgresql://authproxy:{secrets.add('in a URL', 'a-p4ssword-in-a-url')}@db/x")
        from authproxy.config import load

        await _reload(app, lambda: load(desk.running.file))
        await good.uses.flush()
        await good.store.close()
        stored = b"".join(each.read_bytes() for each in desk.running.file.parent.glob("authproxy.db*")).decode(
            "latin-1"
        )
        statuses.add((await upload_core(desk, keys["minted"])).status)
        metrics = generate_latest(good.metrics.registry).decode()
    assert {200, 400, 401, 403, 422, 500, 502, 503, 504} <= statuses, statuses
    shown = {name: stream.getvalue() for name, stream in told.items()} | {"metrics": metrics}
    assert "(holds a key)" in stored
    assert set(secrets.seen_in(stored)) <= {"a nonce"}  # which has to be remembered, and opens nothing
    shown["traces"] = b"".join(traces.bodies).decode("latin-1")
    assert len(traces.spans) > 100
    assert "a defect while it had" in shown["json"]
    assert {name: secrets.seen_in(text) for name, text in shown.items()} == {name: [] for name in shown}


def test_the_controls() -> None:
    """What is looked for is found where it stands, quoted and in a header of any user too; without the fence it would be."""
    secrets = Secrets()
    key = _named(secrets, "a key", new_key())
    for text in (f"x{key}y", basic("__token__", key), basic("u", key), basic("us", key), quote(f"?{key}")):
        assert secrets.seen_in(text) == ["a key"], text
    assert secrets.seen_in(key.rpartition("_")[0]) == []
    record = logging.makeLogRecord({"msg": "a defect with %s", "args": (key,)})
    assert secrets.seen_in(record.getMessage()) == ["a key"]
    assert secrets.seen_in(JsonLines().format(record)) == []
