"""Row `mint`: a key for a token, beside the least that it can cost: one check of a signature and two commits.

The mint is the whole of it over a socket: head, body, JSON, token, claims, publisher, pin, key and answer; the issuer's
keys are there already. The least is PyJWT's check of such a token (RS256, 2048 bits) and two commits of one small row
each, by sqlite3 alone, as durable as ours and on the same disk. Both in this process, one after the other.
"""

import asyncio
import base64
import json
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from authproxy.authority.minting import Minter
from authproxy.authority.throttle import Throttle
from authproxy.config import load
from authproxy.oidc import Issuer, Keyrings
from authproxy.store import migrate
from authproxy.store.driver import sqlite3
from authproxy.store.engine import connect
from authproxy.web.publishers import Publishers
from authproxy.web.server import listening
from bench.run import Run
from bench.table import Line, Row, Target, median_ratio

MINTS = 40  # in a round
AUDIENCE, ISSUER, KID = "pypi.example.com", "https://token.actions.githubusercontent.com", "bench"
TARGET = Target(3, at_least=False)
REQUEST = b"POST /_/oidc/mint-token HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
LEAST, MINT = "one signature and two commits", "a mint, over its socket"
TITLE = "POST /_/oidc/mint-token with a warm key set; SQLite {version}, {journal}, one client"
CONFIG = f"""\
listen: 127.0.0.1:0
public_url: https://{AUDIENCE}/
backend: {{flavour: pypiserver, url: "http://127.0.0.1:9/"}}
store: sqlite:///authproxy.db
log: {{level: error}}
packages: [{{match: "*"}}]
publishers:
  - {{kind: github, repository: acme/core, workflow: release.yml, environment: pypi, packages: [acme-core]}}
"""


class Ci:
    """Signs tokens as GitHub does, and is its own key server."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)

    async def key_set(self, _: Issuer) -> bytes:
        numbers = self.key.public_key().public_numbers()
        n, e = (base64.urlsafe_b64encode(each.to_bytes(size)).rstrip(b"=").decode() for each, size in
                ((numbers.n, 256), (numbers.e, 3)))  # fmt: skip
        return json.dumps({"keys": [{"kty": "RSA", "kid": KID, "use": "sig", "alg": "RS256", "n": n, "e": e}]}).encode()

    def token(self) -> str:
        now = int(time.time())
        file = "acme/core/.github/workflows/release.yml@refs/tags/v1.2.0"
        claims = {
            "iss": ISSUER, "aud": AUDIENCE, "iat": now, "nbf": now - 600, "exp": now + 300, "jti": str(uuid.uuid4()),
            "sub": "repo:acme/core:environment:pypi", "repository": "acme/core", "repository_owner": "acme",
            "repository_id": "74", "repository_owner_id": "65", "environment": "pypi", "event_name": "push",
            "job_workflow_ref": file, "workflow_ref": file, "ref": "refs/tags/v1.2.0", "ref_type": "tag",
            "sha": "9f3182061f1e2cca4702c368cbc039b7dc9d4485", "actor": "octocat", "run_id": "9876543210",
        }  # fmt: skip
        return jwt.encode(claims, self.key, "RS256", {"kid": KID})


def measure(run: Run) -> list[Row]:
    """Rounds of both, by turns."""
    return [asyncio.run(_measured(run))]


async def _measured(run: Run) -> Row:
    ci, taken = Ci(), {LEAST: list[float](), MINT: list[float]()}
    (run.scratch / "config.yaml").write_text(CONFIG)
    config = load(run.scratch / "config.yaml")
    await migrate(config.store)
    async with listening(config) as (app, url):
        keyrings, minter = Keyrings(ci.key_set), Minter(app.parts.store, prefix=config.keys.prefix)
        publishers = Publishers(app.parts.store, keyrings, minter, Throttle(failures=10, window=60))
        object.__setattr__(app.parts, "publishers", publishers)
        at = urlsplit(url)
        reader, writer = await asyncio.open_connection(at.hostname, at.port)

        async def mint(token: str) -> None:
            body = json.dumps({"token": token}).encode()
            writer.write(
                b"POST /_/oidc/mint-token HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            head = await reader.readuntil(b"\r\n\r\n")
            size = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            answer = json.loads(await reader.readexactly(int(size.split(b":")[1])))
            assert answer.get("success") is True, answer

        await mint(ci.token())  # the key set is fetched, the ids are pinned
        with closing(least_database(run.scratch / "least.db")) as database:
            journal = database.execute("PRAGMA journal_mode").fetchone()[0]
            ways: tuple[tuple[str, Callable[[str], Awaitable[None]]], ...] = (
                (LEAST, lambda token: least(ci, database, token)),
                (MINT, mint),
            )
            for number in range(run.rounds):
                for name, way in run.turns(ways, number):
                    taken[name].append(await _median([ci.token() for _ in range(MINTS)], way))
                run.say(f"mint: round {number + 1} of {run.rounds}")
        writer.close()
        await keyrings.close()
    lines = (
        Line(LEAST, f"{statistics.median(taken[LEAST]):.2f} ms", samples=tuple(taken[LEAST])),
        Line(
            MINT,
            f"{statistics.median(taken[MINT]):.2f} ms",
            median_ratio(taken[MINT], taken[LEAST]),
            "of the least",
            TARGET,
            tuple(taken[MINT]),
        ),
    )
    return Row("mint", TITLE.format(version=sqlite3.sqlite_version, journal=journal), lines)


def least_database(path: Path) -> sqlite3.Connection:
    """Opened as the store opens its own."""
    path.touch(mode=0o600)
    made = connect(path)
    made.execute("CREATE TABLE least (id TEXT PRIMARY KEY, until INTEGER) WITHOUT ROWID")
    return made


async def least(ci: Ci, database: sqlite3.Connection, token: str) -> None:
    """Check and commit, with nothing around it."""
    jwt.PyJWS(algorithms=["RS256"]).decode_complete(token, ci.key.public_key(), algorithms=["RS256"])
    for _ in range(2):
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO least VALUES (?, 0)", (str(uuid.uuid4()),))
        database.execute("COMMIT")


async def _median(tokens: list[str], way: Callable[[str], Awaitable[None]]) -> float:
    """The median of the milliseconds of each."""
    taken = []
    for token in tokens:
        start = time.perf_counter()
        await way(token)
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken)
