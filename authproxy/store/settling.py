"""What nobody has completed, and what settling found that should not be. It is ended in `outcomes` and `removals`."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, bindparam, exists, func, literal_column, or_, select

from authproxy.domain.access import Outcome
from authproxy.store import accepting, files, removals, uploads
from authproxy.store.alarms import IS_DIFFERENT
from authproxy.store.reserve import Reserve
from authproxy.store.runs import Run
from authproxy.store.tables import claims, record
from authproxy.store.tables import files as file_table
from authproxy.store.verdicts import Alarm, Entry, FileRow, Intent
from authproxy.store.worker import Worker

# All of them: a bound table is read by its number from the first on, in pages.
_CLAIMS: Final[Select[Any]] = (
    select(claims, *uploads.OF_CLAIM)
    .join(record, record.c.id == claims.c.record_id)
    .where(claims.c.id > bindparam("b_after"))
    .order_by(claims.c.id)
    .limit(bindparam("b_limit"))
)
PAGE: Final = 500

# An alarm stands while the index has, as far as we know, other bytes in the place of an upload of ours, or nothing any
# more. Of one place it is the youngest row that ended so which says what should be there.
_IS_DIFFERENT: Final = and_(IS_DIFFERENT, file_table.c.removed.is_(None))
_YOUNGER: Final = record.alias("younger")
_IS_LATEST: Final = ~exists().where(
    _YOUNGER.c.index_name == record.c.index_name,
    _YOUNGER.c.identity == record.c.identity,
    _YOUNGER.c.identity != literal_column("''"),
    _YOUNGER.c.outcome == literal_column(f"'{Outcome.DIFFERENT}'"),
    _YOUNGER.c.id > record.c.id,
)
_OTHER_BYTES: Final = and_(file_table.c.record_id.is_(None), file_table.c.sha256 != record.c.sha256, _IS_LATEST)
_MISSING: Final = file_table.c.record_id == record.c.id
_PLACES: Final = record.join(
    file_table,
    and_(file_table.c.index_name == record.c.index_name, file_table.c.identity == record.c.identity),
)
_ALARMS: Final[Select[Any]] = (
    select(file_table, record.c.id.label("upload"), record.c.sha256.label("sent"))
    .select_from(_PLACES)
    .where(_IS_DIFFERENT, _OTHER_BYTES)
    .order_by(record.c.id)
    .limit(PAGE)
)
_COUNT: Final = select(func.count()).select_from(_PLACES).where(_IS_DIFFERENT, or_(_OTHER_BYTES, _MISSING))


class Unfinished:
    """What programs have left behind: claims that nobody will complete, alarms, files. Raises StoreError."""

    def __init__(self, worker: Worker, run: Run, reserve: Reserve) -> None:
        self._worker = worker
        self._run = run
        self._reserve = reserve

    async def tidy(self) -> None:
        """Take away the files of dead runs, and put aside the room for what must be written on a full disk."""
        await self._worker.read(lambda _: self._run.sweep())
        await asyncio.to_thread(self._reserve.keep)

    async def intents(self, *, now: int) -> tuple[list[Intent], int]:
        """Read all uploads and deletes that nobody will complete, and how many others are under way."""
        found: list[Intent] = []
        busy = 0
        after: int | None = 0
        while after is not None:
            page, under_way, after = await self._worker.read(_Page(self._run, now, after))
            found += page
            busy += under_way
        return found, busy

    async def settle_removal(self, intent: Intent, left: Collection[str] | None, *, now: int) -> Outcome | None:
        """End a delete by what the index still has of the release: the identities of its files, None where it is gone.

        None comes back where someone else settled it before. (An upload is settled by `Store.settle`.)
        """
        return await self._worker.write(lambda connection: removals.settle(connection, self._run, intent, left, now))

    async def projects(self, index: str, *, after: str = "") -> list[str]:
        """Read the next projects of which files of an index are known, in the order of their names; [] at the end."""
        return await self._worker.read(lambda connection: files.projects(connection, index, after))

    async def found(self, row: FileRow, sha256: str | None, *, now: int) -> Outcome | None:
        """End the upload of a stored file anew by what a second look found in its place: a hash, None for nothing.

        DIFFERENT is an alarm, STORED (or ACCEPTED) the end of one, by which the file is the upload's again; None where
        nothing changed, or the file has been replaced since.
        """
        return await self._worker.write(lambda connection: files.found(connection, row, sha256, now * 1000))

    async def accept(self, row: FileRow, entry: Entry) -> int | None:
        """Take a file for what `entry.sha256` says, on record; return the number of that row.

        None comes back where the file was replaced since, or somebody is uploading it.
        """
        return await self._worker.write(lambda connection: accepting.accept(connection, row, entry))

    async def accept_gone(self, row: FileRow, entry: Entry, *, now: int) -> bool:
        """Take a file that is gone from the index for deleted, on record; its name stays its own.

        False comes back where it was replaced, or deleted.
        """
        return await self._worker.write(lambda connection: accepting.accept_gone(connection, row, entry, now))

    async def alarms(self) -> list[Alarm]:
        """Read the first files of the index with other bytes than the uploads of ours that they should be."""
        return await self._worker.read(_alarms)

    async def count_alarms(self) -> int:
        """Count those files, and those that were uploaded, that nobody deleted through us and that are gone."""
        return await self._worker.read(count_alarms)


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of claims: those that nobody will complete, how many are under way, and where the next page begins."""

    run: Run
    now: int
    after: int

    def __call__(self, connection: Connection) -> tuple[list[Intent], int, int | None]:
        found = connection.execute(_CLAIMS, {"b_after": self.after, "b_limit": PAGE}).all()
        left = [uploads.intent_of(row) for row in found if not uploads.under_way(self.run, row, self.now)]
        return left, len(found) - len(left), found[-1].id if len(found) == PAGE else None


def count_alarms(connection: Connection) -> int:
    """Count the standing alarms, with those of files that are gone."""
    return connection.scalar(_COUNT) or 0


def _alarms(connection: Connection) -> list[Alarm]:
    """Read the first standing alarms: the file of the index and the upload of ours that it is not."""
    return [Alarm(files.stored(row), row.upload, row.sent) for row in connection.execute(_ALARMS)]
