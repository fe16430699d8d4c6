"""Rows of the record for commands that read it: decisions as the server would have written them."""

import asyncio
import time
from pathlib import Path
from typing import Any

from authproxy.domain.access import Outcome
from authproxy.domain.names import artifact
from authproxy.store import Admitted, Claim, Entry, Store


def entry(key_id: str | None, filename: str, **changes: Any) -> Entry:
    """The upload of a file, just now."""
    file = artifact(filename)
    plain: dict[str, Any] = {
        "time_ms": int(time.time() * 1000),
        "request_id": "r1",
        "action": "upload",
        "index": "pypiserver",
        "project": file.project,
        "version": file.version,
        "filename": filename,
        "identity": file.identity,
        "size": 5,
        "sha256": "0" * 64,
        "principal": "key",
        "key_id": key_id,
        "public_id": None if key_id is None else f"{key_id}0",
        "owner": "ci@acme",
        "rule": "packages[0] acme-*",
        "grant": "upload+create:acme-*",
        "address": "10.1.1.1",
        "client": "twine",
    }
    return Entry(**(plain | changes))


def write(config_file: Path, *entries: Entry | tuple[Entry, str, str]) -> None:
    """Put uploads that were stored on record, and refusals: an entry with its code and reason."""

    async def written() -> None:
        store = await Store.open(f"sqlite:///{config_file.parent / 'authproxy.db'}")
        for each in entries:
            if isinstance(each, tuple):
                await store.record_refusal(*each)
                continue
            verdict = await store.admit(each, Claim(), now=each.time_ms // 1000)
            assert isinstance(verdict, Admitted)
            await store.complete(verdict.ticket, Outcome.STORED, index_status=200, time_ms=each.time_ms)
        await store.finish_refusals()
        await store.close()

    asyncio.run(written())
