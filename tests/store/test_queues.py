"""The queues of webhooks, read by whoever only looks."""

import asyncio
from pathlib import Path

import pytest

from authproxy.domain.events import Event
from authproxy.store import Failure, Store, StoreError, migrate
from authproxy.store.queues import standing
from tests.cli.checkup.conftest import nothing_changes
from tests.store.samples import KEY, NOW

WANTED = {"ops": frozenset({Event.KEY_CREATED})}


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store in which one event waits."""
    url = f"sqlite:///{tmp_path}/authproxy.db"

    async def made() -> None:
        await migrate(url)
        store = await Store.open(url, WANTED)
        await store.add_key(KEY)
        await store.close()

    asyncio.run(made())
    return url


def test_what_waits_is_read_and_nothing_changes(url: str, tmp_path: Path) -> None:
    """The same that an open store says, without a byte written."""
    with nothing_changes(tmp_path):
        [found] = standing(url)
    assert (found.name, found.waiting, found.failures, found.sent) == ("ops", 1, 0, None)

    async def asked() -> None:
        store = await Store.open(url, WANTED)
        assert await store.webhooks.standing() == [found]
        [message] = await store.webhooks.pending("ops", 1, now=NOW + 1_000_000_000)
        await store.webhooks.settle("ops", [], Failure(message, "it answered 503"), now=NOW)
        await store.close()

    asyncio.run(asked())
    [found] = standing(url)
    assert (found.failures, found.error) == (1, "it answered 503")


def test_what_is_no_store_of_ours(tmp_path: Path) -> None:
    """Nothing is made by looking, and of an empty database nothing is said."""
    with pytest.raises(StoreError, match="cannot be opened"):
        standing(f"sqlite:///{tmp_path}/none.db")
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "empty.db").touch(0o600)
    assert standing(f"sqlite:///{tmp_path}/empty.db") == []
