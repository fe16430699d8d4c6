"""What is good once: a nonce is claimed by an insert, in the transaction that admits the upload that it is for.

The nonce has the state of its upload: held while that is under way or its end is unknown, spent where the index said
yes, and gone again where it said no or never saw the whole. A row is kept until the derived key has ended by itself;
then `Nonce.until` alone keeps it shut.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert  # SQLite takes its words

from authproxy.domain.access import Outcome
from authproxy.domain.narrowing import Nonce
from authproxy.store.proof_tables import nonces
from authproxy.store.tables import record
from authproxy.store.verdicts import NonceSpent

_KEPT: Final[Select[Any]] = (
    select(nonces.c.record_id, record.c.outcome)
    .outerjoin(record, record.c.id == nonces.c.record_id)
    .where(nonces.c.nonce.in_(bindparam("b_names", expanding=True)))
)
_TAKE: Final = insert(nonces)
_TAKE_BACK: Final = insert(nonces).on_conflict_do_nothing()
_GIVE_BACK: Final = delete(nonces).where(nonces.c.record_id == bindparam("b_record"))
_SWEEP: Final = delete(nonces).where(nonces.c.until <= bindparam("b_until"))

# Of uploads whose end is not known yet. Whatever else has a nonce has spent it, a row that is gone from the record too.
_OPEN: Final = frozenset({"pending", Outcome.UNKNOWN})


def held(connection: Connection, wanted: Sequence[Nonce], now: int) -> NonceSpent | int | None:
    """Say whether any of these is spent, or which upload has one of them; None where all are free."""
    if any(now >= each.until for each in wanted):
        return NonceSpent()  # it may have been, and forgotten
    kept = connection.execute(_KEPT, {"b_names": [each.name for each in wanted]}).all() if wanted else []
    if any(row.outcome not in _OPEN for row in kept):
        return NonceSpent()
    return kept[0].record_id if kept else None


def take(connection: Connection, wanted: Sequence[Nonce], record_id: int) -> None:
    """Claim them for an upload."""
    for row in _rows(wanted, record_id):
        connection.execute(_TAKE, row)


def take_back(connection: Connection, wanted: Sequence[Nonce], record_id: int) -> None:
    """Claim them again for an upload that had given them back too early; what another one has by now stays its."""
    for row in _rows(wanted, record_id):
        connection.execute(_TAKE_BACK, row)


def _rows(wanted: Sequence[Nonce], record_id: int) -> list[dict[str, object]]:
    # A caveat may stand in a derived key twice.
    longest = {each.name: each.until for each in sorted(wanted, key=lambda each: each.until)}
    return [{"nonce": name, "record_id": record_id, "until": until} for name, until in longest.items()]


def give_back(connection: Connection, record_id: int) -> None:
    """Let go what an upload had."""
    connection.execute(_GIVE_BACK, {"b_record": record_id})


def sweep(connection: Connection, until: int) -> None:
    """Forget what was to be kept until then."""
    connection.execute(_SWEEP, {"b_until": until})
