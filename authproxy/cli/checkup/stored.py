"""The store and the keys in it, as `store.examination` sees them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from authproxy.cli.checkup.finding import Finding, ok, problem, warning
from authproxy.cli.checkup.masters import check_masters
from authproxy.cli.output import counted, moment
from authproxy.cli.statefolder import trouble_with
from authproxy.config import Config
from authproxy.config.databases import is_postgres
from authproxy.store import SchemaError, StoreBusy, StoreError
from authproxy.store.engine import database_path
from authproxy.store.examination import (
    Census,
    Examination,
    Some,
    StoreInterrupted,
    StoreMissing,
    examine,
    sqlite_version,
)

if TYPE_CHECKING:
    from authproxy.store.postgres.examination import ServerSeen

DAY: Final = 86_400
# A pipeline's owner can be asked, and a new key be put in place, within so many days.
SOON: Final = 30 * DAY

_OTHERS_WRITE: Final = 0o022
_STICKY: Final = 0o1000


def check_store(config: Config, *, now: int) -> Iterator[Finding]:
    """Everything about the store, and about its keys where it can be read."""
    if is_postgres(config.store):
        yield from _check_server(config, now)
        return
    try:
        found = examine(config.store, now=now, horizon=now + SOON)
    except StoreError as error:
        yield _missing(config, error) if isinstance(error, StoreMissing) else _unreadable(error)
        return
    yield from _permissions(found)
    yield _schema(found)
    yield _journal(found)
    yield from _contents(config, found)


def _check_server(config: Config, now: int) -> Iterator[Finding]:
    try:
        from authproxy.cli.checkup.server import about_server, seen
        from authproxy.store.postgres.engine import login
    except StoreError as error:
        yield problem("store", str(error), "install it, and run doctor again")
        return
    server = login(config.store, config.store_password)
    found = seen(config, server, now=now, horizon=now + SOON)
    if isinstance(found, Finding):
        yield found
        return
    yield from about_server(found, server)
    yield from _contents(config, found)


def _contents(config: Config, found: "Examination | ServerSeen") -> Iterator[Finding]:
    """What is in a store, wherever it is: nothing of another program's schema."""
    yield from _record(found.flaw, current=found.census is not None)
    yield from _alarms(found.alarms, current=found.census is not None)
    if found.census is not None:
        yield from _keys(found.census)
        yield from _policies(config, found.census)
        yield from check_masters(config, found.census)


def _missing(config: Config, error: StoreError) -> Finding:
    """Before the first start there is none, which is well; where its folder is missing too, no start will make it."""
    folder = database_path(config.store).parent
    if folder.is_dir() or (folder == config.state_directory and trouble_with(folder) is None):
        advice = "nothing before the first start: `authproxy serve` makes it; else name the right file under `store`"
        return warning("store", f"{error} yet", advice)
    return problem("store", f"{error}, nor does its folder", f"make it: mkdir -p -m 700 {folder}")


def _unreadable(error: StoreError) -> Finding:
    sentence = str(error)
    match error:
        case StoreInterrupted():
            return warning("store", sentence, "start the server, or run `authproxy db check`: that takes it back")
        case StoreBusy():
            return warning("store", sentence, "run doctor again; if it stays so, find the program that holds it")
        case SchemaError():
            return problem("store", sentence, "name another file under `store`")
        case _:
            return problem("store", sentence, "mend that, and run doctor as the user who runs the server")


def _permissions(found: Examination) -> Iterator[Finding]:
    if not found.private:
        yield problem(
            "store",
            f"{found.path} has mode {found.mode:04o} and must be its owner's alone: the server does not open it so",
            f"chmod 600 {found.path}",
        )
    elif found.folder_mode & _OTHERS_WRITE and not found.folder_mode & _STICKY:
        yield warning(
            "store",
            f"others may write the folder {found.path.parent}, and may put another file in its place",
            f"chmod go-w {found.path.parent}",
        )
    else:
        yield ok("store", f"{found.path} is there and its owner's alone")


