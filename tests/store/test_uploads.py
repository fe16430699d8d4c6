"""Admission, completion, settlement: each in one transaction, each leaving what it says and nothing else."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from authproxy.domain.access import Outcome
from authproxy.domain.keys import KeyId, Secret
from authproxy.store import (
    Admitted,
    AdoptedFile,
    Claim,
    FileBusy,
    FileKnown,
    KeyDead,
    RateExceeded,
    Store,
    UsesSpent,
)
from tests.store.samples import ANY, ENTRY, ID, KEY, NOW, OTHER_SHA, SHA, admitted, finish, upload

MS = NOW * 1000
Rows = Callable[..., list[Any]]
OVERWRITE = Claim(overwrite=True)

NOTHING_NEW = (
    "SELECT (SELECT count(*) FROM record), (SELECT count(*) FROM claims), (SELECT count(*) FROM files), used FROM keys"
)


async def test_a_stored_upload_is_on_record_from_both_sides(store: Store, rows: Rows) -> None:
    """Before the index sees a byte the decision is there as pending; afterwards with its end, the file, the use."""
    given = await admitted(store)
    assert rows("SELECT outcome, completed_ms, identity, size, client FROM record") == [
        ("pending", None, "acme-core 1 sdist", 20_480, "twine/6.2.0")
    ]
    assert await store.file("", ENTRY.identity) is None, "it is not stored before the index says so"
    await store.complete(given, Outcome.STORED, index_status=200, time_ms=MS + 7)
    assert rows("SELECT outcome, index_status, completed_ms FROM record") == [("stored", 200, MS + 7)]
    found = await store.file("", ENTRY.identity)
    assert found is not None
    assert (found.filename, found.project, found.version, found.sha256, found.ours) == (
        "acme_core-1.0.tar.gz",
        "acme-core",
        "1.0",
        SHA,
        True,
    )
    assert rows("SELECT count(*) FROM claims") == [(0,)]
    assert rows("SELECT used FROM keys") == [(1,)]


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.FAILED])
async def test_an_upload_that_was_not_stored_gives_all_back(store: Store, rows: Rows, outcome: Outcome) -> None:
    """No file, no claim, no use spent; the record keeps what happened, and the file can be sent again."""
    await finish(store, outcome=outcome, claim=Claim(uses_limit=1))
    assert rows(NOTHING_NEW) == [(1, 0, 0, 0)]
    assert rows("SELECT outcome FROM record") == [(outcome,)]
    await admitted(store, claim=Claim(uses_limit=1))


async def test_completing_twice_changes_nothing(store: Store, rows: Rows) -> None:
    """A second completion, even with another outcome, gives no use back and stores nothing."""
    given = await admitted(store)
    await store.complete(given, Outcome.REFUSED, index_status=400, time_ms=MS)
    await admitted(store, upload("2.0"))
    await store.complete(given, Outcome.REFUSED, index_status=400, time_ms=MS)
    await store.complete(given, Outcome.STORED, index_status=200, time_ms=MS)
    assert rows("SELECT used FROM keys") == [(1,)]
    assert rows("SELECT count(*) FROM files") == [(0,)]


DEAD = {
    "revoked": (replace(KEY, revoked=NOW), NOW, "revoked"),
    "paused": (replace(KEY, paused=True), NOW, "paused"),
    "expired": (KEY, NOW + 10_000, "expired"),
    "its secret expired": (replace(KEY, secrets=(replace(KEY.secrets[0], expires=NOW),)), NOW, "expired"),
    "its secret is gone": (replace(KEY, secrets=(Secret("1", "$", NOW, None),)), NOW, "unknown"),
    "the key is gone": (replace(KEY, id=KeyId("A" * 12)), NOW, "unknown"),
}


@pytest.mark.parametrize(("key", "now", "reason"), DEAD.values(), ids=DEAD.keys())
async def test_a_dead_key_is_not_admitted(url: str, rows: Rows, key: Any, now: int, reason: str) -> None:
    """The key's life is judged in the very transaction that admits."""
    store = await Store.open(url)
    await store.add_key(key)
    assert await store.admit(ENTRY, ANY, now=now) == KeyDead(reason)
    assert rows(NOTHING_NEW) == [(0, 0, 0, 0)]
    await store.close()


async def test_a_key_revoked_while_the_body_came_in_is_not_admitted(store: Store) -> None:
    """Whoever was authenticated before the revocation is refused at the last look."""
    assert await store.revoke(ID, NOW)
    assert await store.admit(ENTRY, ANY, now=NOW) == KeyDead("revoked")


