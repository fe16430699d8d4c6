"""What `authproxy doctor` looks at: the configuration, the machine, the store, webhooks, the index, in this order.

Rule 1. Nothing is changed: no file made or written, no row, nothing in the index. Tests compare every byte.
Rule 2. No secret is in what is said.
Rule 3. Each check says what it found in one sentence, and where that is not well, what to do.
"""

from collections.abc import Callable, Iterator
from typing import Final

from authproxy.cli.checkup.finding import Finding, Verdict
from authproxy.cli.checkup.index import check_index
from authproxy.cli.checkup.listener import check_listener
from authproxy.cli.checkup.machine import check_descriptors, check_disk, check_memory
from authproxy.cli.checkup.settings import (
    check_circle,
    check_config,
    check_passwords,
    check_public_url,
    check_readers,
    check_trusted_proxies,
)
from authproxy.cli.checkup.stored import check_store
from authproxy.cli.checkup.webhooks import check_webhooks
from authproxy.config import Config

__all__ = ["Finding", "Verdict", "checkup"]

Check = Callable[[Config], Iterator[Finding]]

_CHECKS: Final[tuple[Check, ...]] = (
    check_config,
    check_readers,
    check_public_url,
    check_trusted_proxies,
    check_descriptors,
    check_disk,
    check_memory,
    check_listener,
)


def checkup(config: Config, *, now: int) -> Iterator[Finding]:
    """Look at everything; `now` is unix seconds."""
    for check in _CHECKS:
        yield from check(config)
    yield from check_passwords(config, now=now)
    yield from check_store(config, now=now)
    yield from check_webhooks(config, now=now)
    circle = list(check_circle(config))
    # A proxy that is its own index would answer for it.
    yield from circle or check_index(config, now=now)
