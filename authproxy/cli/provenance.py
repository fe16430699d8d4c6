"""Who put a file there, in words: what `authproxy audit file` says of files, and a row of the record for programs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from authproxy.cli.output import client_name, moment
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
    }


def lines_of_file(found: "About", rows: "list[Decision]") -> Iterator[str]:
    """The same for a person, and the rows about it."""
    for known in found.files:
        where = f" in {known.index}" if known.index else ""
        yield f"{known.filename} of {known.project} {known.version}{where}, SHA-256 {known.sha256 or 'not known'}"
        yield f"  {_put_by(known.put_by)}"
        if known.put_by is not None and known.put_by.claims is not None:
            said = json.loads(known.put_by.claims)
            yield f"  for a token of {', '.join(f'{name} {quoted(str(value))}' for name, value in said.items())}"
        for each in json.loads((known.put_by and known.put_by.attestations) or "[]"):
            how = "verified" if each["verified"] else "as it claims"
            yield f"  with an attestation of {each['publisher']}, {how}: {each['sha256']}"
        if (alarm := _alarm(known)) is not None:
            yield f"  ALARM  {alarm}"
        if known.removed is not None:
            yield f"  was deleted at {moment(known.removed)}{_deleted_by(known, found.rows)}"
    if rows:
        yield "on record:" if not found.more else "on record, the youngest of it:"
    for row in rows:
        answer = "" if row.index_status is None else f" (the index said {row.index_status})"
        told = f"  row {row.id}: {exact(row.time_ms)} {_what(row)}{answer}: {_whose(row)}"
        yield f"{told}: {row.reason}" if row.reason else told


def _put_by(row: "Decision | None") -> str:
    if row is None:
        return "was in the index before us, or was changed there past us"
    put = f"pushed there from {row.source}" if row.source else "put there"
    return f"{put} at {exact(row.time_ms)} {_whose(row)}, under the rule {row.rule}, by the grant {row.grant}"


def _alarm(known: "KnownFile") -> str | None:
    """Say where the index does not have what was uploaded; `audit reconcile` finds such files."""
    if known.removed is not None:
        return None
    if known.put_by is not None and known.put_by.outcome == "different":
        return f"gone from the index, and not deleted through this proxy: seen at {exact(known.put_by.completed_ms)}"
    if known.instead_of is None:
        return None
    row = known.instead_of
    seen = f"the index has other bytes than were uploaded: seen at {exact(row.completed_ms)}"
    return f"{seen}; row {row.id} put SHA-256 {row.sha256} there at {exact(row.time_ms)} {_whose(row)}"


def _deleted_by(known: "KnownFile", rows: "Sequence[Decision]") -> str:
    """Say who deleted the release of a file; nothing where the rows that are told do not know."""
    done = [row for row in rows if row.outcome == "removed" and _is_of(row, known)]
    if not done:
        return ""
    last = max(done, key=lambda row: row.id)
    return (
        f", with all of release {last.version}, {_whose(last)}, under the rule {last.rule}, by the grant {last.grant}"
    )


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
    with_what = f"with key {row.public_id}" if row.public_id else f"with a {row.principal}"
    return (
        f"by {row.owner or 'nobody known'} {with_what}, from {row.address} with {client_name(row.client) or 'no name'}"
    )
