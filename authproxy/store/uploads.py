"""One upload in the database: admitted, or why not. How it ended is `outcomes`.

`admit` reads everything first and writes only when the answer is yes, so every other verdict leaves no trace.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    literal_column,
    select,
    update,
)

from authproxy.domain.access import UPLOAD_DEADLINE, Outcome
from authproxy.domain.grants import Action
from authproxy.domain.keys import KeyRecord
from authproxy.domain.names import release_identity, same_version
from authproxy.domain.narrowing import Nonce
from authproxy.store import chain, derivations, files, holds, nonces
from authproxy.store import keys as key_rows
from authproxy.store.prepared import Prepared, PreparedInsert
from authproxy.store.runs import Run
from authproxy.store.tables import claims, keys, record
from authproxy.store.verdicts import (
    Admitted,
    Claim,
    Entry,
    FileBusy,
    FileKnown,
    FileRow,
    FileUnsettled,
    Intent,
    KeyDead,
    NonceSpent,
    RateExceeded,
    Ticket,
    UsesSpent,
    Verdict,
)

PENDING: Final = chain.PENDING
_DENIED: Final = "denied"

_RENAMED: Final = {"index": "index_name", "warning": "reason"}
_COLUMN_OF: Final = {each.name: _RENAMED.get(each.name, each.name) for each in fields(Entry) if each.name != "lineage"}

# What a claim is of, beside its own columns.
OF_CLAIM: Final = (
    record.c.action,
    record.c.filename,
    record.c.project,
    record.c.version,
    record.c.sha256,
    record.c.outcome,
)
CLAIMS: Final[Select[Any]] = (
    select(claims, *OF_CLAIM)
    .join(record, record.c.id == claims.c.record_id)
    .where(claims.c.index_name == bindparam("b_index"))
)
_CLAIM: Final = Prepared(CLAIMS.where(claims.c.identity == bindparam("b_identity")))
_CLAIM_OF_RECORD: Final[Select[Any]] = (
    select(claims, *OF_CLAIM)
    .join(record, record.c.id == claims.c.record_id)
    .where(claims.c.record_id == bindparam("b_record"))
)
# To the letter, as the index has it: with a value that is bound, SQLite plans the statement anew each time.
_IS_DELETE: Final = record.c.action == literal_column(f"'{Action.DELETE.value}'")
_DELETES: Final = Prepared(CLAIMS.where(_IS_DELETE, record.c.project == bindparam("b_project")))
# The time of the admission that fills the window, if it is full.
_NTH_LATEST: Final = Prepared(
    select(record.c.admitted_ms)
    .where(record.c.key_id == bindparam("b_key"), record.c.admitted_ms > bindparam("b_since"))
    .order_by(record.c.admitted_ms.desc())
    .limit(1)
    .offset(bindparam("b_before"))
)
SPEND: Final = Prepared(update(keys).where(keys.c.id == bindparam("b_key")).values(used=keys.c.used + 1))
_INSERT_RECORD: Final = PreparedInsert(record)
INSERT_CLAIM: Final = PreparedInsert(claims)
DROP_CLAIM: Final = Prepared(delete(claims).where(claims.c.id == bindparam("b_claim")))


def admit(connection: Connection, run: Run, entry: Entry, claim: Claim, now: int) -> Verdict:
    """Answer as `foresee` does, and write on yes."""
    return foresee(connection, run, entry, claim, now) or Admitted(_write(connection, run, entry, claim, now))


def foresee(connection: Connection, run: Run, entry: Entry, claim: Claim, now: int) -> Verdict | None:
    """Say why not, in the order key, nonce, file, uses, rate; None where nothing speaks against it."""
    key = None if entry.key_id is None else key_rows.find(connection, entry.key_id)
    return (
        key_says_no(connection, key, entry, now)
        or _nonces_say_no(connection, run, claim.once, now)
        or _file_says_no(connection, run, entry, claim, now)
        or _uses_say_no(key, claim)
        or _rate_says_no(connection, entry, claim, now)
    )


def key_says_no(connection: Connection, key: KeyRecord | None, entry: Entry, now: int) -> KeyDead | None:
    """Say whether the key, or the derived one, has stopped working; whoever holds none has none that could."""
    if entry.key_id is None:
        return None
    secret = key.secret(entry.public_id or "") if key else None
    if key is None or secret is None:
        return KeyDead("unknown")
    dead = key.dead(now) or ("expired" if secret.dead(now) else None)
    if dead is None and derivations.any_ended(connection, entry.lineage):
        dead = "ended"
    return KeyDead(dead) if dead else None


def _nonces_say_no(connection: Connection, run: Run, once: Sequence[Nonce], now: int) -> Verdict | None:
    """Say whether a nonce is spent, or somebody has it; who crashed with it has to be settled first."""
    held = nonces.held(connection, once, now)
    if not isinstance(held, int):
        return held
    found = connection.execute(_CLAIM_OF_RECORD, {"b_record": held}).first()
    return NonceSpent() if found is None else claimed(run, found, now)


def _file_says_no(connection: Connection, run: Run, entry: Entry, claim: Claim, now: int) -> Verdict | None:
    found = _CLAIM.first(connection, {"b_index": entry.index, "b_identity": entry.identity})
    if found is not None:
        return claimed(run, found, now)
    for deleting in _DELETES.rows(connection, {"b_index": entry.index, "b_project": entry.project}):
        if same_version(deleting.version, entry.version):
            return claimed(run, deleting, now)
    stored = files.find(connection, entry.index, entry.identity)
    if stored is not None and not _may_take_the_place(entry, claim, stored):
        return FileKnown(stored)
    if not claim.pushed_from:
        return None
    return holds.over(connection, run, entry.index, release_identity(entry.project, entry.version), now)


def claimed(run: Run, found: Row[Any], now: int) -> FileBusy | FileUnsettled:
    """Say what a row of `CLAIMS` is: an upload or a delete on its way, or one that ended without an answer."""
    if under_way(run, found, now):
        return FileBusy(deleting=found.action == Action.DELETE)
    return FileUnsettled(intent_of(found))


def under_way(run: Run, found: Row[Any], now: int) -> bool:
    """Say whether somebody will still complete a claim. `found` has its columns and `OF_CLAIM`."""
    if found.outcome != PENDING or now - found.opened >= UPLOAD_DEADLINE:
        return False
    return found.id in run.in_flight if found.run == run.name else run.alive(found.run)


def intent_of(found: Row[Any]) -> Intent:
    """Build the value of a claim, of the same columns."""
    row = FileRow(
        found.id,
        found.index_name,
        found.identity,
        found.filename,
        found.project,
        found.version,
        found.sha256,
        ours=True,
    )
    return Intent(row, found.record_id, found.action, found.opened)


def _may_take_the_place(entry: Entry, claim: Claim, stored: FileRow) -> bool:
    # 1. Of a file that was deleted: its own bytes, and others where files may be overwritten.
    if stored.removed:
        return claim.overwrite or stored.sha256 == entry.sha256
    # 2. Bytes that the index has, or may have, need not be sent; to compare them is the caller's.
    # 3. Another spelling would land beside the file and not in its place.
    return claim.overwrite and stored.sha256 not in {None, entry.sha256} and stored.filename == entry.filename


def _uses_say_no(key: KeyRecord | None, claim: Claim) -> UsesSpent | None:
    limit = claim.uses_limit
    return UsesSpent(limit) if key and limit is not None and key.used >= limit else None


def _rate_says_no(connection: Connection, entry: Entry, claim: Claim, now: int) -> RateExceeded | None:
    if entry.key_id is None or claim.rate is None:
        return None
    count, seconds = claim.rate
    window = {"b_key": entry.key_id, "b_since": (now - seconds) * 1000, "b_before": count - 1}
    oldest = _NTH_LATEST.first(connection, window)
    return None if oldest is None else RateExceeded(max(1, oldest.admitted_ms // 1000 + seconds - now))


def _write(connection: Connection, run: Run, entry: Entry, claim: Claim, now: int) -> Ticket:
    run.hold()
    if entry.key_id is not None:
        SPEND.run(connection, {"b_key": entry.key_id})
    record_id = note(connection, entry, outcome=PENDING, admitted_ms=now * 1000)
    nonces.take(connection, claim.once, record_id)
    row = {
        "index_name": entry.index,
        "identity": entry.identity,
        "record_id": record_id,
        "run": run.name,
        "opened": now,
    }
    claim_id = INSERT_CLAIM.insert(connection, row)
    run.in_flight.add(claim_id)
    return Ticket(record_id, claim_id, entry.key_id, tuple(claim.once))


def note(connection: Connection, entry: Entry, *, outcome: str, **more: object) -> int:
    """Put a decision on record; return the number of its row."""
    row = {column: getattr(entry, name) for name, column in _COLUMN_OF.items()} | more
    number = _INSERT_RECORD.insert(connection, row | {"outcome": outcome})
    chain.decided(connection, row | {"id": number}, outcome=outcome)
    return number


def same(connection: Connection, run: Run, entry: Entry, once: Sequence[Nonce], now: int) -> Verdict | None:
    """Put on record that nothing had to be sent, and spend what is good once on it; or say why that cannot be."""
    verdict = _nonces_say_no(connection, run, once, now)
    if verdict is None:
        nonces.take(connection, once, note(connection, entry, outcome=Outcome.SAME))
    return verdict


def refuse(connection: Connection, entry: Entry, code: str, reason: str) -> None:
    """Put a refusal on record."""
    note(connection, entry, outcome=_DENIED, code=code, reason=reason)
