"""The replay of `authproxy policy diff`: the record, streamed past new rules, and what came of it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from authproxy.cli.key import now
from authproxy.cli.options import opened
from authproxy.cli.output import counted, moment
from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.domain.replay import Kind, Replay, Seen, Turn

if TYPE_CHECKING:
    from authproxy.config import Config
    from authproxy.store import Decision, Store

# Keys that are held at once while rows stream by; some KB each.
HELD = 5000


async def replayed(config: "Config", new: "Config", period: int) -> Replay:
    """Judge the rows of the last `period` seconds by the rules of `new`."""
    from authproxy.store import Wanted

    replay, keys = Replay(new.policy), dict[str, KeyRecord]()
    async with opened(config) as store:
        async for rows in store.record.rows(Wanted(since_ms=(now() - period) * 1000)):
            if len(keys) > HELD:
                keys.clear()
            await _fetch(store, rows, keys)
            replay.add(rows, keys)
    return replay


async def _fetch(store: "Store", rows: list["Decision"], keys: dict[str, KeyRecord]) -> None:
    for key_id in {row.key_id for row in rows if row.key_id is not None} - keys.keys():
        found = await store.key(KeyId(key_id))
        if found is not None:
            keys[key_id] = found


def _sorted(replay: Replay, turn: Turn) -> list[tuple[Kind, Seen]]:
    found = [(kind, seen) for kind, seen in replay.kinds.items() if kind.turn is turn]
    return sorted(found, key=lambda each: each[1].last_ms, reverse=True)


def replay_document(replay: Replay, period: int) -> dict[str, object]:
    """A replay as `--json` shows it."""
    told = {str(turn): [_told(*each) for each in _sorted(replay, turn)] for turn in Turn}
    return {
        "seconds": period,
        "rows": replay.rows,
        **told,
        "more": replay.more,
        "not_judged": {
            "keys_gone": replay.keyless,
            "by_more_keys_gone": replay.keyless_more,
            "named_nothing": replay.unnamed,
            "refused_for_other_reasons": replay.unruled,
        },
    }


def _told(kind: Kind, seen: Seen) -> dict[str, object]:
    return {
        "who": kind.owner,
        "key": kind.key_id,
        "action": kind.action,
        "index": kind.index,
        "project": kind.project,
        "file": seen.file,
        "times": seen.times,
        "last": moment(seen.last_ms // 1000),
        "code": kind.code,
        "reason": kind.reason,
        "rule": kind.rule,
        "grant": kind.grant,
    }


def replay_lines(replay: Replay) -> Iterator[str]:
    """A replay as a person reads it."""
    yield f"replayed {counted(replay.rows, 'row')} of the record"
    for turn, head in (
        (Turn.REFUSED, "was admitted, and would be refused:"),
        (Turn.ADMITTED, "was refused, and would be admitted:"),
    ):
        found = _sorted(replay, turn)
        if found:
            yield head
        for kind, seen in found:
            whose = f"{kind.owner or '-'}{f' (key {kind.key_id})' if kind.key_id else ''}"
            last = moment(seen.last_ms // 1000)
            yield f"  {kind.action} {kind.project} by {whose}: {seen.times} times, last {seen.file} at {last}"
            yield f"    {kind.code}: {kind.reason}" if turn is Turn.REFUSED else f"    {kind.rule or kind.grant}"
    if not replay.kinds:
        yield "every answer stays as it was"
    if replay.more:
        yield f"and {replay.more} more, of other keys and packages"
    for number, what in (
        (sum(replay.keyless.values()) + replay.keyless_more, f"by {_gone(len(replay.keyless))}"),
        (replay.unruled, "refused for what no rule decides"),
        (replay.unnamed, "that name no project"),
    ):
        if number:
            yield f"not judged: {counted(number, 'row')} {what}"


def _gone(number: int) -> str:
    return f"{counted(number, 'key')} that {'is' if number == 1 else 'are'} gone"
