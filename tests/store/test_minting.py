"""Minted keys in the database: a token mints once, a pin holds, what is over goes away."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from authproxy.domain.keys import KeyId, KeyKind, KeyRecord, Secret
from authproxy.domain.publishers import Pin
from authproxy.store import Mint, NotMinted, Rotate, Store, Unchanged
from authproxy.store import minting as room
from authproxy.store.driver import sqlite3
from tests.store.samples import ID, KEY, NOW, generation, listed

LABEL = "github acme/core release.yml"
IDS = {"repository_id": "74", "repository_owner_id": "65"}
Rows = Callable[..., list[Any]]


def minted(number: int = 1, **changes: Any) -> KeyRecord:
    """A key as the authority makes it."""
    secret = Secret("0", "$sha256$00", NOW, None)
    plain = replace(KEY, id=KeyId(f"Minted{number:06}"), policy="", owner=LABEL, secrets=(secret,), created=NOW)
    said = {"kind": KeyKind.MINTED, "publisher": LABEL, "claims": '{"sha":"9f"}', "expires": NOW + 900}
    return replace(plain, **said | changes)


def asked(number: int = 1, **changes: Any) -> Mint:
    """First use of a publisher."""
    first = Mint(minted(number), LABEL, f"token-{number}", NOW + 600, seen={}, pin=IDS)
    return replace(first, **changes)


async def test_a_mint_stores_key_token_and_pin(store: Store, rows: Rows) -> None:
    """All three, and what the key is told apart by."""
    assert await store.minting.mint(asked(), now=NOW) is None
    assert await store.key(minted().id) == minted()
    assert rows("SELECT id, until FROM assertions") == [("token-1", NOW + 600)]
    assert await store.minting.pins() == {LABEL: Pin(NOW, NOW, IDS)}


async def test_a_token_mints_once(store: Store, url: str, rows: Rows) -> None:
    """64 at once, over two programs with the same database: one key; the others leave nothing."""
    other = await Store.open(url)
    await store.minting.mint(asked(0), now=NOW)
    asks = [asked(number, assertion="the token", seen=IDS, pin=None) for number in range(1, 65)]
    answers = await asyncio.gather(
        *((store if number % 2 else other).minting.mint(each, now=NOW) for number, each in enumerate(asks))
    )
    await other.close()
    assert answers.count(None) == 1
    assert answers.count(NotMinted.REUSED) == 63
    assert rows("SELECT count(*) FROM keys WHERE kind = 'minted'") == [(2,)]


async def test_a_pin_that_moved_stores_nothing(store: Store, rows: Rows) -> None:
    """Who was matched against no pin does not pass where there is one by now; the token stays good."""
    await store.minting.mint(asked(), now=NOW)
    before = rows("SELECT * FROM pins"), rows("SELECT * FROM assertions"), rows("SELECT id FROM keys")
    late = asked(2, pin={"repository_id": "75", "repository_owner_id": "65"})
    assert await store.minting.mint(late, now=NOW + 1) is NotMinted.MOVED
    assert (rows("SELECT * FROM pins"), rows("SELECT * FROM assertions"), rows("SELECT id FROM keys")) == before
    assert await store.minting.mint(replace(late, seen=IDS, pin=None), now=NOW + 1) is None
    assert await store.minting.pins() == {LABEL: Pin(NOW, NOW + 1, IDS)}


async def test_a_key_that_cannot_be_stored_uses_no_token_up(store: Store, rows: Rows) -> None:
    """An id that is taken takes the whole transaction back."""
    with pytest.raises(Exception, match="is taken"):
        await store.minting.mint(asked(record=minted(id=ID)), now=NOW)
    assert rows("SELECT * FROM assertions") == rows("SELECT * FROM pins") == []


async def test_a_mint_that_nobody_heard_of_is_taken_back(store: Store, rows: Rows) -> None:
    """The client gave up while the commit was on its way: no key of nobody lives, and the token may be sent again."""
    waiting = asyncio.ensure_future(store.minting.mint(asked(), now=NOW))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    for _ in range(200):
        await asyncio.sleep(0.01)
        # Its pin stays, so that it is seen when the mint was there.
        if await store.minting.pins() and rows("SELECT count(*) FROM assertions") == [(0,)]:
            break
    assert rows("SELECT count(*) FROM keys WHERE kind = 'minted'") == [(0,)]
    assert rows("SELECT count(*) FROM secrets WHERE digest = '$sha256$00'") == [(0,)]
    assert await store.minting.mint(asked(seen=IDS, pin=None), now=NOW) is None


async def test_only_minted_keys_burn(store: Store) -> None:
    """Once; an ordinary key lives on."""
    await store.minting.mint(asked(), now=NOW)
    assert await store.minting.burn(ID, now=NOW) is False
    assert await store.minting.burn(KeyId("Nobody000000"), now=NOW) is False
    assert await store.minting.burn(minted().id, now=NOW + 5) is True
    assert await store.minting.burn(minted().id, now=NOW + 6) is False
    burned = await store.key(minted().id)
    assert burned is not None
    assert burned.revoked == NOW + 5


async def test_publishers_are_noted_once(store: Store) -> None:
    """Since when a publisher is known is not moved by a restart; unpinning begins anew."""
    await store.minting.note(["a", LABEL], now=NOW)
    await store.minting.mint(asked(), now=NOW + 5)
    await store.minting.note(["a", "b", LABEL], now=NOW + 100)
    assert await store.minting.pins() == {"a": Pin(NOW), "b": Pin(NOW + 100), LABEL: Pin(NOW, NOW + 5, IDS)}
    assert await store.minting.unpin(LABEL, now=NOW + 200) == 1
    assert await store.minting.unpin("nobody", now=NOW + 200) is None
    assert (await store.minting.pins())[LABEL] == Pin(NOW + 200)


async def test_unpinning_ends_the_keys_that_there_are(store: Store) -> None:
    """Of that publisher, and those that live; whoever remembers one sees that it has changed."""
    await store.minting.mint(asked(), now=NOW)
    await store.minting.mint(asked(2, seen=IDS, pin=None, record=minted(2, expires=NOW + 100)), now=NOW)
    other = asked(3, publisher="b", record=minted(3, publisher="b"))
    await store.minting.mint(other, now=NOW)
    before = await generation(store)
    assert await store.minting.unpin(LABEL, now=NOW + 200) == 1
    assert await generation(store) > before
    states = [(each.revoked, each.publisher) for each in await listed(store, kinds={KeyKind.MINTED})]
    assert states == [(NOW + 200, LABEL), (None, LABEL), (None, "b")]
    assert await store.minting.unpin(LABEL, now=NOW + 300) == 0


async def test_only_minted_keys_are_ended(store: Store) -> None:
    """Some at once; another one stays, and the first time stays."""
    await store.minting.mint(asked(), now=NOW)
    assert await store.minting.end([minted().id, ID, KeyId("Nobody000000")], now=NOW + 5) == 1
    assert await store.minting.end([minted().id], now=NOW + 6) == 0
    assert [each.revoked for each in await listed(store)] == [None, NOW + 5]


async def test_what_is_over_is_swept(store: Store, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens that nobody could send again, and keys that ended thirty days ago; other keys stay however old."""
    monkeypatch.setattr(room, "SWEPT", 2)
    for number in range(1, 6):
        seen = {} if number == 1 else IDS
        await store.minting.mint(asked(number, seen=seen, until=NOW + 600 + number), now=NOW)
    assert await store.minting.sweep(now=NOW + 602) == room.Swept(2, 0)
    assert await store.minting.count(now=NOW + 1) == (5, 5)
    assert await store.minting.count(now=NOW + 900) == (0, 5)
    end = NOW + 900 + room.KEPT
    assert await store.minting.sweep(now=end - 1) == room.Swept(3, 0)
    assert await store.minting.sweep(now=end) == room.Swept(0, 5)
    assert rows("SELECT id FROM keys") == [(ID,)]
    assert rows("SELECT count(*) FROM secrets WHERE digest = '$sha256$00'") == [(0,)]


