"""`authproxy key rotate`: a second secret of the same key, both good for a while, so that nobody works at night.

A new secret is printed once, and the store is told when it has arrived; one of which the store was not told may never
have been seen, and whoever looks at the key is told so. What can be printed nowhere is taken back.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from authproxy.cli.failures import Exit, Failure, sentence_of
from authproxy.cli.issuing import DAY, Life
from authproxy.cli.keyview import sentence, use_of
from authproxy.cli.options import key_authority, load_config, opened, prints_as_it_goes, takes_config
from authproxy.cli.output import Output, moment, say
from authproxy.cli.values import DURATION, KEY_ID, MOMENT
from authproxy.domain.endings import current, old
from authproxy.domain.keys import SLOTS, KeyId, KeyRecord
from authproxy.domain.refusal import Refused

if TYPE_CHECKING:
    from authproxy.authority import Authority, Rotated
    from authproxy.config import Config
    from authproxy.store import Store, Unchanged

OVERLAP = 7 * DAY
# Whoever used the old secret within so many seconds is told before it ends: a nightly job has had its turn.
QUIET = DAY

WHY = {
    "unknown": "there is no key {id}: `authproxy key list` shows those that there are",
    "revoked": "key {id} is revoked for good: create a new one",
    "expired": "key {id} has expired: `authproxy key extend {id}` lets it live on",
    "changed": "key {id} is being changed by somebody else: look at it and try again",
    "rotating": "key {id} is being rotated already: its old secret works until {ends}, or until "
    "`authproxy key rotate {id} --finish`",
    "done": "key {id} has been rotated since then",
    "unseen": "the new secret of key {id} may never have been printed: while the old one works (until {ends}), "
    "`authproxy key rotate {id} --again` prints another",
    "minted": "key {id} was minted for one job and ends by itself: the next job gets another",
    "canary": "key {id} is a canary, which never works: put another where this one lies",
    "not rotating": "key {id} is not being rotated: it has one secret",
}
USED_OLD = "the old secret of key {id} was used within a day ({use}): give the new one to that place, or use --force"
USED_NEW = "the new secret of key {id} has been used ({use}), so somebody has it: --force replaces it all the same"


@dataclass(frozen=True, slots=True)
class Many:
    """All live keys of a policy. Those with a secret made since `since` have been rotated already, or are new."""

    policy: str
    overlap: int  # seconds
    since: int | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed. `overlap` is in seconds, `since` in unix seconds."""

    key_id: KeyId | None
    overlap: int | Life
    finish: bool
    again: bool
    force: bool
    many: bool
    policy: str | None
    since: int | None


@click.command(short_help="Give keys a new secret, beside the old one for a while.")
@takes_config
@prints_as_it_goes
@click.argument("key_id", metavar="[ID]", type=KEY_ID, required=False)
@click.option(
    "--overlap", type=DURATION, default=OVERLAP, show_default="7d", help="How long the old secret goes on working."
)
@click.option("--finish", is_flag=True, help="End the old secret now.")
@click.option("--again", is_flag=True, help="The new secret was lost: print another in its place.")
@click.option("--force", is_flag=True, help="Finish, or replace, even where that secret has been used.")
@click.option("--all", "many", is_flag=True, help="Rotate all live keys of a policy.")
@click.option("--policy", metavar="NAME", help="Which policy, with --all.")
@click.option("--since", type=MOMENT, help="With --all: leave out keys that were rotated since then.")
def rotate(config_path: Path, out: Output, **typed: Any) -> Exit | None:
    """Print a second secret of a key, once. Both work until the old one ends by itself, --overlap later.

    --finish ends it at once, and refuses where it was used within the last day: it says when, from where, with what.
    `authproxy key list --rotating` shows who still uses an old secret.

    --all --policy NAME rotates many and prints a line for each when it is settled (with --json a JSON object): a key
    whose line has been printed is rotated. It may be interrupted, even killed: run it again with the --since that it
    said at its beginning, and into another file. Keys that it has rotated are left out. At most one may have been
    rotated and not printed: it stands in the second list as "unseen", its old secret works on through the overlap, and
    `authproxy key rotate ID --again` prints another new one.
    """
    asked = Asked(**typed)
    _require_one_question(asked)
    if isinstance(asked.overlap, Life):
        raise click.UsageError("--overlap takes a time, as in 7d: an old secret that never ends was not rotated")
    config = load_config(config_path)
    if asked.policy is not None:
        return asyncio.run(_rotate_all(config, out, Many(asked.policy, asked.overlap, asked.since)))
    assert asked.key_id is not None
    if asked.finish:
        asyncio.run(_finish(config, out, asked.key_id, force=asked.force))
    else:
        asyncio.run(_rotate(config, out, asked.key_id, asked.overlap, again=asked.again, force=asked.force))
    return None


def _require_one_question(asked: Asked) -> None:
    if asked.many is (asked.key_id is not None):
        raise click.UsageError("name one key, or --all and a --policy")
    if asked.many is not (asked.policy is not None):
        raise click.UsageError("--all takes a --policy, and --policy is for --all")
    if asked.many and (asked.finish or asked.again):
        raise click.UsageError("--finish and --again are for one key: they may end what somebody uses")
    if asked.finish and asked.again:
        raise click.UsageError("--finish ends the old secret and --again replaces the new one: choose one")
    if asked.force and not (asked.finish or asked.again):
        raise click.UsageError("--force is for --finish and --again")
    if asked.since is not None and not asked.many:
        raise click.UsageError("--since is for --all")


