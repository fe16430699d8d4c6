"""How an upload ended: completed by who made it, or settled, when its end was never seen.

What is stored of a file stays until the index has said yes to another: an overwrite that fails changes nothing.
"""

from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, literal_column, select, update

from authproxy.domain.access import Outcome
from authproxy.store import chain, files, nonces
from authproxy.store.prepared import Prepared
from authproxy.store.runs import Run
from authproxy.store.tables import claims, keys, record
from authproxy.store.uploads import DROP_CLAIM, PENDING, SPEND
from authproxy.store.verdicts import FileRow, Ticket

_GIVE_BACK: Final = update(keys).where(keys.c.id == bindparam("b_key"), keys.c.used > 0).values(used=keys.c.used - 1)
_CLAIMED: Final[Select[Any]] = (
    select(claims.c.record_id, claims.c.run, record.c.sha256)
    .join(record, record.c.id == claims.c.record_id)
    .where(claims.c.id == bindparam("b_claim"))
)
_FILE_OF_RECORD: Final = (
    record.c.id.label("record_id"),
    record.c.index_name,
    record.c.identity,
    record.c.project,
    record.c.version,
    record.c.filename,
    record.c.sha256,
)
# (To the letter, or SQLite plans it anew each time: it might be the condition of an index.)
_COMPLETE: Final = Prepared(
    update(record)
    .where(record.c.id == bindparam("b_record"), record.c.outcome == literal_column(f"'{PENDING}'"))
    .values(outcome=bindparam("b_outcome"), index_status=bindparam("b_status"), completed_ms=bindparam("b_time"))
    .returning(*_FILE_OF_RECORD)
)
_SETTLE: Final = (
    update(record)
    .where(record.c.id == bindparam("b_record"))
    .values(outcome=bindparam("b_outcome"), completed_ms=bindparam("b_time"))
    .returning(*_FILE_OF_RECORD, record.c.key_id, record.c.index_status)
)
_OUTCOME: Final = select(record.c.outcome).where(record.c.id == bindparam("b_record"))
# Another upload of the same file, which may have taken its place. (The condition is the index's, to the letter.)
_LATER: Final = (
    select(record.c.id)
    .where(
        record.c.identity == bindparam("b_identity"),
        record.c.identity != literal_column("''"),
        record.c.index_name == bindparam("b_index_name"),
        record.c.id > bindparam("b_record_id"),
        record.c.outcome.in_((PENDING, Outcome.STORED, Outcome.UNKNOWN, Outcome.DIFFERENT)),
    )
    .limit(1)
)


def complete(
    connection: Connection, run: Run, ticket: Ticket, outcome: Outcome, index_status: int | None, time_ms: int
) -> None:
    """End an admitted upload. Ending it twice changes nothing."""
    first = ticket.claim_id in run.in_flight
    given = {"b_record": ticket.record_id, "b_outcome": outcome.value, "b_status": index_status, "b_time": time_ms}
    file = _COMPLETE.first(connection, given)
    if file is None:
        if first and outcome is Outcome.STORED:
            _stored_after_all(connection, ticket, time_ms)
        return
    chain.ended(connection, ticket.record_id, outcome, index_status, time_ms)
    if outcome is Outcome.UNKNOWN:
        return
    DROP_CLAIM.run(connection, {"b_claim": ticket.claim_id})
    if outcome is Outcome.STORED:
        files.put(connection, file._asdict())
        return
    nonces.give_back(connection, ticket.record_id)
    if ticket.key_id is not None:
        connection.execute(_GIVE_BACK, {"b_key": ticket.key_id})


def _stored_after_all(connection: Connection, ticket: Ticket, time_ms: int) -> None:
    """Set right what was settled as failed before the file was there: whoever did had lost sight of this run."""
    if connection.scalar(_OUTCOME, {"b_record": ticket.record_id}) != Outcome.FAILED:
        return
    given = {"b_record": ticket.record_id, "b_outcome": Outcome.STORED, "b_time": time_ms}
    file = dict(connection.execute(_SETTLE, given).mappings().one())
    key_id, index_status = file.pop("key_id"), file.pop("index_status")
    chain.ended(connection, ticket.record_id, Outcome.STORED, index_status, time_ms)
    if key_id is not None:
        SPEND.run(connection, {"b_key": key_id})
    nonces.take_back(connection, ticket.once, ticket.record_id)
    if connection.scalar(_LATER, {f"b_{name}": file[name] for name in ("record_id", "index_name", "identity")}) is None:
        files.put(connection, file)


def settle(connection: Connection, run: Run, row: FileRow, sha256: str | None, now: int) -> Outcome | None:
    """End a claim by what the index has: ours, nothing (or still what was there before), or other bytes."""
    claimed = connection.execute(_CLAIMED, {"b_claim": row.id}).first()
    if claimed is None or (claimed.run == run.name and row.id in run.in_flight):
        return None
    DROP_CLAIM.run(connection, {"b_claim": row.id})
    ours = sha256 == claimed.sha256
    before = files.find(connection, row.index, row.identity)
    as_before = before is not None and not before.removed and before.sha256 == sha256
    outcome = Outcome.STORED if ours else Outcome.FAILED if sha256 is None or as_before else Outcome.DIFFERENT
    given = {"b_record": claimed.record_id, "b_outcome": outcome, "b_time": now * 1000}
    file = connection.execute(_SETTLE, given).mappings().one()
    chain.ended(connection, claimed.record_id, outcome, file["index_status"], now * 1000)
    if not ours:
        nonces.give_back(connection, claimed.record_id)
        if file["key_id"] is not None:
            connection.execute(_GIVE_BACK, {"b_key": file["key_id"]})
    if outcome is not Outcome.FAILED:
        put = {name: file[name] for name in file if name not in {"key_id", "index_status"}}
        files.put(connection, put | {"sha256": sha256} | ({} if ours else {"record_id": None}))
    return outcome
