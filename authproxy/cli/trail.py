"""`authproxy audit tail`, `export` and `file`: what was decided, for people and for programs.

Whatever a client wrote stays one cell of one row: a terminal gets no character that it could obey (`output`), JSON has
them as escapes, and in CSV a cell that a spreadsheet would take for a formula begins with an apostrophe.
"""

import asyncio
import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from authproxy.cli.failures import Exit
from authproxy.cli.options import load_config, opened, prints, takes_config
from authproxy.cli.output import Output, client_name, escaped, moment, printable, say
from authproxy.cli.values import INSTANT, KEY_ID, PROJECT
from authproxy.domain.names import artifact, same_version
from authproxy.domain.refusal import Refused

if TYPE_CHECKING:
    from authproxy.config import Config
    from authproxy.store import About, Decision, KnownFile, Wanted

COLUMNS = ("row", "time", "outcome", "action", "project", "file", "who", "rule", "grant", "address", "reason", "client")
# Seconds between two looks of `tail -f`.
INTERVAL = 1.0
# More than a person reads, and little enough to hold.
TAIL_LIMIT = 10_000

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
# What a spreadsheet takes for the beginning of a formula, https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# Where a semicolon separates the cells of a list, as in much of Europe, Excel splits at it in the middle of a cell of
# ours too, and what follows begins a cell. (A comma in a cell is quoted, a tab is escaped.)
_INNER = re.compile(r'(;[ "]*)([=+\-@\uff1d\uff0b\uff0d\uff20])')


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


