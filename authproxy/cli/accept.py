"""`authproxy audit accept`: a file that is in the index otherwise than it was uploaded, and is right so.

It takes the hash of what somebody has looked at, reads the file in the index once more, and puts on record who says so
and why. A word for a file that the index does not have in these very bytes is not taken.
"""

import asyncio
import os
import pwd
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authproxy import __version__
from authproxy.cli.failures import Exit, Failure
from authproxy.cli.issuing import NOTE_LIMIT, OWNER_LIMIT, flawed_text
from authproxy.cli.options import index_ledger, load_config, opened, prints, takes_config
from authproxy.cli.output import Output, say
from authproxy.cli.values import FILENAME
from authproxy.domain.access import ACCEPT

if TYPE_CHECKING:
    from authproxy.config import Config
    from authproxy.domain.names import Artifact
    from authproxy.store import Entry, FileRow
    from authproxy.web.ledger import Ledger

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Word:
    """Whose word it is that a file is right, and why. The record keeps it."""

    by: str
    why: str | None

    def entry(self, row: "FileRow", sha256: str) -> "Entry":
        """Write it down, of a file that is known: what its bytes are from now on."""
        from authproxy.store import Entry

        return Entry(
            time_ms=int(time.time() * 1000),
            request_id=secrets.token_hex(8),
            action=ACCEPT,
            index=row.index,
            project=row.project,
            version=row.version,
            filename=row.filename,
            identity=row.identity,
            size=0,
            sha256=sha256,
            principal="operator",
            key_id=None,
            public_id=None,
            owner=self.by,
            rule="",
            grant="",
            address="",
            client=f"authproxy/{__version__}",
            warning=self.why,
        )


def word(by: str | None, why: str | None) -> Word:
    """Read whose word it is; where nobody says, it is that of the account. Raises UsageError."""
    given = Word(_account() if by is None else by.strip(), None if why is None else why.strip())
    for name, text, limit in (("name in --by", given.by, OWNER_LIMIT), ("text in --why", given.why, NOTE_LIMIT)):
        if text is not None and (flaw := flawed_text(name, text, limit) if text else f"the {name} is empty"):
            raise click.UsageError(flaw)
    return given


def _account() -> str:
    """The account that runs this, and who stands behind its sudo."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    behind = os.environ.get("SUDO_USER", "")
    return f"{behind} as {name}" if behind and behind.isprintable() and len(behind) <= OWNER_LIMIT // 2 else name


@click.command(short_help="Take a file as the index has it for right.")
@takes_config
@prints
@click.option("--sha256", "digest", required=True, metavar="HEX", help="Of the bytes that you have looked at.")
@click.option("--why", required=True, metavar="TEXT", help="Why they are right; the record keeps it.")
@click.option("--by", metavar="WHO", help="Who says so; else the account that runs this.")
@click.option("--index", "only", metavar="INDEX", help="In this one of devpi's indexes.")
@click.argument("wanted", metavar="FILENAME", type=FILENAME)
def accept(
    *, config_path: Path, out: Output, digest: str, why: str, by: str | None, only: str | None, wanted: "Artifact"
) -> Exit:
    """Take a file as the index has it now for what it should be, where an alarm says that it has changed.

    The file is read in the index once more and must have the SHA-256 that you name. A row of the record says who
    accepted it and why; who uploaded what was there before stays known (`audit file`). From then on other bytes in its
    place are an alarm again. A file that is gone is for `audit reconcile --accept-gone`.

    Exit status 3: the index has other bytes, or no such file, or nothing is known of it.
    """
    if not _SHA256.fullmatch(digest):
        raise click.BadParameter("write the 64 hex digits of a SHA-256", param_hint="--sha256")
    given = word(by, why)
    return asyncio.run(_accept(load_config(config_path), out, wanted, only, digest.lower(), given))


async def _accept(
    config: "Config", out: Output, wanted: "Artifact", only: str | None, digest: str, given: Word
) -> Exit:
    from authproxy.domain.refusal import Refused

    async with opened(config) as store, index_ledger(config, store) as ledger:
        row = await _known(ledger, wanted, only)
        if row is None:
            say(f"nothing is known of {wanted.filename}: `authproxy audit adopt` reads what the index has")
            return Exit.NO
        try:
            found = await _read(ledger, row)
        except Refused as refused:
            raise Failure(f"{refused.denial.reason} (backend.url is {ledger.backend.upstream.url})") from None
        if found != digest:
            has = "no such file" if found is None else f"sha256 {found} there, and not {digest}"
            say(f"not accepted: {row.index} has {has}")
            return Exit.NO
        return await _settle(ledger, out, row, given, digest)


async def _known(ledger: "Ledger", wanted: "Artifact", only: str | None) -> "FileRow | None":
    """Find the file, in whatever spelling. Raises UsageError where more than one index has it."""
    indexes = ledger.backend.flavour.indexes
    if only is not None and only not in indexes:
        raise click.BadParameter(f"the configuration has {', '.join(indexes)}", param_hint="--index")
    found = [await ledger.store.file(index, wanted.identity) for index in ([only] if only else indexes)]
    known = [row for row in found if row is not None]
    if len(known) > 1:
        raise click.UsageError(f"it is in {' and in '.join(row.index for row in known)}: say --index")
    return known[0] if known else None


async def _read(ledger: "Ledger", row: "FileRow") -> str | None:
    """Hash what the index returns, whatever hash it states: None where it has no such file. Raises Refused."""
    from authproxy.domain.names import artifact
    from authproxy.web.looks import stated

    there = await ledger.looks.in_index(row.index, artifact(row.filename), row.filename)
    found = None if there is None else await ledger.backend.sha256(there.path)
    if there is not None and stated(there) not in {None, found}:
        raise Failure(f"the index states sha256 {stated(there)} of {there.filename}, and returns another file")
    return found


async def _settle(ledger: "Ledger", out: Output, row: "FileRow", given: Word, digest: str) -> Exit:
    """Put the alarm on record where that was not done, and then that it is none."""
    from authproxy.web.comparing import put_right

    await put_right(ledger.looks, row, digest, now=int(time.time()))
    now = await ledger.store.file(row.index, row.identity)
    document: dict[str, object] = {"index": row.index, "project": row.project, "filename": row.filename}
    if now is not None and now.ours and now.sha256 == digest and not now.removed:
        done = f"{row.filename} in {row.index} is what is on record: there is nothing to accept"
        out.document(document | {"sha256": digest, "before": digest, "record": None}, [done])
        out.done("nothing to accept")
        return Exit.DONE
    number = None if now is None else await ledger.store.unfinished.accept(now, given.entry(now, digest))
    if number is None:
        raise Failure(f"{row.filename} was replaced at this moment: look at it again")
    done = f"{row.filename} in {row.index} is right with sha256 {digest} from now on: row {number} of the record"
    said = {"sha256": digest, "before": row.sha256, "record": number, "by": given.by, "why": given.why}
    out.document(document | said, [done])
    out.done("accepted")
    return Exit.DONE
