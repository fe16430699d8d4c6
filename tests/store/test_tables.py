"""The tables are what the migrations make, and a million keys cost what ten cost: every question has its index."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from authproxy.domain.access import Outcome
from authproxy.domain.events import Event
from authproxy.domain.keys import Secret
from authproxy.store import (
    AdoptedFile,
    Claim,
    Extend,
    Failure,
    FileUnsettled,
    Finish,
    Hold,
    KeyState,
    LastUse,
    Passing,
    Removed,
    Rotate,
    Shown,
    Sound,
    Step,
    Store,
    TakeBack,
    Wanted,
    schema,
)
from authproxy.store.engine import engine_on
from authproxy.store.proof_tables import metadata  # with all that hang on it
from authproxy.store.tables import SCHEMA
from tests.store.samples import ENTRY, ID, KEY, NOW, SHA, admitted, asked_by, listed, shape, upload

Rows = Callable[..., list[Any]]


def test_the_migrations_end_at_the_tables(url: str, path: Path) -> None:
    """What Alembic makes and what the program reads are the same tables, indexes and constraints."""
    engine = engine_on(path)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_the_schema_has_one_name() -> None:
    """The constant by which a store is opened without Alembic is Alembic's own head."""
    assert ScriptDirectory(str(schema._MIGRATIONS)).get_current_head() == SCHEMA


# One row, and Alembic's one row.
SMALL = {"meta", "alembic_version"}


def scanned(plan: list[Any]) -> list[str]:
    """The tables that a plan reads without an index, by SQLite's own words; `SCAN x USING INDEX` reads in order."""
    steps = [str(step[3]) for step in plan]
    return [
        step for step in steps if re.match(r"SCAN (?!CONSTANT)\w+\b(?! USING)", step) and step.split()[1] not in SMALL
    ]


async def the_record(store: Store) -> None:
    """Ask all that can be asked of the record."""
    assert isinstance(await store.record.verify((await store.record.standing())[0]), Sound)
    for wanted in (Wanted(), Wanted(NOW, NOW + 1, "acme-core", ID)):
        assert [row async for rows in store.record.rows(wanted) for row in rows] or wanted.key_id
    _, link = await store.record.latest(5)
    assert await store.record.since(0)
    assert await store.record.since(link)
    assert (await store.record.about_file(identity=ENTRY.identity)).rows
    assert (await store.record.about_file(sha256=SHA)).rows
    assert [batch async for batch in store.record.prune(NOW * 1000 + 1, NOW * 1000 + 1000)]


async def lives(store: Store) -> None:
    """All that can be asked of keys' lives."""
    second = Secret("1", KEY.secrets[0].digest, NOW, None)
    await store.note_uses([LastUse(ID, "0", NOW, "read", "acme-core", "192.0.2.7", "pip")])
    steps: list[Step] = [Rotate(second, "0", 100), Shown("1"), Finish(NOW - 100), Finish(None)]
    for step in (*steps, Extend(KEY.expires, NOW + 20_000), TakeBack("1")):
        await store.change_key(ID, step, now=NOW)
    await store.life(ID)
    await store.last_uses([ID])
    await store.ends((1, 30), now=NOW)
    for until in (None, NOW + 30_000):
        assert [each async for each in store.endings(until=until, now=NOW)] or until is None
    assert await listed(store, idle_since=NOW - 50) == []
    assert await store.pause_idle({}, now=NOW - 50_000) == []
    assert await store.pause_idle({"release": 100}, now=NOW + 2_000)
    await store.resume(ID, NOW)


async def the_webhooks(store: Store) -> None:
    """Ask all that can be asked about webhooks; events of everything before are in the store."""
    hooks = store.webhooks
    [message, second, *_] = await hooks.pending("ops", 5, now=NOW)
    await hooks.settle("ops", [message], Failure(second, "it is gone"), now=NOW)
    await hooks.settle("ops", [], Failure(replace(second, tries=9), "it is gone"), now=NOW)
    await hooks.announce(now=(KEY.expires or 0) - 1)
    await hooks.drop_unknown([], now=NOW)
    assert await hooks.standing()
    await hooks.release("ops")


async def compared(store: Store) -> None:
    """Compare a project with what an index lists: a file that is gone, one that has other bytes, one that is back."""
    assert await store.unfinished.projects("") == ["acme-core"]
    await store.adopt("", "compared", [])
    for version in ("1", "2"):
        given = await admitted(store, upload(version, project="compared", action="push"))
        await store.complete(given, Outcome.STORED, index_status=200, time_ms=NOW * 1000)
    one, other = (await store.adopt("", "compared", [], whole=True)).doubted
    assert await store.unfinished.found(one, None, now=NOW) is Outcome.DIFFERENT
    assert await store.unfinished.found(one, one.sha256, now=NOW) is Outcome.STORED
    assert await store.unfinished.found(other, "f" * 64, now=NOW) is Outcome.DIFFERENT
    about = [await store.record.about_file(identity=other.identity), await store.record.about_file(sha256=SHA)]
    assert [any(file.instead_of for file in each.files) for each in about] == [True, True]
    assert await store.unfinished.accept_gone(one, ENTRY, now=NOW)
    assert await store.unfinished.alarms()
    assert await store.unfinished.count_alarms() == 1


