"""`authproxy key`: create, list, show, revoke, pause, resume, verify.

Keys are named by the 12 characters that every listing shows, never by themselves: what stands in an argument can be
read by every user of the machine (CWE-214). A key is printed once, by `key create`.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authproxy.cli import lifecycle, verifying
from authproxy.cli.failures import Failure, sentence_of
from authproxy.cli.issuing import NOTE_LIMIT, OWNER_LIMIT, Issued, Life, Order, allowed, flawed_text, issue
from authproxy.cli.options import asked, load_config, opened, prints, takes_config
from authproxy.cli.output import Output, moment, say
from authproxy.cli.values import CIDR, DURATION, GRANT, KEY_ID
from authproxy.domain.grants import Grant
from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.domain.rules import Network

if TYPE_CHECKING:
    from authproxy.config import Config


COLUMNS = ("id", "state", "policy", "owner", "allow", "expires", "used", "note")
# What `used` counts: neither requests nor uploads of what the index has already.
STORED = "files stored"

# Rows between two writes of a listing: a screenful or two, and all that is ever held in memory.
BATCH = 500


def now() -> int:
    """Unix seconds."""
    return int(time.time())


@click.group(short_help="Create, list, pause and revoke API keys.")
def key() -> None:
    """Create, list, pause and revoke API keys.

    ID is the 12 characters of a key after its prefix, as listings, logs and error messages show them.
    """


@key.command(short_help="Create a key and print it, once.")
@takes_config
@prints
@click.option("--policy", metavar="NAME", help="The key policy that says what the key may do.")
@click.option("--owner", metavar="WHO", help="Whose key it is: a person, a pipeline.")
@click.option("--note", default="", metavar="TEXT", help="What it is for.")
@click.option("--allow", type=GRANT, multiple=True, help="Less than the policy allows, e.g. upload:acme-core.")
@click.option(
    "--expires",
    "life",
    type=DURATION,
    default=Life.DEFAULT,
    show_default="as the policy says",
    help="90d, 12h, or never.",
)
@click.option("--network", "networks", type=CIDR, multiple=True, help="Where it may be used from.")
@click.option("--uses", type=click.IntRange(min=1), help="How many uploads it is good for.")
def create(
    *,
    config_path: Path,
    out: Output,
    policy: str | None,
    owner: str | None,
    note: str,
    allow: tuple[Grant, ...],
    life: int | Life,
    networks: tuple[Network, ...],
    uses: int | None,
) -> None:
    """Create a key and print it: the only time that anybody sees it.

    Without --allow it may do all that its policy allows, today and after the policy was edited. Write
    upload+create:acme-core for a key that may also make the project in the index.
    """
    config = load_config(config_path)
    names = ", ".join(sorted(config.policy.key_policies))
    order = Order(
        policy=asked(policy, "--policy", f"Key policy ({names})"),
        owner=asked(owner, "--owner", "Owner (a person, a pipeline)").strip(),
        note=note,
        allow=allow,
        networks=networks,
        uses=uses,
        life=life,
    )
    for name, text, limit in (("owner", order.owner, OWNER_LIMIT), ("note", order.note, NOTE_LIMIT)):
        if flaw := flawed_text(name, text, limit):
            raise click.UsageError(flaw)
    if not order.owner:
        raise click.UsageError("--owner is empty: say whose key it is")
    _hand_over(config, out, asyncio.run(issue(config, order, now=now())))


def _hand_over(config: "Config", out: Output, issued: Issued) -> None:
    """Print the key. One that could not be printed is known to nobody, so it must not go on living."""
    record = issued.record
    document = {"id": record.id, "key": issued.key, "owner": record.owner, "policy": record.policy}
    try:
        out.document(document | {"allow": issued.allow, "expires": moment(record.expires)}, [issued.key])
        out.settle()
    except OSError as error:
        asyncio.run(_revoke(config, record.id))
        raise Failure(f"the key could not be written ({sentence_of(error)}), so it was revoked again") from error
    if out.json:
        return
    life = "never expires" if record.expires is None else f"expires {moment(record.expires)}"
    say(f"key {record.id} of {record.owner}: may {', '.join(issued.allow)}, {life}")
    say("the key is on stdout, this once" if out.stream is sys.stdout else "the key is in that file, and nowhere else")


async def _revoke(config: "Config", key_id: KeyId) -> None:
    async with opened(config) as store:
        await store.revoke(key_id, now())


def state_of(record: KeyRecord, at: int) -> str:
    """`live`, or why the key does not work."""
    return record.dead(at) or "live"


def document_of(config: "Config", record: KeyRecord, at: int) -> dict[str, object]:
    """A key as `--json` shows it. Never a digest: whoever has one can try secrets at home."""
    return {
        "id": record.id,
        "state": state_of(record, at),
        "owner": record.owner,
        "note": record.note,
        "policy": record.policy,
        "allow": list(allowed(config, record)),
        "networks": [str(network) for network in record.networks],
        "uses": record.uses,
        "used": record.used,
        "created": moment(record.created),
        "expires": moment(record.expires),
        "revoked": moment(record.revoked),
    }


@key.command("list", short_help="List keys.")
@takes_config
@prints
@click.option("--policy", metavar="NAME", help="Only keys of this policy.")
@click.option("--owner", metavar="WHO", help="Only keys of this owner.")
@click.option("--state", type=click.Choice(["live", "paused", "revoked", "expired"]), help="Only keys in this state.")
def list_(config_path: Path, out: Output, policy: str | None, owner: str | None, state: str | None) -> None:
    """List keys, oldest first.

    "files stored" counts the files that came into the index by the key, and is what `--uses` limits. Reads, refusals
    and the same bytes again do not count. In JSON it is `used`.
    """
    asyncio.run(_list(load_config(config_path), out, policy, owner, state))


async def _list(config: "Config", out: Output, policy: str | None, owner: str | None, state: str | None) -> None:
    from authproxy.store import KeyState

    at = now()
    async with opened(config) as store:
        wanted = KeyState(state) if state else None
        with out.listing(COLUMNS, used=STORED) as listing:
            async for batch in _batches(store.keys(policy=policy, owner=owner, state=wanted, now=at)):
                listing.add([document_of(config, record, at) for record in batch])
        if not (listing.rows or out.json):
            say("there are no such keys" if policy or owner or state else "there are no keys yet")


async def _batches(records: AsyncIterator[KeyRecord]) -> AsyncIterator[list[KeyRecord]]:
    batch: list[KeyRecord] = []
    async for record in records:
        batch.append(record)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


@key.command(short_help="Show one key.")
@takes_config
@prints
@click.argument("key_id", metavar="ID", type=KEY_ID)
def show(config_path: Path, out: Output, key_id: KeyId) -> None:
    """Show what is known of a key, and what it may do today."""
    config = load_config(config_path)
    record = asyncio.run(find(config, key_id))
    shown = document_of(config, record, now())
    if record.policy not in config.policy.key_policies:
        say(f"the configuration has no key policy {record.policy!r} any more: the key may do nothing")
    heads = {"used": STORED}
    out.document(shown, [f"{heads.get(name, name) + ':':<13} {_plain(value)}" for name, value in shown.items()])


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return "-" if value in (None, "") else str(value)


async def find(config: "Config", key_id: KeyId) -> KeyRecord:
    """Read a key. Raises Failure where there is none."""
    async with opened(config) as store:
        record = await store.key(key_id)
    if record is None:
        raise Failure(f"there is no key {key_id}: `authproxy key list` shows those that there are")
    return record


for command in (lifecycle.revoke, lifecycle.pause, lifecycle.resume, verifying.verify):
    key.add_command(command)
