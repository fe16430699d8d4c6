"""`authproxy key revoke|pause|resume`: three changes of a key's state, for several keys at a time.

Each is settled when the command returns: a running server refuses a revoked key from its next request on. Asking for
what is so already is no mistake; only a key that does not exist, or one that cannot come back, makes the command fail.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from authproxy.cli.failures import Exit
from authproxy.cli.options import load_config, opened, prints, takes_config
from authproxy.cli.output import Output, moment
from authproxy.cli.values import KEY_ID
from authproxy.domain.keys import KeyId, KeyRecord

if TYPE_CHECKING:
    from authproxy.config import Config
    from authproxy.store import Store


@dataclass(frozen=True, slots=True)
class Change:
    """One verb. `wanted` says whether a key is already as the verb would make it."""

    verb: str
    done: str
    wanted: Callable[[KeyRecord], bool]


CHANGES: Mapping[str, Change] = {
    "revoke": Change("revoke", "revoked", lambda record: record.revoked is not None),
    "pause": Change("pause", "paused", lambda record: record.paused and record.revoked is None),
    "resume": Change("resume", "resumed", lambda record: not record.paused and record.revoked is None),
}


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one key. `result` is for machines: done, unchanged, revoked, unknown."""

    id: KeyId
    result: str
    sentence: str

    @property
    def failed(self) -> bool:
        """Whether the key is not now as it was asked to be."""
        return self.result in {"revoked", "unknown"}


async def _change(store: "Store", change: Change, key_id: KeyId, now: int) -> Result:
    verbs = {"revoke": store.revoke, "pause": store.pause, "resume": store.resume}
    if await verbs[change.verb](key_id, now):
        return Result(key_id, "done", f"key {key_id} is {change.done}")
    record = await store.key(key_id)
    if record is None:
        return Result(key_id, "unknown", f"there is no key {key_id}")
    if change.wanted(record):
        since = f" since {moment(record.revoked)}" if record.revoked is not None else ""
        state = {"resume": "was not paused"}.get(change.verb, f"has been {change.done} already")
        return Result(key_id, "unchanged", f"key {key_id} {state}{since}")
    return Result(key_id, "revoked", f"key {key_id} is revoked for good and cannot be {change.done}: create a new one")


async def _change_all(config: "Config", change: Change, key_ids: Sequence[KeyId]) -> list[Result]:
    now = int(time.time())
    async with opened(config) as store:
        return [await _change(store, change, key_id, now) for key_id in dict.fromkeys(key_ids)]


def _command(verb: str, summary: str, text: str) -> click.Command:
    @takes_config
    @prints
    @click.argument("key_ids", metavar="ID...", type=KEY_ID, nargs=-1, required=True)
    def called(config_path: Path, out: Output, key_ids: tuple[KeyId, ...]) -> Any:
        results = asyncio.run(_change_all(load_config(config_path), CHANGES[verb], key_ids))
        out.document(
            {"keys": [{"id": each.id, "result": each.result, "message": each.sentence} for each in results]},
            [each.sentence for each in results],
        )
        return Exit.FAILED if any(each.failed for each in results) else Exit.DONE

    return click.command(verb, short_help=summary, help=text)(called)


revoke = _command(
    "revoke",
    "End keys for good.",
    "End keys for good. A running server refuses them from its next request on; there is no way back.",
)
pause = _command(
    "pause",
    "Suspend keys.",
    "Suspend keys until `authproxy key resume`. A running server refuses them from its next request on.",
)
resume = _command("resume", "Let paused keys work again.", "Let paused keys work again.")