async def test_what_is_foreseen_is_what_admit_says(store: Store, rows: Rows) -> None:
    """Asked beforehand, the store answers the same and writes nothing, also where it would admit."""
    spent, fast = Claim(uses_limit=1), Claim(rate=(1, 60))
    assert await store.foresee(ENTRY, spent, now=NOW) is None
    assert rows(NOTHING_NEW) == [(0, 0, 0, 0)]
    given = await admitted(store)
    assert await store.foresee(ENTRY, ANY, now=NOW) == FileBusy()
    await store.complete(given, Outcome.STORED, index_status=200, time_ms=MS)
    assert isinstance(await store.foresee(ENTRY, spent, now=NOW), FileKnown)
    assert await store.foresee(upload("2.0"), spent, now=NOW) == UsesSpent(1)
    assert await store.foresee(upload("2.0"), fast, now=NOW) == RateExceeded(60)
    await store.revoke(ID, NOW)
    assert await store.foresee(upload("2.0"), ANY, now=NOW) == KeyDead("revoked")
    assert rows(NOTHING_NEW) == [(1, 0, 1, 1)]


async def test_one_use_is_spent_once(store: Store, rows: Rows) -> None:
    """Of 64 uploads of different files at once with one use, one is admitted."""
    claim = Claim(uses_limit=1)
    verdicts = await asyncio.gather(*(store.admit(upload(f"{n}.0"), claim, now=NOW) for n in range(64)))
    assert sorted(type(verdict).__name__ for verdict in verdicts) == ["Admitted"] + ["UsesSpent"] * 63
    assert rows(NOTHING_NEW) == [(1, 1, 0, 1)]


async def test_check_then_spend_would_be_caught(store: Store) -> None:
    """Negative control: a reader that looks first and spends later lets all 64 through, and the check above sees it."""

    async def naive(version: str) -> bool:
        key = await store.key(ID)
        assert key is not None
        if key.used >= 1:
            return False
        await admitted(store, upload(version))
        return True

    assert sum(await asyncio.gather(*(naive(f"{n}.0") for n in range(64)))) > 1


async def test_one_file_is_claimed_once(store: Store, rows: Rows) -> None:
    """Of 64 uploads of one file at once, one is admitted and the others are told that it is on its way."""
    verdicts = await asyncio.gather(*(store.admit(ENTRY, ANY, now=NOW) for _ in range(64)))
    assert sorted(type(verdict).__name__ for verdict in verdicts) == ["Admitted"] + ["FileBusy"] * 63
    assert rows(NOTHING_NEW) == [(1, 1, 0, 1)]


@pytest.mark.parametrize("limit", [0, 1, 3])
async def test_the_limit_of_uses_is_the_claims(url: str, limit: int) -> None:
    """Whoever decides has put the key's own limit and its policy's together; that number counts, and is named."""
    store = await Store.open(url)
    await store.add_key(replace(KEY, uses=2))
    for n in range(limit):
        await admitted(store, upload(f"{n}.0"), Claim(uses_limit=limit))
    assert await store.admit(upload("9.0"), Claim(uses_limit=limit), now=NOW) == UsesSpent(limit)
    await store.close()


async def test_a_known_file_is_known_to_a_spent_key(store: Store) -> None:
    """A client that lost the answer of its key's last use may repeat itself and learns that the file is there."""
    claim = Claim(uses_limit=1, rate=(1, 3600))
    await finish(store, claim=claim)
    verdict = await store.admit(ENTRY, claim, now=NOW)
    assert isinstance(verdict, FileKnown)
    assert verdict.row.sha256 == SHA


async def test_the_rate_counts_admissions_in_its_window(store: Store, rows: Rows) -> None:
    """Admissions count, whatever became of them; refusals and what lies before the window do not."""
    claim = Claim(rate=(2, 60))
    await store.record_refusal(upload("0.1"), "not-allowed", "no")
    await finish(store, upload("1.0"), claim=claim, now=NOW - 70)
    await finish(store, upload("2.0"), Outcome.REFUSED, claim, now=NOW - 40)
    await finish(store, upload("3.0"), claim=claim, now=NOW - 10)
    before = rows(NOTHING_NEW)
    assert await store.admit(upload("4.0"), claim, now=NOW) == RateExceeded(20)
    assert rows(NOTHING_NEW) == before
    assert await store.admit(upload("4.0"), claim, now=NOW + 19) == RateExceeded(1)
    assert isinstance(await store.admit(upload("4.0"), claim, now=NOW + 20), Admitted)


async def test_a_slow_body_does_not_get_around_the_rate(store: Store) -> None:
    """What counts is when an upload was admitted: heads that came before the window are no way around it."""
    claim = Claim(rate=(1, 60))
    await admitted(store, upload("1.0", time_ms=MS - 600_000), claim)
    assert await store.admit(upload("2.0", time_ms=MS - 599_000), claim, now=NOW + 1) == RateExceeded(59)


