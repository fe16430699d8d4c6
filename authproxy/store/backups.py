"""A backup: a copy of the store in a file of its own, looked at before it gets its name; and that look, by itself."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, func, select, text

from authproxy.store.copying import Copied, copy
from authproxy.store.engine import border, database_path, require_private
from authproxy.store.errors import SchemaError, StoreError
from authproxy.store.examination import reading
from authproxy.store.schema import revision
from authproxy.store.tables import SCHEMA, keys, meta, record
from authproxy.store.verification import Flaw, Walk
from authproxy.store.whole import beside, part_of, publish, refuse_taken, writes


@dataclass(frozen=True, slots=True)
class Inspected:
    """What is in a database that nobody has open. `last_ms` is when the youngest row was written, unix milliseconds."""

    path: Path
    revision: str
    generation: int  # how often keys had changed
    keys: int
    rows: int
    last_ms: int | None
    flaw: str | None  # what does not fit in the record, which says nothing against the keys

    @property
    def current(self) -> bool:
        """Whether the schema is this program's."""
        return self.revision == SCHEMA


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A backup that was made. `begun` is unix seconds: every commit acknowledged before is in it."""

    path: Path
    begun: int
    size: int
    copied: Copied
    found: Inspected


def stamp(seconds: int) -> str:
    """Write a time as it stands in the names of files."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ")


def back_up(url: str, target: Path, *, replace: bool) -> BackedUp:
    """Copy the store while programs write to it; `target` appears when it is whole, synced and looked at.

    In a folder it gets a name with the time in it. Raises StoreError, and then leaves nothing.
    """
    source = database_path(url)
    require_private(source)
    begun = int(time.time())
    if target.is_dir():
        target /= f"{source.stem}-{stamp(begun)}{source.suffix}"
    if target.exists() and target.samefile(source):
        raise StoreError(f"{target} is the store itself: name another file")
    if not replace:
        refuse_taken(target)
    with part_of(target.parent) as part:
        with border(source), writes(target):
            copied = copy(source, part)
        try:
            found = inspect(part)
        except StoreError as exc:
            raise type(exc)(f"{source} was copied, and the copy cannot be used: {exc}") from exc
        size = part.stat().st_size
        publish(part, target, replace=replace)
    return BackedUp(target, begun, size, copied, found)


def inspect(path: Path) -> Inspected:
    """Read all of a database that nobody has open, changing nothing. StoreError where it cannot be used.

    SQLite's own check of every page and index, the schema, the references, and the whole record against its chain.
    """
    _at_rest(path)
    with border(path), reading(path) as (connection, _):
        found = revision(connection, path)
        if found is None:
            raise SchemaError(f"{path} is an empty database")
        if found > SCHEMA:
            raise SchemaError(f"{path} is at schema {found} and this authproxy knows {SCHEMA}: install a newer one")
        _whole(connection, path)
        flaw = _flaw(connection) if found == SCHEMA else None
        return Inspected(
            path,
            found,
            connection.scalar(select(meta.c.generation)) or 0,
            connection.scalar(select(func.count()).select_from(keys)) or 0,
            connection.scalar(select(func.count()).select_from(record)) or 0,
            connection.scalar(select(record.c.time_ms).order_by(record.c.id.desc()).limit(1)),
            flaw,
        )


def _at_rest(path: Path) -> None:
    with writes(path):
        if not path.exists():
            raise StoreError(f"{path} does not exist")
        if not path.is_file():
            raise StoreError(f"{path} is no file")
        for each in beside(path)[:2]:
            if each.exists() and each.stat().st_size:
                raise StoreError(
                    f"{each} is beside it: this is a database in use, or a copy by hand, which may lack commits or be"
                    " torn; `authproxy db backup` makes a whole one"
                )


def _whole(connection: Connection, path: Path) -> None:
    said = connection.scalar(text("PRAGMA integrity_check(1)"))
    if said != "ok":
        raise StoreError(f"{path} is damaged: {said}")
    broken = connection.execute(text("PRAGMA foreign_key_check")).first()
    if broken is not None:
        raise StoreError(f"{path} is damaged: a row of {broken[0]} belongs to nothing")


def _flaw(connection: Connection) -> str | None:
    walk = Walk()
    while walk.result is None:
        walk.step(connection)
    return walk.result.sentence if isinstance(walk.result, Flaw) else None