@pytest.mark.sqlite("how it plans")
def test_the_sweep_reads_no_other_keys(store: Store, rows: Rows) -> None:
    """It writes, so that nothing else does meanwhile: beside a million keys it has to take an index."""
    plan = rows(f"EXPLAIN QUERY PLAN {room._ENDED}", 5, "", "minted")
    assert "ix_keys_policy_created_id" in str(plan), plan


async def test_minted_keys_stay_out_of_the_listings_of_keys(store: Store) -> None:
    """Of those that somebody created: nobody looks after a key that ends in minutes."""
    await store.minting.mint(asked(), now=NOW)
    assert [each.id for each in await listed(store, kinds={KeyKind.KEY})] == [ID]
    assert [each.id for each in await listed(store, kinds={KeyKind.MINTED})] == [minted().id]
    assert len(await listed(store)) == 2
    assert [each.key.id async for each in store.endings(until=NOW + 100_000, now=NOW)] == [ID]
    assert await store.ends((1,), now=NOW + 1_000) == (0, {1: 0})
    assert await store.ends((1,), now=NOW + 20_000) == (1, {1: 0})  # the one that somebody created


async def test_a_minted_key_is_not_rotated(store: Store) -> None:
    """It would outlive the job that it was minted for."""
    await store.minting.mint(asked(), now=NOW)
    step = Rotate(Secret("1", "$sha256$11", NOW, None), "0", 100)
    assert await store.change_key(minted().id, step, now=NOW) == Unchanged("minted")


async def test_no_webhook_is_told(url: str, path: Path) -> None:
    """A CI mints and burns with every run; what it uploads is told."""
    from authproxy.domain.events import Event

    store = await Store.open(url, {"hook": frozenset(Event)})
    await store.minting.mint(asked(), now=NOW)
    await store.minting.burn(minted().id, now=NOW)
    await store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM hooks").fetchone() == (0,)