def _schema(found: Examination) -> Finding:
    if found.current:
        return ok("store-schema", f"the store is at schema {found.revision}, which is this version's")
    if found.newer:
        return problem(
            "store-schema",
            f"the store is at schema {found.revision}, of a newer authproxy than this one",
            "install that version; there is no way back but a copy of the file from before",
        )
    return problem(
        "store-schema",
        f"the store is at schema {found.revision or 'none'}, which is not this version's",
        "stop the server, keep a copy of the file, and run `authproxy db migrate`",
    )


def _journal(found: Examination) -> Finding:
    version, safe = sqlite_version()
    if found.wal and not safe:
        return warning(
            "store-journal",
            f"the store is in WAL mode, where two programs can damage it with SQLite {version}",
            "stop every program that has it open and start the server, which leaves WAL; or install SQLite 3.51.3",
        )
    journal = "WAL" if found.wal else "a rollback journal"
    return ok("store-journal", f"the store commits by {journal}, with SQLite {version}")


def _record(flaw: str | None, *, current: bool) -> Iterator[Finding]:
    if flaw is not None:
        advice = (
            "somebody changed the store past authproxy, or the disk did: `authproxy audit verify` looks at all of it"
        )
        yield problem("record", f"the record does not fit its hashes: {flaw}", advice)
    elif current:
        yield ok("record", "the youngest rows of the record fit their hashes")


def _alarms(alarms: int, *, current: bool) -> Iterator[Finding]:
    if alarms:
        are = "file of the index is" if alarms == 1 else "files of the index are"
        yield warning(
            "alarms",
            f"{alarms} {are} not what was uploaded, or gone from it past the proxy",
            "`authproxy audit reconcile` names them and asks the index again",
        )
    elif current:
        yield ok("alarms", "no alarm about a file of the index is open")


def _named(some: Some) -> str:
    shown = [
        f"{key.id} of {key.owner}" + (f" ({(moment(key.expires) or '')[:10]})" if key.expires else "")
        for key in some.first
    ]
    more = some.count - len(some.first)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _keys(census: Census) -> Iterator[Finding]:
    if not census.live:
        ended = f"no key is live: {counted(census.ended, 'key')} ended, by time or revoked"
        yield ok("keys", ended if census.ended else "there are no keys yet")
        return
    if census.ending.count:
        yield warning(
            "keys",
            f"{counted(census.ending.count, 'key')} will end within {SOON // DAY} days: {_named(census.ending)}",
            "ask the owners whether they are in use still, and make new ones in time: `authproxy key create`",
        )
    if census.endless.count:
        yield warning(
            "keys",
            f"{counted(census.endless.count, 'key')} will never end: {_named(census.endless)}",
            "make new ones that do (`authproxy key create --expires 90d`) and revoke these",
        )
    if not (census.ending.count or census.endless.count):
        yield ok(
            "keys", f"{counted(census.live, 'live key')}: each has an end, and none ends within {SOON // DAY} days"
        )


def _policies(config: Config, census: Census) -> Iterator[Finding]:
    known = config.policy.key_policies
    lost = {name: count for name, count in census.policies.items() if name not in known}
    unused = [name for name in known if name not in census.policies]
    if lost:
        named = ", ".join(f"'{name}' ({counted(count, 'key')})" for name, count in lost.items())
        yield warning(
            "policies",
            f"live keys name key policies that the configuration does not have, so they may do nothing: {named}",
            "write the policy again, or revoke the keys: `authproxy key list --policy NAME`",
        )
    if unused and census.live:
        yield warning(
            "policies",
            f"no live key uses the key policy {', '.join(repr(name) for name in unused)}",
            "make a key under it, or take it out: what nobody needs is one more thing that a new key could be given",
        )
    if not lost and not (unused and census.live):
        yield ok("policies", f"the configuration has {counted(len(known), 'key policy', 'key policies')}")
