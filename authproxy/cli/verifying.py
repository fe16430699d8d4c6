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
from typing import TYPE_CHECKING

import click

from authproxy.cli.failures import Exit, Failure
from authproxy.cli.issuing import allowed
from authproxy.cli.options import key_authority, load_config, opened, prints, takes_config
from authproxy.cli.output import Output, moment
from authproxy.domain.refusal import Refused

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
    "policy": "no: key {id} follows a key policy that the configuration does not have any more",
}


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
    config = load_config(config_path)
    found = asyncio.run(_verify(config, read_key(source, "--file")))
    problem, record = found.problem, found.record
    if problem is None and record is not None and record.policy not in config.policy.key_policies:
        problem = "policy"
    document: dict[str, object] = {"valid": problem is None, "problem": problem, "id": record.id if record else None}
    if record is not None and problem is None:
        may = allowed(config, record)
        expires = moment(record.expires)
        document |= {"owner": record.owner, "policy": record.policy, "allow": list(may), "expires": expires}
        end, may_do = expires or "it is revoked", ", ".join(may) or "nothing"
        line = f"yes: key {record.id} of {record.owner} works until {end}: it may {may_do}"
    else:
        line = WHY[problem or "unknown"].format(id=document["id"])
    out.document(document, [line])
    return Exit.DONE if problem is None else Exit.NO


async def _verify(config: "Config", text: str) -> "Verification":
    async with opened(config) as store, key_authority(config, store) as authority:
        try:
            return await authority.verify(text, now=int(time.time()))
        except Refused as refused:
            raise Failure(refused.denial.reason) from None


def read_key(source: Path | None, options: str) -> str:
    """Read a key without the white space around it: files and CI secrets end in newlines.

    `options` is for the sentence that says where it may stand besides stdin.
    """
    if source is not None:
        with source.open("rb") as file:
            raw = file.read(KEY_LIMIT + 1)
    elif sys.stdin.isatty():
        return getpass.getpass("Key: ").strip()
    else:
        raw = sys.stdin.buffer.read(KEY_LIMIT + 1)
    if len(raw) > KEY_LIMIT:
        raise Failure(f"that is more than {KEY_LIMIT} bytes: no key is so long")
    if not raw.strip():
        raise click.UsageError(f"there is no key: write one to stdin, or name a file with {options}")
    return raw.decode("utf-8", errors="replace").strip()