def why_not(key_id: KeyId, no: "Unchanged", used: str = USED_OLD) -> str:
    """Say why a step was not taken, and what to do."""
    if no.use is not None:
        return used.format(id=key_id, use=sentence(use_of([no.use], no.use.slot) or {}))
    return WHY["unseen" if no.unseen else no.reason].format(id=key_id, ends=moment(no.ends))


async def _finish(config: "Config", out: Output, key_id: KeyId, *, force: bool) -> None:
    from authproxy.store import Finish, Unchanged

    now = int(time.time())
    async with opened(config) as store:
        before = await store.key(key_id)
        done = await store.change_key(key_id, Finish(None if force else now - QUIET), now=now)
    if isinstance(done, Unchanged) and done.reason != "not rotating":
        raise Failure(why_not(key_id, done))
    ended = old(before, now) if before is not None and isinstance(done, KeyRecord) else None
    line = f"the old secret {key_id}{ended.slot} of key {key_id} has ended" if ended else WHY["not rotating"]
    document = {"id": key_id, "result": "done" if ended else "unchanged"}
    out.document(document | {"ended": key_id + ended.slot if ended else None}, [line.format(id=key_id)])


async def _rotate(config: "Config", out: Output, key_id: KeyId, overlap: int, *, again: bool, force: bool) -> None:
    from authproxy.store import Unchanged

    async with opened(config) as store, key_authority(config, store) as authority:
        done = await _tried(authority, key_id, overlap, again=again, force=force)
        if isinstance(done, Unchanged):
            raise Failure(why_not(key_id, done, USED_NEW))
        async with _handed_over(store, done):
            out.document(_document(done), [done.text])
            out.settle()
    if not out.json:
        say(f"key {key_id} has a new secret; the old one works until {_ends(done)}")
        say("this is the only time that the new one is shown")


async def _tried(
    authority: "Authority", key_id: KeyId, overlap: int, *, again: bool = False, force: bool = False
) -> "Rotated | Unchanged":
    try:
        return await authority.rotate(key_id, overlap, now=int(time.time()), again=again, force=force)
    except Refused as refused:
        raise Failure(refused.denial.reason) from None


def _ends(done: "Rotated") -> str | None:
    return moment(next((secret.expires for secret in done.record.secrets if secret.expires is not None), None))


def _document(done: "Rotated") -> dict[str, object]:
    record = done.record
    named: dict[str, object] = {
        "id": record.id,
        "key": done.text,
        "public_id": done.public_id,
        "overlap_ends": _ends(done),
    }
    return named | {"owner": record.owner, "policy": record.policy, "expires": moment(record.expires)}


@asynccontextmanager
async def _handed_over(store: "Store", done: "Rotated") -> AsyncIterator[None]:
    """Tell the store that the new secret was printed; take it back where it could not be."""
    from authproxy.store import Shown, TakeBack, Unchanged

    slot, now = done.public_id[-1], int(time.time())
    try:
        yield
    except OSError as error:
        taken = await store.change_key(done.record.id, TakeBack(slot), now=now)
        trouble = f"the new secret of key {done.record.id} could not be written ({sentence_of(error)})"
        if isinstance(taken, Unchanged):
            # Somebody finished, rotated or revoked in between, or the overlap is over.
            no = f"it could not be taken back either, because {why_not(done.record.id, taken)}"
            raise Failure(f"{trouble}, and {no}") from error
        raise Failure(f"{trouble}, so it was taken back: the old one works as before") from error
    await store.change_key(done.record.id, Shown(slot), now=now)


async def _rotate_all(config: "Config", out: Output, many: Many) -> Exit:
    from authproxy.store import KeyState

    if many.policy not in config.policy.key_policies:
        say(f"the configuration has no key policy {many.policy!r}: its keys may do nothing, and are rotated")
    began, counts = int(time.time()), {"rotated": 0, "skipped": 0, "unseen": 0, "failed": 0}
    since = began if many.since is None else many.since
    say(f"where this is interrupted, go on with --since {moment(since)}")
    async with opened(config) as store, key_authority(config, store) as authority:
        async for record in store.keys(policy=many.policy, state=KeyState.LIVE, now=began):
            counts[await _one_of_many(store, authority, out, many, record)] += 1
    say(", ".join(f"{count} {name}" for name, count in counts.items() if count or name == "rotated"))
    return Exit.FAILED if counts["unseen"] or counts["failed"] else Exit.DONE


async def _one_of_many(store: "Store", authority: "Authority", out: Output, many: Many, record: KeyRecord) -> str:
    from authproxy.store import Unchanged

    done = await _before(store, many, record) or await _tried(authority, record.id, many.overlap)
    if not isinstance(done, Unchanged):
        async with _handed_over(store, done):
            cells = (record.id, "rotated", record.owner, done.text, _ends(done))
            out.line({"result": "rotated"} | _document(done), cells)
        return "rotated"
    result = "unseen" if done.unseen else "skipped" if done.reason in {"rotating", "done", "revoked"} else "failed"
    message = why_not(record.id, done)
    document = {"result": result, "id": record.id, "owner": record.owner, "message": message}
    out.line(document, (record.id, result, record.owner, None, moment(done.ends)))
    return result


async def _before(store: "Store", many: Many, record: KeyRecord) -> "Unchanged | None":
    """Say whether this run has had a key before it was interrupted; the overlap may be over since.

    A key that was created in the very second in which the run began is one that it has yet to rotate.
    """
    from authproxy.store import Unchanged

    newest, now = current(record), int(time.time())
    if many.since is None or newest is None or newest.created < many.since:
        return None
    if newest.slot == SLOTS[0] and newest.created == many.since:
        return None
    ending, life = old(record, now), await store.life(record.id)
    unseen = life is not None and life.unseen == newest.slot
    return Unchanged("done", ending.expires if ending else None, unseen)
