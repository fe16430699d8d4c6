"""The chain's encoding is frozen, and every decision and every end of one is in it, in the transaction that makes it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from authproxy.domain.access import Outcome
from authproxy.store import FileUnsettled, Removed, Sound, Store
from authproxy.store.chain import DECIDED, GENESIS, HASHED, Kind, link_hash, row_digest
from authproxy.store.driver import sqlite3
from authproxy.store.tables import record
from tests.store.samples import ANY, ENTRY, NOW, SHA, admitted, finish, upload

Rows = Callable[..., list[Any]]
VECTORS = Path(__file__).parents[1] / "vectors" / "chain.txt"
LINES = [json.loads(line) for line in VECTORS.read_text().splitlines() if line and not line.startswith("#")]
CHAIN = "SELECT record_id, kind, outcome, index_status, time_ms FROM links ORDER BY id"


def test_the_genesis_is_frozen() -> None:
    """The hash that the first link holds."""
    assert GENESIS.hex() == next(line["genesis"] for line in LINES if "genesis" in line)


@pytest.mark.parametrize("line", [line for line in LINES if "row" in line], ids=lambda line: line["why"])
def test_a_rows_digest_is_frozen(line: dict[str, Any]) -> None:
    """Lines are added, never edited."""
    assert row_digest(line["row"]).hex() == line["digest"]


@pytest.mark.parametrize("line", [line for line in LINES if "link" in line], ids=lambda line: line["why"])
def test_a_links_hash_is_frozen(line: dict[str, Any]) -> None:
    """Lines are added, never edited."""
    digest = line["digest"] and bytes.fromhex(line["digest"])
    assert link_hash(bytes.fromhex(line["previous"]), line["link"], digest).hex() == line["hash"]


def test_every_column_is_in_the_chain() -> None:
    """A column that is added to the record is hashed with the row, or its change is a link."""
    assert set(HASHED) | {"outcome", "index_status", "completed_ms"} == set(record.c.keys())


def test_values_cannot_flow_into_each_other() -> None:
    """What ends one column and begins the next is no matter of taste: "ab", "c" is another row than "a", "bc"."""
    assert len({row_digest(row) for row in (["ab", "c"], ["a", "bc"], ["abc", ""], ["abc", None], ['ab","c'])}) == 5
    assert row_digest([1]) != row_digest(["1"])


def test_what_came_to_be_said_later_is_hashed_where_it_is_said() -> None:
    """A row without it hashes as it did before there was any; nothing moves from one of the new columns to another."""
    row = next(line["row"] for line in LINES if "row" in line)[: len(DECIDED)]
    assert row_digest([*row, None, None, None]) == row_digest(row)
    said = (["a", None, None], [None, "a", None], [None, None, "a"], ["a", "a", None], ["", None, None])
    assert len({row_digest([*row, *later]) for later in said} | {row_digest(row)}) == len(said) + 1


def test_attestations_are_hashed_where_there_are_any() -> None:
    """A row without them hashes as before, and no claim can become an attestation."""
    row = next(line["row"] for line in LINES if "row" in line)[: len(DECIDED)]
    assert row_digest([*row, None, None, None, None]) == row_digest(row)
    assert row_digest([*row, None, None, "a", None]) == row_digest([*row, None, None, "a"])
    assert row_digest([*row, None, None, None, "a"]) != row_digest([*row, None, None, "a", None])


async def test_an_upload_is_two_links(store: Store, rows: Rows) -> None:
    """One with the decision, one with its end; a second end changes nothing and is none."""
    given = await admitted(store)
    assert rows(CHAIN) == [(1, "decided", "pending", None, NOW * 1000)]
    for _ in range(2):
        await store.complete(given, Outcome.STORED, index_status=200, time_ms=NOW * 1000 + 7)
    assert rows(CHAIN)[1:] == [(1, "ended", "stored", 200, NOW * 1000 + 7)]


async def test_what_ends_at_once_is_one_link(store: Store, rows: Rows) -> None:
    """A refusal, and a file that the index had."""
    await store.record_refusal(ENTRY, "no-rule", "no")
    await store.record_same(ENTRY)
    assert [(row[0], row[2]) for row in rows(CHAIN)] == [(1, "denied"), (2, "same")]


async def test_a_settlement_is_a_link(store: Store, rows: Rows) -> None:
    """An upload whose end nobody saw has three: begun, unknown, and what the index had in the end."""
    await finish(store, outcome=Outcome.UNKNOWN)
    verdict = await store.admit(ENTRY, ANY, now=NOW)
    assert isinstance(verdict, FileUnsettled)
    await store.settle(verdict.row, SHA, now=NOW + 60)
    assert [row[2] for row in rows(CHAIN)] == ["pending", "unknown", "stored"]
    assert rows("SELECT outcome, index_status, completed_ms FROM record") == [("stored", 200, (NOW + 60) * 1000)]


async def test_a_delete_is_two_links(store: Store, rows: Rows) -> None:
    """As an upload is."""
    number = await store.removals.admit(upload("1.0", action="delete"), (), now=NOW)
    assert isinstance(number, int)
    for _ in range(2):
        await store.removals.complete(
            number, Outcome.REMOVED, index_status=200, time_ms=NOW * 1000, removed=Removed("", (ENTRY.identity,), ())
        )
    assert [row[2] for row in rows(CHAIN)] == ["pending", "removed"]


async def test_two_programs_make_one_chain(store: Store, url: str, rows: Rows) -> None:
    """The command line writes beside the server: each reads the last link in the transaction that adds one."""
    other = await Store.open(url)
    for number in range(10):
        await finish(store if number % 2 else other, upload(f"1.{number}"))
    await other.close()
    assert isinstance(await store.record.verify(), Sound)
    assert rows("SELECT count(*), max(id) FROM links") == [(20, 20)]


async def test_a_transaction_that_fails_leaves_no_link(store: Store, path: Path, rows: Rows) -> None:
    """The row and its link are there together or not at all: the disk refuses the link, and the row is gone too."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TRIGGER full BEFORE INSERT ON links BEGIN SELECT raise(ABORT, 'no'); END")
    connection.commit()
    connection.close()
    with pytest.raises(Exception, match="failed"):
        await admitted(store)
    assert rows("SELECT (SELECT count(*) FROM record), (SELECT count(*) FROM links)") == [(0, 0)]


def test_the_kinds_have_their_words() -> None:
    """They are hashed, so they are part of the format."""
    assert [str(kind) for kind in Kind] == ["decided", "ended", "kept"]
