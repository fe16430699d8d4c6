"""docs/metrics.md has a row for each metric, with its type, its labels and how several workers show it."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics import MetricWrapperBase

from authproxy.backend.exchange import Kind, Result
from authproxy.web.adding import LOWEST, PARTS
from authproxy.web.app import App
from authproxy.web.countings import CrewMetrics, TlsMetrics
from authproxy.web.measured import Measured
from authproxy.web.metrics import Metrics
from tests.web.conftest import Running
from tests.web.conftest import running as running  # noqa: PLC0414 - a fixture

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
Row = tuple[str, str, frozenset[str]]


def written() -> dict[str, Row]:
    """name -> what it is, how workers show it, its labels."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+)(?:, (\w+))? \|([^|]*)\|", PAGE, re.MULTILINE)
    return {name: (kind, how, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, how, labels in rows}


def way(name: str, kind: str) -> str:
    return "" if kind != "gauge" else "sum" if name in PARTS else "least" if name in LOWEST else "most"


def shown(app: App) -> dict[str, Row]:
    """The same, from the code."""
    metrics = Metrics()
    crew = CollectorRegistry()
    CrewMetrics(crew)
    TlsMetrics(metrics.registry)
    found: dict[str, Row] = {}
    for registry in (metrics.registry, crew):
        for collector in {id(each): each for each in registry._names_to_collectors.values()}.values():
            if not isinstance(collector, MetricWrapperBase):
                continue
            name = collector._name + ("_total" if collector._type == "counter" else "")
            found[name] = (collector._type, way(name, collector._type), frozenset(collector._labelnames))
    metrics.count("read", "ok", 0.1)
    metrics.exchanged(Kind.READ, Result.ANSWERED, 0.1)
    timed = [*metrics.requests.collect(), *metrics.exchanges.collect()]
    looked_up = [*timed, *Measured(lambda: app.parts, lambda: 0).collect(), *ProcessCollector(registry=None).collect()]
    for family in looked_up:
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = frozenset(label for sample in family.samples for label in sample.labels) - {"le"}
        found[name] = (family.type, way(name, family.type), labels)
    return found


async def test_the_page_has_every_metric_and_no_other(running: Running) -> None:
    """By its name as Prometheus knows it, with its labels."""
    assert written() == shown(running.app)


def test_no_metric_tells_of_a_project_or_a_path() -> None:
    """The names of labels are these, and none is for what a client writes."""
    labels = {label for _, _, each in written().values() for label in each}
    assert labels <= {
        *("action", "decision", "reason", "code", "exchange", "result", "what", "kind", "cache", "found"),
        *("within", "fate", "webhook", "version"),
    }
