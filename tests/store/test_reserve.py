"""Room for what must be written on a full disk: put aside while there is plenty, let go when it is needed."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from authproxy.store import Store, StoreFull, reserve
from authproxy.store.reserve import LEFT, RESERVE
from tests.store.samples import ID, NOW


@pytest.fixture
def kept(path: Path) -> Path:
    """Where the reserve lies."""
    return path.with_name(f"{path.name}.reserve")


def disk(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Let the disk have so much room."""
    real = os.statvfs

    def seen(folder: Any) -> Any:
        found = list(real(folder))
        found[1], found[4] = 1, free  # f_frsize, f_bavail
        return os.statvfs_result(found)

    monkeypatch.setattr(os, "statvfs", seen)


async def test_it_is_kept_where_there_is_plenty(store: Store, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Really there, not a hole in a file; its owner's alone; taken once."""
    disk(monkeypatch, RESERVE + LEFT - 1)
    await store.unfinished.tidy()
    assert not kept.exists(), "whoever has just made a little room needs it for himself"
    disk(monkeypatch, RESERVE + LEFT)
    for _ in range(2):
        await store.unfinished.tidy()
        assert (kept.stat().st_size, kept.stat().st_blocks * 512 >= RESERVE) == (RESERVE, True)
        assert kept.stat().st_mode & 0o777 == 0o600


async def test_half_a_reserve_is_none(store: Store, kept: Path) -> None:
    """What a crash left of one is made whole."""
    kept.write_bytes(b"x")
    await store.unfinished.tidy()
    assert kept.stat().st_size == RESERVE


@pytest.mark.parametrize("end", ["revoke", "pause"])
async def test_a_key_is_ended_in_the_room_of_the_reserve(
    store: Store, kept: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """The database says full until the reserve is gone; tests/faults has a disk that is really full."""
    await store.unfinished.tidy()
    real = store._worker.write

    async def write(work: Any, **more: Any) -> Any:
        if kept.exists():
            raise StoreFull("no room")
        return await real(work, **more)

    monkeypatch.setattr(store._worker, "write", write)
    monkeypatch.setattr(reserve, "APART", 0.001)
    assert await getattr(store, end)(ID, NOW)
    assert not kept.exists()


async def test_a_disk_that_stays_full_is_said_in_the_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying has an end, and the operator is told what is wrong."""

    async def write(_work: Any) -> Any:
        await asyncio.sleep(0)
        raise StoreFull("no room")

    monkeypatch.setattr(store._worker, "write", write)
    monkeypatch.setattr(reserve, "APART", 0.001)
    with pytest.raises(StoreFull):
        await store.revoke(ID, NOW)


async def test_a_folder_that_takes_no_file_is_no_trouble(
    store: Store, kept: Path, rows: Callable[..., list[Any]]
) -> None:
    """The reserve is a precaution; without it everything else works."""
    kept.mkdir()
    await store.unfinished.tidy()
    assert await store.revoke(ID, NOW)
    assert rows("SELECT revoked FROM keys") == [(NOW,)]
