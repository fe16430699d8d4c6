"""docs/sizing.md: the numbers that the program has are those of the page."""

from pathlib import Path

import pytest

from authproxy.authority.hashing import HASH_SECONDS, MEMORY_KIB, QUEUE_LIMIT, THREADS_LIMIT
from authproxy.authority.verified import VERIFIED_LIMIT
from authproxy.cli.checkup.machine import FILES_PER_UPLOAD
from authproxy.config.settings import Limits
from authproxy.store.postgres.worker import CONNECTIONS, READERS
from authproxy.store.refusals import PER_MINUTE
from authproxy.web.spool import BATCH

PAGE = " ".join((Path(__file__).parents[1] / "docs" / "sizing.md").read_text(encoding="utf-8").split())
MIB = 1024 * 1024
LIMITS = Limits()

NUMBERS = {
    "connections": (CONNECTIONS, 6, "**Six connections for each process**"),
    "connections that read": (READERS, 4, "four that read"),
    "a hash": (HASH_SECONDS, 0.025, "costs 25 ms of one core"),
    "memory of a hash": (MEMORY_KIB / 1024, 19, "| 19 MiB, for 25 ms |"),
    "hashes at once": (THREADS_LIMIT, 2, "two at a time at most in each process"),
    "hashes that wait": (QUEUE_LIMIT, 64, "64 wait at most"),
    "keys that are remembered": (VERIFIED_LIMIT, 10_000, "| 10,000 keys that were seen |"),
    "descriptors of an upload": (FILES_PER_UPLOAD, 3, "An upload takes two while it comes in"),
    "the largest upload": (LIMITS.max_upload / 1024 / MIB, 2, "`limits.max_upload` times 10 is 20 GiB as it comes"),
    "an upload in memory": ((LIMITS.spool_memory + 3 * BATCH) / MIB, 4, "1 MiB; 4 MiB at most"),
    "refusals in a minute": (PER_MINUTE, 60, "60, which is what is written of one key in a minute"),
}


@pytest.mark.parametrize(("found", "number", "sentence"), NUMBERS.values(), ids=NUMBERS.keys())
def test_the_numbers_of_the_page(found: float, number: float, sentence: str) -> None:
    """Whoever changes one is led to the sentence that says it."""
    assert found == number
    assert sentence in PAGE