def shown(row: "Decision") -> dict[str, object]:
    """A row as a person reads it."""
    whose = row.owner or "-"
    return {
        "row": row.id,
        "time": moment(row.time_ms // 1000),
        "outcome": row.outcome if row.code is None else f"{row.outcome}: {row.code}",
        "action": row.action,
        "project": f"{row.project}@{row.index}" if row.index else row.project,
        "file": row.filename or row.version,
        "who": f"{whose} ({row.public_id})" if row.public_id else f"{whose} ({row.principal})",
        "rule": row.rule,
        "grant": row.grant,
        "address": row.address,
        "reason": row.reason,
        "client": client_name(row.client),
    }


@click.command(short_help="Show what was decided last.")
@takes_config
@prints
@click.option("-n", "count", type=click.IntRange(0, TAIL_LIMIT), default=20, show_default=True, help="How many rows.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is decided from now on, until Ctrl-C.")
def tail(config_path: Path, out: Output, count: int, follow: bool) -> None:
    """Show the youngest rows of the record, the youngest last.

    The number of a row is what `authproxy policy explain --record` takes.

    With -f a row is shown once more when its upload has ended; with --json it is one object per line then.
    """
    asyncio.run(_tail(load_config(config_path), out, count, follow=follow))


async def _tail(config: "Config", out: Output, count: int, *, follow: bool) -> None:
    async with opened(config) as store:
        rows, link = await store.record.latest(count)
        if not follow:
            with out.listing(COLUMNS) as listing:
                listing.add([document_of(row) if out.json else shown(row) for row in rows])
            return
        while True:
            _follow(out, rows)
            before = link
            rows, link = await store.record.since(link)
            rows = [row for row in rows if row.outcome != "pending"]
            if link == before:
                await asyncio.sleep(INTERVAL)


def _follow(out: Output, rows: "list[Decision]") -> None:
    for row in rows:
        cells = (printable(str(value or "-")) for value in shown(row).values())
        out.stream.write((json.dumps(document_of(row)) if out.json else "\t".join(cells)) + "\n")
    out.stream.flush()


@click.command(short_help="Print the record, all of it or a part.")
@takes_config
@prints
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option("--since", type=INSTANT, metavar="TIME", help="Only rows from then on: 2027-01-31, 2027-01-31T12:00:00Z.")
@click.option("--until", type=INSTANT, metavar="TIME", help="Only rows from before then.")
@click.option("--project", type=PROJECT, help="Only rows about this project.")
@click.option("--key", type=KEY_ID, metavar="ID", help="Only rows of this key.")
def export(
    *,
    config_path: Path,
    out: Output,
    form: str,
    since: int | None,
    until: int | None,
    project: str | None,
    key: str | None,
) -> None:
    """Print rows of the record in the order in which they were written: one JSON object per line, or CSV.

    In CSV a cell that begins with = + - @ has an apostrophe before that, and behind a semicolon such a character is
    written as an escape, so that no spreadsheet takes what a client wrote for a formula. Times are in UTC.
    """
    from authproxy.store import Wanted

    if out.json and form == "csv":
        raise click.UsageError("--json and --format csv are two formats: choose one")
    rows = asyncio.run(_export(load_config(config_path), out.stream, form, Wanted(since, until, project, key)))
    out.done(f"exported {rows} rows of the record")


async def _export(config: "Config", stream: TextIO, form: str, wanted: "Wanted") -> int:
    """Print the rows, and say how many."""
    from authproxy.store import Decision

    count = 0
    writer = csv.writer(stream, lineterminator="\r\n") if form == "csv" else None  # RFC 4180
    if writer is not None:
        writer.writerow(_csv_columns(Decision))
    async with opened(config) as store:
        async for batch in store.record.rows(wanted):
            count += len(batch)
            for row in batch:
                if writer is not None:
                    writer.writerow([cell(value) for value in document_of(row).values()])
                else:
                    stream.write(json.dumps(document_of(row)) + "\n")
    return count


def _csv_columns(kind: "type[Decision]") -> list[str]:
    names = [field.name for field in fields(kind) if field.name not in {"id", "time_ms", "completed_ms"}]
    return ["id", "time", *names, "completed"]


def cell(value: object) -> str:
    """A cell of CSV: on one line, and no formula."""
    if value is None:
        return ""
    text = str(value)
    inner = _INNER.sub(lambda found: found[1] + escaped(found[2]), printable(text))
    return ("'" if text.startswith(_FORMULA) else "") + inner


@click.command(short_help="Say who put a file there, with which key, under which rule.")
@takes_config
@prints
@click.option("--refusals", is_flag=True, help="Also show what was refused.")
@click.argument("wanted", metavar="NAME-OR-SHA256")
def file(config_path: Path, out: Output, refusals: bool, wanted: str) -> Exit:
    """Say who put a file there: the filename, in any spelling, or the SHA-256 of its bytes.

    And all that is on record about it: uploads, and deletes of its release. Exit status 3: nothing is known of it.
    """
    config = load_config(config_path)
    if _SHA256.fullmatch(wanted):
        asked = {"sha256": wanted.lower()}
    else:
        try:
            asked = {"identity": artifact(wanted).identity}
        except Refused as refused:
            raise click.UsageError(f"{refused.denial.reason}; or the 64 hex digits of a SHA-256") from None
    found = asyncio.run(_about(config, asked))
    rows = [row for row in found.rows if refusals or row.outcome != "denied"]
    out.document(
        {
            "files": [_file_document(each) for each in found.files],
            "rows": [document_of(row) for row in rows],
            "more": found.more,
        },
        _file_lines(found, rows),
    )
    if found.files or rows:
        return Exit.DONE
    if not out.json:
        say("nothing is known of it" + ("" if refusals or not found.rows else ", but refusals: --refusals shows them"))
    return Exit.NO


async def _about(config: "Config", asked: dict[str, str]) -> "About":
    async with opened(config) as store:
        return await store.record.about_file(**asked)


def _file_document(known: "KnownFile") -> dict[str, object]:
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


def _file_lines(found: "About", rows: "list[Decision]") -> Iterator[str]:
    for known in found.files:
        where = f" in {known.index}" if known.index else ""
        yield f"{known.filename} of {known.project} {known.version}{where}, SHA-256 {known.sha256 or 'not known'}"
        yield f"  {_put_by(known.put_by)}"
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
