"""`authproxy audit reconcile`: what was begun and not completed is settled with the index."""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authproxy.cli.failures import Exit
from authproxy.cli.options import index_ledger, load_config, opened, prints, takes_config
from authproxy.cli.output import Output, moment, say

if TYPE_CHECKING:
    from authproxy.config import Config
    from authproxy.domain.refusal import Denial
    from authproxy.store import Alarm, Intent
    from authproxy.web.settling import Round


@click.command(short_help="Settle with the index what was left half done.")
@takes_config
@prints
def reconcile(config_path: Path, out: Output) -> Exit:
    """Ask the index about every upload and delete that was begun and not completed, and complete the record.

    There with our bytes: stored. Not there: failed. Other bytes: an alarm, which stands until the file is gone or is
    what was uploaded. The server does the same when it starts and every minute; what a running program has under way is
    left to it.

    Exit status 0: all is settled. 3: there is an alarm. 1: the index could not be asked about all.
    """
    return asyncio.run(_reconcile(load_config(config_path), out))


async def _reconcile(config: "Config", out: Output) -> Exit:
    from authproxy.web.settling import look_again, settle

    async with opened(config) as store, index_ledger(config, store) as ledger:
        done = await settle(ledger, lambda: int(time.time()))
        alarms = await look_again(ledger)
    out.document(_document(done, alarms), _lines(done, alarms))
    unasked = [denial for _, denial in done.unasked] + [denial for _, denial in alarms if denial is not None]
    if unasked:
        say(f"the index could not be asked about {len(unasked)}: {unasked[0].reason}")
    if done.changing:
        say(f"the index is at {len(done.changing)} still: run this again in a minute")
    if any(denial is None for _, denial in alarms):
        return Exit.NO
    return Exit.FAILED if unasked or done.changing else Exit.DONE


def _document(done: "Round", alarms: "list[tuple[Alarm, Denial | None]]") -> dict[str, object]:
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
    }


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


def _lines(done: "Round", alarms: "list[tuple[Alarm, Denial | None]]") -> list[str]:
    lines = [f"{_named(intent)}: {outcome}" for intent, outcome in done.settled]
    for alarm, _ in alarms:
        what = f"{alarm.row.filename} in {alarm.row.index}: the index has sha256 {alarm.row.sha256}"
        lines.append(f"ALARM  {what}, and {alarm.sent} was uploaded (record {alarm.record_id})")
    if done.under_way:
        lines.append(f"{done.under_way} under way, left to the program that does them")
    return lines or ["nothing was left open"]


def _named(intent: "Intent") -> str:
    what = intent.row.filename or f"{intent.row.project} {intent.row.version}"
    return f"{intent.action} of {what} in {intent.row.index}, begun {moment(intent.opened)}"
