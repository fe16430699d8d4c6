"""Three replicas on one PostgreSQL before one pypiserver: what one is told, all know; what is lost, heals."""

import hashlib
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from authproxy.store.postgres.engine import Login
from tests.peers import wire
from tests.peers.forms import upload
from tests.peers.packages import Package, wheel
from tests.peers.postgres import PASSWORD, PostgresServer, postgres_server, said
from tests.peers.proxy import Key, Proxy, installation, served
from tests.peers.pypiserver import PypiServer, pypiserver
from tests.peers.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

GRACE = 20  # seconds, of the last replica; the others have none
HEALED_WITHIN = 15.0
POLICY = {"release": {"allow": [{"actions": ["upload", "read"], "packages": ["*"], "create": True}]}}


@dataclass(frozen=True, slots=True)
class Replicas:
    server: PostgresServer
    login: Login
    index: PypiServer
    proxies: tuple[Proxy, ...]

    def upload(self, number: int, package: Package, key: Key) -> wire.Answer:
        return wire.exchange(self.proxies[number].address, upload(package, key.text))

    def read(self, number: int, key: Key, project: str = "acme-core") -> int:
        credentials = ("Authorization", wire.basic("__token__", key.text))
        return wire.exchange(self.proxies[number].address, wire.get(f"/simple/{project}/", [credentials])).status

    def rows(self, sql: str, *given: Any) -> list[tuple[Any, ...]]:
        return said(self.login, sql, *given)

    def revoke(self, number: int, key: Key) -> float:
        """Revoke through one replica's configuration; when that was done."""
        ran = self.proxies[number].run("key", "revoke", key.id)
        assert ran.code == 0, ran.said
        return time.monotonic()


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    folder = tmp_path_factory.mktemp("replicas")
    with postgres_server() as server, pypiserver(folder / "index") as index, ExitStack() as stack:
        login = server.create()
        address = server.by_tcp(login).address
        proxies = []
        for number in range(3):
            own = folder / f"replica-{number}"
            own.mkdir()
            (own / "store-password").write_text(PASSWORD + "\n", encoding="ascii")
            (own / "store-password").chmod(0o600)
            more: dict[str, Any] = {"store_grace": f"{GRACE}s"} if number == 2 else {}
            made = installation(
                own, index.url, store=str(address), store_password={"file": "store-password"}, reads="key",
                key_policies=POLICY, **more,
            )  # fmt: skip
            proxies.append(stack.enter_context(served(made)))
        yield Replicas(server, login, index, tuple(proxies))


@pytest.fixture
def key(replicas: Replicas) -> Key:
    return replicas.proxies[0].create_key()


def warm(replicas: Replicas, key: Key) -> None:
    """Every replica has seen the key."""
    for number in range(3):
        assert replicas.read(number, key) in {200, 404}
        assert replicas.read(number, key) in {200, 404}


def test_a_key_revoked_on_one_is_refused_by_the_next_upload_on_every_other(replicas: Replicas, key: Key) -> None:
    """Not a second later: the store is asked in the transaction that admits. The index sees none of it."""
    package = wheel("acme-revoked")
    assert replicas.upload(1, package, key).status == 200
    warm(replicas, key)
    replicas.revoke(0, key)
    for number in range(3):
        assert replicas.upload(number, wheel("acme-revoked", f"2.{number}"), key).status == 401
    assert [name for name in replicas.index.files() if name.startswith("acme_revoked")] == [package.filename]


def test_readers_are_refused_at_once(replicas: Replicas, key: Key) -> None:
    """By NOTIFY; the program that revoked has hardly ended."""
    warm(replicas, key)
    done = replicas.revoke(0, key)
    assert [replicas.read(number, key) for number in range(3)] == [401, 401, 401]
    assert time.monotonic() - done < 1


