"""`authproxy db`: the store's schema. What the tables are is the store's own affair."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authproxy.cli.failures import Exit, Failure
from authproxy.cli.options import load_config, opened, prints, store_errors, takes_config
from authproxy.cli.output import Output

if TYPE_CHECKING:
    from authproxy.config import Config


@click.group(short_help="Bring the store up to date.")
def db() -> None:
    """Bring the store up to date."""


@db.command(short_help="Create the store, or bring it to this version's schema.")
@takes_config
@prints
def migrate(config_path: Path, out: Output) -> None:
    """Create the store, or bring it to the schema of this version. Doing it twice does no harm.

    Stop the server before, and keep a copy of the file: an older version does not run on a newer schema.
    """
    from authproxy import store

    config = load_config(config_path)
    with store_errors():
        was_current = asyncio.run(store.current(config.store))
        if not was_current:
            asyncio.run(store.migrate(config.store))
    state = "is up to date already" if was_current else "is up to date now"
    out.document({"store": config.store, "migrated": not was_current}, [f"{_name(config)} {state}"])


@db.command(short_help="Say whether the store can be used as it is.")
@takes_config
@prints
def check(config_path: Path, out: Output) -> Exit:
    """Say whether the store exists, can be opened and is at the schema of this version.

    Exit status 0: it is. 3: it is not, and the answer says what to do.
    """
    config = load_config(config_path)
    try:
        with store_errors():
            asyncio.run(_ping(config))
    except Failure as failure:
        out.document({"usable": False, "problem": str(failure)}, [str(failure)])
        return Exit.NO
    out.document({"usable": True, "problem": None}, [f"{_name(config)} can be used"])
    return Exit.DONE


async def _ping(config: "Config") -> None:
    async with opened(config) as store:
        await store.ping()


def _name(config: "Config") -> str:
    return config.store.removeprefix("sqlite:///")
