"""`authproxy webhook`: how the webhooks fare, and one signed message now."""

import asyncio
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authproxy.cli.failures import Exit, Failure
from authproxy.cli.options import load_config, opened, prints, takes_config
from authproxy.cli.output import Output, moment, say
from authproxy.domain.refusal import quoted

if TYPE_CHECKING:
    from authproxy.config import Config, Webhook
    from authproxy.store import Standing

COLUMNS = ("name", "state", "waiting", "oldest", "next_try", "last_sent", "dropped", "error")
# What `test` sends. No event: nobody can ask for it.
PING = "ping"


@click.group(short_help="See how webhooks fare, and try one.")
def webhook() -> None:
    """See how webhooks fare, and try one."""


@webhook.command("list", short_help="Show what waits for each webhook, and what went wrong last.")
@takes_config
@prints
def list_(config_path: Path, out: Output) -> None:
    """Show what waits for each webhook, when it is tried next, and what went wrong last.

    Also for a webhook that is no longer in the configuration, as long as events wait for it.
    """
    config = load_config(config_path)
    found = asyncio.run(_standing(config))
    configured = {each.name for each in config.webhooks}
    idle = [_row(name, None, configured) for name in sorted(configured - {each.name for each in found})]
    told = [_row(each.name, each, configured) for each in found if each.waiting or each.name in configured]
    with out.listing(COLUMNS) as listing:
        if idle or told:
            listing.add(sorted(idle + told, key=lambda row: str(row["name"])))
    if not (idle or told or out.json):
        say("there are no webhooks")


async def _standing(config: "Config") -> "list[Standing]":
    async with opened(config) as store:
        return await store.webhooks.standing()


def _row(name: str, standing: "Standing | None", configured: set[str]) -> dict[str, object]:
    failing = standing is not None and standing.error is not None
    state = "failing" if failing else "ok" if standing is not None and standing.sent is not None else "unused"
    return {
        "name": name,
        "state": state if name in configured else "not configured",
        "waiting": standing.waiting if standing else 0,
        "oldest": moment(standing.oldest) if standing else None,
        "next_try": moment(standing.due or None) if standing else None,
        "last_sent": moment(standing.sent) if standing else None,
        "dropped": standing.dropped if standing else 0,
        "error": standing.error if standing else None,
    }


@webhook.command(short_help="Send a signed ping now, and say what came back.")
@takes_config
@prints
@click.argument("name")
def test(config_path: Path, out: Output, name: str) -> Exit:
    """Send one signed message of the type `ping` to a webhook now, and say what came back.

    It passes by the events that wait. Exit status 3: the receiver did not take it.
    """
    config = load_config(config_path)
    found = next((each for each in config.webhooks if each.name == name), None)
    if found is None:
        known = ", ".join(each.name for each in config.webhooks) or "none"
        raise Failure(f"there is no webhook {quoted(name)} in the configuration: there is {known}")
    return asyncio.run(_ping(found, out))


async def _ping(found: "Webhook", out: Output) -> Exit:
    from authproxy.store.outbox import body_of
    from authproxy.web.courier import Courier

    now = time.time()
    message_id = f"msg_{secrets.token_hex(16)}"
    body = body_of(PING, int(now * 1000), {"webhook": found.name})
    async with Courier() as courier:
        told = await courier.bring(found, message_id, body, now=int(now))
    document = {"webhook": found.name, "id": message_id, "status": told.status, "error": told.trouble}
    out.document(document, [f"webhook {found.name}: {told.trouble or f'it answered {told.status}'}"])
    return Exit.DONE if told.trouble is None else Exit.NO
