"""What is prepared says what SQLAlchemy says, on every database."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, delete, select, update

from authproxy.store import Store, StoreError, chain, holds, outcomes, uploads
from authproxy.store import files as file_rows
from authproxy.store import keys as key_rows
from authproxy.store.prepared import Prepared, PreparedInsert
from authproxy.store.tables import files, keys, record

ROW: dict[str, Any] = {
    "index_name": "",
    "identity": "acme-core 1 sdist",
    "project": "acme-core",
    "version": "1",
    "filename": "acme_core-1.tar.gz",
    "sha256": None,
}
THIS = (files.c.index_name == bindparam("b_index"), files.c.identity == bindparam("b_identity"))
GIVEN = {"b_index": ROW["index_name"], "b_identity": ROW["identity"]}
INSERT = PreparedInsert(files)


async def done(store: Store, work: Callable[[Connection], Any]) -> Any:
    return await store._worker.write(work)


async def test_a_row_is_what_sqlalchemy_makes_of_it(store: Store) -> None:
    """By its number, its names, as a tuple and as a dict; what was not given is null."""
    number = await done(store, lambda connection: INSERT.insert(connection, ROW))
    one = select(files).where(*THIS)
    ours = await done(store, lambda connection: Prepared(one).first(connection, GIVEN))
    theirs = await done(store, lambda connection: connection.execute(one, GIVEN).one())
    assert tuple(ours) == tuple(theirs)
    assert ours._asdict() == theirs._asdict() == ROW | {"id": number, "record_id": None, "removed": None}
    assert (ours.id, ours.filename) == (number, ROW["filename"])
    assert await done(store, lambda connection: Prepared(one).first(connection, GIVEN | {"b_identity": "-"})) is None


async def test_what_a_change_returns_is_whole_before_the_commit(store: Store) -> None:
    """Rows that nobody reads do not hold it up; a value that stands in the statement stays what it is."""
    rename = Prepared(
        update(files).where(files.c.project == "acme-core").values(version=bindparam("b_version")).returning(files.c.id)
    )
    for number in range(3):
        await done(store, lambda connection, n=number: INSERT.insert(connection, ROW | {"identity": f"{n}"}))
    first = await done(store, lambda connection: rename.first(connection, {"b_version": "2"}))
    rows = await done(store, lambda connection: Prepared(select(files.c.version)).rows(connection))
    assert (first.id > 0, [row.version for row in rows]) == (True, ["2"] * 3)
    await done(
        store, lambda connection: Prepared(delete(files).where(*THIS)).run(connection, GIVEN | {"b_identity": "1"})
    )
    assert len(await done(store, lambda connection: Prepared(select(files.c.id)).rows(connection))) == 2


@pytest.mark.parametrize("wrong", [{"identity": None}, {"identity": "\ud800"}, {"record_id": 2**63}])
async def test_what_the_database_does_not_take_is_a_sentence(store: Store, wrong: dict[str, Any]) -> None:
    """As everything else that fails in the store; nothing of the transaction is left."""
    with pytest.raises(StoreError):
        await done(store, lambda connection: INSERT.insert(connection, ROW | wrong))
    assert await done(store, lambda connection: Prepared(select(files)).rows(connection)) == []


def test_a_column_with_a_default_takes_no_null_that_is_left_out() -> None:
    """It would say something else then."""
    with pytest.raises(AssertionError, match="default"):
        PreparedInsert(keys)


async def test_a_value_that_is_missing_is_a_defect(store: Store) -> None:
    """And no null: a condition on it would be true of nothing, and nobody would know."""
    with pytest.raises((KeyError, StoreError)):
        await done(store, lambda connection: Prepared(select(files).where(*THIS)).rows(connection, {"b_index": ""}))


def test_no_statement_is_planned_anew_each_time() -> None:
    """SQLite does that where a bound value may be what the condition of an index says: those stand to the letter."""
    conditions = " ".join(
        str(index.dialect_options["sqlite"]["where"]) for index in record.indexes if index.dialect_options["sqlite"]
    )
    compared = set(re.findall(r"(record\.\w+) = '", conditions))
    assert compared == {"record.action", "record.outcome", "record.principal"}
    modules = (chain, file_rows, holds, key_rows, outcomes, uploads)
    prepared = {each.sql for module in modules for each in vars(module).values() if isinstance(each, Prepared)}
    assert len(prepared) > 10
    assert [sql for sql in prepared for column in compared if f"{column} = ?" in sql] == []
    bound = Prepared(select(record.c.id).where(record.c.outcome == bindparam("b_outcome")))
    assert "record.outcome = ?" in bound.sql, "negative control: it would be seen"
