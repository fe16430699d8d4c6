"""Who put a file there, in words: what `authproxy audit file` says of files, and a row of the record for programs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from authproxy.cli.output import client_name, moment
from authproxy.domain.access import ACCEPT, ACCEPT_GONE, Outcome
from authproxy.domain.names import same_version
from authproxy.domain.refusal import quoted

if TYPE_CHECKING:
    from authproxy.store import About, Decision, KnownFile


def exact(milliseconds: int | None) -> str | None:
    """A time with its milliseconds: RFC 3339 in UTC; None stays None."""
    if milliseconds is None:
        return None
    return f"{(moment(milliseconds // 1000) or '')[:-1]}.{milliseconds % 1000:03}Z"


def document_of(row: "Decision") -> dict[str, object]:
    """A row as JSON and CSV have it, all of it."""
    told: dict[str, object] = {field.name: getattr(row, field.name) for field in fields(row)}
    told["time"] = exact(told.pop("time_ms"))  # type: ignore[arg-type]
    told["completed"] = exact(told.pop("completed_ms"))  # type: ignore[arg-type]
    return {"id": told.pop("id"), "time": told.pop("time")} | told


def document_of_file(known: "KnownFile") -> dict[str, object]:
    """A file of the index as JSON has it: who put it there, and what is wrong with it."""
    return {
        "index": known.index,
        "project": known.project,
        "version": known.version,
        "filename": known.filename,
        "sha256": known.sha256,
        "removed": moment(known.removed),
        "put_by": None if known.put_by is None else document_of(known.put_by),
        "alarm": _alarm(known),
        "uploaded": None if known.instead_of is None else document_of(known.instead_of),
        "accepted": None if known.accepted is None else document_of(known.accepted),
        "lost": known.lost,
        "ends": [{"row": end.record, "time": exact(end.time_ms), "outcome": end.outcome} for end in known.ends],
    }


def lines_of_file(found: "About", rows: "list[Decision]") -> Iterator[str]:
    """The same for a person, and the rows about it."""
    for known in found.files:
        where = f" in {known.index}" if known.index else ""
        yield f"{known.filename} of {known.project} {known.version}{where}, SHA-256 {known.sha256 or 'not known'}"
        yield from _lines_of_upload(known)
        for _, event in sorted(_story(known), key=lambda each: each[0]):
            yield f"  {event}"
        if (alarm := _alarm(known)) is not None:
            yield f"  ALARM  {alarm}"
        if known.removed is not None:
            yield f"  {_deleted_by(known, found.rows)}"
    if rows:
        yield "on record:" if not found.more else "on record, the youngest of it:"
    for row in rows:
        answer = "" if row.index_status is None else f" (the index said {row.index_status})"
        told = f"  row {row.id}: {exact(row.time_ms)} {_what(row)}{answer}: {_whose(row)}"
        yield f"{told}: {row.reason}" if row.reason else told


def _lines_of_upload(known: "KnownFile") -> Iterator[str]:
    """Who put it there; where it has other bytes now, who put there what it had."""
    row = known.put_by or known.instead_of
    if row is None:
        yield "  was in the index before us, or was changed there past us"
        return
    put = f"pushed there from {row.source}" if row.source else "put there"
    what = "" if known.put_by is not None else f" with SHA-256 {row.sha256} (row {row.id})"
    yield f"  {put}{what} at {exact(row.time_ms)} {_whose(row)}, under the rule {row.rule}, by the grant {row.grant}"
    if row.claims is not None:
        said = json.loads(row.claims)
        yield f"  for a token of {', '.join(f'{name} {quoted(str(value))}' for name, value in said.items())}"
    for each in json.loads(row.attestations or "[]"):
        how = "verified" if each["verified"] else "as it claims"
        yield f"  with an attestation of {each['publisher']}, {how}: {each['sha256']}"


def _story(known: "KnownFile") -> Iterator[tuple[int, str]]:
    """What became of it since, each with its time; not the alarm that stands, which has a line of its own."""
    if known.accepted is not None:
        row = known.accepted
        yield row.time_ms, f"accepted as it was then, SHA-256 {row.sha256}, at {_by_operator(row)}"
    alarmed: set[int] = set()
    for end in known.ends:
        if end.outcome == Outcome.DIFFERENT:
            alarmed.add(end.record)
            if known.wrong is None or (end.record, end.time_ms) != (known.wrong.id, known.wrong.completed_ms):
                yield end.time_ms, f"seen otherwise at {exact(end.time_ms)}, changed or gone past us: an alarm"
        elif end.record in alarmed:
            yield end.time_ms, f"seen as it should be at {exact(end.time_ms)}: the alarm was over"
    if known.lost:
        last = known.ends[-1].time_ms if known.ends else 0
        yield last, "gone from the index since then, and so the alarm is over: nothing has its name"


def _alarm(known: "KnownFile") -> str | None:
    """Say where the index does not have what was uploaded; `audit reconcile` finds such files."""
    if known.wrong is None:
        return None
    seen = f"seen at {exact(known.wrong.completed_ms)}"
    if known.missing:
        return f"gone from the index, and not deleted through this proxy: {seen}"
    should = "accepted" if known.wrong is known.accepted else "uploaded"
    return f"the index has other bytes than were {should}: {seen}"


def _deleted_by(known: "KnownFile", rows: "Sequence[Decision]") -> str:
    """Say that a file was deleted, and with its release by whom, as far as the rows that are told know it."""
    done = [row for row in rows if row.outcome == Outcome.REMOVED and _is_of(row, known)]
    gone = [row for row in rows if row.action == ACCEPT_GONE and row.filename and _is_of(row, known)]
    last = max(done + gone, key=lambda row: row.id, default=None)
    deleted = f"was deleted at {moment(known.removed)}"
    if last is None:
        return deleted
    if last in gone:
        return f"was gone from the index past us, and taken for deleted at {_by_operator(last)}"
    who = f"{_whose(last)}, under the rule {last.rule}, by the grant {last.grant}"
    return f"{deleted}, with all of release {last.version}, {who}"


def _by_operator(row: "Decision") -> str:
    why = f": {row.reason}" if row.reason else ""
    return f"{exact(row.time_ms)} by {row.owner or 'nobody known'} (row {row.id}){why}"


def _is_of(row: "Decision", known: "KnownFile") -> bool:
    there = (row.index, row.project) == (known.index, known.project)
    return there and same_version(row.version, known.version)


def _what(row: "Decision") -> str:
    """What was asked and what came of it. A delete takes a release, with all its files."""
    if row.outcome == "removed":
        return f"release {row.version} deleted"
    if row.action == "delete":
        return f"delete of release {row.version} {row.outcome}"
    return f"{row.action}{f' from {row.source}' if row.source else ''} {row.outcome}"


def _whose(row: "Decision") -> str:
    if row.action in {ACCEPT, ACCEPT_GONE}:
        return f"by {row.owner or 'nobody known'}, at the command line"
    with_what = f"with key {row.public_id}" if row.public_id else f"with a {row.principal}"
    return (
        f"by {row.owner or 'nobody known'} {with_what}, from {row.address} with {client_name(row.client) or 'no name'}"
    )
