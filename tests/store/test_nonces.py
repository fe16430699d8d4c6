"""What is good once: claimed with its upload, spent with a yes, given back with a no, and held while nobody knows."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from authproxy.domain.access import UPLOAD_DEADLINE, Outcome
from authproxy.domain.narrowing import Nonce
from authproxy.store import Admitted, Claim, FileBusy, FileKnown, FileUnsettled, KeyDead, NonceSpent, Store
from authproxy.store.driver import sqlite3
from tests.store.samples import ENTRY, ID, NOW, SHA, admitted, finish, upload

Rows = Callable[..., list[Any]]

N = Nonce(f"{ID}.AAAAAAAAAAAAAAAAAAAAAA", NOW + 330)
M = Nonce(f"{ID}.BBBBBBBBBBBBBBBBBBBBBB", NOW + 330)
ONCE = Claim(once=(N,))
KEPT = "SELECT nonce, record_id, until FROM nonces ORDER BY nonce"


async def test_a_nonce_is_claimed_with_its_upload(store: Store, rows: Rows) -> None:
    """In the same transaction, under the number of the upload's row."""
    given = await admitted(store, claim=ONCE)
    assert rows(KEPT) == [(N.name, given.record_id, N.until)]


async def test_after_a_yes_it_is_spent_for_every_file(store: Store) -> None:
    """Before the answer "these bytes are here already": a replay is told so, whatever it sends."""
    await finish(store, claim=ONCE)
    assert await store.admit(ENTRY, ONCE, now=NOW) == NonceSpent()
    assert await store.foresee(ENTRY, ONCE, now=NOW) == NonceSpent()
    assert await store.admit(upload("2.0"), ONCE, now=NOW) == NonceSpent()
    assert isinstance(await store.admit(ENTRY, Claim(), now=NOW), FileKnown), "the control: by itself it is the same"
    assert isinstance(await store.admit(upload("2.0"), Claim(once=(M,)), now=NOW), Admitted)


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.FAILED])
async def test_a_no_gives_it_back(store: Store, rows: Rows, outcome: Outcome) -> None:
    """Uploaders send again after an error of the index; that must not burn what is good once."""
    for _ in range(5):
        await finish(store, outcome=outcome, claim=ONCE)
        assert rows(KEPT) == []
    await finish(store, claim=ONCE)
    assert await store.admit(ENTRY, ONCE, now=NOW) == NonceSpent()


async def test_while_one_is_under_way_another_waits(store: Store) -> None:
    """It gets what a busy file gets, with another file too."""
    await admitted(store, claim=ONCE)
    assert await store.admit(ENTRY, ONCE, now=NOW) == FileBusy()
    assert await store.admit(upload("2.0"), ONCE, now=NOW) == FileBusy()


@pytest.mark.parametrize(
    ("found", "then"), [(SHA, NonceSpent()), (None, None), ("e" * 64, None)], ids=["stored", "not there", "different"]
)
async def test_an_unknown_end_holds_it_until_it_is_settled(store: Store, found: str | None, then: object) -> None:
    """Whoever comes next settles the upload that has it, even with another file; then it is spent or free."""
    await finish(store, outcome=Outcome.UNKNOWN, claim=ONCE)
    verdict = await store.admit(upload("2.0"), ONCE, now=NOW)
    assert isinstance(verdict, FileUnsettled)
    assert verdict.row.filename == ENTRY.filename
    assert await store.settle(verdict.row, found, now=NOW)
    assert await store.foresee(upload("2.0"), ONCE, now=NOW) == then


async def test_an_upload_that_was_forgotten_is_doubted_like_any(store: Store) -> None:
    """A program that lives and never completes keeps a nonce until the deadline of uploads, not for ever."""
    long = Claim(once=(replace(N, until=NOW + 86_400),))
    await admitted(store, claim=long)
    assert await store.admit(ENTRY, long, now=NOW + UPLOAD_DEADLINE - 1) == FileBusy()
    assert isinstance(await store.admit(ENTRY, long, now=NOW + UPLOAD_DEADLINE), FileUnsettled)


async def test_at_its_end_it_counts_as_spent(store: Store, rows: Rows) -> None:
    """From then on it may have been forgotten, so that nothing is let in by its absence."""
    assert await store.admit(ENTRY, ONCE, now=N.until) == NonceSpent()
    assert isinstance(await store.admit(ENTRY, ONCE, now=N.until - 1), Admitted)


async def test_it_is_forgotten_only_when_nothing_judged_before_its_end_can_come(store: Store, rows: Rows) -> None:
    """An upload that was judged in time may be admitted as late as an upload may last."""
    await finish(store, claim=ONCE)
    await store.derivations.sweep(now=N.until + UPLOAD_DEADLINE - 1)
    assert len(rows(KEPT)) == 1
    await store.derivations.sweep(now=N.until + UPLOAD_DEADLINE)
    assert rows(KEPT) == []


