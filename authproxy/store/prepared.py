"""The statements that every upload runs, written by SQLAlchemy once and handed to SQLite's driver as they are.

To execute one by SQLAlchemy costs 25 us of the store's thread, and there are sixteen in an upload; by the driver it
costs 3 (measured). On a server the way there costs more than either, and SQLAlchemy knows what its driver's failures
mean: there it executes these as it does all others.
"""

from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, Table, insert
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.dml import UpdateBase

from authproxy.store.driver import sqlite3
from authproxy.store.engine import raw

_SQLITE: Final = sqlite.dialect(paramstyle="qmark")
_NOTHING: Final[Mapping[str, Any]] = {}


class Prepared:
    """A statement; the rows that it returns are named tuples of its columns."""

    def __init__(self, statement: Select[Any] | UpdateBase) -> None:
        self._statement: Final = statement
        compiled = statement.compile(dialect=_SQLITE)
        self.sql: Final = str(compiled)
        self._names: Final[tuple[str, ...]] = tuple(compiled.positiontup or ())
        binds = compiled.binds
        self._own: Final = {name: binds[name].value for name in self._names if not binds[name].required}
        self._row: Any = None

    def rows(self, connection: Connection, given: Mapping[str, Any] = _NOTHING) -> list[Any]:
        """Execute it; return all rows."""
        if not _is_sqlite(connection):
            return list(connection.execute(self._statement, given))
        cursor = self._execute(connection, given)
        # All of them, also where one is wanted: a statement that has more to say stands in the way of the commit.
        found = cursor.fetchall()
        if not found:
            return []
        if self._row is None:
            names = [each[0] for each in cursor.description]
            row: Any = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024 - what it has is seen now alone
            self._row = row._make
        return [self._row(each) for each in found]

    def first(self, connection: Connection, given: Mapping[str, Any] = _NOTHING) -> Any:
        """Execute it; return the first row, or None."""
        found = self.rows(connection, given)
        return found[0] if found else None

    def run(self, connection: Connection, given: Mapping[str, Any]) -> None:
        """Execute what returns nothing."""
        if not _is_sqlite(connection):
            connection.execute(self._statement, given)
        else:
            self._execute(connection, given)

    def _execute(self, connection: Connection, given: Mapping[str, Any]) -> sqlite3.Cursor:
        own = self._own
        values = [given[name] if name in given else own[name] for name in self._names]
        return raw(connection).at_hand.execute(self.sql, values)


class PreparedInsert:
    """The insert of a row into a table whose columns have no defaults.

    What is null of a row is left out: of each value that is neither a plain text nor a number the driver finds out by
    two exceptions that it does not adapt itself, which takes as long as the rest of the statement (measured). So a text
    should be no member of an enumeration.
    """

    def __init__(self, table: Table) -> None:
        assert not any(each.server_default or each.default for each in table.columns), "null would become the default"
        self._statement: Final = insert(table)
        self._written: Final[dict[tuple[str, ...], tuple[str, Sequence[str]]]] = {}  # by the columns that are there

    def insert(self, connection: Connection, row: Mapping[str, Any]) -> int:
        """Execute it; return the row's number."""
        if not _is_sqlite(connection):
            made = connection.execute(self._statement, row).inserted_primary_key
            assert made is not None
            return int(made[0])
        columns = tuple(name for name, value in row.items() if value is not None)
        sql, names = self._written.get(columns) or self._write(columns)
        number = raw(connection).at_hand.execute(sql, [row[name] for name in names]).lastrowid
        assert number is not None
        return number

    def _write(self, columns: tuple[str, ...]) -> tuple[str, Sequence[str]]:
        compiled = self._statement.compile(dialect=_SQLITE, column_keys=columns)
        self._written[columns] = written = str(compiled), tuple(compiled.positiontup or ())
        return written


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == _SQLITE.name
