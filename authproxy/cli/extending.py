"""`authproxy key extend`: a key lives longer, never longer than a new one of its policy would."""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authproxy.cli.failures import Failure
from authproxy.cli.issuing import Life, in_words
from authproxy.cli.options import load_config, opened, prints, takes_config
from authproxy.cli.output import Output, moment
from authproxy.cli.rotating import WHY, why_not
from authproxy.cli.values import DURATION, KEY_ID, UNTIL
from authproxy.domain.keys import KeyId, KeyKind, KeyRecord
from authproxy.domain.refusal import quoted

if TYPE_CHECKING:
    from authproxy.config import Config


@click.command(short_help="Let a key live longer.")
@takes_config
@prints
@click.argument("key_id", metavar="ID", type=KEY_ID)
@click.option("--by", type=DURATION, help="How much longer, e.g. 30d; for an expired key, from now.")
@click.option("--until", type=UNTIL, metavar="DATE", help="The last day (UTC), as in 2027-01-31, or a time.")
def extend(config_path: Path, out: Output, key_id: KeyId, by: int | Life | None, until: int | None) -> None:
    """Let a key live longer: its secret stays the same. An expired key works again, a revoked one never.

    It may live no longer from now than its policy allows a new key. The old secret of a rotation keeps its end.
    """
    if (by is None) is (until is None):
        raise click.UsageError("say --by how much, or --until when")
    if isinstance(by, Life):
        raise click.UsageError("--by takes a time, as in 30d")
    config = load_config(config_path)
    was, record = asyncio.run(_extend(config, key_id, by, until))
    expires = moment(record.expires)
    document = {"id": key_id, "was": moment(was), "expires": expires}
    out.document(document, [f"key {key_id} expires {expires}, and not {moment(was)}"])


async def _extend(config: "Config", key_id: KeyId, by: int | None, until: int | None) -> tuple[int | None, KeyRecord]:
    from authproxy.store import Extend, Unchanged

    now = int(time.time())
    async with opened(config) as store:
        record = await store.key(key_id)
        if record is None:
            raise Failure(why_not(key_id, Unchanged("unknown")))
        wanted = until if until is not None else max(record.expires or 0, now) + (by or 0)
        if flaw := refusal(config, record, wanted, now):
            raise Failure(flaw)
        done = await store.change_key(key_id, Extend(record.expires, wanted), now=now)
    if isinstance(done, Unchanged):
        raise Failure(why_not(key_id, done))
    return record.expires, done


def refusal(config: "Config", record: KeyRecord, wanted: int, now: int) -> str | None:
    """Say why a key may not live until then; None where it may. Times are unix seconds."""
    if record.kind is not KeyKind.KEY:
        return WHY[record.kind].format(id=record.id)
    if record.revoked is not None:
        return f"key {record.id} is revoked for good: create a new one"
    if record.expires is None:
        return f"key {record.id} never expires: there is nothing to extend"
    if wanted <= max(record.expires, now):
        return f"key {record.id} expires {moment(record.expires)}: name a later time than that and than now"
    policy = config.policy.key_policies.get(record.policy)
    if policy is None:
        return f"key {record.id} follows key policy {quoted(record.policy)}, which the configuration does not have"
    if policy.lifetime is not None and wanted > now + policy.lifetime:
        latest, longest = moment(now + policy.lifetime), in_words(policy.lifetime)
        return f"key policy {quoted(policy.name)} allows {longest} from now at most, so until {latest}"
    return None
