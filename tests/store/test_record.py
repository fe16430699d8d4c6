"""The record as one object of an open store; what its methods do is tested beside the functions that do it."""

import asyncio

from authproxy.store import Sound, Store
from tests.store.samples import NOW, finish, upload


async def test_verifying_holds_up_no_upload(store: Store) -> None:
    """It takes a page at a time, so that an upload gets its turn in between."""
    for number in range(30):
        await store.record_refusal(upload(f"1.{number}", time_ms=NOW * 1000 + number * 60_000), "no-rule", "no")
    verified, _ = await asyncio.gather(store.record.verify(), finish(store))
    assert isinstance(verified, Sound)


async def test_how_many_rows_there_have_been(store: Store) -> None:
    """Pruned ones too: no number is used twice."""
    assert (await store.record.standing())[1] == 0
    await store.record_refusal(upload("1.0"), "no-rule", "no")
    await store.record_refusal(upload("1.1"), "no-rule", "no")
    _ = [batch async for batch in store.record.prune(NOW * 1000 + 1, NOW * 1000 + 1000)]
    assert (await store.record.standing())[1] == 2
    await store.record_refusal(upload("1.2"), "no-rule", "no")
    assert (await store.record.standing())[1] == 3
