"""One suite, every database: `url` is a migrated, empty one of each kind, SQLite (two ways) and PostgreSQL."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from authproxy.store import Store, engine, migrate
from authproxy.store.driver import sqlite3
from authproxy.store.postgres import sentinel
from authproxy.store.postgres.engine import Login
from tests.peers.postgres import Postgres, said
from tests.store.samples import KEY

# SQLite commits in two ways, by its version in production and here both, whatever the version.
FILES = ("truncate", "wal")
SERVER = "postgres"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is about every database on every one; what asks for a file, or says so (`sqlite`), on SQLite alone."""
    if "database" not in metafunc.fixturenames:
        return
    of_files = {"path", "journal"} & set(metafunc.fixturenames) or metafunc.definition.get_closest_marker("sqlite")
    metafunc.parametrize("database", FILES if of_files else (*FILES, SERVER), indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which kind of database the test runs on."""
    mode: str = request.param
    monkeypatch.setattr(engine, "wal_is_safe", lambda _: mode == "wal")
    # On a server a dead program is not believed to be dead at once; how long it takes has tests of its own.
    monkeypatch.setattr(sentinel, "DEAD_AFTER", 0.0)
    return mode


@pytest.fixture
def journal(database: str) -> str:
    """How SQLite commits."""
    return database


@pytest.fixture
def path(journal: str, tmp_path: Path) -> Path:
    """Where the database lies."""
    return tmp_path / "authproxy.db"


@pytest.fixture(scope="session")
def template(database_server: Postgres) -> Iterator[Login]:
    """A database of the server as `migrate` makes it, made once and copied for each test."""
    made = database_server.create()
    asyncio.run(migrate(str(made.address)))
    yield made
    database_server.drop(made)


@pytest.fixture
def server_login(database_server: Postgres, template: Login) -> Iterator[Login]:
    """A migrated, empty database of the server."""
    made = database_server.create(template.address.database)
    yield made
    database_server.drop(made)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A database as `migrate` makes it, made once for each journal and copied for each test."""
    made: dict[str, Path] = {}

    def of(journal: str) -> Path:
        if journal not in made:
            made[journal] = tmp_path_factory.mktemp("migrated") / "authproxy.db"
            asyncio.run(migrate(f"sqlite:///{made[journal]}"))
        return made[journal]

    return of


@pytest.fixture
def url(request: pytest.FixtureRequest, database: str, migrated: Callable[[str], Path]) -> str:
    """A migrated, empty database."""
    if database == SERVER:
        login: Login = request.getfixturevalue("server_login")
        return str(login.address)
    path: Path = request.getfixturevalue("path")
    shutil.copy(migrated(database), path)
    return f"sqlite:///{path}"


@pytest_asyncio.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """An open store with one key in it."""
    opened = await Store.open(url)
    await opened.add_key(KEY)
    yield opened
    await opened.close()


@pytest.fixture
def rows(request: pytest.FixtureRequest, database: str, url: str) -> Iterator[Callable[..., list[Any]]]:
    """Look into the database past the store: `rows("SELECT ...")`."""
    if database == SERVER:
        login: Login = request.getfixturevalue("server_login")
        yield lambda sql, *given: said(login, _numbered(sql), *given)
        return
    connection = sqlite3.connect(request.getfixturevalue("path"), isolation_level=None)
    yield lambda sql, *given: connection.execute(sql, given).fetchall()
    connection.close()


def _numbered(sql: str) -> str:
    """Write SQLite's placeholders as PostgreSQL's."""
    first, *rest = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Elsewhere."""
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups" / "b.db"
