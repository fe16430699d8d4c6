"""The record, read: in order, its youngest rows, what has happened since, and all that is known of one file."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, exists, func, literal_column, select, true

from authproxy.domain.access import ACCEPT, Outcome
from authproxy.domain.names import artifact, same_version
from authproxy.store import alarms, chain
from authproxy.store.alarms import End
from authproxy.store.tables import files, links, record

PAGE: Final = 500  # rows per transaction: about 20 ms


@dataclass(frozen=True, slots=True)
class Decision:
    """One row of the record. Times are unix milliseconds; what nobody knew is empty or None."""

    id: int
    time_ms: int
    request_id: str
    action: str
    index: str
    project: str
    version: str
    filename: str
    size: int
    sha256: str
    principal: str
    key_id: str | None
    public_id: str | None
    owner: str | None
    rule: str
    grant: str
    address: str
    client: str
    outcome: str
    code: str | None
    reason: str | None
    index_status: int | None
    completed_ms: int | None
    source: str | None = None  # of a push: the index that it takes from
    derived: str | None = None  # of a derived key: its name and its caveats, JSON
    claims: str | None = None  # of a minted key: what its token said, JSON
    attestations: str | None = None  # of an upload that carried any: hashes, and whose they claim to be, JSON


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows: of this time (unix milliseconds, `until` not in it), this project, this key."""

    since_ms: int | None = None
    until_ms: int | None = None
    project: str | None = None
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file that the index has, or had. `put_by` is None where it was there before us, or was changed past us."""

    index: str
    identity: str
    project: str
    version: str
    filename: str
    sha256: str | None
    removed: int | None  # unix seconds
    put_by: Decision | None
    instead_of: Decision | None = None  # the upload whose bytes were there, where the index has others
    accepted: Decision | None = None  # an operator's word for what should be there instead
    wrong: Decision | None = None  # an alarm stands: the row that says what should be there
    ends: tuple[End, ...] = ()  # of the rows above, in the order of events
    lost: bool = False  # the index had it, with other bytes at last, and nothing has its name any more

    @property
    def missing(self) -> bool:
        """Whether the alarm is that the index has it no more."""
        return self.wrong is not None and self.wrong.sha256 == self.sha256


@dataclass(frozen=True, slots=True)
class About:
    """What is known of one file: where it is or was, and the rows about it and the deletes of its release."""

    files: tuple[KnownFile, ...]
    rows: tuple[Decision, ...]  # the youngest last
    more: bool  # there are older ones


_COLUMNS: Final = (
    record.c.id,
    record.c.time_ms,
    record.c.request_id,
    record.c.action,
    record.c.index_name,
    record.c.project,
    record.c.version,
    record.c.filename,
    record.c.size,
    record.c.sha256,
    record.c.principal,
    record.c.key_id,
    record.c.public_id,
    record.c.owner,
    record.c.rule,
    record.c.grant,
    record.c.address,
    record.c.client,
    record.c.outcome,
    record.c.code,
    record.c.reason,
    record.c.index_status,
    record.c.completed_ms,
    record.c.source,
    record.c.derived,
    record.c.claims,
    record.c.attestations,
)
_NEXT: Final = (
    select(record.c.id).where(record.c.id > bindparam("b_after")).order_by(record.c.id).limit(PAGE).subquery("next")
)
_BOUNDARY: Final = select(func.max(_NEXT.c.id))
_LATEST: Final[Select[Any]] = (
    select(*_COLUMNS).where(record.c.id > 0).order_by(record.c.id.desc()).limit(bindparam("b_limit"))
)
# What pruning tells once more is no news: a row that is kept, and behind that the end that it had (`chain.kept`).
_BEFORE: Final = links.alias("before")
_TOLD_AGAIN: Final = exists().where(
    _BEFORE.c.id == links.c.id - 1,
    _BEFORE.c.record_id == links.c.record_id,
    _BEFORE.c.kind == chain.Kind.KEPT,
    _BEFORE.c.time_ms > links.c.time_ms,
)
_SINCE: Final[Select[Any]] = (
    select(links.c.id.label("link"), *_COLUMNS)
    .select_from(links.join(record, record.c.id == links.c.record_id))
    .where(links.c.id > bindparam("b_after"), links.c.kind != chain.Kind.KEPT, ~_TOLD_AGAIN)
    .order_by(links.c.id)
    .limit(PAGE)
)
# Written out and not bound, here and below: SQLite takes a partial index only for a condition that it can read.
_OF_FILE: Final = and_(record.c.identity == bindparam("b_identity"), record.c.identity != literal_column("''"))
_OF_HASH: Final = and_(record.c.sha256 == bindparam("b_sha256"), record.c.sha256 != literal_column("''"))
_DELETES: Final = and_(record.c.action == literal_column("'delete'"), record.c.project == bindparam("b_project"))
_FILES: Final[Select[Any]] = select(files).order_by(files.c.id)
# The files that lie where the index should have other bytes.
_DISPLACED: Final[Select[Any]] = (
    select(files)
    .join(record, and_(record.c.index_name == files.c.index_name, record.c.identity == files.c.identity))
    .where(_OF_HASH, alarms.IS_DIFFERENT)
)


def _decision(row: Any) -> Decision:
    return Decision(*row)


def next_page(connection: Connection, wanted: Wanted, after: int) -> tuple[list[Decision], int | None]:
    """Read the rows wanted among the next PAGE rows, and after which to go on; None: there are no more."""
    boundary: int | None = connection.scalar(_BOUNDARY, {"b_after": after})
    if boundary is None:
        return [], None
    asked = select(*_COLUMNS).where(record.c.id > after, record.c.id <= boundary, _matching(wanted))
    return [_decision(row) for row in connection.execute(asked.order_by(record.c.id))], boundary


def _matching(wanted: Wanted) -> ColumnElement[bool]:
    asked: list[ColumnElement[bool]] = []
    if wanted.since_ms is not None:
        asked.append(record.c.time_ms >= wanted.since_ms)
    if wanted.until_ms is not None:
        asked.append(record.c.time_ms < wanted.until_ms)
    if wanted.project is not None:
        asked.append(record.c.project == wanted.project)
    if wanted.key_id is not None:
        asked.append(record.c.key_id == wanted.key_id)
    return and_(true(), *asked)


def one(connection: Connection, number: int) -> Decision | None:
    """Read one row."""
    found = connection.execute(select(*_COLUMNS).where(record.c.id == number)).first()
    return _decision(found) if found else None


def count(connection: Connection) -> int:
    """Read the number of the youngest row; rows are numbered without a gap, and no number is used twice."""
    youngest: int | None = connection.scalar(select(func.max(record.c.id)))
    return max(youngest or 0, chain.old_end(connection).record)


def latest(connection: Connection, count: int) -> tuple[list[Decision], int]:
    """Read the youngest rows, the youngest last, and the number of the chain's last link."""
    found = connection.execute(_LATEST, {"b_limit": count}).all()
    return [_decision(row) for row in reversed(found)], chain.head(connection).link


