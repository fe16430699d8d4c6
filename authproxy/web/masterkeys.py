"""What the server says of its master keys: that something is sealed under one that the configuration does not name.

A master key that opens nothing is a valid one: it seals what is used from now on. Whoever named the wrong one hears of
it here, when the server starts and when it reads its configuration again, and not from the jobs that are refused.
"""

import logging
from typing import Final

from authproxy.authority.sealing import VERSION, Masters
from authproxy.store import Store, StoreError

log: Final = logging.getLogger("authproxy.keys")


async def tell_of_masters(store: Store, masters: Masters) -> None:
    """Write a line into the log where something stays sealed."""
    try:
        sealed = await store.derivations.heads()
    except StoreError as exc:
        log.warning("the store does not say what is sealed under which master key", extra={"trouble": str(exc)})
        return
    lost = {head: count for head, count in sealed.items() if head is not None and head not in masters.heads}
    if not lost:
        return
    count, names = sum(lost.values()), ", ".join(sorted(head[len(VERSION) :].hex() for head in lost))
    secrets = "1 secret is" if count == 1 else f"{count} secrets are"
    log.warning(
        "%s sealed under master keys that the configuration does not name (%s), and what is derived from them is "
        "refused: name those under keys.former_master_keys and run `authproxy db rekey`, with --drop-lost where they "
        "are lost",
        secrets,
        names,
    )
