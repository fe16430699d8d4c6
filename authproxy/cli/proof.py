"""`authproxy audit verify`, `checkpoint` and `prune`: is the record what it was, and how long is it kept."""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authproxy.cli.failures import Exit, Failure
from authproxy.cli.options import load_config, opened, prints, takes_config
from authproxy.cli.output import Output, counted, moment, say
from authproxy.cli.values import DURATION

if TYPE_CHECKING:
    from authproxy.audit.checkpoints import Checkpoint
    from authproxy.cli.issuing import Life
    from authproxy.config import Config
    from authproxy.store import Flaw, Head, Sound

# Digits of a hash that two people compare by eye; --json has all of them.
SHOWN = 16


@click.command(short_help="Say whether a row of the record was changed or taken away.")
@takes_config
@prints
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also say whether the record still holds what it held then.",
)
@click.option(
    "--public-key",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The key that the checkpoint was signed with; else this installation's own.",
)
def verify(config_path: Path, out: Output, checkpoint: Path | None, public_key: Path | None) -> Exit:
    """Walk the record from its oldest row to its youngest and compare each with its hash.

    Exit status 0: all of it fits. 3: it does not, and the answer names the first row that does not fit. That rows were
    cut off from the young end only a checkpoint can show, which `authproxy audit checkpoint` makes.
    """
    if public_key is not None and checkpoint is None:
        raise click.UsageError("--public-key is for a --checkpoint")
    config = load_config(config_path)
    signed = None if checkpoint is None else _read(config, checkpoint, public_key)
    if isinstance(signed, str):
        return _no(out, {"sound": False, "wrong": "checkpoint", "link": None, "row": None, "sentence": signed})
    return asyncio.run(_verify(config, out, signed))


def _read(config: "Config", path: Path, public_key: Path | None) -> "Checkpoint | str":
    """Read a checkpoint; or say what is wrong with it."""
    from authproxy.audit import checkpoints

    try:
        if public_key is not None:
            key = checkpoints.read_public(public_key)
        elif (config.state_directory / checkpoints.KEY_FILE).exists():
            key = checkpoints.signing_key(config.state_directory).public_key()
        else:
            raise Failure(f"{config.state_directory} holds no key for checkpoints: name one by --public-key")
    except checkpoints.CheckpointError as error:
        raise Failure(str(error)) from None
    try:
        return checkpoints.read_signed(path, key)
    except checkpoints.CheckpointError as error:
        return str(error)


async def _verify(config: "Config", out: Output, signed: "Checkpoint | None") -> Exit:
    from authproxy.store import Flaw

    async with opened(config) as store:
        found = await store.record.verify(signed.head if signed else None)
    if isinstance(found, Flaw):
        what: dict[str, object] = {"wrong": str(found.wrong), "link": found.link, "row": found.row}
        return _no(out, {"sound": False} | what | {"sentence": _explained(found)})
    _yes(out, found, signed)
    return Exit.DONE


def _explained(flaw: "Flaw") -> str:
    from authproxy.store import Wrong

    advice = {
        Wrong.PRUNED: "; this checkpoint says nothing about what is left: take one that is younger",
        Wrong.OTHER_CHAIN: ": the record, or a part of it, was written anew",
        Wrong.TAIL_REMOVED: ": its youngest rows were taken away, or an old copy of the database was put back",
    }
    return flaw.sentence + advice.get(flaw.wrong, "")


def _no(out: Output, document: dict[str, object]) -> Exit:
    out.document(document, [str(document["sentence"])])
    return Exit.NO


def _yes(out: Output, sound: "Sound", signed: "Checkpoint | None") -> None:
    pruned = moment(sound.anchor.time_ms // 1000) if sound.anchor.time_ms else None
    begins = f"; what came before link {sound.anchor.link + 1} was pruned, last at {pruned}" if pruned else ""
    number = f"{counted(sound.rows, 'row')}, {counted(sound.links, 'link')}"
    shown = sound.head.hash.hex()[:SHOWN]
    lines = [f"the record fits: {number}, up to link {sound.head.link} with the hash {shown}{begins}"]
    if signed is not None:
        lines.append(f"and it holds what it held at the checkpoint of {moment(signed.time)}, link {signed.link}")
    out.document(
        {
            "sound": True,
            "rows": sound.rows,
            "links": sound.links,
            "first_link": sound.anchor.link + 1,
            "last_link": sound.head.link,
            "hash": sound.head.hash.hex(),
            "pruned": pruned,
            "checkpoint": None if signed is None else signed.link,
        },
        lines,
    )


@click.command(short_help="Sign where the record stands, to be stored elsewhere.")
@takes_config
@prints
@click.option("--public-key", is_flag=True, help="Print the key that checks such signatures, instead.")
def checkpoint(config_path: Path, out: Output, public_key: bool) -> None:
    """Print where the record stands now, as signed JSON. Store it where nobody of this machine can change it.

    The key is made at the first call and lies in the state directory. Store its public half elsewhere too.
    """
    from authproxy.audit import checkpoints

    config = load_config(config_path)
    try:
        key = checkpoints.signing_key(config.state_directory)
    except checkpoints.CheckpointError as error:
        raise Failure(str(error)) from None
    if public_key:
        pem = checkpoints.public_pem(key.public_key())
        name = checkpoints.fingerprint(key.public_key())
        out.document({"key": name, "public_key": pem}, pem.splitlines())
        out.done(f"the public key {name} of checkpoints")
        return
    head, count = asyncio.run(_standing(config))
    told = checkpoints.Checkpoint(config.public_url, head.link, head.hash, count, int(time.time()))
    Output(json=True, stream=out.stream).document(checkpoints.signed(told, key), ())
    out.done(f"the record stands at link {head.link}, {counted(count, 'row')}, which is signed")


async def _standing(config: "Config") -> "tuple[Head, int]":
    async with opened(config) as store:
        return await store.record.standing()


@click.command(short_help="Take away what is older than the record is kept.")
@takes_config
@prints
@click.option("--keep", type=DURATION, help="How long rows are kept, as in 400d; else record.keep says it.")
def prune(config_path: Path, out: Output, keep: "int | Life | None") -> Exit:
    """Take rows from the old end of the record, those that are older than it is kept. The rest can still be verified.

    The server does so by itself once a day, where the configuration has `record: {keep: ...}`. A row that says who put
    a file there stays as long as the index may have the file. Nothing that does not fit its hash is taken away.

    Exit status 3: such a row stands in the way.
    """
    config = load_config(config_path)
    if keep is None:
        keep = config.record.keep
    if not isinstance(keep, int):
        raise click.UsageError("say for how long: --keep 400d, or record.keep in the configuration")
    return asyncio.run(_prune(config, out, keep))


async def _prune(config: "Config", out: Output, keep: int) -> Exit:
    now_ms = int(time.time() * 1000)
    gone = kept = 0
    flaw: str | None = None
    async with opened(config) as store:
        async for batch in store.record.prune(now_ms - keep * 1000, now_ms):
            gone, kept, flaw = gone + batch.rows, kept + batch.kept, batch.flaw
    lines = [f"took away {gone} rows, and kept {kept} old ones that files need"]
    out.document({"pruned": gone, "kept": kept, "problem": flaw}, lines)
    if flaw is None:
        return Exit.DONE
    say(f"stopped: {flaw}; `authproxy audit verify` says more")
    return Exit.NO
