"""`authproxy audit tail`, `export` and `file`: what was decided, for people and for programs.

Whatever a client wrote stays one cell of one row: a terminal gets no character that it could obey (`output`), JSON has
them as escapes, and in CSV a cell that a spreadsheet would take for a formula begins with an apostrophe.
"""

import asyncio
import csv
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from authproxy.cli.failures import Exit
from authproxy.cli.options import load_config, opened, prints, takes_config
from authproxy.cli.output import Output, client_name, counted, escaped, moment, printable, say
from authproxy.cli.provenance import document_of, document_of_file, lines_of_file
from authproxy.cli.values import INSTANT, KEY_ID, PROJECT
from authproxy.domain.names import artifact
from authproxy.domain.refusal import Refused

if TYPE_CHECKING:
    from authproxy.config import Config
    from authproxy.store import About, Decision, Wanted

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
    out.done(f"exported {counted(rows, 'row')} of the record")


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

    And all that is on record about it: uploads, deletes of its release, and what became of alarms about it.

    Exit status 3: an alarm about it is open (the index has other bytes than were uploaded, or has lost it), or nothing
    is known of it.
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
            "files": [document_of_file(each) for each in found.files],
            "rows": [document_of(row) for row in rows],
            "more": found.more,
        },
        lines_of_file(found, rows),
    )
    if open_alarms := sum(each.wrong is not None for each in found.files):
        what = f"{counted(open_alarms, 'alarm')} about it {'is' if open_alarms == 1 else 'are'} open"
        say(f"{what}: `authproxy audit reconcile` asks the index again, `authproxy audit accept` takes what it has")
        return Exit.NO
    if found.files or rows:
        return Exit.DONE
    if not out.json:
        say("nothing is known of it" + ("" if refusals or not found.rows else ", but refusals: --refusals shows them"))
    return Exit.NO


async def _about(config: "Config", asked: dict[str, str]) -> "About":
    async with opened(config) as store:
        return await store.record.about_file(**asked)