def since(connection: Connection, link: int) -> tuple[list[Decision], int]:
    """Read the rows that got a link after this one, each as it is now, and the number of the last link read."""
    found = connection.execute(_SINCE, {"b_after": link}).all()
    return [_decision(row[1:]) for row in found], found[-1].link if found else link


def about_file(connection: Connection, *, identity: str | None, sha256: str | None, limit: int) -> About:
    """Read all that is known of a file, by its identity or else by its hash, with the youngest rows about it."""
    known = [_known(connection, row) for row in _files(connection, identity, sha256)]
    condition = _OF_HASH if identity is None else _OF_FILE
    given = {"b_identity": identity, "b_sha256": sha256}
    rows = {row.id: row for row in _youngest(connection, condition, given, limit + 1)}
    known += _lost(connection, list(rows.values()), {(file.index, file.identity) for file in known})
    releases = [(row.project, row.version) for row in known] + [(row.project, row.version) for row in rows.values()]
    for project in {project for project, _ in releases}:
        for row in _youngest(connection, _DELETES, {"b_project": project}, limit + 1):
            if any(project == row.project and same_version(version, row.version) for project, version in releases):
                rows[row.id] = row
    found = [rows[number] for number in sorted(rows)]
    return About(tuple(known), tuple(found[-limit:]), more=len(found) > limit)


