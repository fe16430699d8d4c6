"""`authproxy db`: the store as a whole. What the tables are is the store's own affair."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authproxy.cli.backups import backup, document_of, inspected_lines, restore
from authproxy.cli.failures import Exit, Failure
from authproxy.cli.masterkeys import master_key, rekey
from authproxy.cli.moving import copy
from authproxy.cli.options import NAME_ONE, load_config, may_take_config, opened, prints, store_errors, takes_config
from authproxy.cli.output import Output

if TYPE_CHECKING:
    from authproxy.config import Config


@click.group(short_help="Bring the store up to date, back it up, restore it, change its master key.")
def db() -> None:
    """Bring the store up to date, back it up, restore it, change its master key."""


for command in (backup, restore, copy, master_key, rekey):
    db.add_command(command)


@db.command(short_help="Create the store, or bring it to this version's schema.")
@takes_config
@prints
def migrate(config_path: Path, out: Output) -> None:
    """Create the store, or bring it to the schema of this version. Doing it twice does no harm.

    Of a SQLite file stop the server before, and keep a copy: an older version does not run on a newer schema. With
    PostgreSQL the replicas may go on, and are replaced by the new version one by one afterwards (docs/postgresql.md).
    """
    from authproxy import store

    config = load_config(config_path)
    with store_errors():
        was_current = asyncio.run(store.current(config.store, config.store_password))
        if not was_current:
            asyncio.run(store.migrate(config.store, config.store_password))
    state = "is up to date already" if was_current else "is up to date now"
    out.document({"store": config.store, "migrated": not was_current}, [f"{_name(config)} {state}"])


@db.command(short_help="Say whether the store, or a backup, can be used as it is.")
@may_take_config
@prints
@click.argument("path", type=click.Path(path_type=Path), required=False, metavar="[FILE]")
def check(config_path: Path | None, out: Output, path: Path | None) -> Exit:
    """Say whether the store exists, can be opened and is at the schema of this version, and its youngest rows fit.

    For all rows there is `authproxy audit verify`.

    With FILE look at a backup instead, at every page and row of it; that needs no configuration.

    Exit status 0: it can be used. 3: it cannot, and the answer says what to do.
    """
    if path is not None:
        return _check_file(out, path)
    if config_path is None:
        raise click.UsageError(NAME_ONE)
    config = load_config(config_path)
    try:
        with store_errors():
            flaw = asyncio.run(_flaw(config))
    except Failure as failure:
        return _no(out, str(failure))
    if flaw is not None:
        return _no(out, f"{flaw} in the record: `authproxy audit verify` looks at all of it")
    out.document({"usable": True, "problem": None}, [f"{_name(config)} can be used"])
    return Exit.DONE


def _check_file(out: Output, path: Path) -> Exit:
    from authproxy.store.backups import inspect

    try:
        with store_errors():
            found = inspect(path)
    except Failure as failure:
        return _no(out, str(failure))
    if found.flaw is not None:
        return _no(out, f"{found.flaw} in the record of {path}; the keys in it can be used")
    out.document({"usable": True, "problem": None} | document_of(found), inspected_lines(found))
    return Exit.DONE


def _no(out: Output, problem: str) -> Exit:
    out.document({"usable": False, "problem": problem}, [problem])
    return Exit.NO


async def _flaw(config: "Config") -> str | None:
    """Say what does not fit among the youngest rows of the record."""
    async with opened(config) as store:
        await store.ping()
        found = await store.record.verify_young()
    return None if found is None else found.sentence


def _name(config: "Config") -> str:
    return config.store.removeprefix("sqlite:///")
