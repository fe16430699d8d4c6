"""A release that was deleted: on record before, its files marked after, its names kept for what they held."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from authproxy.domain.access import Outcome
from authproxy.store import Claim, Entry, FileKnown, KeyDead, Store
from tests.store.samples import ANY, ENTRY, ID, NOW, OTHER_SHA, SHA, admitted, upload

Rows = Callable[..., list[Any]]
DELETE: Entry = replace(ENTRY, action="delete", filename="", identity="", sha256="", size=0)
GONE = ("", [ENTRY.identity])


async def stored(store: Store, entry: Entry = ENTRY, claim: Claim = ANY) -> None:
    await store.complete(await admitted(store, entry, claim), Outcome.STORED, index_status=200, time_ms=NOW * 1000)


async def deleted(store: Store, outcome: Outcome = Outcome.REMOVED, removed: Any = GONE) -> None:
    number = await store.admit_removal(DELETE, now=NOW)
    assert isinstance(number, int)
    await store.complete_removal(number, outcome, index_status=200, time_ms=NOW * 1000, removed=removed)


async def test_a_delete_is_on_record_before_and_after(store: Store, rows: Rows) -> None:
    """Pending while the index is asked, then what became of it; it spends no use of the key."""
    number = await store.admit_removal(DELETE, now=NOW)
    assert isinstance(number, int)
    assert rows("SELECT action, version, outcome FROM record") == [("delete", "1.0", "pending")]
    await store.complete_removal(number, Outcome.REFUSED, index_status=403, time_ms=NOW * 1000, removed=("", []))
    assert rows("SELECT outcome, index_status FROM record") == [("refused", 403)]
    await store.complete_removal(number, Outcome.REMOVED, index_status=200, time_ms=NOW * 1000, removed=("", []))
    assert rows("SELECT outcome FROM record") == [("refused",)]
    assert rows("SELECT used FROM keys") == [(0,)]


async def test_a_dead_key_deletes_nothing(store: Store, rows: Rows) -> None:
    """It may have been revoked while the request came in."""
    await store.revoke(ID, NOW)
    assert await store.admit_removal(DELETE, now=NOW) == KeyDead("revoked")
    assert rows("SELECT * FROM record") == []


async def test_the_same_bytes_may_come_again_and_no_others(store: Store) -> None:
    """Somebody may have pinned the hash; only a rule that lets files be overwritten lets in other bytes."""
    await stored(store)
    await deleted(store)
    verdict = await store.admit(replace(ENTRY, sha256=OTHER_SHA), ANY, now=NOW)
    assert isinstance(verdict, FileKnown)
    assert (verdict.row.removed, verdict.row.sha256) == (True, SHA)
    given = await admitted(store)
    await store.complete(given, Outcome.REFUSED, index_status=400, time_ms=NOW * 1000)
    assert isinstance(await store.admit(replace(ENTRY, sha256=OTHER_SHA), ANY, now=NOW), FileKnown)
    await stored(store)
    row = await store.file("", ENTRY.identity)
    assert row is not None
    assert not row.removed
    await deleted(store)
    await stored(store, replace(ENTRY, sha256=OTHER_SHA), Claim(overwrite=True))


async def test_a_file_that_is_there_is_not_admitted_again(store: Store) -> None:
    """The control: the same bytes pass for a deleted file alone."""
    await stored(store)
    assert isinstance(await store.admit(ENTRY, ANY, now=NOW), FileKnown)


async def test_only_what_is_gone_is_marked(store: Store) -> None:
    """A delete that the index refused, and files of other releases and other indexes, leave the rows as they are."""
    await stored(store)
    await stored(store, upload("2.0"))
    await deleted(store, Outcome.REFUSED, ("", []))
    await deleted(store, removed=("team/dev", [ENTRY.identity]))
    for identity in (ENTRY.identity, "acme-core 2.0 sdist"):
        row = await store.file("", identity)
        assert row is not None
        assert not row.removed


async def test_deletes_do_not_count_as_uploads(store: Store) -> None:
    """A rate is of uploads."""
    await deleted(store)
    await admitted(store, ENTRY, Claim(rate=(1, 3600)))
