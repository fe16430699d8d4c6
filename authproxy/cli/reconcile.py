"""`authproxy audit reconcile`: what was left half done is settled with the index, and every file compared with it."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authproxy.cli.accept import Word, word
from authproxy.cli.failures import Exit
from authproxy.cli.options import index_ledger, load_config, opened, prints, takes_config
from authproxy.cli.output import Output, counted, moment, say

if TYPE_CHECKING:
    from authproxy.config import Config
    from authproxy.domain.refusal import Denial
    from authproxy.store import Alarm, FileRow, Intent
    from authproxy.web.comparing import Noted
    from authproxy.web.ledger import Ledger
    from authproxy.web.looks import Round

# A line of progress for so many projects.
TOLD = 100
# So many projects in a row that cannot be read mean that the index has gone.
FAILURES = 5
# Of what is told by name so much; the counts are of all.
NAMED = 1000


@click.command(short_help="Settle with the index what was left half done, and compare every file.")
@takes_config
@prints
@click.option("--open", "only_open", is_flag=True, help="Only what was left half done: compare no files.")
@click.option("--accept-gone", is_flag=True, help="Take files that are gone for deleted: their names stay theirs.")
@click.option("--why", metavar="TEXT", help="With --accept-gone: why; the record keeps it.")
@click.option("--by", metavar="WHO", help="With --accept-gone: who says so; else the account that runs this.")
def reconcile(
    *, config_path: Path, out: Output, only_open: bool, accept_gone: bool, why: str | None, by: str | None
) -> Exit:
    """Ask the index about every upload and delete that was begun and not completed, and complete the record.

    There with our bytes: stored. Not there: failed. Other bytes: an alarm, which stands until the file is gone or is
    what was uploaded. The server does the same when it starts and every minute; what a running program has under way is
    left to it.

    Then every file that is known is compared with what the index lists now, a request for each project. CHANGED: its
    SHA-256 is another; GONE: it is not there, and nobody deleted it through the proxy. Of a file that was uploaded
    through the proxy that is an alarm too, on record and for webhooks (upload.different), once. `audit accept` takes a
    changed file as it is.

    Exit status 0: all is as it should be. 3: there is an alarm, or a file that has changed or is gone. 1: the index
    could not be asked about all.
    """
    if only_open and accept_gone:
        raise click.UsageError("--open compares no files, and --accept-gone is about those that are gone")
    if not accept_gone and (why is not None or by is not None):
        raise click.UsageError("--why and --by are about --accept-gone")
    given = word(by, why) if accept_gone else None
    return asyncio.run(_reconcile(load_config(config_path), out, only_open=only_open, accept_gone=given))


@dataclass(slots=True)
class _Compared:
    """What the comparison found."""

    projects: int = 0
    changed: list[dict[str, object]] = field(default_factory=list)
    gone: list[dict[str, object]] = field(default_factory=list)
    changed_count: int = 0
    gone_count: int = 0
    accepted: int = 0
    unread: "list[tuple[str, str, Denial]]" = field(default_factory=list)

    def add(self, noted: "Noted") -> None:
        """Count a project, and name what is wrong with it."""
        self.projects += 1
        different = [(row, sha256, True) for row, sha256 in noted.different]
        for row, sha256, ours in different + [(row, sha256, False) for row, sha256 in noted.changed]:
            self.changed_count += 1
            if len(self.changed) < NAMED:
                self.changed.append(_file(row) | {"uploaded": ours, "found": sha256})
        for row in noted.missing:
            self.gone_count += 1
            if len(self.gone) < NAMED:
                self.gone.append(_file(row) | {"uploaded": row.ours})

    @property
    def wrong(self) -> bool:
        """Whether somebody has to look."""
        return self.changed_count > 0 or self.gone_count > self.accepted

    def lines(self) -> Iterator[str]:
        """What was found, for a person."""
        for each in self.changed:
            had = "is on record" if each["uploaded"] else "was there before"
            where = f"{each['filename']} in {each['index']}"
            yield f"CHANGED  {where}: the index has sha256 {each['found']}, and {each['known']} {had}"
        for each in self.gone:
            had = "was uploaded" if each["uploaded"] else "was there"
            yield f"GONE  {each['filename']} in {each['index']}: it {had}, and nobody deleted it through this proxy"
        more = self.changed_count + self.gone_count - len(self.changed) - len(self.gone)
        if more:
            yield f"and {more} more that have changed or are gone"
        if self.accepted:
            yield f"{self.accepted} that are gone count as deleted from now on"


async def _reconcile(config: "Config", out: Output, *, only_open: bool, accept_gone: Word | None) -> Exit:
    from authproxy.web.settling import look_again, settle

    found = _Compared()
    async with opened(config) as store, index_ledger(config, store) as ledger:
        done = await settle(ledger, lambda: int(time.time()))
        alarms = await look_again(ledger)
        if not only_open:
            await _compare(ledger, found, accept_gone=accept_gone)
    out.document(_document(done, alarms, found), _lines(done, alarms, found))
    out.done(_summary(done, alarms, found))
    unasked = [denial for _, denial in done.unasked] + [denial for _, denial in alarms if denial is not None]
    if unasked:
        say(f"the index could not be asked about {len(unasked)}: {unasked[0].reason}")
    if done.changing:
        say(f"the index is at {len(done.changing)} still: run this again in a minute")
    if found.unread:
        say(f"{counted(len(found.unread), 'project')} could not be compared: {found.unread[0][2].reason}")
    if found.wrong or any(denial is None for _, denial in alarms):
        return Exit.NO
    return Exit.FAILED if unasked or done.changing or found.unread else Exit.DONE


async def _compare(ledger: "Ledger", found: _Compared, *, accept_gone: Word | None) -> None:
    from authproxy.domain.refusal import Denial
    from authproxy.web.settling import compare

    in_a_row = 0
    async for index, project, answer in compare(ledger):
        if isinstance(answer, Denial):
            found.unread.append((index, project, answer))
            in_a_row += 1
            if in_a_row == FAILURES:
                say(f"the index cannot be read any more, at {project} in {index}: run this again when it can")
                return
            continue
        in_a_row = 0
        found.add(answer)
        if accept_gone is not None:
            for row in answer.missing:
                said = accept_gone.entry(row, row.sha256 or "")
                found.accepted += await ledger.store.unfinished.accept_gone(row, said, now=int(time.time()))
        if found.projects % TOLD == 0:
            say(f"{found.projects} projects compared, up to {project} in {index}")


def _document(done: "Round", alarms: "list[tuple[Alarm, Denial | None]]", found: _Compared) -> dict[str, object]:
    unasked = [(intent, denial.reason) for intent, denial in done.unasked]
    changing = [(intent, "the index is at it still") for intent in done.changing]
    return {
        "settled": [_shown(intent) | {"outcome": outcome} for intent, outcome in done.settled],
        "open": [_shown(intent) | {"reason": reason} for intent, reason in unasked + changing],
        "under_way": done.under_way,
        "alarms": [
            {
                "record": alarm.record_id,
                "index": alarm.row.index,
                "project": alarm.row.project,
                "filename": alarm.row.filename,
                "sent": alarm.sent,
                "found": alarm.row.sha256,
                "reason": denial.reason if denial else None,
            }
            for alarm, denial in alarms
        ],
        "compared": found.projects,
        "changed": found.changed,
        "gone": found.gone,
        "accepted": found.accepted,
        "unread": [
            {"index": index, "project": project, "reason": denial.reason} for index, project, denial in found.unread
        ],
    }


def _file(row: "FileRow") -> dict[str, object]:
    return {"index": row.index, "project": row.project, "filename": row.filename, "known": row.sha256}


def _shown(intent: "Intent") -> dict[str, object]:
    return {
        "record": intent.record_id,
        "action": intent.action,
        "index": intent.row.index,
        "project": intent.row.project,
        "version": intent.row.version,
        "filename": intent.row.filename or None,
        "begun": moment(intent.opened),
    }


def _lines(done: "Round", alarms: "list[tuple[Alarm, Denial | None]]", found: _Compared) -> list[str]:
    lines = [f"{_named(intent)}: {outcome}" for intent, outcome in done.settled]
    for alarm, _ in alarms:
        what = f"{alarm.row.filename} in {alarm.row.index}: the index has sha256 {alarm.row.sha256}"
        lines.append(f"ALARM  {what}, and {alarm.sent} is on record (row {alarm.record_id})")
    lines += found.lines()
    if done.under_way:
        lines.append(f"{done.under_way} under way, left to the program that does them")
    lines = lines or ["nothing was left open"]
    if found.projects:
        lines.append(f"{counted(found.projects, 'project')} compared with the index")
    return lines


def _summary(done: "Round", alarms: "list[tuple[Alarm, Denial | None]]", found: _Compared) -> str:
    """What went into a file, for who sees the terminal alone."""
    wrong = f"{counted(len(alarms), 'alarm')}, {found.changed_count} changed, {found.gone_count} gone"
    return f"{counted(found.projects, 'project')} compared, {len(done.settled)} settled: {wrong}"


def _named(intent: "Intent") -> str:
    what = intent.row.filename or f"{intent.row.project} {intent.row.version}"
    return f"{intent.action} of {what} in {intent.row.index}, begun {moment(intent.opened)}"