def _youngest(
    connection: Connection, condition: ColumnElement[bool], given: Mapping[str, str | None], limit: int
) -> list[Decision]:
    asked = select(*_COLUMNS).where(condition).order_by(record.c.id.desc()).limit(limit)
    return [_decision(row) for row in connection.execute(asked, given)]


def _files(connection: Connection, identity: str | None, sha256: str | None) -> list[Any]:
    """Find the files of an identity in every index; or those with these bytes, and those that should have them."""
    if identity is None:
        found = connection.execute(_FILES.where(files.c.sha256 == sha256)).all()
        displaced = connection.execute(_DISPLACED, {"b_sha256": sha256}).all()
        return [row for _, row in sorted({row.id: row for row in (*found, *displaced)}.items())]
    # devpi may have it in several indexes. One by one: the table's index begins with them, and there are few.
    names: list[str] = []
    name = connection.scalar(select(func.min(files.c.index_name)))
    while name is not None:
        names.append(name)
        name = connection.scalar(select(func.min(files.c.index_name)).where(files.c.index_name > name))
    return list(connection.execute(_FILES.where(files.c.index_name.in_(names), files.c.identity == identity)))


def _known(connection: Connection, row: Any) -> KnownFile:
    """Tell of a file by the row that says what should be there: an upload, or what an operator accepted instead."""
    number, wrong = row.record_id, False
    if number is None:
        wanted = alarms.wanted(connection, row.index_name, row.identity) if row.sha256 is not None else None
        number, wrong = (wanted.id, wanted.sha256 != row.sha256) if wanted is not None else (None, False)
    said = None if number is None else one(connection, number)
    upload, accepted = (None, said) if said is not None and said.action == ACCEPT else (said, None)
    before = alarms.upload(connection, row.index_name, row.identity) if accepted is not None else None
    instead_of = one(connection, before) if before is not None else upload if wrong else None
    missing = said is not None and row.record_id is not None and said.outcome == Outcome.DIFFERENT
    stands = row.removed is None and (wrong or missing)
    return KnownFile(
        row.index_name,
        row.identity,
        row.project,
        row.version,
        row.filename,
        row.sha256,
        row.removed,
        put_by=None if wrong else upload,
        instead_of=instead_of,
        accepted=accepted,
        wrong=said if stands else None,
        ends=_ends(connection, None if wrong else upload, instead_of, accepted),
    )


def _ends(connection: Connection, *rows: Decision | None) -> tuple[End, ...]:
    last = [End(row.id, row.completed_ms, row.outcome) for row in rows if row and row.completed_ms is not None]
    return tuple(alarms.ends(connection, last))


def _lost(connection: Connection, rows: Sequence[Decision], known: AbstractSet[tuple[str, str]]) -> list[KnownFile]:
    """Tell of what the index had and nothing is known of any more; `rows` are the youngest about one file or hash."""
    last = {
        (row.index, artifact(row.filename).identity): row
        for row in rows
        if row.outcome == Outcome.DIFFERENT and row.action != ACCEPT
    }
    lost = []
    for (index, identity), row in last.items():
        if (index, identity) not in known:
            of = (index, identity, row.project, row.version, row.filename, row.sha256, None)
            lost.append(KnownFile(*of, put_by=row, ends=_ends(connection, row), lost=True))
    return lost
