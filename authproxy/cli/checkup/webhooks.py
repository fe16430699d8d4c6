"""Whether webhooks take what they are told, as the store knows it. Nothing is sent to them: `webhook test` does that.

That each has a secret is no question here: without one the configuration does not load.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

from authproxy.cli.checkup.finding import Finding, ok, problem, warning
from authproxy.cli.output import moment
from authproxy.config import Config
from authproxy.config.databases import is_postgres
from authproxy.store import Standing, StoreError
from authproxy.store.queues import standing

# Failures in a row: some seven minutes. A receiver that is started anew is back before.
LASTING: Final = 5
# Seconds for which an event waits at most while a server runs and nothing fails.
PROMPT: Final = 300


def check_webhooks(config: Config, *, now: int) -> Iterator[Finding]:
    """One finding for each webhook of the configuration. Of a store that cannot be read `check_store` tells."""
    if not config.webhooks:
        return
    try:
        known = {each.name: each for each in _standing(config)}
    except StoreError:
        return
    for webhook in config.webhooks:
        yield _found(webhook.name, known.get(webhook.name), now)


def _standing(config: Config) -> list[Standing]:
    if not is_postgres(config.store):
        return standing(config.store)
    from authproxy.store.postgres.engine import login  # an extra
    from authproxy.store.postgres.examination import standing_there

    return asyncio.run(standing_there(login(config.store, config.store_password)))


def _found(name: str, fares: Standing | None, now: int) -> Finding:
    if fares is None or (fares.sent is None and fares.error is None and not fares.waiting):
        return ok(
            "webhooks", f"{name} has its secret, and has had nothing to take yet: `authproxy webhook test {name}`"
        )
    taken = "has never taken an event" if fares.sent is None else f"took its last event at {moment(fares.sent)}"
    waiting = f", {fares.waiting} wait, the oldest since {moment(fares.oldest)}" if fares.waiting else ""
    if fares.error is not None:
        found = problem if fares.failures >= LASTING else warning
        return found(
            "webhooks",
            f"{name} fails ({fares.failures} times in a row, the last time: {fares.error}): it {taken}{waiting}",
            f"mend its receiver; `authproxy webhook test {name}` says what it answers. After three days events are "
            "dropped",
        )
    if fares.oldest is not None and fares.oldest < now - PROMPT:
        return warning(
            "webhooks",
            f"events for {name} wait for long: it {taken}{waiting}",
            "see that the server runs: it brings them, and its log says which of them are not taken, and why",
        )
    lost = f"; {fares.dropped} were dropped in all" if fares.dropped else ""
    return ok("webhooks", f"{name} has its secret and {taken}{waiting}{lost}")
