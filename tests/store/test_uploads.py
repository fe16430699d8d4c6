"""Admission, completion, settlement: each in one transaction, each leaving what it says and nothing else."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from authproxy.domain.access import Outcome
from authproxy.domain.keys import KeyId, Secret
from authproxy.store import (
    UPLOAD_DEADLINE,
    Admitted,
    Claim,
    Entry,
    FileBusy,
    FileKnown,
    FileUnsettled,
    KeyDead,
    RateExceeded,
    Store,
    UsesSpent,
)
from tests.store.samples import ANY, ENTRY, ID, KEY, NOW, OTHER_SHA, SHA, admitted, upload

MS = NOW * 1000
Rows = Callable[..., list[Any]]

NOTHING_NEW = (
    "SELECT (SELECT count(*) FROM record), (SELECT count(*) FROM claims), (SELECT count(*) FROM files), used FROM keys"
)


async def finish(store: Store, entry: Entry = ENTRY, outcome: Outcome = Outcome.STORED, claim: Claim = ANY) -> None:
    """One whole upload."""
    await store.complete(await admitted(store, entry, claim), outcome, index_status=200, time_ms=MS + 5)


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
    assert (found.filename, found.project, found.version, found.sha256, found.pending) == (
        "acme_core-1.0.tar.gz",
        "acme-core",
        "1.0",
        SHA,
        False,
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


@pytest.mark.parametrize(
    ("own", "policy", "limit"),
    [(2, None, 2), (None, 2, 2), (2, 5, 2), (5, 2, 2), (0, None, 0), (None, 0, 0)],
)
async def test_both_limits_of_uses_hold(url: str, own: int | None, policy: int | None, limit: int) -> None:
    """The key's own limit and its policy's: the smaller one counts, and is named."""
    store = await Store.open(url)
    await store.add_key(replace(KEY, uses=own))
    for n in range(limit):
        await admitted(store, upload(f"{n}.0"), Claim(uses_limit=policy))
    assert await store.admit(upload("9.0"), Claim(uses_limit=policy), now=NOW) == UsesSpent(limit)
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
    await finish(store, upload("1.0", time_ms=MS - 61_000), claim=claim)
    await finish(store, upload("2.0", time_ms=MS - 40_000), Outcome.REFUSED, claim)
    await finish(store, upload("3.0", time_ms=MS - 10_000), claim=claim)
    before = rows(NOTHING_NEW)
    assert await store.admit(upload("4.0"), claim, now=NOW) == RateExceeded(20)
    assert rows(NOTHING_NEW) == before
    assert await store.admit(upload("4.0"), claim, now=NOW + 19) == RateExceeded(1)
    assert isinstance(await store.admit(upload("4.0"), claim, now=NOW + 20), Admitted)


async def test_the_rate_of_one_key_is_not_anothers(store: Store) -> None:
    """Each key has a window of its own."""
    other = KeyId("B" * 12)
    await store.add_key(replace(KEY, id=other))
    await admitted(store, claim=Claim(rate=(1, 60)))
    await admitted(store, upload("2.0", key_id=other, public_id=other + "0"), Claim(rate=(1, 60)))


async def test_a_stored_file_is_not_replaced_unless_it_may_be(store: Store, rows: Rows) -> None:
    """Another spelling of a stored file is the same file; only `overwrite` admits it, and then the row is replaced."""
    await finish(store)
    again = replace(ENTRY, filename="Acme.Core-1.0.0.zip", sha256=OTHER_SHA)
    verdict = await store.admit(again, ANY, now=NOW)
    assert isinstance(verdict, FileKnown)
    assert (verdict.row.filename, verdict.row.sha256) == ("acme_core-1.0.tar.gz", SHA)
    assert rows(NOTHING_NEW) == [(1, 0, 1, 1)]
    await finish(store, again, claim=Claim(overwrite=True))
    assert rows("SELECT filename, sha256 FROM files") == [("Acme.Core-1.0.0.zip", OTHER_SHA)]


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.FAILED, Outcome.UNKNOWN])
async def test_an_overwrite_that_fails_leaves_what_was_stored(store: Store, rows: Rows, outcome: Outcome) -> None:
    """Until the index has said yes, the row of the stored file is untouched."""
    await finish(store)
    stored = rows("SELECT * FROM files")
    await finish(store, replace(ENTRY, sha256=OTHER_SHA), outcome, Claim(overwrite=True))
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


async def test_an_unknown_end_keeps_file_and_use_until_it_is_settled(store: Store, rows: Rows) -> None:
    """After a timeout the next upload of the file is told to ask the index, at once and not after the deadline."""
    await finish(store, outcome=Outcome.UNKNOWN)
    assert rows("SELECT outcome FROM record") == [("unknown",)]
    verdict = await store.admit(ENTRY, ANY, now=NOW)
    assert isinstance(verdict, FileUnsettled)
    assert (verdict.row.pending, verdict.row.sha256, verdict.row.filename) == (True, SHA, ENTRY.filename)
    assert rows(NOTHING_NEW) == [(1, 1, 0, 1)]


SETTLEMENTS = {
    "the index has no such file": (None, "failed", [], 0),
    "the index has our bytes": (SHA, "stored", [(SHA, 1)], 1),
    "the index has other bytes": (OTHER_SHA, "failed", [(OTHER_SHA, None)], 0),
}


@pytest.mark.parametrize(("sha256", "outcome", "stored", "used"), SETTLEMENTS.values(), ids=SETTLEMENTS.keys())
async def test_settling(
    store: Store, rows: Rows, sha256: str | None, outcome: str, stored: list[Any], used: int
) -> None:
    """What the index has decides what is known of the file, how the record reads and whether the use was one."""
    await finish(store, outcome=Outcome.UNKNOWN)
    verdict = await store.admit(ENTRY, ANY, now=NOW)
    assert isinstance(verdict, FileUnsettled)
    assert await store.settle(verdict.row, sha256)
    assert not await store.settle(verdict.row, sha256), "the second who asks finds it done"
    assert rows("SELECT outcome FROM record") == [(outcome,)]
    assert rows("SELECT sha256, record_id FROM files") == stored
    assert rows("SELECT used FROM keys") == [(used,)]
    again = await store.admit(ENTRY, ANY, now=NOW)
    assert isinstance(again, Admitted if sha256 is None else FileKnown)


async def test_settling_never_hits_a_later_claim(store: Store) -> None:
    """Who is slow to settle does not end the upload that another began meanwhile."""
    await finish(store, outcome=Outcome.UNKNOWN)
    first = await store.admit(ENTRY, ANY, now=NOW)
    assert isinstance(first, FileUnsettled)
    await store.settle(first.row, None)
    successor = await admitted(store)
    assert not await store.settle(first.row, None)
    assert isinstance(await store.admit(ENTRY, ANY, now=NOW), FileBusy)
    await store.complete(successor, Outcome.STORED, index_status=200, time_ms=MS)


async def test_an_upload_in_flight_cannot_be_settled_away(store: Store) -> None:
    """Settling the row of a FileBusy, by mistake, does nothing."""
    await admitted(store)
    busy = await store.admit(ENTRY, ANY, now=NOW)
    assert isinstance(busy, FileBusy)
    assert not await store.settle(busy.row, None)


async def test_a_claim_past_the_deadline_is_doubted(store: Store) -> None:
    """A request that never ends does not keep its file for ever."""
    await admitted(store)
    assert isinstance(await store.admit(ENTRY, ANY, now=NOW + UPLOAD_DEADLINE - 1), FileBusy)
    assert isinstance(await store.admit(ENTRY, ANY, now=NOW + UPLOAD_DEADLINE), FileUnsettled)
