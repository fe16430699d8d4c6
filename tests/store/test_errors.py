"""Whatever SQLite may answer, the rooms above see a StoreError of one sentence."""

import sqlite3 as codes  # which only Python names
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from authproxy.store import SchemaError, StoreBusy, StoreError, StoreFull
from authproxy.store.driver import sqlite3
from authproxy.store.engine import border

PATH = Path("/state/authproxy.db")
CODES = [
    "ABORT",
    "AUTH",
    "BUSY",
    "BUSY_SNAPSHOT",
    "CANTOPEN",
    "CANTOPEN_ISDIR",
    "CONSTRAINT",
    "CORRUPT",
    "ERROR",
    "FULL",
    "INTERNAL",
    "INTERRUPT",
    "IOERR",
    "IOERR_FSYNC",
    "IOERR_WRITE",
    "LOCKED",
    "MISMATCH",
    "MISUSE",
    "NOMEM",
    "NOTADB",
    "PERM",
    "PROTOCOL",
    "RANGE",
    "READONLY",
    "READONLY_ROLLBACK",
    "SCHEMA",
    "TOOBIG",
]
KINDS = {"BUSY": StoreBusy, "LOCKED": StoreBusy, "FULL": StoreFull, "NOTADB": SchemaError}


def failure(name: str) -> sqlite3.OperationalError:
    """What sqlite3 raises, with the text of a statement that somebody might have sent."""
    raised = sqlite3.OperationalError("near hunter2: syntax error")
    raised.sqlite_errorcode, raised.sqlite_errorname = getattr(codes, f"SQLITE_{name}"), f"SQLITE_{name}"
    return raised


@pytest.mark.parametrize("name", CODES)
def test_every_code_of_sqlite_is_one_sentence(name: str) -> None:
    """By sqlite3 itself and through SQLAlchemy: the same kind, the path, the cause, and nothing that was asked."""
    raised = failure(name)
    wrapped = DBAPIError("SELECT hunter2", {"a": "hunter2"}, raised)
    said = []
    for exc in (raised, wrapped):
        with pytest.raises(StoreError) as caught, border(PATH):
            raise exc
        said.append(str(caught.value))
        assert type(caught.value) is KINDS.get(name.split("_", maxsplit=1)[0], StoreError)
    assert said[0] == said[1]
    assert said[0].startswith("/state/authproxy.db ")
    assert "hunter2" not in said[0]


def test_a_mistake_of_ours_is_a_sentence_too() -> None:
    """SQLAlchemy's own complaints do not pass either."""
    with pytest.raises(StoreError, match="cannot answer: InvalidRequestError"), border(PATH):
        raise InvalidRequestError("hunter2")


def test_a_store_error_passes_as_it_is() -> None:
    """What was said inside is not said again."""
    with pytest.raises(StoreFull, match=r"^no room$"), border(PATH):
        raise StoreFull("no room")
