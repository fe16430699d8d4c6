"""What becomes of a key that somebody has: all of it or nothing, on record, told, and nothing for a repetition."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from authproxy.domain.events import Event
from authproxy.domain.keys import KeyId
from authproxy.store import Derivation, Fate, Find, Remedy, Sound, Store, StoreError, uploads
from authproxy.store.leaks import LEAKED
from tests.store.samples import ENTRY, ID, KEY, NOW, generation

Rows = Callable[..., list[Any]]

ROW = replace(
    ENTRY,
    action="revoke",
    project="",
    version="",
    filename="",
    identity="",
    sha256="",
    size=0,
    rule="",
    grant="",
    warning="found in 'https://code.example/x', reported by 'k'",
)
GIVEN_UP = Find(ID, ROW, Remedy.REVOKE, "given up")
REPORTED = replace(GIVEN_UP, why="leaked", news=Event.KEY_LEAKED, more={"source": "there"})
DERIVED = Derivation("nameofderivedkey", NOW + 300)


@pytest.fixture
def told(store: Store) -> Store:
    """A webhook that wants everything about keys."""
    store.webhooks.subscribe({"ops": frozenset(each for each in Event if each.startswith("key."))})
    return store


def events(rows: Rows) -> list[dict[str, Any]]:
    return [json.loads(body) for (body,) in rows("SELECT body FROM hooks ORDER BY id")]


def words(rows: Rows) -> list[tuple[str, str]]:
    return rows("SELECT action, outcome FROM record ORDER BY id")


async def test_a_key_that_is_given_up(told: Store, rows: Rows) -> None:
    """It ends at once and for good, by a row whose reason says more, and `key.revoked` says why."""
    before = await generation(told)
    assert await told.leaks.respond(GIVEN_UP, now=NOW) is Fate.REVOKED
    found = await told.key(ID)
    assert found is not None
    assert found.revoked == NOW
    assert await generation(told) != before
    assert words(rows) == [("revoke", "revoked")]
    assert rows("SELECT key_id, reason FROM record") == [(ID, ROW.warning)]
    [event] = events(rows)
    assert (event["type"], event["data"]["why"], event["data"]["key_id"]) == ("key.revoked", "given up", ID)
    assert isinstance(await told.record.verify(), Sound)


async def test_a_repetition_leaves_no_trace(told: Store, rows: Rows) -> None:
    """Whoever gives up a key for ever does not fill the disk, and does not flush what is remembered of keys."""
    for derived in (None, DERIVED):
        find = replace(GIVEN_UP, derived=derived)
        await told.leaks.respond(find, now=NOW)
        before, count = await generation(told), len(events(rows))
        assert await told.leaks.respond(find, now=NOW + 1) is Fate.KNOWN
        assert (await generation(told), len(events(rows)), len(words(rows))) == (before, count, count)


async def test_a_derived_key_ends_alone(told: Store, rows: Rows) -> None:
    """The key that it was made of lives; the row is about that key and the event names both."""
    find = replace(GIVEN_UP, derived=DERIVED)
    assert await told.leaks.respond(find, now=NOW) is Fate.ENDED
    assert await told.key(ID) == KEY
    assert await told.derivations.ended([DERIVED.name])
    assert rows("SELECT name, until FROM ended") == [(DERIVED.name, NOW + 300)]
    [event] = events(rows)
    assert (event["type"], event["data"]["derived"]) == ("key.ended", DERIVED.name)
    assert words(rows) == [("revoke", "ended")]


async def test_a_key_that_was_found(told: Store, rows: Rows) -> None:
    """Two events, of what was found and of what became of it; found again it is news again."""
    assert await told.leaks.respond(REPORTED, now=NOW) is Fate.REVOKED
    assert await told.leaks.respond(REPORTED, now=NOW) is Fate.KNOWN
    assert [event["type"] for event in events(rows)] == ["key.leaked", "key.revoked", "key.leaked"]
    assert [event["data"].get("fate") for event in events(rows)] == ["revoked", None, "known"]
    assert events(rows)[0]["data"]["source"] == "there"
    assert events(rows)[0]["data"]["revoked"] is not None, "it tells of the key as it is then"
    assert words(rows) == [("revoke", "revoked"), ("revoke", "known")]


async def test_a_key_that_is_only_paused(told: Store, rows: Rows) -> None:
    """It can be resumed, and says why it is paused."""
    find = replace(REPORTED, remedy=Remedy.PAUSE)
    assert await told.leaks.respond(find, now=NOW) is Fate.PAUSED
    life = await told.life(ID)
    assert life is not None
    assert (life.paused, life.paused_why) == (NOW, LEAKED)
    assert [event["type"] for event in events(rows)] == ["key.leaked", "key.paused"]
    assert events(rows)[1]["data"]["why"] == "leaked"
    assert await told.leaks.respond(find, now=NOW) is Fate.KNOWN
    assert await told.leaks.respond(GIVEN_UP, now=NOW) is Fate.REVOKED
    assert await told.leaks.respond(find, now=NOW) is Fate.KNOWN, "there is no way back from that"


async def test_a_canary_stays(told: Store, rows: Rows) -> None:
    """Nothing is done to it, and it is on record each time."""
    find = replace(GIVEN_UP, remedy=Remedy.NOTHING, news=Event.KEY_CANARY, derived=Derivation("x", None))
    for _ in range(2):
        assert await told.leaks.respond(find, now=NOW) is Fate.KNOWN
    assert await told.key(ID) == KEY
    assert [event["type"] for event in events(rows)] == ["key.canary", "key.canary"]
    assert rows("SELECT count(*) FROM ended") == [(0,)]


async def test_a_key_that_is_not_there(told: Store) -> None:
    """Nothing happens."""
    assert await told.leaks.respond(replace(GIVEN_UP, key_id=KeyId("B" * 12)), now=NOW) is Fate.KNOWN


async def test_it_is_one_transaction(told: Store, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the row cannot be written the key lives: what a caller was told has failed has not half happened."""

    def broken(*_: object, **__: object) -> int:
        raise StoreError("no")

    monkeypatch.setattr(uploads, "note", broken)
    with pytest.raises(StoreError):
        await told.leaks.respond(GIVEN_UP, now=NOW)
    assert await told.key(ID) == KEY
    assert (words(rows), events(rows)) == ([], [])


async def test_where_nobody_listens(store: Store, rows: Rows) -> None:
    """No event is written, and the rest happens."""
    assert await store.leaks.respond(REPORTED, now=NOW) is Fate.REVOKED
    assert events(rows) == []
    assert words(rows) == [("revoke", "revoked")]