async def test_the_rate_of_one_key_is_not_anothers(store: Store) -> None:
    """Each key has a window of its own."""
    other = KeyId("B" * 12)
    await store.add_key(replace(KEY, id=other))
    await admitted(store, claim=Claim(rate=(1, 60)))
    await admitted(store, upload("2.0", key_id=other, public_id=other + "0"), Claim(rate=(1, 60)))


async def test_a_stored_file_is_not_replaced_unless_it_may_be(store: Store, rows: Rows) -> None:
    """Another spelling of a stored file is the same file; `overwrite` admits other bytes of the same spelling alone."""
    await finish(store)
    other = replace(ENTRY, sha256=OTHER_SHA)
    spelled = replace(other, filename="Acme.Core-1.0.0.zip")
    for entry, claim in (
        (other, ANY),
        (spelled, ANY),
        (spelled, OVERWRITE),
        (ENTRY, OVERWRITE),
        (replace(ENTRY, filename="Acme.Core-1.0.0.zip"), OVERWRITE),
    ):
        verdict = await store.admit(entry, claim, now=NOW)
        assert isinstance(verdict, FileKnown)
        assert (verdict.row.filename, verdict.row.sha256) == ("acme_core-1.0.tar.gz", SHA)
    assert rows(NOTHING_NEW) == [(1, 0, 1, 1)]
    await finish(store, other, claim=OVERWRITE)
    assert rows("SELECT filename, sha256 FROM files") == [("acme_core-1.0.tar.gz", OTHER_SHA)]


async def test_a_file_that_nobody_has_read_is_not_replaced(store: Store) -> None:
    """Its bytes may be the very ones that are sent: to know that comes first, also where it may be overwritten."""
    await store.adopt("", "acme-core", [AdoptedFile(ENTRY.identity, ENTRY.filename, "1.0", None)])
    verdict = await store.admit(ENTRY, OVERWRITE, now=NOW)
    assert isinstance(verdict, FileKnown)
    assert await store.set_sha256(verdict.row, OTHER_SHA)
    await admitted(store, ENTRY, OVERWRITE)


async def test_two_spellings_at_once_are_not_both_stored(store: Store, rows: Rows) -> None:
    """The one that comes second is judged in a transaction of its own, after the first one's end."""
    first, second = (
        replace(ENTRY, filename=name, sha256=sha) for name, sha in (("a-1.tar.gz", SHA), ("a-1.zip", "e" * 64))
    )
    verdicts = await asyncio.gather(*(store.admit(entry, OVERWRITE, now=NOW) for entry in (first, second)))
    assert isinstance(verdicts[0], Admitted)
    await store.complete(verdicts[0].ticket, Outcome.STORED, index_status=200, time_ms=MS)
    assert isinstance(await store.admit(second, OVERWRITE, now=NOW), FileKnown)
    assert rows("SELECT filename FROM files") == [("a-1.tar.gz",)]


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.FAILED, Outcome.UNKNOWN])
async def test_an_overwrite_that_fails_leaves_what_was_stored(store: Store, rows: Rows, outcome: Outcome) -> None:
    """Until the index has said yes, the row of the stored file is untouched."""
    await finish(store)
    stored = rows("SELECT * FROM files")
    await finish(store, replace(ENTRY, sha256=OTHER_SHA), outcome, OVERWRITE)
    assert rows("SELECT * FROM files") == stored


async def test_the_same_name_in_two_indexes_is_two_files(store: Store) -> None:
    """A claim in one index says nothing about another."""
    await admitted(store, replace(ENTRY, index="team/dev"))
    await admitted(store, replace(ENTRY, index="team/prod"))


async def test_whoever_is_no_key_has_no_limits(store: Store, rows: Rows) -> None:
    """A principal without a key (a later issue has such) is recorded and claims its file like any other."""
    nobody = replace(ENTRY, principal="publisher", key_id=None, public_id=None, owner=None)
    await finish(store, nobody, claim=Claim(uses_limit=0, rate=(1, 60)))
    await finish(store, replace(upload("2.0"), key_id=None), Outcome.REFUSED)
    assert rows("SELECT used FROM keys") == [(0,)]


async def test_a_refusal_is_on_record_and_nothing_else(store: Store, rows: Rows) -> None:
    """Its code and sentence are kept; no claim, no use, no file."""
    await store.record_refusal(ENTRY, "no-rule", "no rule names 'acme-core'")
    assert rows("SELECT outcome, code, reason, key_id FROM record") == [
        ("denied", "no-rule", "no rule names 'acme-core'", ID)
    ]
    assert rows(NOTHING_NEW) == [(1, 0, 0, 0)]
