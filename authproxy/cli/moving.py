"""`authproxy db copy`: from a SQLite file to PostgreSQL."""

import asyncio
from pathlib import Path

import click

from authproxy.cli.failures import Exit, Failure
from authproxy.cli.options import load_config, prints, store_errors, takes_config
from authproxy.cli.output import Output, counted


@click.command(short_help="Copy a SQLite store into PostgreSQL.")
@takes_config
@prints
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE")
def copy(config_path: Path, out: Output, path: Path) -> Exit:
    """Copy the SQLite store FILE, or a backup of one, into the PostgreSQL database that the configuration names.

    The database is there and empty but for its tables (`db migrate`). Stop the server that has FILE open, and start it
    with the new configuration afterwards: FILE is left as it is, and what is written to it later is not in the copy.
    Keys, files, and the record with its chain are the same: `audit verify` ends at the same link with the same hash.

    Exit status 0: done. 1: nothing was copied. 3: it is copied, and a row of the record does not fit, here as in FILE.
    """
    from authproxy.config.databases import is_postgres

    config = load_config(config_path)
    if not is_postgres(config.store):
        raise Failure(f"the store of {config.file} is a SQLite file: name a PostgreSQL database there, under store")
    with store_errors():
        from authproxy.store.postgres.copying import move
        from authproxy.store.postgres.engine import login

        server = login(config.store, config.store_password)
        moved = asyncio.run(move(path, server))
    found = {"keys": moved.keys, "rows": moved.rows, "link": moved.head.link, "hash": moved.head.hash.hex()}
    holds = f"{counted(moved.keys, 'key')} and {counted(moved.rows, 'row')} on record"
    lines = [f"{server} holds {holds}, up to link {moved.head.link}"]
    lines += [f"{moved.flaw}: it does not fit in {path} either"] if moved.flaw else []
    out.document({"store": config.store} | found | {"problem": moved.flaw}, lines)
    return Exit.NO if moved.flaw else Exit.DONE
