"""A release that is being pushed: held in its source until the push is over, so that what was judged is what is copied.

A hold is a row of `claims` in an index that cannot be, because its name has spaces: the source and the release. It
stands there under the name of the target. Whoever would change the release asks `over` in the transaction that admits.

A hold that nobody will end, because its program died or the index gave no clear answer, stands until the deadline of
uploads: the index may still be copying. The next push to the same target takes it over.
"""

import asyncio
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, delete, insert, or_, select, update

from authproxy.domain.access import UPLOAD_DEADLINE, Outcome
from authproxy.domain.names import release_identity
from authproxy.store.prepared import Prepared
from authproxy.store.runs import Run
from authproxy.store.tables import claims, files, record
from authproxy.store.verdicts import FileBusy, FileRow, Hold, Intent, Passing, ReleaseHeld
from authproxy.store.worker import Worker

# A hold is no decision, so it has no row in the record.
_NO_RECORD: Final = 0
# No run has this name: a hold that nobody will end.
_NOBODY: Final = ""

_HOLDS: Final = Prepared(
    select(claims.c.id, claims.c.identity, claims.c.run, claims.c.opened).where(
        claims.c.index_name == bindparam("b_place")
    )
)
_CHANGES: Final[Select[Any]] = (
    select(
        claims,
        record.c.filename,
        record.c.project,
        record.c.version,
        record.c.sha256,
        record.c.action,
        record.c.outcome,
    )
    .join(record, record.c.id == claims.c.record_id)
    .where(claims.c.index_name == bindparam("b_source"), record.c.project == bindparam("b_project"))
)
_TAKE: Final = insert(claims)
_CLEAR: Final = delete(claims).where(
    claims.c.index_name == bindparam("b_place"),
    or_(claims.c.identity == bindparam("b_target"), claims.c.opened <= bindparam("b_doubted")),
)
_DROP: Final = delete(claims).where(claims.c.id == bindparam("b_hold"))
_LEAVE: Final = update(claims).where(claims.c.id == bindparam("b_hold")).values(run=_NOBODY)
_JUDGED: Final = (
    select(files.c.id)
    .where(
        files.c.index_name == bindparam("b_index"),
        files.c.identity == bindparam("b_identity"),
        files.c.sha256 == bindparam("b_sha256"),
        files.c.record_id.is_not(None),
        files.c.removed.is_(None),
    )
    .union_all(
        select(claims.c.id)
        .join(record, record.c.id == claims.c.record_id)
        .where(
            claims.c.index_name == bindparam("b_index"),
            claims.c.identity == bindparam("b_identity"),
            record.c.sha256 == bindparam("b_sha256"),
        )
    )
)


def over(connection: Connection, run: Run, index: str, release: str, now: int) -> ReleaseHeld | None:
    """Say whether a release is held in an index; `release` is its identity (`domain.names`)."""
    found = _HOLDS.rows(connection, {"b_place": _place(index, release)})
    standing = [row for row in found if now - row.opened < UPLOAD_DEADLINE]
    if not standing:
        return None
    lost = [row.opened + UPLOAD_DEADLINE - now for row in standing if not _under_way(run, row, now)]
    return ReleaseHeld(max(lost, default=None))


def _place(index: str, release: str) -> str:
    return f"{index} {release}"


def _under_way(run: Run, row: Row[Any], now: int) -> bool:
    """Say whether somebody will still end a claim."""
    if row.run == _NOBODY or now - row.opened >= UPLOAD_DEADLINE:
        return False
    return row.id in run.in_flight if row.run == run.name else run.alive(row.run)


def take(connection: Connection, run: Run, passing: Passing, now: int) -> Hold | FileBusy | tuple[Intent, ...]:
    """Hold a release, unless it is being changed or pushed to that target, or the end of a change has to be settled."""
    release = release_identity(passing.project, passing.version)
    given = {"b_source": passing.source, "b_project": passing.project}
    found = [
        row for row in connection.execute(_CHANGES, given) if release_identity(row.project, row.version) == release
    ]
    open_ = [row for row in found if row.outcome == Outcome.UNKNOWN or not _under_way(run, row, now)]
    if len(open_) < len(found):
        return FileBusy()
    if open_:
        return tuple(_intent(row) for row in open_)
    place = _place(passing.source, release)
    for row in _HOLDS.rows(connection, {"b_place": place}):
        if row.identity == passing.target and _under_way(run, row, now):
            return FileBusy()
    run.hold()
    connection.execute(_CLEAR, {"b_place": place, "b_target": passing.target, "b_doubted": now - UPLOAD_DEADLINE})
    taken = {"index_name": place, "identity": passing.target, "record_id": _NO_RECORD, "run": run.name, "opened": now}
    inserted = connection.execute(_TAKE, taken).inserted_primary_key
    assert inserted is not None
    hold = Hold(int(inserted[0]))
    run.in_flight.add(hold.id)
    return hold


def _intent(row: Row[Any]) -> Intent:
    file = FileRow(row.id, row.index_name, row.identity, row.filename, row.project, row.version, row.sha256, ours=True)
    return Intent(file, row.record_id, row.action, row.opened)


def end(connection: Connection, hold: Hold, *, surely: bool) -> None:
    """Let go of a release, or leave it held until the deadline because the index may still be copying it."""
    connection.execute(_DROP if surely else _LEAVE, {"b_hold": hold.id})


def judged(connection: Connection, index: str, identity: str, sha256: str) -> bool:
    """Say whether these very bytes were admitted to an index and are there, or on their way, as far as we know."""
    given = {"b_index": index, "b_identity": identity, "b_sha256": sha256}
    return connection.execute(_JUDGED, given).first() is not None


class Holds:
    """What a push asks of the store. Its coroutines raise StoreError."""

    def __init__(self, worker: Worker, run: Run) -> None:
        self._worker = worker
        self._run = run

    async def take(self, passing: Passing, *, now: int) -> Hold | FileBusy | tuple[Intent, ...]:
        """Hold a release in its source; from then on nothing is admitted there that would change it.

        FileBusy: it is being changed, or pushed to that target. Intents are to be settled first. If the caller is
        cancelled while it waits, the hold is let go.
        """

        def release(taken: Hold | FileBusy | tuple[Intent, ...]) -> None:
            if isinstance(taken, Hold):
                self._hand_in(taken, surely=True)

        return await self._worker.write(lambda connection: take(connection, self._run, passing, now), orphaned=release)

    async def end(self, hold: Hold, *, surely: bool) -> None:
        """Let go of a release; where it is not sure that the index is done with it, it stays held till the deadline.

        Where this fails it stays held likewise, and the next push to that target takes the hold over.
        """
        await self._hand_in(hold, surely=surely)

    def _hand_in(self, hold: Hold, *, surely: bool) -> asyncio.Future[None]:
        return self._worker.hand_in(
            lambda connection: end(connection, hold, surely=surely),
            writes=True,
            afterwards=lambda: self._run.in_flight.discard(hold.id),
        )

    async def judged(self, index: str, identity: str, sha256: str) -> bool:
        """Say whether these very bytes were admitted to an index, and are there or on their way as far as we know."""
        return await self._worker.read(lambda connection: judged(connection, index, identity, sha256))
