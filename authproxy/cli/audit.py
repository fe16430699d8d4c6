"""`authproxy audit`: what the record of decisions says."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authproxy.cli.accept import accept
from authproxy.cli.adopt import adopt
from authproxy.cli.options import load_config, opened, prints, takes_config
from authproxy.cli.output import Output, client_name, moment, say
from authproxy.cli.proof import checkpoint, prune, verify
from authproxy.cli.reconcile import reconcile
from authproxy.cli.trail import export, file, tail

if TYPE_CHECKING:
    from authproxy.config import Config
    from authproxy.store import PasswordUse

COLUMNS = ("user", "package", "index", "address", "last", "tries", "stored", "client")


@click.group(short_help="Ask the record of decisions.")
def audit() -> None:
    """Ask the record of decisions."""


for command in (tail, export, file, verify, checkpoint, prune, reconcile, accept, adopt):
    audit.add_command(command)


@audit.command(short_help="List who still uses a password of the index.")
@takes_config
@prints
def passwords(config_path: Path, out: Output) -> None:
    """List who uploads with a password of the index: for which package, from where, with which client, last when.

    One line for each place and client of a user and a package. Whoever is on no line has come over to keys, or has not
    uploaded since passwords are on record.
    """
    asyncio.run(_passwords(load_config(config_path), out))


async def _passwords(config: "Config", out: Output) -> None:
    async with opened(config) as store:
        found = await store.password_uses()
    with out.listing(COLUMNS) as listing:
        if found:
            listing.add([_row(use, whole=out.json) for use in found])
    if not (found or out.json):
        say("nobody has used a password")


def _row(use: "PasswordUse", *, whole: bool) -> dict[str, object]:
    return {
        "user": use.user,
        "package": use.project,
        "index": use.index,
        "address": use.address,
        "last": moment(use.last_ms // 1000),
        "tries": use.tries,
        "stored": use.stored,
        "client": use.client if whole else client_name(use.client),
    }