@contextmanager
def deaf(replicas: Replicas) -> Iterator[int]:
    """Stop the server's side of every replica's listening session, as a network does that drops all in silence."""
    sql = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'authproxy run %' AND datname = $1"
    pids = [pid for (pid,) in replicas.rows(sql, replicas.login.address.database)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield len(pids)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_readers_are_refused_within_a_second_where_nothing_is_heard(replicas: Replicas, key: Key) -> None:
    """What was heard last is believed for less than a second, and then the store is asked; uploads ask it anyway."""
    warm(replicas, key)
    with deaf(replicas) as sessions:
        assert sessions == 3
        done = replicas.revoke(0, key)
        assert replicas.upload(1, wheel("acme-deaf"), key).status == 401
        wait_until(lambda: [replicas.read(number, key) for number in range(3)] == [401, 401, 401], within=1)
        assert time.monotonic() - done < 1.1
        other = replicas.proxies[0].create_key()
        # Negative control: it is this key that is refused.
        wait_until(lambda: replicas.read(1, other) in {200, 404}, within=5)
    assert not any(name.startswith("acme_deaf") for name in replicas.index.files())


def test_a_file_is_claimed_once(replicas: Replicas, key: Key) -> None:
    """64 uploads of one file at once, each with bytes of its own, over three replicas: one of them is in the index."""
    packages = [wheel("acme-claimed", payload=os.urandom(500)) for _ in range(64)]
    assert len({package.sha256 for package in packages}) == 64
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda each: replicas.upload(each[0] % 3, each[1], key), enumerate(packages)))
    won = [package for package, answer in zip(packages, answers, strict=True) if answer.status == 200]
    assert len(won) == 1, [answer.status for answer in answers]
    assert {answer.status for answer in answers} <= {200, 400, 429, 503}
    content = replicas.index.files()[won[0].filename]
    assert hashlib.sha256(content).hexdigest() == won[0].sha256
    rows = "SELECT sha256 FROM record WHERE project = 'acme-claimed' AND outcome = 'stored'"
    assert replicas.rows(rows) == [(won[0].sha256,)]


def test_a_lost_database_is_a_clean_no_and_heals(replicas: Replicas, key: Key) -> None:
    """No upload without a record; who reads is refused, or under the grace of the third replica is not; nobody hangs."""
    cold = replicas.proxies[0].create_key()
    assert replicas.upload(0, wheel("acme-core"), key).status == 200
    warm(replicas, key)
    before = replicas.index.files()
    replicas.server.stop()
    try:
        for number in range(3):
            began = time.monotonic()
            answer = replicas.upload(number, wheel("acme-lost", f"1.{number}"), key)
            assert (answer.status, answer.header("retry-after")) == (503, "5"), answer.text
            assert "database is away" in answer.text
            assert time.monotonic() - began < 5
        wait_until(lambda: [replicas.read(number, key) for number in range(3)] == [503, 503, 200], within=1)
        assert replicas.read(2, cold) == 503, "it was never seen there"
        assert replicas.index.files() == before
        assert PASSWORD not in "".join(each.log for each in replicas.proxies)
    finally:
        replicas.server.start()
    for number in range(3):
        package = wheel("acme-healed", f"1.{number}")
        wait_until(lambda: replicas.upload(number, package, key).status == 200, within=HEALED_WITHIN)  # noqa: B023 - called at once
        assert replicas.read(number, key) == 200
    assert replicas.read(2, cold) == 200
    verified = replicas.proxies[1].run("audit", "verify")
    assert verified.code == 0, verified.said


def test_an_end_of_the_grace(replicas: Replicas, key: Key) -> None:
    """A key that was seen reads for so long and no longer; the crash of a server is as good as its end."""
    warm(replicas, key)
    replicas.server.stop(signal.SIGQUIT)
    lost = time.monotonic()
    try:
        assert replicas.read(2, key) == 200
        took = wait_until(lambda: replicas.read(2, key) == 503, within=GRACE + 3)
        assert took > GRACE - 3
        assert time.monotonic() - lost < GRACE + 3
    finally:
        replicas.server.start()
    wait_until(lambda: replicas.read(2, key) == 200, within=HEALED_WITHIN)


def test_every_file_of_the_index_is_on_record(replicas: Replicas) -> None:
    """After all that: what the index has, by its bytes, was admitted; and the record fits its hashes on every replica."""
    stored = {sha for (sha,) in replicas.rows("SELECT sha256 FROM record WHERE outcome = 'stored'")}
    assert {hashlib.sha256(content).hexdigest() for content in replicas.index.files().values()} <= stored
    heads = {replicas.proxies[number].run("audit", "verify").said for number in range(3)}
    assert len(heads) == 1, "one record, whoever is asked"
    assert Path(replicas.proxies[0].folder / "authproxy.db").exists() is False
