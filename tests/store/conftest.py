"""One suite, every database: `url` is a migrated, empty one of each kind. Another kind is another parameter."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from authproxy.store import Store, engine, migrate
from tests.store.samples import KEY


@pytest.fixture(params=["truncate", "wal"])
def journal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How SQLite commits: chosen by SQLite's version in production, and here both, whatever the version."""
    mode: str = request.param
    monkeypatch.setattr(engine, "wal_is_safe", lambda _: mode == "wal")
    return mode


@pytest.fixture
def path(journal: str, tmp_path: Path) -> Path:
    """Where the database lies."""
    return tmp_path / "authproxy.db"


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
def url(path: Path, journal: str, migrated: Callable[[str], Path]) -> str:
    """A migrated, empty database."""
    shutil.copy(migrated(journal), path)
    return f"sqlite:///{path}"


@pytest_asyncio.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """An open store with one key in it."""
    opened = await Store.open(url)
    await opened.add_key(KEY)
    yield opened
    await opened.close()


@pytest.fixture
def rows(url: str, path: Path) -> Iterator[Callable[..., list[Any]]]:
    """Look into the database past the store: `rows("SELECT ...")`."""
    connection = sqlite3.connect(path, isolation_level=None)
    yield lambda sql, *given: connection.execute(sql, given).fetchall()
    connection.close()


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Elsewhere."""
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups" / "b.db"
