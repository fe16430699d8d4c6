"""Alert rules and dashboard: promtool takes them, each alert fires when it should, and each metric in them exists."""

import asyncio
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from authproxy.web.countings import CrewMetrics, TlsMetrics
from authproxy.web.measured import show_also
from tests.peers import promtool
from tests.web.conftest import Running
from tests.web.conftest import running as running  # noqa: PLC0414 - a fixture

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
UNITS = RULES.with_name("alerts_test.yml")
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboard.json"
MONITORING = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
# What Prometheus itself says of each scrape, and the functions and words of its language.
OF_PROMETHEUS = {"up"}


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    return promtool.promtool((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "promtool")


def series(registries: list[CollectorRegistry]) -> set[str]:
    """All names under which what is shown may be asked for."""
    found: set[str] = set()
    for registry in registries:
        for family in registry.collect():
            ends = {
                "counter": ("_total", "_created"),
                "histogram": ("_bucket", "_sum", "_count", "_created"),
            }.get(family.type, ("",))
            found |= {family.name + end for end in ends}
    return found


@pytest.fixture
def shown(running: Running) -> set[str]:
    parts = running.app.parts
    show_also(parts.metrics.registry, lambda: running.app.parts, lambda: running.app.under_way)
    beside = CollectorRegistry()
    TlsMetrics(beside)
    crew = CollectorRegistry()
    CrewMetrics(crew)
    return series([parts.metrics.registry, beside, crew])


def named(expression: str) -> set[str]:
    """The metrics that an expression names."""
    bare = re.sub(r'"[^"]*"|\{[^{}]*\}|\[[^\]]*\]|\b(?:by|on|ignoring|without) \([^)]*\)', " ", expression)
    words = set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*\b(?!\s*\()", bare))
    return words - {"and", "or", "unless", "by", "on"} - OF_PROMETHEUS


def expressions(node: object) -> Iterator[str]:
    """Every `expr` in a document, and every query of a variable."""
    if isinstance(node, dict):
        if isinstance(node.get("expr"), str):
            yield node["expr"]
        if isinstance(node.get("query"), str) and node["query"].startswith("label_values("):
            yield node["query"].removeprefix("label_values(").partition(",")[0]
        for each in node.values():
            yield from expressions(each)
    elif isinstance(node, list):
        for each in node:
            yield from expressions(each)


def test_promtool_takes_the_rules(tool: Path) -> None:
    """As Prometheus does when it starts; one with an expression that is none is refused."""
    assert promtool.run(tool, "check", "rules", RULES)[0] == 0
    broken = RULES.read_text(encoding="utf-8").replace("== 0", "=== 0", 1)
    assert promtool.run(tool, "check", "rules", "/dev/stdin", said=broken)[0] != 0, "the control"


def test_each_alert_fires_when_it_should_and_not_otherwise(tool: Path, tmp_path: Path) -> None:
    """The unit tests beside the rules pass, there is one for each alert, and they notice a rule that never fires."""
    code, said = promtool.run(tool, "test", "rules", UNITS)
    assert code == 0, said
    alerts = [rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    tested = [each["name"] for each in yaml.safe_load(UNITS.read_text())["tests"]]
    assert sorted(tested) == sorted(alerts)
    (tmp_path / UNITS.name).write_text(UNITS.read_text(encoding="utf-8"), encoding="utf-8")
    blind = RULES.read_text(encoding="utf-8").replace("authproxy_intents_open > 0", "authproxy_intents_open > 9")
    (tmp_path / RULES.name).write_text(blind, encoding="utf-8")
    assert promtool.run(tool, "test", "rules", tmp_path / UNITS.name)[0] != 0, "the control"


def test_each_alert_says_what_to_do() -> None:
    """A summary, how urgent it is, and a section of docs/monitoring.md with its name; no section is for an alert that is gone."""
    alerts = {}
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            alerts[rule["alert"]] = rule
            assert rule["labels"]["severity"] in {"page", "ticket"}
            assert rule["annotations"]["summary"]
            assert rule["annotations"]["runbook"] == f"docs/monitoring.md#{rule['alert'].lower()}"
    assert re.findall(r"^### (Authproxy\w+)$", MONITORING, re.MULTILINE) == list(alerts)


async def test_what_alerts_and_panels_ask_for_exists(shown: set[str]) -> None:
    """A name that nothing is counted under would be an alert that never fires, and an empty graph."""
    rules = list(expressions(yaml.safe_load(RULES.read_text(encoding="utf-8"))))
    panels = list(expressions(json.loads(DASHBOARD.read_text(encoding="utf-8"))))
    assert len(rules) >= 12
    assert len(panels) >= 18
    asked = {name for each in (*rules, *panels) for name in named(each)}
    assert {name for name in asked if not name.startswith(("authproxy_", "process_"))} == set()
    assert asked - shown == set()
    assert named("sum by (le) (rate(authproxy_gone_total{x=~'a'}[5m])) > on (a) up") - shown == {"authproxy_gone_total"}


def test_every_expression_of_the_dashboard_is_one(tool: Path, tmp_path: Path) -> None:
    """promtool reads each panel's as a rule of its own."""
    panels = list(expressions(json.loads(DASHBOARD.read_text(encoding="utf-8"))))
    rules = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(panels)]
    written = tmp_path / "panels.yml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    code, said = promtool.run(tool, "check", "rules", written)
    assert code == 0, said


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    """What an import asks for: panels with their own ids and places that do not overlap, each explained."""
    document = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = document["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert all(panel["description"] and panel["title"] and panel["targets"] for panel in panels)


@pytest.mark.parametrize("running", [{"metrics": "127.0.0.1:0"}], indirect=True)
async def test_promtool_finds_nothing_to_say_of_a_scrape(running: Running, tool: Path) -> None:
    """Names, units and help texts as Prometheus wants them."""
    from prometheus_client import generate_latest

    metrics = running.app.parts.metrics
    metrics.count("upload", "ok", 0.2)
    page = generate_latest(metrics.registry).decode()
    assert "authproxy_spool_free_bytes" in page
    code, said = await asyncio.to_thread(promtool.run, tool, "check", "metrics", said=page)
    assert (code, said.strip()) == (0, ""), said
    code, _ = await asyncio.to_thread(promtool.run, tool, "check", "metrics", said="# TYPE a_b counter\na_b 1\n")
    assert code != 0, "the control"
