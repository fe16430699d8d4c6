"""A real store in a file of its own, and authorities over it."""

from ipaddress import ip_address

import pytest

from authproxy.authority import Authority, NewKey
from authproxy.authority.hashing import HashingPool
from authproxy.authority.throttle import Throttle
from authproxy.store import Store, migrate
from authproxy.store.driver import sqlite3

NOW = 1_800_000_000
HERE = ip_address("192.0.2.1")
ELSEWHERE = ip_address("198.51.100.7")
SPEC = NewKey(owner="ci@acme", note="release job", policy="release")
PROCESS_KEY = bytes(range(32))


class CountingPool(HashingPool):
    """The real pool, counting what it verifies."""

    verified = 0

    async def verify(self, digest, secret):
        self.verified += 1
        return await super().verify(digest, secret)


@pytest.fixture
async def database(tmp_path):
    path = tmp_path / "keys.db"
    await migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
async def store(database):
    store = await Store.open(f"sqlite:///{database}")
    yield store
    await store.close()


@pytest.fixture
async def shell(database):
    """The same database as another program sees it, such as the command line beside a running server."""
    store = await Store.open(f"sqlite:///{database}")
    yield store
    await store.close()


@pytest.fixture
def change(database):
    """Run SQL as a later version of the program might: no command of today replaces a secret."""

    def run(sql, *values):
        connection = sqlite3.connect(database)
        with connection:
            connection.execute(sql, values)
            connection.execute("UPDATE meta SET generation = generation + 1")
        connection.close()

    return run


@pytest.fixture
async def pool():
    pool = CountingPool(threads=1)
    yield pool
    pool.close()


@pytest.fixture
async def build(store, pool):
    """Build an authority over the store."""
    built = []

    def build(kind=Authority, *, failures=1000, **others):
        settings = {"prefix": "apx", "process_key": PROCESS_KEY, "hashing": pool}
        authority = kind(store, **settings | {"throttle": Throttle(failures=failures, window=60)} | others)
        built.append(authority)
        return authority

    yield build
    for authority in built:
        await authority.close()


@pytest.fixture
def authority(build):
    return build()