async def test_several_are_claimed_or_none(store: Store, rows: Rows) -> None:
    """A key that was made of one that is good once, and is good once itself, spends both."""
    await finish(store, claim=Claim(once=(N,)))
    assert await store.admit(upload("2.0"), Claim(once=(M, N)), now=NOW) == NonceSpent()
    assert [name for name, *_ in rows(KEPT)] == [N.name]
    await finish(store, upload("2.0"), claim=Claim(once=(M, M)))
    assert [name for name, *_ in rows(KEPT)] == [N.name, M.name]


async def test_a_held_one_and_a_spent_one_are_spent(store: Store) -> None:
    """To wait for the held one would be in vain."""
    await finish(store, claim=Claim(once=(N,)))
    await admitted(store, upload("2.0"), Claim(once=(M,)))
    assert await store.admit(upload("3.0"), Claim(once=(M, N)), now=NOW) == NonceSpent()


async def test_one_whose_upload_left_the_record_is_spent(store: Store, rows: Rows) -> None:
    """The record may be pruned before a day is over. Nor may a claim be missing: then nobody could ever end it."""
    await finish(store, claim=ONCE)
    rows("DELETE FROM record")
    assert await store.admit(upload("2.0"), ONCE, now=NOW) == NonceSpent()
    await admitted(store, upload("3.0"), Claim(once=(M,)))
    rows("DELETE FROM claims")
    assert await store.admit(upload("4.0"), Claim(once=(M,)), now=NOW) == NonceSpent()


async def test_the_same_bytes_spend_it(store: Store, rows: Rows) -> None:
    """Nothing had to be sent, and still it was a yes; there is one of those, and the record has it."""
    assert await store.record_same(ENTRY, (N,), now=NOW) is None
    assert rows("SELECT outcome FROM record") == [("same",)]
    assert await store.record_same(ENTRY, (N,), now=NOW) == NonceSpent()
    assert await store.admit(ENTRY, ONCE, now=NOW) == NonceSpent()
    assert rows("SELECT count(*) FROM record") == [(1,)]


async def test_64_at_once_get_one_yes(store: Store, url: str) -> None:
    """Through two stores, as two programs on one database would."""
    other = await Store.open(url)
    asked = [each.admit(upload(f"{n}.0"), ONCE, now=NOW) for n in range(32) for each in (store, other)]
    verdicts = await asyncio.gather(*asked)
    await other.close()
    assert [type(verdict) for verdict in verdicts].count(Admitted) == 1
    assert {type(verdict) for verdict in verdicts} == {Admitted, FileBusy}


async def test_looking_first_and_claiming_later_would_not_do(url: str, path: Path, store: Store) -> None:
    """The control: without the insert in the transaction that admits, all of 64 get a yes."""
    asked = [store.foresee(upload(f"{n}.0"), ONCE, now=NOW) for n in range(64)]
    assert await asyncio.gather(*asked) == [None] * 64


KILLED = """
import asyncio, os, signal, sys
from authproxy.store import Store, engine
engine.wal_is_safe = lambda _: sys.argv[2] == "wal"
from tests.store.samples import admitted
from tests.store.test_nonces import ONCE
async def main():
    await admitted(await Store.open(sys.argv[1]), claim=ONCE)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


async def test_a_kill_between_admission_and_end_gives_it_back_once_settled(
    store: Store, url: str, journal: str
) -> None:
    """The program is gone: whoever comes next settles with the index, which has nothing, and may upload."""
    ran = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", KILLED, url, journal], timeout=60, check=False)
    assert ran.returncode == -9
    verdict = await store.admit(ENTRY, ONCE, now=NOW)
    assert isinstance(verdict, FileUnsettled)
    assert await store.settle(verdict.row, None, now=NOW) is Outcome.FAILED
    await finish(store, claim=ONCE)
    assert await store.admit(ENTRY, ONCE, now=NOW) == NonceSpent()


@pytest.mark.parametrize("ended", [("derived",), ("other", "derived")])
async def test_a_derived_key_that_was_ended_while_the_body_came_is_admitted_never(
    store: Store, rows: Rows, ended: tuple[str, ...]
) -> None:
    """It, or one that it was made of; its key and its sisters go on. Names are not on record a second time."""
    await store.derivations.end("derived", None)
    assert await store.admit(replace(ENTRY, lineage=ended), ONCE, now=NOW) == KeyDead("ended")
    assert await store.removals.admit(replace(ENTRY, lineage=ended), [], now=NOW) == KeyDead("ended")
    await admitted(store, replace(ENTRY, lineage=("parent", "sister")), ONCE)


async def test_what_the_store_has_of_it_opens_nothing(store: Store, path: Path) -> None:
    """A nonce is no secret: the row holds a name, a number and a time."""
    await finish(store, claim=ONCE)
    with closing(sqlite3.connect(path)) as database:
        assert [row[1] for row in database.execute("PRAGMA table_info(nonces)")] == ["nonce", "record_id", "until"]
