"""The question of every request: did any key change? Never late, never for an upload's sake, never waiting."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from authproxy.domain.access import Outcome
from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.store import BUSY, Store
from authproxy.store.engine import connect
from tests.store.samples import ENTRY, ID, KEY, NOW, admitted, generation

# The command line: another program with its own Python, on the same file.
REVOKE = """
import asyncio, sys
from authproxy.store import Store, engine
engine.wal_is_safe = lambda _: sys.argv[2] == "wal"
async def main():
    store = await Store.open(sys.argv[1])
    print(await store.revoke("Abc123XYZ789", 1), flush=True)
    await store.close()
asyncio.run(main())
"""


@contextmanager
def revocation(url: str, journal: str) -> Iterator[subprocess.Popen[str]]:
    """Revoke the key from another process."""
    with subprocess.Popen([sys.executable, "-c", REVOKE, url, journal], stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


class Committing:
    """A writer in another connection, stopped in the middle of its commit."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)

    def __enter__(self) -> None:
        # EXCLUSIVE is what every commit of a rollback journal takes; in WAL mode readers never meet it.
        self._connection.execute("BEGIN EXCLUSIVE")
        self._connection.execute("UPDATE keys SET revoked = 1")
        self._connection.execute("UPDATE meta SET generation = generation + 1")

    def __exit__(self, *_: object) -> None:
        self._connection.execute("COMMIT")
        self._connection.close()


async def test_every_change_of_a_key_counts_and_nothing_else(store: Store) -> None:
    """Adding, pausing, resuming, revoking each raise the generation by themselves; uploads and refusals do not."""
    before = await generation(store)
    for step in (
        lambda: store.add_key(replace(KEY, id=KeyId("B" * 12))),
        lambda: store.pause(ID, NOW),
        lambda: store.resume(ID, NOW),
    ):
        await step()
        after = await generation(store)
        assert after != before
        before = after
    given = await admitted(store)
    await store.complete(given, Outcome.STORED, index_status=200, time_ms=NOW * 1000)
    await store.record_refusal(ENTRY, "no-rule", "no")
    await store.revoke(KeyId("C" * 12), NOW)
    assert await generation(store) == before
    assert await store.revoke(ID, NOW)
    assert await generation(store) != before


@pytest.mark.sqlite("its data version")
async def test_an_upload_moves_what_a_naive_watch_looks_at(store: Store) -> None:
    """Negative control: with the data version alone, every upload would flush what is remembered of keys."""
    naive = store._watch._connection
    before = naive.execute("PRAGMA data_version").fetchone()
    await admitted(store)
    assert naive.execute("PRAGMA data_version").fetchone() != before


async def test_a_revocation_by_another_program_is_seen_at_the_next_call(store: Store, url: str, journal: str) -> None:
    """From the moment that the other program has printed its answer; no sleep, no second look."""
    before = store.generation()
    record = store.peek(ID)
    assert isinstance(record, KeyRecord)
    assert record.revoked is None
    with revocation(url, journal) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "True\n"
        assert store.generation() != before
        record = store.peek(ID)
    assert isinstance(record, KeyRecord)
    assert record.revoked == 1


async def test_a_writer_in_the_middle_of_a_commit_counts_as_changed(store: Store, path: Path, journal: str) -> None:
    """While it cannot be known whether a key has just been revoked, nothing remembered may be used; and nobody waits."""
    before = store.generation()
    with Committing(path):
        started = time.perf_counter()
        answers: list[Any] = [store.generation(), store.peek(ID)]
        looked = [store.derivations.peek_ended(("a",)), store.derivations.peek_calm()]
        assert time.perf_counter() - started < 0.5
        if journal == "truncate":
            assert answers == looked == [BUSY, BUSY]
            assert not await done_soon(store.key(ID)), "the waiting read waits"
        else:
            assert looked == [False, True]
            assert answers == [before, KEY], "WAL: what was committed last can be read all the time"
    assert store.generation() not in {before, BUSY}
    record = await store.key(ID)
    assert record is not None
    assert record.revoked == 1


async def done_soon(work: Any) -> bool:
    """Say whether it ends within a moment; it is not stopped if not."""
    done, _ = await asyncio.wait([asyncio.ensure_future(work)], timeout=0.1)
    return bool(done)


@pytest.mark.sqlite("a connection of its own for the watch")
async def test_the_watch_never_writes(store: Store) -> None:
    """It cannot be the reason for a lock that an upload waits for."""
    with pytest.raises(Exception, match="readonly"):
        store._watch._connection.execute("UPDATE meta SET generation = 0")
