"""The tables are what the migrations make, and a million keys cost what ten cost: every question has its index."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event

from authproxy.domain.access import Outcome
from authproxy.store import AdoptedFile, Claim, FileUnsettled, Hold, KeyState, Passing, Removed, Store, schema
from authproxy.store.engine import engine_on
from authproxy.store.tables import SCHEMA, metadata
from tests.store.samples import ENTRY, ID, KEY, NOW, SHA, admitted, listed, upload

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


async def everything(store: Store) -> None:
    """Ask the store all that it can be asked."""
    claim = Claim(uses_limit=100, rate=(50, 3600))
    for outcome in Outcome:
        given = await admitted(store, upload(f"1+{outcome}"), claim)
        await store.complete(given, outcome, index_status=200, time_ms=NOW * 1000)
    verdict = await store.admit(upload(f"1+{Outcome.UNKNOWN}"), claim, now=NOW)
    assert isinstance(verdict, FileUnsettled)
    await store.settle(verdict.row, SHA)
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
    number = await store.admit_removal(upload("1", action="delete"), [stored], now=NOW)
    assert isinstance(number, int)
    gone = Removed("", [stored], [stored])
    await store.complete_removal(number, Outcome.REMOVED, index_status=200, time_ms=NOW * 1000, removed=gone)
    hold = await store.holds.take(Passing("", "team/stable", "acme-core", "9.0"), now=NOW)
    assert isinstance(hold, Hold)
    await store.holds.end(hold, surely=False)
    await store.holds.end(hold, surely=True)
    await store.holds.judged("", "acme-core 7 sdist", SHA)
    lost = await store.admit_removal(upload("9.0", action="delete"), [], now=NOW)
    assert isinstance(lost, int)
    nothing = Removed("", [], [])
    await store.complete_removal(lost, Outcome.UNKNOWN, index_status=None, time_ms=NOW * 1000, removed=nothing)
    unsettled = await store.holds.take(Passing("", "team/stable", "acme-core", "9.0"), now=NOW)
    assert isinstance(unsettled, tuple)
    await store.settle_removal(unsettled[0], None)
    await store.password_uses()
    await store.pause(ID, NOW)
    await store.resume(ID, NOW)
    await store.revoke(ID, NOW)


async def test_no_statement_reads_a_whole_table(store: Store, rows: Rows) -> None:
    """Every statement that the store ever sends is explained by SQLite itself; each finds its rows by an index."""
    sent: dict[str, Any] = {}
    assert store._worker._engine is not None
    event.listen(
        store._worker._engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, given, *_: sent.setdefault(
            statement, given[0] if isinstance(given, list) else given
        ),
    )
    await everything(store)
    plans = {
        statement: rows(f"EXPLAIN QUERY PLAN {statement}", *given)
        for statement, given in sent.items()
        if statement.startswith(("SELECT", "UPDATE", "DELETE"))
    }
    assert len(plans) > 15
    assert {statement: scanned(plan) for statement, plan in plans.items() if scanned(plan)} == {}
    rate = [plan for statement, plan in plans.items() if "OFFSET" in statement]
    assert "ix_record_admitted" in str(rate)
    assert "ix_record_passwords" in str([plan for statement, plan in plans.items() if "'password'" in statement])


def test_a_scan_would_be_found(store: Store, rows: Rows) -> None:
    """Negative control: a question without an index is reported by the same reading of the plan."""
    assert scanned(rows("EXPLAIN QUERY PLAN SELECT * FROM keys WHERE note = ?", KEY.note)) != []
    assert scanned(rows("EXPLAIN QUERY PLAN SELECT count(*) FROM record WHERE outcome = 'stored'")) != []
