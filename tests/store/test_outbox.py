"""An event stands in the store exactly where what it tells of does, and costs nothing where nobody wants it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Connection, event

from authproxy.cli.provenance import document_of
from authproxy.domain.access import Outcome
from authproxy.domain.events import Event
from authproxy.domain.keys import Secret
from authproxy.store import Extend, Finish, Removed, Rotate, Shown, Store, StoreError, TakeBack, Unchanged, outbox
from authproxy.store.driver import sqlite3
from authproxy.store.postgres.worker import PostgresWorker
from tests.store.samples import ANY, ENTRY, ID, KEY, NOW, OTHER_SHA, SHA, admitted, asked_by, finish, shape, upload

Rows = Callable[..., list[Any]]

ALL = {"ops": frozenset(Event), "chat": frozenset({Event.UPLOAD_DONE})}
DELETE = replace(ENTRY, action="delete", filename="", identity="", sha256="", size=0)


@pytest_asyncio.fixture
async def told(url: str) -> AsyncIterator[Store]:
    """A store whose webhook `ops` wants everything, and `chat` a little; a key was there before them."""
    store = await Store.open(url)
    await store.add_key(KEY)
    store.webhooks.subscribe(ALL)
    yield store
    await store.close()


def events(rows: Rows, name: str = "ops") -> list[str]:
    return [event for (event,) in rows("SELECT event FROM hooks WHERE name = ? ORDER BY id", name)]


def last(rows: Rows) -> dict[str, Any]:
    [(body,)] = rows("SELECT body FROM hooks WHERE name = 'ops' ORDER BY id DESC LIMIT 1")
    read: dict[str, Any] = json.loads(body)
    return read


async def test_an_upload_is_told_when_it_ends(told: Store, rows: Rows) -> None:
    """Not when it is admitted; to whom wants it; with its row as `audit export` prints it."""
    given = await admitted(told)
    assert events(rows) == []
    await told.complete(given, Outcome.STORED, index_status=200, time_ms=NOW * 1000 + 7)
    assert (events(rows), events(rows, "chat")) == (["upload.done"], ["upload.done"])
    row = await told.record.row(1)
    assert row is not None
    assert last(rows) == {"type": "upload.done", "timestamp": "2027-01-15T08:00:00.007Z", "data": document_of(row)}
    assert rows("SELECT count(DISTINCT message), count(*) FROM hooks") == [(1, 2)], "one event, one id"
    await told.complete(given, Outcome.STORED, index_status=200, time_ms=NOW * 1000 + 9)
    assert events(rows) == ["upload.done"], "it ended once"


async def test_what_became_of_it(told: Store, rows: Rows) -> None:
    """What failed, what we refused, and what nobody knows yet, which is told once it is settled."""
    await finish(told, upload("1.0"), Outcome.FAILED)
    await told.record_refusal(upload("2.0"), "no-rule", "no package rule matches")
    await told.record_same(upload("2.1"))
    await finish(told, upload("3.0"), Outcome.UNKNOWN)
    await finish(told, upload("4.0"), Outcome.UNKNOWN)
    assert events(rows) == ["upload.failed", "upload.refused"]
    assert last(rows)["data"]["code"] == "no-rule"
    first, second = (await told.unfinished.intents(now=NOW))[0]
    await told.settle(first.row, SHA, now=NOW)
    await told.settle(second.row, OTHER_SHA, now=NOW)
    assert events(rows)[2:] == ["upload.done", "upload.different"]


async def test_deletes_are_told(told: Store, rows: Rows) -> None:
    """At their end, also where somebody else settles them."""
    for outcome in (Outcome.REMOVED, Outcome.REFUSED, Outcome.UNKNOWN):
        number = await told.removals.admit(DELETE, (), now=NOW)
        assert isinstance(number, int)
        await told.removals.complete(number, outcome, index_status=200, time_ms=NOW * 1000, removed=Removed("", (), ()))
    assert events(rows) == ["delete.done", "delete.failed"]
    [intent] = (await told.unfinished.intents(now=NOW))[0]
    await told.unfinished.settle_removal(intent, None, now=NOW)
    assert events(rows) == ["delete.done", "delete.failed", "delete.done"]


async def test_an_upload_whose_client_left_is_told(told: Store, rows: Rows) -> None:
    """Its admission is taken back by the store itself, and that is an end too."""
    waiting = asyncio.create_task(told.admit(ENTRY, ANY, now=NOW))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    for _ in range(200):
        if rows("SELECT count(*) FROM record WHERE outcome = 'failed'") == [(1,)]:
            break
        await asyncio.sleep(0.01)
    assert events(rows) == ["upload.failed"]


async def test_a_key_is_told_of(told: Store, rows: Rows) -> None:
    """Every change of its life, and no change that did not happen; never a digest."""
    second = Secret("1", "$argon2id$second", NOW, None)
    await told.add_key(replace(KEY, id="Second123456"))
    assert isinstance(await told.change_key(ID, Finish(None), now=NOW), Unchanged)
    await told.change_key(ID, Rotate(second, "0", 100), now=NOW)
    assert (last(rows)["data"]["rotation"], last(rows)["data"]["public_ids"]) == ("begun", [ID + "0", ID + "1"])
    await told.change_key(ID, TakeBack("1"), now=NOW)
    await told.change_key(ID, Rotate(second, "0", 100), now=NOW)
    await told.change_key(ID, Shown("1"), now=NOW)
    await told.change_key(ID, Finish(None), now=NOW)
    assert last(rows)["data"]["rotation"] == "finished"
    await told.change_key(ID, Extend(KEY.expires, NOW + 20_000), now=NOW)
    assert last(rows)["data"]["expires"] == "2027-01-15T13:33:20Z"
    for _ in range(2):
        await told.pause(ID, NOW)
    await told.resume(ID, NOW)
    for _ in range(2):
        await told.revoke(ID, NOW + 5)
    assert (last(rows)["type"], last(rows)["data"]["revoked"]) == ("key.revoked", "2027-01-15T08:00:05Z")
    assert events(rows) == [
        "key.created", "key.rotated", "key.rotated", "key.rotated", "key.rotated",
        "key.extended", "key.paused", "key.resumed", "key.revoked",
    ]  # fmt: skip
    assert not any("argon2" in body for (body,) in rows("SELECT body FROM hooks"))


async def test_a_key_that_cannot_be_read_can_be_revoked(told: Store, rows: Rows) -> None:
    """Somebody may have to revoke what a newer version made; a webhook must not be in the way."""
    rows("UPDATE keys SET grants = '[\"fly:to-the-moon\"]'")
    with pytest.raises(StoreError):
        await told.key(ID)
    assert await told.revoke(ID, NOW)
    assert (last(rows)["type"], last(rows)["data"]) == ("key.revoked", {"key_id": ID})


async def test_a_key_that_is_paused_because_nobody_used_it_is_told_of(told: Store, rows: Rows) -> None:
    """By the server, which says so."""
    await told.pause_idle({}, now=NOW - 50_000)
    assert [each.id for each in await told.pause_idle({"release": 100}, now=NOW + 2_000)] == [ID]
    assert events(rows) == ["key.paused"]
    assert last(rows)["data"]["why"] == "unused"


@pytest.mark.sqlite("triggers that fail, in its words")
async def test_what_did_not_happen_is_not_told(told: Store, rows: Rows) -> None:
    """The event is in the transaction: where that fails, both are gone; and where the event cannot be written, so is it."""
    rows("CREATE TRIGGER full BEFORE INSERT ON hooks BEGIN SELECT RAISE(ABORT, 'no room'); END")
    with pytest.raises(StoreError):
        await told.revoke(ID, NOW)
    assert rows("SELECT revoked FROM keys") == [(None,)]
    rows("DROP TRIGGER full")
    rows("CREATE TRIGGER broken BEFORE UPDATE ON meta BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(StoreError):
        await told.revoke(ID, NOW)
    assert events(rows) == []


async def test_an_event_beside_its_transaction_would_be_found(told: Store, rows: Rows) -> None:
    """Negative control: told in a commit of its own, an event is there though what it tells of is not."""

    def tells(connection: Connection) -> None:
        told._outbox.tell_key(connection, Event.KEY_REVOKED, ID, NOW)

    await told._worker.write(tells)
    assert events(rows) == ["key.revoked"]
    assert rows("SELECT revoked FROM keys") == [(None,)]


def counted(store: Store, what: str) -> list[str]:
    """From now on, the statements or the commits of a store."""
    found: list[str] = []
    if isinstance(store._worker, PostgresWorker):
        engine = store._worker._writer.sync_engine
        if what == "commits":
            event.listen(engine, "commit", lambda _: found.append("commit"))
        else:
            event.listen(engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: found.append(statement))
        return found

    def note(statement: str) -> None:
        if what == "statements" or statement == "COMMIT":
            found.append(shape(statement))

    asked_by(store).set_trace_callback(note)
    return found


async def test_without_webhooks_an_upload_costs_what_it_did(store: Store) -> None:
    """Not one statement more, and none about hooks, also where webhooks want other things."""
    await finish(store, upload("0.1"))  # the first one finds an empty chain
    sent = counted(store, "statements")
    await finish(store, upload("1.0"))
    plain, _ = list(sent), sent.clear()
    store.webhooks.subscribe({"ops": frozenset({Event.KEY_CREATED})})
    await finish(store, upload("2.0"))
    assert sent == plain
    assert len(plain) > 15
    assert not any("hooks" in statement for statement in plain)
    sent.clear()
    store.webhooks.subscribe(ALL)
    await finish(store, upload("3.0"))
    assert any("hooks" in statement for statement in sent), "negative control: it would have been seen"


async def test_with_webhooks_an_upload_is_two_commits(told: Store) -> None:
    """The event shares the second one."""
    commits = counted(told, "commits")
    await finish(told)
    assert len(commits) == 2


async def test_a_receiver_that_is_gone_does_not_fill_the_disk(
    told: Store, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest of each webhook make room, and are counted; another webhook keeps its own."""
    monkeypatch.setattr(outbox, "BACKLOG", 20)
    monkeypatch.setattr(outbox, "LOOK_EVERY", 7)
    await finish(told)
    for number in range(100):
        await told.pause(ID, NOW + number)
        await told.resume(ID, NOW + number)
    kept, dropped = events(rows), rows("SELECT name, dropped FROM receivers")
    assert 20 <= len(kept) < 20 + 7
    assert dropped == [("ops", 201 - len(kept))]
    assert events(rows, "chat") == ["upload.done"]
    assert "upload.done" not in kept


async def test_attackers_text_stays_text(told: Store, rows: Rows, database: str) -> None:
    """Whatever a client calls itself, the body is one line of ASCII, and reads as it was written."""
    # PostgreSQL takes no NUL, and refuses the row; nothing that a request can say gets as far as this with one.
    evil = 'x\x1b[2J\u202e"}\r\n' + ("" if database == "postgres" else "\x00") + "\N{PILE OF POO}"
    await told.record_refusal(replace(ENTRY, client=evil, filename=evil), "no-rule", evil)
    [(body,)] = rows("SELECT body FROM hooks")
    assert body.isascii()
    assert body.isprintable()
    assert json.loads(body)["data"]["client"] == evil


async def test_another_program_tells_as_well(told: Store, url: str, path: Path) -> None:
    """The command line writes events for the server to send."""
    other = await Store.open(url, ALL)
    await other.revoke(ID, NOW)
    await other.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name, event FROM hooks").fetchall() == [("ops", "key.revoked")]
    connection.close()
