"""Counts of what happens to every request, and how long it took, for the event loop's thread alone.

prometheus-client's own counters are safe for threads, and two of them take 1.1 us: with a request and its exchange with
the index to count, 3 % of a small read (measured). These take a fifth of it. A scrape sees them as any others.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

# Seconds. A small read takes one or two milliseconds, an upload as long as its file is large.
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_BOUNDS: Final = (*map(str, map(float, BUCKETS)), "+Inf")


class Spread:
    """How long things took."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * len(_BOUNDS)
        self.total = 0.0


class Tally:
    """How often one thing happened; `spread` it shares with what is alike."""

    __slots__ = ("number", "spread")

    def __init__(self, spread: Spread) -> None:
        self.number = 0
        self.spread = spread

    def add(self, seconds: float) -> None:
        """Count one that took so long."""
        self.number += 1
        spread = self.spread
        spread.counts[bisect_left(BUCKETS, seconds)] += 1
        spread.total += seconds


class Timings(Collector):
    """Two metrics, each with its name and its help: a counter by all `labels`, and a histogram of the first of them."""

    def __init__(
        self, registry: CollectorRegistry, counter: tuple[str, str], histogram: tuple[str, str], labels: Sequence[str]
    ) -> None:
        self._counter = counter
        self._histogram = histogram
        self._labels = labels
        self._tallies: dict[tuple[str, ...], Tally] = {}
        self._spreads: dict[str, Spread] = {}
        registry.register(self)

    def tally(self, *words: str) -> Tally:
        """Return what counts under these words, one for each label. They are ours: nothing of them is ever dropped."""
        known = self._tallies.get(words)
        if known is None:
            spread = self._spreads.setdefault(words[0], Spread())
            known = self._tallies[words] = Tally(spread)
        return known

    def collect(self) -> Iterator[Metric]:
        """Show both."""
        counted = CounterMetricFamily(*self._counter, labels=self._labels)
        for words, tally in self._tallies.items():
            counted.add_metric(words, tally.number)
        yield counted
        timed = HistogramMetricFamily(*self._histogram, labels=self._labels[:1])
        for word, spread in self._spreads.items():
            buckets = zip(_BOUNDS, accumulate(spread.counts), strict=True)
            timed.add_metric((word,), [(bound, float(number)) for bound, number in buckets], spread.total)
        yield timed
