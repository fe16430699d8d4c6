"""`authproxy key list`: all keys, or those that somebody has to look at: expiring, unused, being rotated."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from authproxy.cli.failures import Exit
from authproxy.cli.issuing import Life
from authproxy.cli.keyview import STORED, Document, document_of
from authproxy.cli.options import load_config, opened, prints, takes_config
from authproxy.cli.output import Output, client_name, say
from authproxy.cli.values import DURATION
from authproxy.domain.keys import KeyKind, KeyRecord
from authproxy.domain.refusal import quoted

if TYPE_CHECKING:
    from authproxy.config import Config
    from authproxy.store import Store

T = TypeVar("T")

COLUMNS = ("id", "state", "policy", "owner", "allow", "expires", "last_used", "used", "note")
MINTED = ("id", "state", "publisher", "claims", "expires", "last_used", "used")
ROTATING = ("id", "policy", "owner", "overlap_ends", "old_used", "address", "project", "new_used", "client")

STATES = ("live", "paused", "revoked", "expired", "canary")

# Rows between two writes of a listing: a screenful or two, and all that is ever held in memory.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which keys. `expiring` and `unused` are in seconds."""

    policy: str | None
    owner: str | None
    state: str | None
    expiring: int | None
    unused: int | None
    rotating: bool
    minted: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """What a person reads of each."""
        return MINTED if self.minted else ROTATING if self.rotating else COLUMNS


@click.command("list", short_help="List keys.")
@takes_config
@prints
@click.option("--policy", metavar="NAME", help="Only keys of this policy.")
@click.option("--owner", metavar="WHO", help="Only keys of this owner.")
@click.option("--state", type=click.Choice(STATES), help="Only keys in this state.")
@click.option("--expiring", type=DURATION, help="Only keys that expire within this time, e.g. 30d; the next one first.")
@click.option("--unused", type=DURATION, help="Only live keys that nobody has used for this long, e.g. 90d.")
@click.option("--rotating", is_flag=True, help="Only keys whose old secret still works, and who uses it.")
@click.option("--minted", is_flag=True, help="Only keys that were minted for trusted publishers in the last 30 days.")
def list_(
    *,
    config_path: Path,
    out: Output,
    policy: str | None,
    owner: str | None,
    state: str | None,
    expiring: int | Life | None,
    unused: int | Life | None,
    rotating: bool,
    minted: bool,
) -> Exit:
    """List keys, oldest first; those that were minted for a CI's token, and end by themselves, with --minted alone.

    "files stored" counts the files that came into the index by the key, and is what `--uses` limits. Reads, refusals
    and the same bytes again do not count. In JSON it is `used`.

    With --expiring, exit status 0: there are none. 3: there are some, and they are listed.

    Last uses are noted by the running server and up to a minute late. Whoever has never used a key has not used it
    since it was made, or since last uses are noted.
    """
    if sum((expiring is not None, unused is not None, rotating, state is not None)) > 1:
        raise click.UsageError("--state, --expiring, --unused and --rotating are four questions: ask one")
    for name, value in (("--expiring", expiring), ("--unused", unused)):
        if isinstance(value, Life):
            raise click.UsageError(f"{name} takes a time, as in 30d")
    if minted and (policy is not None or expiring is not None or unused is not None or rotating):
        raise click.UsageError("keys that were minted have no policy and end by themselves: ask --state or --owner")
    within = expiring if isinstance(expiring, int) else None
    wanted = Wanted(policy, owner, state, within, unused if isinstance(unused, int) else None, rotating, minted)
    rows = asyncio.run(_list(load_config(config_path), out, wanted))
    return Exit.NO if rows and expiring is not None else Exit.DONE


async def _list(config: "Config", out: Output, wanted: Wanted) -> int:
    at = int(time.time())
    async with opened(config) as store:
        with out.listing(COLUMNS if out.json else wanted.columns, used=STORED) as listing:
            async for batch in _batches(_asked(store, wanted, at)):
                uses = await store.last_uses([record.id for record in batch])
                rows = [document_of(config, record, uses.get(record.id, ()), at) for record in batch]
                listing.add(rows if out.json else [_shown(row, wanted) for row in rows])
        working, kept = await store.minting.count(now=at)
    if not out.json and (kept or wanted.minted):
        say(f"minted for trusted publishers: {working} work now, {kept} in the last 30 days" + _where(wanted))
    if not (listing.rows or out.json):
        anything = Wanted(None, None, None, None, None, rotating=False)
        say("there are no keys yet" if wanted == anything else "there are no such keys")
    return listing.rows


async def _asked(store: "Store", wanted: Wanted, at: int) -> AsyncIterator[KeyRecord]:
    from authproxy.store import NO_POLICY, KeyState

    if wanted.rotating or wanted.expiring is not None:
        until = None if wanted.expiring is None else at + wanted.expiring
        async for ending in store.endings(policy=wanted.policy, owner=wanted.owner, until=until, now=at):
            yield ending.key
        return
    state = KeyState.LIVE if wanted.unused is not None else KeyState(wanted.state) if wanted.state else None
    idle = None if wanted.unused is None else at - wanted.unused
    kinds = {KeyKind.MINTED} if wanted.minted else {KeyKind.KEY, KeyKind.CANARY}
    policy = NO_POLICY if wanted.minted else wanted.policy
    asked = partial(store.keys, policy=policy, owner=wanted.owner, kinds=kinds)
    async for record in asked(state=state, idle_since=idle, now=at):
        yield record


async def _batches(records: AsyncIterator[T]) -> AsyncIterator[list[T]]:
    batch: list[T] = []
    async for record in records:
        batch.append(record)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _where(wanted: Wanted) -> str:
    return "" if wanted.minted else ": `authproxy key list --minted`"


def _shown(row: Document, wanted: Wanted) -> Document:
    if wanted.minted:
        claims = row["claims"] if isinstance(row["claims"], dict) else {}
        return row | {"claims": ", ".join(f"{name} {quoted(str(value))}" for name, value in claims.items())}
    if wanted.rotating:
        return _rotating(row)
    return row | {"state": f"{row['state']}, derive only"} if row["derive_only"] else row


def _rotating(row: Document) -> Document:
    """The row of a key that is being rotated, for a person: is the old secret still used, and by whom."""
    rotation = row["rotation"]
    assert isinstance(rotation, dict)
    before, after = rotation["old_last_use"] or {}, rotation["new_last_use"] or {}
    return {
        **{name: row[name] for name in ("id", "policy", "owner")},
        "overlap_ends": rotation["overlap_ends"],
        "old_used": before.get("time"),
        "address": before.get("address"),
        "project": before.get("project"),
        "client": client_name(before.get("client") or ""),
        "new_used": after.get("time"),
    }
