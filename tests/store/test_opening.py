"""When a file is not opened: nothing is left behind then, and a sentence says why."""

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from authproxy.store import Store, StoreBusy, StoreError, opening
from authproxy.store.driver import sqlite3

pytestmark = pytest.mark.sqlite("a store that is a file")


async def test_a_store_that_cannot_be_watched_is_not_opened(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without file descriptors for the second connection, say: one sentence, and the first one is let go."""

    def exhausted(_: Path) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(opening, "FileWatch", exhausted)
    with pytest.raises(StoreError, match="failed"):
        await Store.open(url)
    assert not [each for each in threading.enumerate() if each.name.startswith("authproxy-store")]


async def test_who_opens_the_store_while_it_is_replaced_is_told(
    store: Store, url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a revocation would go into the file aside, and be acknowledged."""
    await store.close()
    real = opening.require_current

    def replaced(connection: Any, path: Path) -> None:
        real(connection, path)
        shutil.copy(path, path.with_name("new"))
        path.with_name("new").replace(path)

    monkeypatch.setattr(opening, "require_current", replaced)
    with pytest.raises(StoreBusy, match="was replaced at this moment"):
        await Store.open(url)
    monkeypatch.undo()
    assert not list(path.parent.glob("*.run-*"))
