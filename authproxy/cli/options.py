"""What several commands take: the configuration, the store, `--json` and `-o`.

Here the errors of the rooms below become a `Failure`, and here those rooms are imported: inside the functions, so that
a command which needs none of them loads none.
"""

import functools
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from authproxy.cli.failures import Failure
from authproxy.cli.output import Output, destination, say

if TYPE_CHECKING:
    from authproxy.authority import Authority
    from authproxy.config import Config, ConfigProblems
    from authproxy.config.publishers import TryRoot
    from authproxy.store import Store
    from authproxy.web.ledger import Ledger

CONFIG_VARIABLE = "AUTHPROXY_CONFIG"
NAME_ONE = f"name the configuration: --config FILE, or {CONFIG_VARIABLE} in the environment"


def takes_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--config FILE`, and call it with `config_path`."""
    return _with_config(command, required=True)


def may_take_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--config FILE`, and call it with `config_path`, None where nobody named one."""
    return _with_config(command, required=False)


def _with_config(command: Callable[..., Any], *, required: bool) -> Callable[..., Any]:
    @functools.wraps(command)
    def called(*args: Any, config_path: Path | None, **options: Any) -> Any:
        given = click.get_current_context().find_root().params.get("config_path")
        chosen = config_path or given
        if not chosen and (named := os.environ.get(CONFIG_VARIABLE)):
            # A person does not see it while typing, and may have typed it in another directory.
            chosen = Path(named).absolute()
            click.get_current_context().meta[CONFIG_VARIABLE] = True
        if required and not chosen:
            raise click.UsageError(NAME_ONE)
        return command(*args, config_path=Path(chosen) if chosen else None, **options)

    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help=f"The configuration; else {CONFIG_VARIABLE} names it.",
    )(called)


def prints(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that prints something `--json` and `-o FILE`, and call it with `out`."""
    return _with_output(command, keep=False)


def prints_as_it_goes(command: Callable[..., Any]) -> Callable[..., Any]:
    """Do as `prints` does; and what stands in FILE stays there, also where the command then fails."""
    return _with_output(command, keep=True)


def _with_output(command: Callable[..., Any], *, keep: bool) -> Callable[..., Any]:
    @functools.wraps(command)
    def called(*args: Any, as_json: bool, file: Path | None, **options: Any) -> Any:
        with destination(file, keep=keep) as stream:
            return command(*args, out=Output(as_json, stream, file), **options)

    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option(
            "-o", "file", type=click.Path(path_type=Path), metavar="FILE", help="Print to a new file, mode 0600."
        ),
    ):
        called = option(called)
    return called


def load_config(path: Path, *, secrets: bool = True, try_root: "TryRoot | None" = None) -> "Config":
    """Read the configuration, or fail with every problem that it has; `secrets` and `try_root` are those of `load`."""
    from authproxy.config import ConfigProblems, load

    try:
        return load(path, secrets=secrets, try_root=try_root)
    except ConfigProblems as found:
        head = "the configuration cannot be used:\n" if any(each.line for each in found.problems) else ""
        raise Failure(f"{head}{found}" if head else unread(found)) from None


def unread(found: "ConfigProblems") -> str:
    """Say why there is nothing to read, and who named the file where nobody has just typed its name."""
    context = click.get_current_context(silent=True)
    return f"{found} (from {CONFIG_VARIABLE})" if context and context.meta.get(CONFIG_VARIABLE) else str(found)


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn what the store says into a `Failure`; its sentences name the file and what to do."""
    from authproxy.store import StoreError

    try:
        yield
    except StoreError as error:
        raise Failure(str(error)) from None


@asynccontextmanager
async def opened(config: "Config", *, create: bool = False) -> AsyncIterator["Store"]:
    """Open the store that the configuration names, and close it again; `create` makes one where there is none."""
    from authproxy.store import Store

    with store_errors():
        if create and (made := await create_store(config)):
            say(f"made a new store: {made}")
        store = await Store.open(config.store, config.wanted, password=config.store_password)
        try:
            yield store
        finally:
            await store.close()


async def create_store(config: "Config") -> Path | None:
    """Make a new store where the configuration names a file that is not there; return its path if it was made.

    An old one is left as it is: migrating rewrites every key, which is for the operator to time, with a copy at hand.
    """
    from authproxy.config.databases import is_postgres
    from authproxy.store import migrate
    from authproxy.store.engine import database_path

    if is_postgres(config.store):
        return None
    path = database_path(config.store)
    if path.exists() and path.stat().st_size:  # an empty one is what a full disk has left of an attempt
        return None
    await migrate(config.store)
    return path


@asynccontextmanager
async def key_authority(config: "Config", store: "Store") -> AsyncIterator["Authority"]:
    """The authority over the keys of a store, for one command: nothing is remembered and nobody is throttled long."""
    from authproxy.authority import Authority
    from authproxy.authority.hashing import HashingPool
    from authproxy.authority.sealing import Masters
    from authproxy.authority.throttle import Throttle

    hashing = HashingPool(threads=1)
    try:
        yield Authority(
            store,
            prefix=config.keys.prefix,
            process_key=secrets.token_bytes(32),
            hashing=hashing,
            throttle=Throttle(failures=config.throttle.failures, window=config.throttle.window),
            masters=Masters(config.masters.current, config.masters.former),
        )
    finally:
        hashing.close()


@asynccontextmanager
async def index_ledger(config: "Config", store: "Store") -> AsyncIterator["Ledger"]:
    """What the index holds, as the server sees it: for a command that asks the index itself."""
    import logging

    from authproxy.backend.client import Backend
    from authproxy.web.ledger import Ledger
    from authproxy.web.parts import flavour_of, upstream_of

    # What the server's log says of an alarm, a command says by itself, of the file: without a handler of the log's own
    # Python would print the log's line on stderr besides.
    log, silence = logging.getLogger("authproxy.ledger"), logging.NullHandler()
    log.addHandler(silence)
    try:
        async with Backend(upstream_of(config), flavour_of(config)) as backend:
            yield Ledger(store, backend)
    finally:
        log.removeHandler(silence)


def asked(value: str | None, flag: str, question: str) -> str:
    """Return what a flag said; where it was left out ask, if a person sits there, and else say which flag it takes."""
    if value is not None:
        return value
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(f"{flag} is missing")
    answer = click.prompt(question, err=True)
    assert isinstance(answer, str)
    return answer


def read_small(source: Path | None, limit: int, *, longer: str, nothing: str) -> bytes:
    """Read a file, or stdin, of at most `limit` bytes. Raises Failure, OSError and click.UsageError, which say why."""
    if source is None:
        raw = sys.stdin.buffer.read(limit + 1)
    else:
        with source.open("rb") as stream:
            raw = stream.read(limit + 1)
    if len(raw) > limit:
        raise Failure(f"that is more than {limit} bytes: {longer}")
    if not raw.strip():
        raise click.UsageError(nothing)
    return raw
