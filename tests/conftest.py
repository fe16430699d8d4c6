"""What every test may ask for. The peers themselves stand in tests/peers; here they only get a folder and an end."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.peers.clients import Client
from tests.peers.devpi import Devpi, devpi
from tests.peers.postgres import Postgres, postgres
from tests.peers.proxy import Proxy, proxy
from tests.peers.pypiserver import PypiServer, pypiserver
from tests.peers.recording import RecordingIndex, recording_index

# `fast` is what everybody runs; `deep` (AUTHPROXY_HYPOTHESIS=deep) looks for an hour at what fast looks at for a minute.
# No deadline: a loaded machine is not a failure. No database in fast: what it finds becomes a row of a table.
hypothesis.settings.register_profile("fast", deadline=None, max_examples=100, database=None)
hypothesis.settings.register_profile("deep", deadline=None, max_examples=10_000)
hypothesis.settings.load_profile(os.environ.get("AUTHPROXY_HYPOTHESIS", "fast"))


@pytest.fixture(scope="session")
def start() -> Iterator[Callable[[AbstractContextManager[Any]], Any]]:
    """Enter a context that lasts as long as the tests: `index = start(pypiserver(folder))`."""
    with ExitStack() as stack:
        yield stack.enter_context


@pytest.fixture
def index(tmp_path: Path) -> Iterator[PypiServer]:
    """A real pypiserver, open on loopback as authproxy's README says."""
    with pypiserver(tmp_path / "index") as running:
        yield running


@pytest.fixture(scope="session")
def devpi_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devpi]:
    """A real devpi-server for the whole run; a test makes the indexes that it needs (`new_index`)."""
    with devpi(tmp_path_factory.mktemp("devpi") / "index") as running:
        yield running


@pytest.fixture(scope="session")
def database_server() -> Iterator[Postgres]:
    """A real PostgreSQL for the whole run; a test makes the databases that it needs (`create`)."""
    with postgres() as running:
        yield running


@pytest.fixture
def recording() -> Iterator[RecordingIndex]:
    """An index that records every byte it sees, and has answered nothing yet but what an empty index answers."""
    with recording_index() as running:
        yield running


@pytest.fixture
def client(tmp_path: Path) -> Client:
    """A machine with twine, uv and pip, and a home that nobody has used."""
    home = tmp_path / "home"
    home.mkdir()
    return Client(home)


@pytest.fixture
def before_index(tmp_path: Path, index: PypiServer) -> Iterator[Proxy]:
    """`authproxy serve` in front of the pypiserver of the fixture `index`."""
    with proxy(tmp_path / "proxy", index.url) as running:
        yield running
