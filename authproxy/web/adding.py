"""The metrics of several processes added up, so that a scrape shows one proxy, whichever process answers it.

prometheus-client's own way for several processes writes each count into a file that is mapped into memory, and wants an
environment variable before its import; every request would pay for that. Here each process counts as if it were alone
and says now and then how far it is. Counts of processes that have ended stay in the sum: one that fell would look like
a restart of the whole.
"""

from collections.abc import Iterable
from typing import Any, Final

from aiohttp.web import BaseRequest, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric

# A family is [name, help, type, samples] and a sample [name, labels, value]: what JSON holds.
Family = list[Any]
Sample = list[Family]

# Gauges each of which is a part of a whole. Of any other one the highest is shown: they tell of the store or the index,
# of which each process says the same.
PARTS: Final = frozenset(
    {
        "authproxy_argon2_places",
        "authproxy_argon2_waiting",
        "authproxy_cache_entries",
        "authproxy_requests_under_way",
        "authproxy_spool_bytes",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
    }
)
# Gauges that say that all is well, or since or until when: one process that has trouble must not go unseen.
LOWEST: Final = frozenset(
    {
        "authproxy_config_last_reload_successful",
        "authproxy_config_last_reload_success_timestamp_seconds",
        "authproxy_tls_certificate_expiry_timestamp_seconds",
        "authproxy_tls_last_reload_successful",
        "process_start_time_seconds",
    }
)
# What ends with the process that said it.
_OF_THE_LIVING: Final = frozenset({"gauge", "info", "stateset", "unknown"})
# When a counter began (OpenMetrics).
_BEGAN: Final = "_created"


def sampled(registry: CollectorRegistry) -> Sample:
    """Return all counts of one process as they are."""
    return [
        [
            family.name,
            family.documentation,
            family.type,
            [[each.name, sorted(each.labels.items()), each.value] for each in family.samples],
        ]
        for family in registry.collect()
    ]


def added(samples: Iterable[Sample], parts: frozenset[str] = PARTS, lowest: frozenset[str] = LOWEST) -> Sample:
    """Add up the counts of several processes. `parts` are the gauges that add up; of `lowest` the least is shown."""
    families: dict[str, tuple[Family, dict[Any, float]]] = {}
    for name, text, kind, values in (family for sample in samples for family in sample):
        known = families.setdefault(name, ([name, text, kind, []], {}))[1]
        way = _counted if kind not in _OF_THE_LIVING else _part if name in parts else _low if name in lowest else _high
        for sample_name, labels, value in values:
            at = sample_name, tuple(map(tuple, labels))
            known[at] = value if at not in known else way(sample_name, known[at], value)
    return [
        [*family[:3], [[name, [list(pair) for pair in labels], value] for (name, labels), value in known.items()]]
        for family, known in families.values()
    ]


def _counted(name: str, one: float, other: float) -> float:
    return min(one, other) if name.endswith(_BEGAN) else one + other


def _part(_name: str, one: float, other: float) -> float:
    return one + other


def _low(_name: str, one: float, other: float) -> float:
    return min(one, other)


def _high(_name: str, one: float, other: float) -> float:
    return max(one, other)


def left(sample: Sample) -> Sample:
    """Return what stays of a process that has ended."""
    return [family for family in sample if family[2] not in _OF_THE_LIVING]


def page(sample: Sample) -> bytes:
    """Write the counts as Prometheus reads them."""
    return generate_latest(_Shown(sample))


class _Shown(CollectorRegistry):
    """Counts that are what they are."""

    def __init__(self, sample: Sample) -> None:
        super().__init__()
        self._sample = sample

    def collect(self) -> Iterable[Metric]:
        for name, text, kind, values in self._sample:
            family = Metric(name, text, kind)
            for sample_name, labels, value in values:
                family.add_sample(sample_name, dict(labels), value)
            yield family


def shown(request: BaseRequest, metrics: bytes) -> Response:
    """Answer a scrape with the page of metrics, and whoever asks for something else with where they are."""
    headers = {"Server": "authproxy"}  # aiohttp would tell its version and Python's
    if request.raw_path != "/metrics":
        return Response(status=404, text="the metrics are at /metrics\n", headers=headers)
    return Response(body=metrics, headers=headers | {"Content-Type": CONTENT_TYPE_LATEST})
