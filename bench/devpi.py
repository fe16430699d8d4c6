"""Row 7: uploads per second of a 20 KB wheel into a real devpi-server.

As in `uploads`: the index alone on core 1, all else on core 0. devpi checks a password with Argon2 on every request and
takes a session token in its place; authproxy holds such a token. So the direct ways are two: what an uploader with a
password has (twine, uv), and what the index itself can do (a token, as devpi-client uses it).

With a warm key one upload is one request to devpi (measured): no listing, and no login but the first. What authproxy
adds is two commits, each of five fsyncs with the SQLite that most systems have: on a busy disk they are all its time.

devpi reads and writes a project's whole list of releases with each upload, so every leg of every round begins with the
same files in the index and none in the project.
"""

import itertools
import json
import secrets
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path

from authproxy.cli.demo.upstreams import DEVPI, INDEX, SERVICE_USER
from bench import load, ours, peers, wheels
from bench.run import Run
from bench.table import MISSING, Line, Row, Target, median_ratio
from bench.uploads import fsync
from bench.wire import Wire

FRONT, SERVER = (0,), (1,)
COUNT = 60  # uploads of one leg: about a second
CHECKED_COUNT = 8  # Argon2 holds it to some 6 uploads a second
WARM_COUNT = 4
HELD, HELD_PROJECTS = 200, 20  # a small team's
CONNECTIONS = (4, 1)
TARGET = f"/{INDEX}/"
AGAINST_TOKEN, AGAINST_PASSWORD = Target(0.7, at_least=True), Target(1, at_least=True)
TOKEN, PASSWORD = "direct, session token", "direct, password"
OURS = "through authproxy, warm key"


@dataclass(frozen=True, slots=True)
class Leg:
    """One way to the index."""

    name: str
    server: peers.Server
    credential: str
    count: int


@dataclass(frozen=True, slots=True)
class Index:
    """A devpi that runs, and what it takes."""

    server: peers.Server
    password: str
    token: str  # user:token
    owner: str  # user:token of whoever may delete

    def empty(self) -> None:
        """Delete the project that the uploads go to."""
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=peers.START_SECONDS)
        name, _, value = wheels.authorization(self.owner).strip().partition(": ")
        connection.request("DELETE", f"{TARGET}{wheels.PROJECT}?force", headers={name: value})
        status = connection.getresponse().status
        connection.close()
        if status not in {200, 404, 410}:
            raise peers.PeerError(f"devpi answered {status} to a delete")


@dataclass(frozen=True, slots=True)
class Sample:
    """One leg of one round: its rate, and the seconds of their cores that the two servers took per upload."""

    rate: float
    proxy: float
    index: float


def measure(run: Run) -> list[Row]:
    """Four uploaders at once, then one; a quick run measures the four alone."""
    if find_spec("devpi_server") is None:
        return [Row("devpi", "20 KB wheels into devpi", (Line("devpi-server", MISSING),))]
    with _devpi(run.scratch) as index, _proxy(run.scratch, index) as proxy, load.client(FRONT) as client:
        legs = (
            Leg(TOKEN, index.server, index.token, COUNT),
            Leg(PASSWORD, index.server, f"{SERVICE_USER}:{index.password}", CHECKED_COUNT),
            Leg(OURS, proxy.server, proxy.credential(), COUNT),
        )
        numbers = itertools.count(1)
        rows = []
        for connections in CONNECTIONS[:1] if run.quick else CONNECTIONS:
            samples: dict[str, list[Sample]] = {leg.name: [] for leg in legs}
            for number in range(run.rounds + 1):  # the first warms up
                for leg in run.turns(legs, number):
                    mine = list(itertools.islice(numbers, leg.count if number else WARM_COUNT))
                    index.empty()
                    before = proxy.server.cpu_seconds(), index.server.cpu_seconds()
                    job = client.submit(load.upload_small, leg.server.port, leg.credential, mine, connections, TARGET)
                    rate = job.result().rate
                    after = proxy.server.cpu_seconds(), index.server.cpu_seconds()
                    spent = [(now - was) / len(mine) for now, was in zip(after, before, strict=True)]
                    samples[leg.name] += [Sample(rate, *spent)] if number else []
                run.say(f"devpi, {connections} at once: round {number} of {run.rounds}")
            rows.append(_row(run.scratch, connections, samples))
    return rows


def _row(scratch: Path, connections: int, samples: dict[str, list[Sample]]) -> Row:
    uploaders = "1 uploader" if connections == 1 else f"{connections} uploaders at once"
    mine = statistics.median(sample.proxy for sample in samples[OURS]) * 1000
    index = {name: statistics.median(sample.index for sample in found) * 1000 for name, found in samples.items()}
    return Row(
        f"devpi-{connections}",
        f"20 KB wheels into devpi-server that holds {HELD} files, {uploaders}; index on core 1, all else on core 0",
        tuple(_lines({name: [sample.rate for sample in found] for name, found in samples.items()})),
        (
            f"authproxy takes {mine:.2f} ms of its core per upload; {fsync(scratch)}",
            f"devpi: {index[OURS]:.1f} ms behind it, {index[TOKEN]:.1f} for a token, {index[PASSWORD]:.0f} for Argon2",
        ),
    )


def _lines(rates: dict[str, list[float]]) -> Iterator[Line]:
    for name in (TOKEN, PASSWORD, OURS):
        measured = f"{statistics.median(rates[name]):,.1f} uploads/s"
        ratio = None if name == TOKEN else median_ratio(rates[name], rates[TOKEN])
        against, target = "" if name == TOKEN else "of token", AGAINST_TOKEN if name == OURS else None
        yield Line(name, measured, ratio, against, target, tuple(rates[name]))
    yield Line("", "", median_ratio(rates[OURS], rates[PASSWORD]), "of password", AGAINST_PASSWORD)


@contextmanager
def _devpi(scratch: Path) -> Iterator[Index]:
    """The index as the demo sets it up, with files in it, and its account's session."""
    home, port = scratch / "devpi", peers.free_port()
    home.mkdir()
    password = secrets.token_urlsafe(24)
    DEVPI.prepare(home, password)
    with peers.started("devpi", DEVPI.command(home, port), port, scratch, SERVER) as server:
        token = _session(port, SERVICE_USER, password)
        wire = Wire(port)
        for number in range(HELD):
            upload = wheels.small(number, f"held-{number % HELD_PROJECTS}")
            load.expect(wire.exchange(upload.request(token, TARGET)))
        wire.close()
        yield Index(server, password, token, _session(port, "team", (home / "devpi-password").read_text().strip()))


def _session(port: int, user: str, password: str) -> str:
    """user:token of a devpi that has just been asked for one."""
    connection = HTTPConnection("127.0.0.1", port, timeout=peers.START_SECONDS)
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    connection.request("POST", "/+login", json.dumps({"user": user, "password": password}), headers)
    token = json.loads(connection.getresponse().read())["result"]["password"]
    connection.close()
    return f"{user}:{token}"


@contextmanager
def _proxy(scratch: Path, index: Index) -> Iterator[ours.Proxy]:
    made = ours.install(scratch, index.server.port)
    (made.config.parent / "backend-password").write_text(index.password)
    (made.config.parent / "backend-password").chmod(0o600)
    account = f"  indexes: [{INDEX}]\n  username: {SERVICE_USER}\n  password: {{file: backend-password}}\n"
    text = made.config.read_text().replace("flavour: pypiserver\n", f"flavour: devpi\n{account}")
    made.config.write_text(text)
    with ours.serving(made, FRONT) as running:
        yield running
