"""`authproxy db master-key`, which makes a master key, and `authproxy db rekey`, which puts one in another's place.

What is sealed under a master key, and how, is `authority.sealing`'s affair. A master key is printed once, to be stored
where the store is not; no command ever shows it again.
"""

import asyncio
import secrets
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authproxy.cli.failures import Exit, Failure
from authproxy.cli.options import load_config, opened, prints, takes_config
from authproxy.cli.output import Output, say

if TYPE_CHECKING:
    from authproxy.authority.sealing import Masters
    from authproxy.config import Config
    from authproxy.domain.keys import PublicId
    from authproxy.store import SealedKey, Store

NEEDED = (
    "there is no master key: `authproxy db master-key -o FILE` makes one, and keys: {master_key: {file: FILE}} in the "
    "configuration names it"
)

# Secrets that stayed as they are, named one by one.
NAMED = 5


@click.command("master-key", short_help="Make a master key for derived keys.")
@prints
def master_key(out: Output) -> None:
    """Make a new master key: 32 random bytes as Base64. Keep it apart from the store, and not in its backups.

    Whoever has both can make derived keys of every key. Whoever loses it has to let every key prove itself once more,
    or rotate it, before anything can be derived from it.
    """
    from authproxy.authority.sealing import master_id
    from authproxy.config.masters import MASTER_BYTES, written

    made = secrets.token_bytes(MASTER_BYTES)
    out.document({"id": master_id(made).hex(), "master_key": written(made)}, [written(made)])
    out.settle()
    if not out.json:
        where = "on stdout, this once" if out.stream is sys.stdout else "in that file, and nowhere else"
        say(f"master key {master_id(made).hex()} is {where}: name it under keys.master_key, then `authproxy doctor`")


@dataclass(slots=True)
class Rekeyed:
    """What became of what was sealed under other master keys. `shut` is what stayed, with the reason of each."""

    resealed: int = 0
    dropped: int = 0
    shut: list["tuple[SealedKey, str]"] = field(default_factory=list)

    @property
    def left(self) -> dict[str, str]:
        """Why each secret that stayed as it is did, by public id."""
        return {each.public_id: why for each, why in self.shut}


@click.command(short_help="Seal everything under the master key in use.")
@takes_config
@prints
@click.option("--drop-lost", is_flag=True, help="Take out what no master key that is named opens.")
def rekey(config_path: Path, out: Output, drop_lost: bool) -> Exit:
    """Seal under keys.master_key what is sealed under one of keys.former_master_keys.

    First put the new key into the configuration, the old one among the former ones, and send the server SIGHUP: from
    then on it seals under the new one and opens both. Then run this, while the server works. It goes in small steps and
    may be interrupted and run again. When it ends with 0, take the former key out of the configuration: nothing needs
    it any more, but backups of the store.

    Where a master key is lost, --drop-lost takes out what was sealed under it. Nothing can be derived from those keys
    then until each was used itself once more, or rotated.

    Exit status 3: something is sealed under a master key that the configuration does not name, and was left as it is.
    """
    config = load_config(config_path)
    done = asyncio.run(_rekey(config, drop_lost=drop_lost))
    document: dict[str, object] = {"resealed": done.resealed, "dropped": done.dropped, "left": done.left}
    out.document(document, _lines(done))
    return Exit.NO if done.left else Exit.DONE


def _lines(done: Rekeyed) -> Iterable[str]:
    yield f"sealed {_secrets(done.resealed)} under the master key in use"
    if done.dropped:
        yield (
            f"took out what no master key opens, of {_secrets(done.dropped)}: what is derived from those is refused "
            "until their keys are used again as they are, or rotated"
        )
    if not done.left:
        yield "nothing needs a former one any more"
        return
    for public_id, why in list(done.left.items())[:NAMED]:
        yield f"{public_id} was left: {why}"
    if len(done.left) > NAMED:
        yield f"and {len(done.left) - NAMED} more"


def _secrets(count: int) -> str:
    return "1 secret" if count == 1 else f"{count} secrets"


async def _rekey(config: "Config", *, drop_lost: bool) -> Rekeyed:
    from authproxy.authority.sealing import Masters
    from authproxy.store import Resealed

    masters, done = Masters(config.masters.current, config.masters.former), Rekeyed()
    if masters.head is None:
        raise Failure(NEEDED)
    async with opened(config) as store:
        # A server that has not heard of the new key yet may have sealed behind us: once more, until a round finds none.
        while await _round(store, masters, masters.head, done):
            pass
        if drop_lost:
            changes = [Resealed(each.public_id, each.sealed, None) for each, _ in done.shut]
            done.dropped, done.shut = await store.derivations.reseal(changes), []
    return done


async def _round(store: "Store", masters: "Masters", head: bytes, done: Rekeyed) -> int:
    """Go through all that is sealed under another key; return how many were resealed."""
    from authproxy.authority.sealing import Unopened
    from authproxy.store import Resealed

    last: PublicId | None = None
    done.shut, before = [], done.resealed
    page: list[SealedKey]
    while page := await store.derivations.not_under(head, last):
        again = [(each, masters.reseal(each.public_id, each.sealed)) for each in page]
        changes = [Resealed(each.public_id, each.sealed, new) for each, new in again if not isinstance(new, Unopened)]
        done.resealed += await store.derivations.reseal(changes)
        done.shut += [(each, new.why) for each, new in again if isinstance(new, Unopened)]
        last = page[-1].public_id
    return done.resealed - before
