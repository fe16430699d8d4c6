"""What the tests of every client share: their programs, and one proxy before each index for a whole run."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from tests.e2e.indexes import Flavour, Front, front
from tests.peers.toolbox import Toolbox, toolbox, with_backend


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Toolbox:
    """The clients; the processes of one run (pytest-xdist's) share them."""
    return toolbox(_shared(tmp_path_factory))


@pytest.fixture(scope="session")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs that ask a keyring, and authproxy installed beside them, so that the keyring finds our backend."""
    return with_backend(_shared(tmp_path_factory) / "backend")


def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "toolbox"


@pytest.fixture(scope="session")
def fronts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Flavour], Front]]:
    """The proxy before one of the indexes, started when it is first asked for."""
    with ExitStack() as stack:

        @cache
        def start(flavour: Flavour) -> Front:
            folder: Path = tmp_path_factory.mktemp(f"before-{flavour}")
            server = request.getfixturevalue("devpi_server") if flavour == "devpi" else None
            return stack.enter_context(front(flavour, folder, server))

        yield start
