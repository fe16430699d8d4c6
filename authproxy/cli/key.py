"""`authproxy key`: create, list, show, rotate, extend, revoke, pause, resume, verify.

Keys are named by the 12 characters that every listing shows, never by themselves: what stands in an argument can be
read by every user of the machine (CWE-214). A key is printed once, by `key create`
and `key rotate`.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authproxy.cli import extending, keylist, lifecycle, rotating, verifying
from authproxy.cli.failures import Failure, sentence_of
from authproxy.cli.issuing import NOTE_LIMIT, OWNER_LIMIT, Issued, Life, Order, flawed_text, issue
from authproxy.cli.keyview import life_of, lines_of
from authproxy.cli.options import asked, load_config, opened, prints, takes_config
from authproxy.cli.output import Output, moment, say
from authproxy.cli.values import CIDR, DURATION, GRANT, KEY_ID
from authproxy.domain.grants import Grant
from authproxy.domain.keys import KeyId, KeyKind, KeyRecord
from authproxy.domain.rules import Network, followed

if TYPE_CHECKING:
    from authproxy.config import Config
    from authproxy.store import KeyLife


NO_KEY = "there is no key {id}: `authproxy key list` shows those that there are"


def now() -> int:
    """Unix seconds."""
    return int(time.time())


@click.group(short_help="Create, list, rotate, pause and revoke API keys.")
def key() -> None:
    """Create, list, rotate, pause and revoke API keys.

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
@click.option("--derive-only", is_flag=True, help="Never take it itself, only what is derived from it.")
@click.option("--canary", is_flag=True, help="A key that never works: whoever uses it raises an alarm.")
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
    derive_only: bool,
    canary: bool,
) -> None:
    """Create a key and print it: the only time that anybody sees it.

    Without --allow it may do all that its policy allows, today and after the policy was edited. Write
    upload+create:acme-core for a key that may also make the project in the index.

    With --canary it may do nothing, and is put where only a thief would look: every use of it is an error in the log,
    and an event for webhooks. --note says where it lies.
    """
    if canary and (policy or allow or networks or uses or derive_only):
        raise click.UsageError("a canary may do nothing: --canary takes --owner, --note and --expires alone")
    config = load_config(config_path)
    names = ", ".join(sorted(config.policy.key_policies))
    order = Order(
        policy="" if canary else asked(policy, "--policy", f"Key policy ({names})"),
        owner=asked(owner, "--owner", "Owner (a person, a pipeline)").strip(),
        note=note,
        allow=allow,
        networks=networks,
        uses=uses,
        life=life,
        derive_only=derive_only,
        canary=canary,
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
    document: dict[str, object] = {"id": record.id, "key": issued.key, "owner": record.owner, "policy": record.policy}
    document |= {"allow": issued.allow, "expires": moment(record.expires)}
    document |= {"derive_only": True} if record.derive_only else {}
    document |= {"canary": True} if record.kind is KeyKind.CANARY else {}
    try:
        out.document(document, [issued.key])
        out.settle()
    except OSError as error:
        asyncio.run(_revoke(config, record.id))
        raise Failure(f"the key could not be written ({sentence_of(error)}), so it was revoked again") from error
    if out.json:
        return
    life = "never expires" if record.expires is None else f"expires {moment(record.expires)}"
    may = ", ".join(issued.allow) or "nothing, and raises an alarm where somebody uses it"
    say(f"key {record.id} of {record.owner}: may {may}, {life}")
    if record.derive_only:
        say("it is taken by itself nowhere: send what is derived from it, authproxy exec -- twine upload dist/*")
    say("the key is on stdout, this once" if out.stream is sys.stdout else "the key is in that file, and nowhere else")


async def _revoke(config: "Config", key_id: KeyId) -> None:
    async with opened(config) as store:
        await store.revoke(key_id, now())


@key.command(short_help="Show one key.")
@takes_config
@prints
@click.argument("key_id", metavar="ID", type=KEY_ID)
def show(config_path: Path, out: Output, key_id: KeyId) -> None:
    """Show what is known of a key, and what it may do today."""
    config = load_config(config_path)
    life = asyncio.run(_life(config, key_id))
    shown = life_of(config, life, now())
    if life.key.kind is KeyKind.CANARY:
        say("it is a canary: it never works, and whoever uses it raises an alarm")
    elif followed(config.policy, life.key) is None:
        minted = life.key.kind is KeyKind.MINTED
        whose = f"trusted publisher {life.key.publisher!r}" if minted else f"key policy {life.key.policy!r}"
        say(f"the configuration has no {whose} any more: the key may do nothing")
    if life.unseen is not None:
        say(
            f"the new secret {key_id}{life.unseen} may never have been printed: `authproxy key rotate {key_id} --again`"
        )
    out.document(shown, lines_of(shown))


async def _life(config: "Config", key_id: KeyId) -> "KeyLife":
    async with opened(config) as store:
        life = await store.life(key_id)
    if life is None:
        raise Failure(NO_KEY.format(id=key_id))
    return life


async def find(config: "Config", key_id: KeyId) -> KeyRecord:
    """Read a key. Raises Failure where there is none."""
    async with opened(config) as store:
        record = await store.key(key_id)
    if record is None:
        raise Failure(NO_KEY.format(id=key_id))
    return record


for command in (
    keylist.list_,
    rotating.rotate,
    extending.extend,
    lifecycle.revoke,
    lifecycle.pause,
    lifecycle.resume,
    verifying.verify,
):
    key.add_command(command)
