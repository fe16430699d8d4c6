"""A key that is refused all day long fills no disk, and how often it was is on record all the same."""

from collections.abc import Callable
from typing import Any

from authproxy.store import Sound, Store
from authproxy.store.refusals import MINUTE_MS, PER_MINUTE, Refusal, Refusals
from tests.store.samples import ENTRY, NOW, upload

Rows = Callable[..., list[Any]]
MS = NOW * 1000


def refusal(at_ms: int = MS, **changes: Any) -> Refusal:
    return Refusal(upload("1.0", time_ms=at_ms, **changes), "no-rule", "no")


def test_the_first_of_a_minute_are_written_and_of_the_rest_the_last() -> None:
    """With their number, once the minute is over: 312 more."""
    refusals = Refusals()
    taken = [refusals.take(refusal(MS + number)) for number in range(PER_MINUTE + 312)]
    assert [len(each) for each in taken] == [1] * PER_MINUTE + [0] * 312
    assert refusals.over(MS + MINUTE_MS - 1) == []
    (rest,) = refusals.over(MS + MINUTE_MS)
    assert rest.reason == "and 312 more within a minute, this is the last: no"
    assert rest.entry.time_ms == MS + PER_MINUTE + 311
    assert refusals.over(None) == []


def test_one_that_is_too_many_is_written_as_it_was() -> None:
    """It stands for itself alone."""
    refusals = Refusals()
    for number in range(PER_MINUTE + 1):
        refusals.take(refusal(MS + number))
    assert [each.reason for each in refusals.over(None)] == ["no"]


def test_the_next_minute_begins_with_what_was_left_of_the_last() -> None:
    """Without waiting for whoever looks once a minute."""
    refusals = Refusals()
    for _ in range(PER_MINUTE + 2):
        refusals.take(refusal())
    due = refusals.take(refusal(MS + MINUTE_MS))
    assert [each.reason for each in due] == ["and 2 more within a minute, this is the last: no", "no"]


def test_each_holder_has_a_minute_of_his_own() -> None:
    """One who is refused too often takes no line from another; users with a password are told apart by their names."""
    refusals = Refusals()
    for _ in range(PER_MINUTE + 1):
        refusals.take(refusal())
    assert refusals.take(refusal(key_id="Abc123XYZ780"))
    for owner in ("alice", "bob"):
        assert refusals.take(refusal(key_id=None, principal="password", owner=owner))


def test_a_clock_that_is_set_back_ends_the_minute() -> None:
    """Or the rest would be counted in silence until it has come so far again."""
    refusals = Refusals()
    for _ in range(PER_MINUTE + 1):
        refusals.take(refusal())
    assert len(refusals.take(refusal(MS - 1))) == 2


async def test_the_store_writes_no_more(store: Store, rows: Rows) -> None:
    """Rows in the record; the rest once it is asked for, and the chain fits."""
    for _ in range(PER_MINUTE + 20):
        await store.record_refusal(ENTRY, "no-rule", "no")
    assert rows("SELECT count(*) FROM record") == [(PER_MINUTE,)]
    await store.finish_refusals(MS)
    assert rows("SELECT count(*) FROM record") == [(PER_MINUTE,)]
    await store.finish_refusals()
    assert rows("SELECT reason FROM record ORDER BY id DESC LIMIT 1") == [
        ("and 20 more within a minute, this is the last: no",)
    ]
    assert isinstance(await store.record.verify(), Sound)
