"""`authproxy policy diff`: what a new configuration changes, and what it would have said to what really happened."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authproxy.cli.failures import Exit, Failure
from authproxy.cli.issuing import Life
from authproxy.cli.options import load_config, may_take_config, prints, store_errors
from authproxy.cli.output import Output
from authproxy.cli.policyquestion import indexes_of
from authproxy.cli.policyreplay import replay_document, replay_lines, replayed
from authproxy.cli.values import DURATION
from authproxy.domain.comparison import Comparison, Difference, Effect, compare

if TYPE_CHECKING:
    from authproxy.config import Config
    from authproxy.config.settings import TrustedPublishing

FILE = click.Path(path_type=Path, dir_okay=False)

SIGNS = {Effect.WIDENS: "+", Effect.NARROWS: "-", Effect.CHANGES: "~", Effect.NOTES: "?", Effect.SAME: "="}


@click.command(short_help="Say what a new configuration changes, and what it would have refused.")
@may_take_config
@prints
@click.argument("old", type=FILE, metavar="OLD.yaml")
@click.argument("new", type=FILE, metavar="NEW.yaml")
@click.option("--replay", "seconds", metavar="PERIOD", type=DURATION, help="Ask NEW about what is on record: 30d, 12h.")
def diff(config_path: Path | None, out: Output, old: Path, new: Path, seconds: int | Life | None) -> Exit:
    """Say which grants widen or narrow, and for which packages the rules change, from OLD.yaml to NEW.yaml.

    + widens, - narrows, ~ does both or may do either, ? changes what is noted but no answer, = says the same by another
    rule. Secrets that the files name are not read.

    With --replay, uploads and deletes of the record are judged by NEW: which it would have refused, and which of those
    that were refused it would admit. The store is the one of --config, or else of OLD.yaml; keys count as they are in
    it now, and as if they still worked. What only the index knew then (whether a file was there, rates, uses) and the
    metadata inside the files is not judged again.

    Exit status 0: nothing changes. 3: something does.
    """
    if isinstance(seconds, Life):
        raise click.UsageError("--replay takes a period, as in 30d")
    before, after = load_config(old, secrets=False), load_config(new, secrets=False)
    comparison = compare(before.policy, after.policy, sorted({*indexes_of(before), *indexes_of(after)}))
    others = list(_settings(before, after))
    document, lines = _document(comparison, others), list(_lines(comparison, others))
    changed = bool(others) or comparison.effect is not Effect.SAME
    if seconds is not None:
        keeper = _with_store(old, before) if config_path is None else load_config(config_path, secrets=False)
        if keeper.store_password_from is not None:  # nothing else of what the file names need be here
            keeper = load_config(config_path or old)
        replay = asyncio.run(replayed(keeper, after, seconds))
        document |= {"replay": replay_document(replay, seconds)}
        lines += ["", *replay_lines(replay)]
        changed = changed or bool(replay.kinds)
    out.document({"changed": changed} | document, lines)
    return Exit.NO if changed else Exit.DONE


def _with_store(old: Path, before: "Config") -> "Config":
    """Take OLD.yaml for the configuration whose store has the record. Raises Failure where it has none."""
    from authproxy.config.databases import is_postgres
    from authproxy.store.engine import database_path

    if is_postgres(before.store):
        return before
    with store_errors():
        path = database_path(before.store)
    if not path.exists():
        raise Failure(
            f"--replay needs the record, and the store of {old} is {path}, which does not exist: "
            "name the server's own configuration by --config FILE"
        )
    return before


def _settings(before: "Config", after: "Config") -> Iterator[Difference]:
    """What stands outside of the rules and decides all the same."""
    if before.reads is not after.reads:
        yield Difference(Effect.CHANGES, "reads", f"reads is {after.reads}, it was {before.reads}")
    was, now = before.limits.max_upload, after.limits.max_upload
    if was != now:
        effect = Effect.WIDENS if now > was else Effect.NARROWS
        yield Difference(effect, "limits.max_upload", f"limits.max_upload is {now} bytes, it was {was}")
    one, other = indexes_of(before), indexes_of(after)
    if set(one) != set(other):
        told = f"the indexes are {', '.join(other)}, they were {', '.join(one)}"
        yield Difference(Effect.CHANGES, "backend.indexes", told)
    if before.policy.publishers and after.policy.publishers:
        yield from _tokens(before.trusted_publishing, after.trusted_publishing)
    opened, open_now = sorted(before.backend.opens), sorted(after.backend.opens)
    if opened != open_now:
        gained, lost = set(open_now) - set(opened), set(opened) - set(open_now)
        effect = Effect.CHANGES if gained and lost else Effect.WIDENS if gained else Effect.NARROWS
        told = f"devpi's users may change {', '.join(open_now) or 'nothing'}, it was {', '.join(opened) or 'nothing'}"
        yield Difference(effect, "backend.opens", told)


def _tokens(before: "TrustedPublishing", after: "TrustedPublishing") -> Iterator[Difference]:
    """What decides whether a token is genuine, whoever it is of."""
    if before.audience != after.audience:
        told = f"tokens are for {after.audience}, it was {before.audience}"
        yield Difference(Effect.CHANGES, "trusted_publishing.audience", told)
    was, now = ({each.url: each for each in side.issuers} for side in (before, after))
    for url in sorted(url for url in was.keys() & now.keys() if was[url] != now[url]):
        told = f"tokens of {url} are verified in another way"
        yield Difference(Effect.CHANGES, "trusted_publishing.issuers", told)


def _told(difference: Difference) -> dict[str, object]:
    return {"effect": difference.effect, "name": difference.name, "sentence": difference.sentence}


def _document(comparison: Comparison, others: list[Difference]) -> dict[str, object]:
    return {
        "effect": comparison.effect,
        "key_policies": [
            {"policy": each.policy, "effect": each.effect, "differences": [_told(it) for it in each.differences]}
            for each in comparison.policies
        ],
        "publishers": [
            {"publisher": each.policy, "effect": each.effect, "differences": [_told(it) for it in each.differences]}
            for each in comparison.publishers
        ],
        "packages": [
            {
                "names": each.names,
                "example": each.example,
                "indexes": list(each.indexes),
                "before": each.before.rule.label if each.before and each.before.rule else None,
                "after": each.after.rule.label if each.after and each.after.rule else None,
                "effect": each.effect,
                "differences": [_told(it) for it in each.differences],
            }
            for each in comparison.rules
        ],
        "settings": [_told(each) for each in (*comparison.passwords, *others)],
    }


def _lines(comparison: Comparison, others: list[Difference]) -> Iterator[str]:
    for each in comparison.policies:
        yield f"key policy {each.policy}"
        yield from map(_line, each.differences)
    for each in comparison.publishers:
        yield f"trusted publisher {each.policy}"
        yield from map(_line, each.differences)
    for change in comparison.rules:
        example = "" if change.example in ("", change.names) else f", as {change.example}"
        yield f"packages {change.names}{example}{_where(change.indexes)}"
        if change.before and change.after:
            was, now = (each.rule.label if each.rule else "no rule" for each in (change.before, change.after))
            yield f"    {was} -> {now}"
        yield from map(_line, change.differences)
    if comparison.passwords or others:
        yield "settings"
        yield from map(_line, (*comparison.passwords, *others))
    if comparison == Comparison((), (), ()) and not others:
        yield "nothing changes"


def _where(indexes: tuple[str, ...]) -> str:
    return f" in {', '.join(indexes)}" if any("/" in each for each in indexes) else ""


def _line(difference: Difference) -> str:
    return f"  {SIGNS[difference.effect]} {difference.sentence}"
