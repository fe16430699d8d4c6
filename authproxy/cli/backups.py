"""`authproxy db backup` and `db restore`: a copy of the store, and the store from a copy."""

import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authproxy.cli.failures import Exit, Failure
from authproxy.cli.options import load_config, prints, store_errors, takes_config
from authproxy.cli.output import Output, counted, moment, say

if TYPE_CHECKING:
    from authproxy.store.backups import BackedUp, Inspected
    from authproxy.store.carrying import Carried
    from authproxy.store.restoring import Restored

_FILE = click.argument("path", type=click.Path(path_type=Path), metavar="FILE")
# Of a list of keys, a person is told so many; JSON has them all.
NAMED = 10
_MEBIBYTE = 1024 * 1024


def document_of(found: "Inspected") -> dict[str, object]:
    """What is in a backup, as JSON."""
    last = None if found.last_ms is None else moment(found.last_ms // 1000)
    return {"schema": found.revision, "keys": found.keys, "rows": found.rows, "last_row": last}


def _contents(found: "Inspected") -> str:
    return f"{counted(found.keys, 'key')}, {counted(found.rows, 'row')} on record"


def inspected_lines(found: "Inspected") -> list[str]:
    """The same for a person."""
    last = "" if found.last_ms is None else f", the last of {moment(found.last_ms // 1000)}"
    lines = [f"{found.path} can be restored: {_contents(found)}{last}"]
    if not found.current:
        lines.append(f"it is at schema {found.revision}, of an older authproxy: restoring brings it up to date")
    return lines


@click.command(short_help="Copy the store to a file, while the server runs.")
@takes_config
@prints
@click.argument("name", metavar="FILE")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def backup(config_path: Path, out: Output, name: str, force: bool) -> Exit:
    """Copy the store to FILE while the server runs; in a folder the copy gets a name with the time in it.

    A slash behind FILE says that it is a folder, which has to be there then.

    Every change that was acknowledged before the command began is in the copy. It appears, mode 0600, when it is whole,
    on disk, and every page and row of it has been looked at.

    Exit status 0: done. 1: there is no backup. 3: the backup is made, and a row of the record does not fit its chain.

    The store is not all of an installation: see docs/restoring.md.
    """
    from authproxy.store.backups import back_up

    path = Path(name)
    if name.endswith(os.sep) and not path.is_dir():
        raise Failure(f"there is no folder {path}: make it (mkdir -m 700 {shlex.quote(str(path))})")
    config = load_config(config_path, secrets=False)
    with store_errors():
        made = back_up(config.store, path, replace=force)
    out.document(
        {
            "file": str(made.path),
            "begun": moment(made.begun),
            "size": made.size,
            "restarts": made.copied.restarts,
            "writers_waited": round(made.copied.held, 3),
            "problem": made.found.flaw,
        }
        | document_of(made.found),
        _made(made),
    )
    if made.found.flaw is None:
        return Exit.DONE
    say(f"the store is copied as it is, and {made.found.flaw}: `authproxy audit verify` says more")
    return Exit.NO


def _made(made: "BackedUp") -> list[str]:
    found = made.found
    return [f"{made.path}: {_contents(found)}, {made.size / _MEBIBYTE:.1f} MiB"]


@click.command(short_help="Put a backup in the store's place.")
@takes_config
@prints
@_FILE
@click.option("--pause-all", is_flag=True, help="Pause every live key in it, to be resumed one by one.")
@click.option("--keep-keys", is_flag=True, help="Let its keys work, though nobody can say which were revoked since.")
def restore(config_path: Path, out: Output, path: Path, pause_all: bool, keep_keys: bool) -> None:
    """Put a copy of the backup FILE in the store's place. The server must not run. The old store is kept beside it.

    A backup does not know what was revoked after it. Where the old store is there and readable, what it knows is
    carried over: what was revoked, paused or rotated since works no more. Where it is not, say what becomes of the
    keys: --pause-all, or --keep-keys.

    A kill at any moment leaves the old store or the new one.
    """
    from authproxy.store.restoring import Keys
    from authproxy.store.restoring import restore as put_back

    if pause_all and keep_keys:
        raise click.UsageError("--pause-all and --keep-keys are two answers to one question: give one")
    config = load_config(config_path, secrets=False)
    keys = Keys.PAUSED if pause_all else Keys.AS_THEY_WERE if keep_keys else Keys.AS_KNOWN
    with store_errors():
        done = put_back(config.store, path, keys=keys, now=int(time.time()))
    out.document(_document(done), _told(done))
    for line in _advice(done, pause_all=pause_all):
        say(line)


def _document(done: "Restored") -> dict[str, object]:
    carried = done.carried
    return {
        "restored": str(done.path),
        "aside": None if done.aside is None else str(done.aside),
        "migrated": done.migrated,
        "problem": done.found.flaw,
        "revocations_known": carried is not None,
        "revoked": carried.revoked if carried else [],
        "paused": carried.paused if carried else [],
        "secrets_ended": carried.secrets if carried else [],
        "lost": carried.lost if carried else [],
        "paused_by_restore": done.paused,
    } | document_of(done.found)


def _told(done: "Restored") -> list[str]:
    last = "" if done.found.last_ms is None else f", the last of {moment(done.found.last_ms // 1000)}"
    lines = [f"{done.path} is the backup now: {_contents(done.found)}{last}"]
    if done.aside is not None:
        lines.append(f"the old store is {done.aside}")
    if done.carried is not None:
        lines += _carried(done.carried)
    if done.paused:
        were = "was" if done.paused == 1 else "were"
        lines.append(f"{counted(done.paused, 'live key')} {were} paused")
    return lines


def _carried(carried: "Carried") -> list[str]:
    kinds = (
        ("revoked since the backup, and so in it", carried.revoked),
        ("paused since, and paused in it", carried.paused),
        ("rotated since: old secrets end as they had, new ones are gone", carried.secrets),
        ("made since and gone, their owners need new ones", carried.lost),
    )
    return [f"{what}: {len(ids)} ({_some(ids)})" for what, ids in kinds if ids]


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:NAMED]) + (", ..." if len(ids) > NAMED else "")


def _advice(done: "Restored", *, pause_all: bool) -> list[str]:
    lines = []
    if done.carried is None:
        live = "and are paused now" if pause_all else "and WORK AGAIN"
        since = "the backup was made" if done.found.last_ms is None else moment(done.found.last_ms // 1000)
        lines.append(
            f"keys made since then are gone; keys that were revoked, paused or rotated after {since} are as they were,"
            f" {live}: compare `authproxy key list --state {'paused' if pause_all else 'live'}` with what you know"
        )
    if done.paused:
        lines.append("`authproxy key resume ID` lets a key work again; `key show ID` says which were paused by this")
    lines.append(
        "now: `authproxy audit reconcile`, then `authproxy audit adopt`, since what was uploaded after the backup is in"
        " the index and not in the record; then start the server"
    )
    if done.aside is not None:
        name = shlex.quote(str(done.aside))
        lines.append(f"the old store holds the hashes of keys: remove {name} when nobody needs it any more")
    if done.found.flaw:
        lines.append(f"in the record of the backup {done.found.flaw}: `authproxy audit verify` says more")
    return lines
