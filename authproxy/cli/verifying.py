"""`authproxy key verify`: does the key that somebody holds work, and if not, why not.

A server never says why (a 401 is the same for all); here sits the operator who owns the store. The key comes from
stdin or a file, never from an argument.
"""

import asyncio
import getpass
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from authproxy.cli.failures import Exit, Failure
from authproxy.cli.issuing import allowed
from authproxy.cli.options import key_authority, load_config, opened, prints, read_small, takes_config
from authproxy.cli.output import Output, moment
from authproxy.domain.access import Access
from authproxy.domain.caveats import Caveat, Lifetime
from authproxy.domain.grants import ANY, Action
from authproxy.domain.keys import KeyKind, KeyRecord
from authproxy.domain.narrowing import narrowed, told
from authproxy.domain.refusal import Refused
from authproxy.domain.rules import followed

if TYPE_CHECKING:
    from authproxy.authority import Verification
    from authproxy.config import Config

# What a credential may be on the wire; a longer file is not a key but was named by mistake.
KEY_LIMIT = 8192

# `{id}` is the key's, where it has one.
WHY: Mapping[str, str] = {
    "malformed": "no: this is not a key of this installation, or it was mistyped or cut (its checksum is wrong)",
    "unknown": "no: it is well formed, and the store has no such key",
    "replaced": "no: key {id} lives, but this secret of it has been replaced",
    "wrong secret": "no: key {id} exists, and this is not its secret",
    "revoked": "no: key {id} was revoked",
    "paused": "no: key {id} is paused, `authproxy key resume {id}` lets it work again",
    "expired": "no: key {id} has expired",
    "canary": "no: key {id} is a canary, which never works: where did you find it?",
    "policy": "no: key {id} follows a key policy that the configuration does not have any more",
    # Of derived keys alone.
    "sealed": "no: nothing that is derived from key {id} works: {why}",
    "not understood": "no: key {id} lives, and one of the caveats is not understood: update authproxy, or derive anew",
    "ended": "no: key {id} lives, and this derived key of it was ended, or one that it was made of",
    "caveat": "no: key {id} lives, and this derived key of it {why}",
}
SILENT: Final = (
    "no: key {id} is a canary, which never works, and it raises no alarm: it is paused, `authproxy key resume {id}` "
    "lets it watch again"
)


@click.command(short_help="Say whether a key works, and if not, why.")
@takes_config
@prints
@click.option(
    "--file",
    "source",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Read the key from FILE, not from stdin.",
)
def verify(config_path: Path, out: Output, source: Path | None) -> Exit:
    """Read a key from stdin and say whether it works.

    Exit status 0: it does. 3: it does not, and the answer says why.
    """
    config, at = load_config(config_path), int(time.time())
    found = asyncio.run(_verify(config, read_key(source, "--file"), at))
    problem, why, record = found.problem, found.why, found.record
    if problem is None and record is not None:
        problem, why = _by_rules(config, record, found.caveats, at)
    document: dict[str, object] = {"valid": problem is None, "problem": problem, "id": record.id if record else None}
    if record is not None and problem is None:
        may = allowed(config, record)
        document |= {"owner": record.owner, "policy": record.policy, "allow": list(may)}
        document |= {"expires": moment(record.expires)}
        document |= {} if found.caveats is None else {"caveats": told(found.caveats)}
        line = _yes(record, found.caveats, ", ".join(may) or "nothing")
    else:
        silent = problem == "paused" and record is not None and record.kind is KeyKind.CANARY
        line = (SILENT if silent else WHY[problem or "unknown"]).format(id=document["id"], why=why)
    out.document(document, [line])
    return Exit.DONE if problem is None else Exit.NO


def _yes(record: KeyRecord, caveats: tuple[Caveat, ...] | None, may: str) -> str:
    key = f"key {record.id} of {record.owner}"
    if caveats is not None:
        return f"yes: this is derived from {key}, which may {may}; it leaves this of that: {told(caveats)}"
    only = ", by what is derived from it alone" if record.derive_only else ""
    return f"yes: {key} works until {moment(record.expires) or 'it is revoked'}: it may {may}{only}"


def _by_rules(
    config: "Config", record: KeyRecord, caveats: tuple[Caveat, ...] | None, at: int
) -> tuple[str | None, str | None]:
    """Say what stands in the way of a key that is right: a policy that is gone, or the end of what was derived."""
    if followed(config.policy, record) is None:
        return "policy", None
    lifetimes = [each for each in caveats or () if isinstance(each, Lifetime)]
    over = narrowed(lifetimes, Access(Action.READ, ANY, None), None, now=at, whole=False)
    return (None, None) if over is None else ("caveat", over.reason)


async def _verify(config: "Config", text: str, at: int) -> "Verification":
    async with opened(config) as store, key_authority(config, store) as authority:
        try:
            return await authority.verify(text, now=at)
        except Refused as refused:
            raise Failure(refused.denial.reason) from None


def read_key(source: Path | None, options: str) -> str:
    """Read a key without the white space around it: files and CI secrets end in newlines.

    `options` is for the sentence that says where it may stand besides stdin.
    """
    if source is None and sys.stdin.isatty():
        return getpass.getpass("Key: ").strip()
    nothing = f"there is no key: write one to stdin, or name a file with {options}"
    raw = read_small(source, KEY_LIMIT, longer="no key is so long", nothing=nothing)
    return raw.decode("utf-8", errors="replace").strip()
