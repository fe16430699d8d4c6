"""What is looked up when somebody scrapes: places, memory and room that are as they are, whoever counts.

No request pays for any of it. What is a part of a whole where several processes serve, `adding` knows.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from authproxy.web.parts import Parts


class Measured(Collector):
    """The state of one running proxy. `under_way` says how many requests are."""

    def __init__(self, parts: Callable[[], Parts], under_way: Callable[[], int]) -> None:
        self._parts = parts
        self._under_way = under_way

    def describe(self) -> list[Metric]:
        """Say nothing in advance: to be registered is no scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Look."""
        parts = self._parts()
        yield GaugeMetricFamily(
            "authproxy_requests_under_way", "Requests that are being answered.", value=self._under_way()
        )
        yield from _hashing(parts)
        yield from _caches(parts)
        yield from _room(parts.config.state_directory)


def _hashing(parts: Parts) -> Iterator[Metric]:
    pool = parts.hashing
    yield GaugeMetricFamily(
        "authproxy_argon2_waiting", "Keys that are used for the first time and wait for their Argon2.", value=pool.taken
    )
    yield GaugeMetricFamily(
        "authproxy_argon2_places",
        "How many may wait for an Argon2; who comes then is told to try later.",
        value=pool.places,
    )
    yield CounterMetricFamily(
        "authproxy_argon2_turned_away", "Requests that found no place in that queue.", value=pool.turned_away
    )


def _caches(parts: Parts) -> Iterator[Metric]:
    entries = GaugeMetricFamily(
        "authproxy_cache_entries",
        "What is remembered: 'headers' that proved a key, 'keys' that passed Argon2, 'records' of keys.",
        labels=("cache",),
    )
    lookups = CounterMetricFamily(
        "authproxy_cache_lookups", "Looks at what is remembered, by whether it was there.", labels=("cache", "found")
    )
    for name, cache in parts.authority.caches.items():
        entries.add_metric((name,), len(cache))
        lookups.add_metric((name, "yes"), cache.found)
        lookups.add_metric((name, "no"), cache.missed)
    yield entries
    yield lookups


def _room(folder: Path) -> Iterator[Metric]:
    with suppress(OSError):  # /-/readyz and authproxy_not_ready say what is wrong with it
        found = os.statvfs(folder)
        yield GaugeMetricFamily(
            "authproxy_spool_free_bytes",
            "Room where uploads are spooled, `state_directory`.",
            value=found.f_bavail * found.f_frsize,
        )
        yield GaugeMetricFamily(
            "authproxy_spool_size_bytes",
            "Size of the file system of `state_directory`.",
            value=found.f_blocks * found.f_frsize,
        )


class OwnUse(ProcessCollector):
    """What the system says of this process, also where /proc shows processes alone (`ProcSubset=pid` in our unit).

    The collector's own way to the time of the boot is /proc/stat, and without that time it shows nothing at all.
    """

    def _boot_time(self) -> float:
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def show_also(registry: CollectorRegistry, parts: Callable[[], Parts], under_way: Callable[[], int]) -> None:
    """Show the state of a proxy beside its counts, and what the system says of this process."""
    registry.register(Measured(parts, under_way))
    OwnUse(registry=registry)