async def everything(store: Store) -> None:
    """Ask the store all that it can be asked."""
    store.webhooks.subscribe({"ops": frozenset(Event)})
    claim = Claim(uses_limit=100, rate=(50, 3600))
    for outcome in Outcome:
        given = await admitted(store, upload(f"1+{outcome}"), claim)
        await store.complete(given, outcome, index_status=200, time_ms=NOW * 1000)
    verdict = await store.admit(upload(f"1+{Outcome.UNKNOWN}"), claim, now=NOW)
    assert isinstance(verdict, FileUnsettled)
    await store.settle(verdict.row, SHA, now=NOW)
    await store.record_refusal(ENTRY, "no-rule", "no")
    await store.adopt("", "acme-core", [AdoptedFile("acme-core 7 sdist", "acme_core-7.zip", "7", None)])
    await store.adopt("", "acme-core", [AdoptedFile("acme-core 7 sdist", "acme_core-7.zip", "7", SHA)])
    row = await store.file("", "acme-core 7 sdist")
    assert row is not None
    await store.set_sha256(row, SHA)
    await store.forget(row)
    await store.key(ID)
    for filters in ({}, {"owner": "ci@acme"}, {"policy": "release"}, {"state": KeyState.LIVE, "now": NOW}):
        assert await listed(store, **filters)
    stored = upload(f"1+{Outcome.STORED}").identity
    number = await store.removals.admit(upload("1", action="delete"), [stored], now=NOW)
    assert isinstance(number, int)
    gone = Removed("", [stored], [stored])
    await store.removals.complete(number, Outcome.REMOVED, index_status=200, time_ms=NOW * 1000, removed=gone)
    hold = await store.holds.take(Passing("", "team/stable", "acme-core", "9.0"), now=NOW)
    assert isinstance(hold, Hold)
    await store.holds.end(hold, surely=False)
    await store.holds.end(hold, surely=True)
    await store.holds.judged("", "acme-core 7 sdist", SHA)
    lost = await store.removals.admit(upload("9.0", action="delete"), [], now=NOW)
    assert isinstance(lost, int)
    nothing = Removed("", [], [])
    await store.removals.complete(lost, Outcome.UNKNOWN, index_status=None, time_ms=NOW * 1000, removed=nothing)
    unsettled = await store.holds.take(Passing("", "team/stable", "acme-core", "9.0"), now=NOW)
    assert isinstance(unsettled, tuple)
    await store.unfinished.settle_removal(unsettled[0], None, now=NOW)
    await store.removals.admit(upload("9.1", action="delete"), (), now=NOW)
    for intent in (await store.unfinished.intents(now=NOW * 2))[0]:
        await store.unfinished.settle_removal(intent, [], now=NOW)
    await compared(store)
    await store.password_uses()
    await lives(store)
    await the_record(store)
    await store.pause(ID, NOW)
    await store.resume(ID, NOW)
    await store.revoke(ID, NOW)
    await the_webhooks(store)


@pytest.mark.sqlite("its own plans; a server plans by what it has counted")
async def test_no_statement_reads_a_whole_table(store: Store, rows: Rows) -> None:
    """Every statement that the store ever sends is explained by SQLite itself; each finds its rows by an index."""
    sent: set[str] = set()
    asked_by(store).set_trace_callback(sent.add)  # by SQLite itself, whoever asks it, with the values in their places
    await everything(store)
    asked_by(store).set_trace_callback(None)
    plans = {
        statement: rows(f"EXPLAIN QUERY PLAN {statement}")
        for statement in sent
        if statement.startswith(("SELECT", "UPDATE", "DELETE"))
    }
    assert len(set(map(shape, plans))) > 60
    assert {statement: scanned(plan) for statement, plan in plans.items() if scanned(plan)} == {}
    rate = [plan for statement, plan in plans.items() if "OFFSET" in statement]
    assert "ix_record_admitted" in str(rate)
    assert "ix_record_passwords" in str([plan for statement, plan in plans.items() if "'password'" in statement])
    alarms = [
        str(plan) for statement, plan in plans.items() if "'different'" in statement and "JOIN files" in statement
    ]
    assert len(alarms) == 2
    assert all("ix_record_different" in plan for plan in alarms), alarms


@pytest.mark.sqlite("its own plans")
def test_a_scan_would_be_found(store: Store, rows: Rows) -> None:
    """Negative control: a question without an index is reported by the same reading of the plan."""
    assert scanned(rows("EXPLAIN QUERY PLAN SELECT * FROM keys WHERE note = ?", KEY.note)) != []
    assert scanned(rows("EXPLAIN QUERY PLAN SELECT count(*) FROM record WHERE outcome = 'stored'")) != []
